"""Whole episodes from the first state, where a policy of the cover may act up to a random step.

An episode is rolled in for t steps by one policy of the cover, then the learner acts to the horizon;
only its own steps are data. Roll-in lengths come in pairs, t and H - 1 - t with t uniform: each is
uniform, and a pair has H + 1 steps of the learner whatever t is, so batches keep their size.

The learner's first step after a roll-in is uniform with probability eps. Its log-probability is that
of the mixture, log((1 - eps) pi(a|s) + eps u(a)).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from envs import spaces
from envs.core import Environment, batch_keys, succeeded
from jaxrl_suite.agents.acting import to_bounds
from jaxrl_suite.exploration.bonus import Transitions

Policy = Callable[[Any], tuple[Any, jax.Array]]  # observation [N, ...] -> (distribution, value [N])


class RollIn(NamedTuple):
    """How episodes begin.

    Attributes:
      act: `(key, observation [N, ...]) -> action [N, ...]`, the cover's.
      start: `[N]` int32, the step at which the learner takes over.
      eps: `[N]` float32, probability that its first action is uniform.
    """

    act: Callable[[jax.Array, Any], jax.Array]
    start: jax.Array
    eps: jax.Array


class Episodes(NamedTuple):
    """H steps of N episodes.

    Attributes:
      steps: `[H, N]`; what comes after an episode's end is not `valid`.
      log_prob: `[H, N]`, of the action.
      value: `[H, N]`, the learner's, of the state before it.
      next_value: `[H, N]`, of the state after it.
      valid: `[H, N]` bool, the episode had not ended before.
      own: `[H, N]` bool, valid steps of the learner.
    """

    steps: Transitions
    log_prob: jax.Array
    value: jax.Array
    next_value: jax.Array
    valid: jax.Array
    own: jax.Array


def starts(key: jax.Array, groups: int, size: int, horizon: int, rolled: int) -> jax.Array:
    """Roll-in lengths, `[groups * size]` int32: pairs in the first `rolled` groups, 0 in the others."""
    t = jax.random.randint(key, (groups, size // 2), 0, horizon)
    both = jnp.concatenate([t, horizon - 1 - t], 1)
    return jnp.where(jnp.arange(groups)[:, None] < rolled, both, 0).reshape(-1)


def own_steps(groups: int, size: int, horizon: int, rolled: int) -> int:
    """How many steps are the learner's where no episode ends before the horizon."""
    return rolled * (size // 2) * (horizon + 1) + (groups - rolled) * size * horizon


def uniform_density(action_space: spaces.Space) -> float:
    """Of one uniform action: over choices, or over a box in units of its bounds."""
    if isinstance(action_space, spaces.Discrete):
        return 1.0 / action_space.n
    return 0.5 ** action_space.shape[0]  # type: ignore[union-attr]


def uniform_actions(key: jax.Array, action_space: spaces.Space, number: int) -> jax.Array:
    """`[number, ...]` uniform actions, continuous ones in units of the bounds."""
    if isinstance(action_space, spaces.Discrete):
        return jax.random.randint(key, (number,), 0, action_space.n)
    shape = (number, *action_space.shape)  # type: ignore[union-attr]
    return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)


def gather(
    key: jax.Array,
    env: Environment,
    env_params: Any,
    action_space: spaces.Space,
    policy: Policy,
    number: int,
    horizon: int,
    roll_in: RollIn | None = None,
) -> Episodes:
    """N episodes of at most H steps.

    Args:
      key: random key.
      env: without auto-reset.
      env_params: its parameters.
      action_space: of it.
      policy: the learner.
      number: N.
      horizon: H.
      roll_in: how episodes begin, or None where the learner acts from the start.
    """
    reset_key, key = jax.random.split(key)
    observation, state = jax.vmap(env.reset, (0, None))(batch_keys(reset_key, number), env_params)
    density = uniform_density(action_space)

    def choose(key: jax.Array, t: jax.Array, observation: Any) -> tuple[Any, Any, Any]:
        pi_key, mix_key, uniform_key, cover_key = jax.random.split(key, 4)
        pi, value = policy(observation)
        if roll_in is None:
            action, log_prob = pi.sample_and_log_prob(seed=pi_key)
            return action, log_prob, value
        first = t == roll_in.start
        mixed = first & jax.random.bernoulli(mix_key, roll_in.eps)
        action = _where(
            mixed,
            uniform_actions(uniform_key, action_space, number),
            pi.sample(seed=pi_key),
        )
        log_prob = pi.log_prob(action)
        with_eps = jnp.log((1.0 - roll_in.eps) * jnp.exp(log_prob) + roll_in.eps * density)
        log_prob = jnp.where(first, with_eps, log_prob)
        rolling = t < roll_in.start
        return _where(rolling, roll_in.act(cover_key, observation), action), log_prob, value

    def step(carry: Any, at: Any) -> Any:
        observation, state, alive = carry
        t, key = at
        choose_key, step_key = jax.random.split(key)
        action, log_prob, value = choose(choose_key, t, observation)
        after, state, reward, terminated, truncated, info = jax.vmap(env.step, (0, 0, 0, None))(
            batch_keys(step_key, number), state, to_bounds(action_space, action), env_params
        )
        begins = jnp.broadcast_to(t == 0, alive.shape)
        made = Transitions(observation, after, action, reward, terminated, truncated, begins, info)
        return (after, state, alive & ~made.done), (made, log_prob, value, alive)

    first = observation, state, jnp.ones(number, bool)
    at = jnp.arange(horizon), jax.random.split(key, horizon)
    (last, _, _), made = jax.lax.scan(step, first, at)
    steps, log_prob, value, valid = made
    next_value = jnp.concatenate([value[1:], policy(last)[1][None]])
    own = valid
    if roll_in is not None:
        own = valid & (jnp.arange(horizon)[:, None] >= roll_in.start)
    return Episodes(steps, log_prob, value, next_value, valid, own)


def returns(episodes: Episodes) -> jax.Array:
    """`[N]` float32, undiscounted."""
    return jnp.sum(jnp.where(episodes.valid, episodes.steps.reward, 0.0), 0)


def successes(episodes: Episodes) -> jax.Array:
    """`[N]` bool, whether each did its task: `envs.core.succeeded` at its last valid step."""
    last = jnp.sum(episodes.valid, 0) - 1
    info = jax.tree.map(
        lambda x: x[last, jnp.arange(x.shape[1])],
        {k: v for k, v in episodes.steps.info.items() if k == "success"},
    )
    return succeeded(info, returns(episodes))


def _where(mask: jax.Array, a: jax.Array, b: jax.Array) -> jax.Array:
    """`jnp.where` for actions with or without an axis of their own."""
    return jnp.where(mask.reshape(mask.shape + (1,) * (a.ndim - 1)), a, b)
