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

from envs import spaces
from envs.core import Environment, batch_keys
from jaxrl_suite import distributions, evaluation
from jaxrl_suite.experiment import Mean
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
      value: `[T, N]`, of what it saw at step t.
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
) -> Acting:
    """N episodes at their first observation."""
    fresh = env.refresh(refresh_key, env_params)
    keys = batch_keys(reset_key, num_envs)
    observation, env_state = jax.vmap(env.reset, in_axes=(0, None))(keys, fresh)
    return Acting(fresh, env_state, observation, jnp.ones(num_envs, bool), carry)


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


def rollout(
    key: jax.Array,
    env: Environment,
    action_space: spaces.Space,
    policy: Policy,
    acting: Acting,
    length: int,
) -> tuple[Acting, Transitions, Choices]:
    """T steps of the policy in N auto-resetting environments."""
    num_envs = acting.reset.shape[0]

    def step(now: Acting, key: jax.Array) -> tuple[Acting, tuple[Transitions, Choices]]:
        action_key, step_key = jax.random.split(key)
        carry, pi, value = policy(now.carry, now.observation, now.reset)
        action, log_prob = pi.sample_and_log_prob(seed=action_key)
        following, env_state, reward, terminated, truncated, info = jax.vmap(
            env.step, in_axes=(0, 0, 0, None)
        )(
            batch_keys(step_key, num_envs),
            now.env_state,
            to_bounds(action_space, action),
            now.env_params,
        )
        info = dict(info)
        final = info.pop("final_observation")
        made = Transitions(
            now.observation, final, action, reward, terminated, truncated, now.reset, info
        )
        now = Acting(now.env_params, env_state, following, terminated | truncated, carry)
        return now, (made, Choices(value, log_prob, carry))

    acting, (steps, choices) = jax.lax.scan(step, acting, jax.random.split(key, length))
    return acting, steps, choices


def next_values(policy: Policy, acting: Acting, steps: Transitions, choices: Choices) -> jax.Array:
    """V of the state that each step reached, `[T, N]`.

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
        jnp.where(steps.done, 0.0, values),
    )


def act(policy: Policy, action_space: spaces.Space, greedy: bool) -> evaluation.Act:
    """The policy for evaluation and pictures: its most likely actions, or samples."""

    def choose(key: jax.Array, memory: Any, observation: Any, reset: jax.Array) -> Any:
        memory, pi, _ = policy(memory, observation, reset)
        return memory, to_bounds(action_space, pi.mode() if greedy else pi.sample(seed=key))

    return choose


def episode_metrics(info: dict[str, jax.Array]) -> dict[str, Any]:
    """Returns and lengths of the episodes that ended in a rollout."""
    done = info["episode_done"]
    return {
        "episode_return": Mean.where(info["episode_return"], done),
        "episode_length": Mean.where(info["episode_length"].astype(jnp.float32), done),
        "solved": Mean.where((info["episode_return"] > 0).astype(jnp.float32), done),
    }
