"""The protocol between an agent and an exploration bonus.

An agent hands a bonus the rollout it has just gathered and adds what it gets back to the reward:

    state = bonus.init(key, observation_space, action_space, num_envs)
    extra, state, metrics = bonus.update(key, state, transitions, policy_features)
    reward = transitions.reward + extra

The bonus keeps whatever it needs (covariances, counts, networks and their optimisers) in `state`, a
pytree that the agent carries from rollout to rollout. The agent adds `extra` as it is: `scale.scaled`
gives a bonus its coefficient and its normalisation, `combine` makes one bonus of several.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.sparse import apply_where

BonusState = Any  # a pytree of arrays
PolicyFeatures = Callable[[Any], jax.Array]  # observation [..., *shape] -> [..., F] float32


class Transitions(NamedTuple):
    """A rollout of T steps in N environments.

    Attributes:
      observation: pytree of `[T, N, ...]`, what the policy saw before the action of step t.
      next_observation: pytree of `[T, N, ...]`, the state that step t reached. Where an episode
        ended this is its final observation, not the first one of the next episode.
      action: `[T, N]` int32, or `[T, N, A]` float32.
      reward: `[T, N]` float32, the environment's own reward.
      terminated: `[T, N]` bool, the task ended at step t.
      truncated: `[T, N]` bool, the episode was cut short at step t.
      reset: `[T, N]` bool, an episode begins at step t: `observation[t]` is its first one.
      info: dictionary of `[T, N, ...]` arrays about the state that step t reached, for example
        `position`, `[T, N, 2]` int32, in grid environments.
    """

    observation: Any
    next_observation: Any
    action: jax.Array
    reward: jax.Array
    terminated: jax.Array
    truncated: jax.Array
    reset: jax.Array
    info: dict[str, jax.Array]

    @property
    def done(self) -> jax.Array:
        """`[T, N]` bool, the episode ended at step t, in either way."""
        return self.terminated | self.truncated


def check_rollout(transitions: Transitions, num_envs: int | None = None) -> None:
    """Refuses arrays that do not begin with the steps and environments of one rollout.

    Args:
      transitions: a rollout.
      num_envs: N as `init` was told, or None for any.

    Raises:
      ValueError: naming the array, its shape and what would be right.
    """
    front = jnp.shape(transitions.reward)
    if len(front) != 2:
        raise ValueError(f"transitions.reward of shape {front}: must be [T, N], steps first")
    if num_envs is not None and front[1] != num_envs:
        raise ValueError(
            f"transitions.reward of shape {front}: must be [T, {num_envs}], as init was told"
        )
    for name, value in transitions._asdict().items():
        whole = name in ("terminated", "truncated", "reset")
        for path, leaf in jax.tree_util.tree_leaves_with_path(value):
            shape = jnp.shape(leaf)
            if (shape if whole else shape[:2]) != front:
                where = f"transitions.{name}{jax.tree_util.keystr(path)}"
                more = "" if whole else ", ..."
                raise ValueError(
                    f"{where} of shape {shape}: must be [{front[0]}, {front[1]}{more}], as the reward"
                )


def both_ends(
    f: Callable[[Any], jax.Array], transitions: Transitions
) -> tuple[jax.Array, jax.Array]:
    """`f` of the states that steps left, `[T, N, ...]`, and of those they reached, `[T, N, ...]`.

    Inside an episode the state reached is the next one left, so `f` is computed once for both; the
    cost is little more than T steps' where two calls would cost 2 T.

    Args:
      f: observations `[..., *shape]` -> `[..., *out]`, each by itself.
      transitions: a rollout.
    """
    reached = f(transitions.next_observation)
    left = jnp.concatenate([jnp.zeros_like(reached[:1]), reached[:-1]])
    begins = transitions.reset.at[0].set(True)
    return apply_where(f, begins, transitions.observation, left), reached


@dataclasses.dataclass(frozen=True)
class Bonus:
    """A bonus as two pure functions.

    Attributes:
      init: `(key, observation_space, action_space, num_envs) -> state`.
      update: `(key, state, transitions, policy_features) -> (bonus, state, metrics)`: `bonus` is
        `[T, N]` float32, to be added to the reward of step t, `metrics` a dictionary of `[]`
        float32, and `policy_features` the policy's encoder with its present parameters, for
        bonuses that use it.
      name: what its metrics are called by where several bonuses are combined.
    """

    init: Callable[[jax.Array, Any, Any, int], BonusState]
    update: Callable[
        [jax.Array, BonusState, Transitions, PolicyFeatures],
        tuple[jax.Array, BonusState, dict[str, jax.Array]],
    ]
    name: str = "bonus"


def extra_reward(
    bonus: Bonus,
    key: jax.Array,
    state: BonusState,
    transitions: Transitions,
    policy_features: PolicyFeatures,
) -> tuple[jax.Array, BonusState, dict[str, jax.Array]]:
    """`bonus.update`, for whoever adds the result to a reward or to another bonus.

    Raises:
      ConfigError: where the bonus is not `[T, N]`; another shape might be broadcast without a word.
    """
    extra, state, metrics = bonus.update(key, state, transitions, policy_features)
    wanted = transitions.reward.shape
    if jnp.shape(extra) != wanted:
        expected = (
            f"an update that returns {list(wanted)}, a number for every step of every environment"
        )
        raise ConfigError("bonus", bonus.name, f"{expected}, not {list(jnp.shape(extra))}")
    return extra, state, metrics
