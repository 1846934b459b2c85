"""A policy in an environment: the part that every on-policy agent shares.

A `Policy` is the network with its parameters filled in. `start` begins N episodes, `rollout` gathers
`[T, N]` steps of them, `next_values` says what the states they reached are worth, `act` is the
policy for evaluation and pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from envs import checking, spaces, wrappers
from envs.core import Environment, batch_keys, succeeded
from jaxrl_suite import distributions, evaluation
from jaxrl_suite.experiment import ConfigError, Mean
from jaxrl_suite.exploration.bonus import Transitions
from jaxrl_suite.sparse import apply_where

# (carry, observation [N, ...], reset [N]) -> (carry, distribution of N actions, value [N])
Policy = Callable[[Any, Any, jax.Array], tuple[Any, Any, jax.Array]]


class Acting(NamedTuple):
    """Where N episodes stand.

    Attributes:
      env_params, env_state: of the N environments.
      observation: pytree of `[N, ...]`, what the policy sees next.
      reset: `[N]` bool, `observation` is the first of an episode.
      carry: recurrent state, `()` without a core.
    """

    env_params: Any
    env_state: Any
    observation: Any
    reset: jax.Array
    carry: Any


class Choices(NamedTuple):
    """What the policy computed on the way.

    Attributes:
      value: `[T, N]`, or `[T, N, k]` of k values, of what it saw at step t.
      log_prob: `[T, N]`, of the action it took.
      carry: pytree of `[T, N, ...]`, its memory after step t.
    """

    value: jax.Array
    log_prob: jax.Array
    carry: Any


def start(
    refresh_key: jax.Array,
    reset_key: jax.Array,
    env: Environment,
    env_params: Any,
    num_envs: int,
    carry: Any,
    take_turns: bool = False,
) -> Acting:
    """N episodes at their first observation; begun in two halves where these will take turns.

    Raises:
      ConfigError: where observations have not the shapes and types of their space.
    """
    fresh = env.refresh(refresh_key, env_params)
    keys = batch_keys(reset_key, num_envs)
    reset = jax.vmap(env.reset, in_axes=(0, None))
    if take_turns:
        both = [reset(part, fresh) for part in jnp.split(keys, 2)]
        observation, env_state = jax.tree.map(lambda *x: jnp.concatenate(x), *both)
    else:
        observation, env_state = reset(keys, fresh)
    one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), observation)
    for misfit in checking.misfits(env.observation_space(env_params), one):
        raise ConfigError("env", env.name, f"one that keeps to its space: {misfit}")
    return Acting(fresh, env_state, observation, jnp.ones(num_envs, bool), carry)


def turns(env: Environment, num_envs: int, wanted: bool) -> bool:
    """Whether halves of the environments take turns: if that is wanted.

    Raises:
      ConfigError: where it is wanted and they cannot.
    """
    if wanted and not (wrappers.sends(env) and num_envs % 2 == 0):
        why = "num_envs is odd" if num_envs % 2 else f"{env.name} is not played on the host"
        raise ConfigError("take_turns", wanted, f"False, as {why}")
    return wanted


def policy_of(
    forward: Callable[[Any, Any, jax.Array], tuple[Any, Any, jax.Array]],
    action_space: spaces.Space,
    recurrent: bool,
) -> Policy:
    """`forward`, an `ActorCritic` with its parameters, on single steps of all environments."""

    def policy(carry: Any, observation: Any, reset: jax.Array) -> tuple[Any, Any, jax.Array]:
        if not recurrent:
            _, outputs, value = forward((), observation, reset)
            return carry, distributions.policy(action_space, outputs), value
        observation, reset = jax.tree.map(lambda x: x[None], (observation, reset))
        carry, outputs, value = forward(carry, observation, reset)
        outputs = jax.tree.map(lambda x: x[0], outputs)
        return carry, distributions.policy(action_space, outputs), value[0]

    return policy


def to_bounds(action_space: spaces.Space, action: jax.Array) -> jax.Array:
    """The environment's action for a policy's.

    Continuous actions are in units of the bounds, -1 to 1, and clipped there, not squashed. A
    deviation of 1 is then as wide as the bounds in every environment. The log-probability stays the
    Gaussian's own, so the entropy is exact.
    """
    if not isinstance(action_space, spaces.Box):
        return action
    low, high = action_space.low, action_space.high
    if not (np.isfinite(low) and np.isfinite(high)):
        return jnp.clip(action, low, high)
    return low + (jnp.clip(action, -1.0, 1.0) + 1.0) / 2.0 * (high - low)


class _Chosen(NamedTuple):
    """A step that the policy has chosen and the environment has not finished: `[N, ...]`."""

    now: Acting
    carry: Any
    action: jax.Array
    choices: Choices


def rollout(
    key: jax.Array,
    env: Environment,
    action_space: spaces.Space,
    policy: Policy,
    acting: Acting,
    length: int,
    take_turns: bool = False,
) -> tuple[Acting, Transitions, Choices]:
    """T steps of the policy in N auto-resetting environments.

    Args:
      key: random key.
      env, action_space, policy: what acts where.
      acting: where the episodes stand.
      length: T.
      take_turns: for environments with `send` and `recv` (`envs.wrappers.sends`): one half of them
        plays while the policy looks at the other. Hides the shorter of the two.
    """

    def choose(now: Acting, key: jax.Array) -> _Chosen:
        carry, pi, value = policy(now.carry, now.observation, now.reset)
        action, log_prob = pi.sample_and_log_prob(seed=key)
        return _Chosen(now, carry, action, Choices(value, log_prob, carry))

    def finish(chosen: _Chosen, result: Any) -> tuple[Acting, tuple[Transitions, Choices]]:
        following, env_state, reward, terminated, truncated, info = result
        now, info = chosen.now, dict(info)
        final = info.pop("final_observation")
        made = Transitions(
            now.observation, final, chosen.action, reward, terminated, truncated, now.reset, info
        )
        ended = terminated | truncated
        after = Acting(now.env_params, env_state, following, ended, chosen.carry)
        return after, (made, chosen.choices)

    def start_step(name: str, chosen: _Chosen, key: jax.Array) -> Any:
        keys = batch_keys(key, chosen.now.reset.shape[0])
        action = to_bounds(action_space, chosen.action)
        step = jax.vmap(getattr(env, name), in_axes=(0, 0, 0, None))
        return step(keys, chosen.now.env_state, action, chosen.now.env_params)

    def step(now: Acting, key: jax.Array) -> tuple[Acting, tuple[Transitions, Choices]]:
        action_key, step_key = jax.random.split(key)
        chosen = choose(now, action_key)
        return finish(chosen, start_step("step", chosen, step_key))

    if not take_turns:
        acting, (steps, choices) = jax.lax.scan(step, acting, jax.random.split(key, length))
        return acting, steps, choices

    def send(now: Acting, key: jax.Array) -> tuple[_Chosen, Any]:
        action_key, step_key = jax.random.split(key)
        chosen = choose(now, action_key)
        return chosen, start_step("send", chosen, step_key)

    def recv(sent: tuple[_Chosen, Any], after: Any) -> tuple[Acting, tuple[Transitions, Choices]]:
        chosen, pending = sent
        take = jax.vmap(env.recv, in_axes=(0, None, 0))  # type: ignore[attr-defined]
        return finish(chosen, take(pending, chosen.now.env_params, after))

    def turn(carry: Any, keys: jax.Array) -> tuple[Any, Any]:
        """The left half has its step t chosen, the right half's is under way."""
        left, right = carry
        left_sent = send(left, keys[0])
        right, right_made = recv(right, left_sent[1])
        right_sent = send(right, keys[1])
        left, left_made = recv(left_sent, right_sent[1])
        return (left, right_sent), (left_made, right_made)

    first_key, last_key, key = jax.random.split(key, 3)
    left, right = halves(acting)
    right_sent = send(right, first_key)
    keys = jax.random.split(key, (length - 1, 2))
    (left, right_sent), made = jax.lax.scan(turn, (left, right_sent), keys)
    left_sent = send(left, last_key)
    right, right_made = recv(right_sent, left_sent[1])
    left, left_made = recv(left_sent, left_sent[1])
    last = left_made, right_made
    whole = jax.tree.map(lambda x, end: jnp.concatenate([x, end[None]]), made, last)
    steps, choices = jax.tree.map(lambda *x: jnp.concatenate(x, 1), *whole)
    return joined(left, right), steps, choices


def halves(acting: Acting) -> tuple[Acting, Acting]:
    """The first and the second half of N environments."""
    size = acting.reset.shape[0] // 2
    rest = acting._replace(env_params=())
    first, second = (
        jax.tree.map(lambda x: x[:size], rest),
        jax.tree.map(lambda x: x[size:], rest),
    )
    params = acting.env_params
    return first._replace(env_params=params), second._replace(env_params=params)


def joined(left: Acting, right: Acting) -> Acting:
    """All environments, from `halves`."""
    rest = (half._replace(env_params=()) for half in (left, right))
    both = jax.tree.map(lambda *x: jnp.concatenate(x), *rest)
    return both._replace(env_params=left.env_params)


def next_values(policy: Policy, acting: Acting, steps: Transitions, choices: Choices) -> jax.Array:
    """V of the state that each step reached, `[T, N]`, or `[T, N, k]` of k values.

    Inside an episode that is the next step's value. Only where an episode was truncated the network
    looks at its final observation, at N of them a time; where one terminated the value is nobody's,
    and 0.

    Args:
      policy: that gathered the steps.
      acting: where the episodes stand after the last step.
      steps, choices: as from `rollout`.
    """
    after = policy(acting.carry, acting.observation, acting.reset)[2]
    values = jnp.concatenate([choices.value[1:], after[None]])
    going_on = jnp.zeros_like(acting.reset)
    return apply_where(
        lambda seen: policy(seen[0], seen[1], going_on)[2],
        steps.truncated & ~steps.terminated,
        (choices.carry, steps.next_observation),
        jnp.where(steps.done.reshape(*steps.done.shape, *(1,) * (values.ndim - 2)), 0.0, values),
    )


def act(policy: Policy, action_space: spaces.Space, greedy: bool) -> evaluation.Act:
    """The policy for evaluation and pictures: its most likely actions, or samples."""

    def choose(key: jax.Array, memory: Any, observation: Any, reset: jax.Array) -> Any:
        memory, pi, _ = policy(memory, observation, reset)
        return memory, to_bounds(action_space, pi.mode() if greedy else pi.sample(seed=key))

    return choose


def episode_metrics(info: dict[str, jax.Array]) -> dict[str, Any]:
    """Returns and lengths of the episodes that ended in a rollout, and what the environment measures.

    Args:
      info: `[T, N, ...]` arrays of the rollout's steps. A floating-point `[T, N]` of the environment's
        own is averaged over them, as `env/NAME`; NaN is no value. Of games on the host, `env/lost` is
        the share of these episodes that ended because their worker did.
    """
    done = info["episode_done"]
    measured = {
        f"env/{name}": Mean.where(jnp.asarray(x, jnp.float32), ~jnp.isnan(x))
        for name, x in info.items()
        if name not in wrappers.LOGGED and getattr(x, "ndim", 0) == 2
        if jnp.issubdtype(x.dtype, jnp.floating)
    }
    if "lost" in info:
        measured["env/lost"] = Mean.where(info["lost"].astype(jnp.float32), done)
    success = succeeded(info, info["episode_return"])
    return measured | {
        "episode_return": Mean.where(info["episode_return"], done),
        "episode_length": Mean.where(info["episode_length"].astype(jnp.float32), done),
        "solved": Mean.where(success.astype(jnp.float32), done),
    }
