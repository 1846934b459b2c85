"""Global count bonus: 1 / sqrt(N) of a key of the state that a step reached.

N counts the visits of all environments since the run began, this one included (Henaff et al., 2023,
arXiv 2306.03236). The released code keeps one table an actor process, because it makes them before
it forks; here all environments of a seed share one, as the paper's definition has it.

Counters are an array. Positions, two whole numbers, have a counter each where both are below
2^(log2_slots / 2), 512 in `catalog`. Other keys are hashed into it (Tang et al., 2017, arXiv
1611.04717): two of them share a counter with probability 2^-log2_slots. Like the episodic counts of
positions these count states that a step reached, so an episode's first position is not counted
before it is reached again. A rollout is counted at once: visits in the order of time
(environments in order within a step) are ranked among those of the same counter by one stable sort.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrl_suite.exploration import counts, keys
from jaxrl_suite.exploration.bonus import Bonus, PolicyFeatures, Transitions, check_rollout


def visit(counters: jax.Array, slots: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Counts visits one after another.

    Args:
      counters: `[S]` int32.
      slots: `[M]` int32 in `0 .. S - 1`, in the order of the visits.

    Returns:
      `[M]` int32 N, each visit included, and the counters.

    Raises:
      ValueError: for arrays of more axes.
    """
    for name, array in (("counters", counters), ("slots", slots)):
        if array.ndim != 1:
            raise ValueError(
                f"{name} of shape {array.shape}: must have one axis; reshape it to [-1]"
            )
    order = jnp.argsort(slots, stable=True)
    ordered = slots[order]
    places = jnp.arange(slots.shape[0])
    begins = jnp.concatenate([jnp.ones(1, bool), ordered[1:] != ordered[:-1]])
    group = jax.lax.cummax(jnp.where(begins, places, 0))
    rank = jnp.zeros_like(slots).at[order].set((places - group + 1).astype(slots.dtype))
    return counters[slots] + rank, counters.at[slots].add(1)


def slot_of(key: Any, log2_slots: int) -> jax.Array:
    """`[]` int32, the counter of a key: its own for two small whole numbers, else one by its hash."""
    hashed = (keys.hash_words(key)[0] & jnp.uint32((1 << log2_slots) - 1)).astype(jnp.int32)
    is_pair = getattr(key, "shape", None) == (2,) and jnp.issubdtype(key.dtype, jnp.integer)
    if not is_pair:
        return hashed
    side = 1 << log2_slots // 2
    inside = jnp.all((key >= 0) & (key < side))
    return jnp.where(inside, (key[0] * side + key[1]).astype(jnp.int32), hashed)


def make(config: counts.CountConfig) -> Bonus:
    """The global count bonus.

    Args:
      config: as of the episodic bonus; a table is `4 * 2^log2_slots` bytes, once a seed.

    Raises:
      ConfigError: for an option that cannot be used.
    """
    config.check()
    key_of = keys.find(config.key)

    def slot(observation: Any, info: dict[str, jax.Array]) -> jax.Array:
        return slot_of(key_of(observation, info), config.log2_slots)

    def init(key: jax.Array, observation_space: Any, action_space: Any, num_envs: int) -> jax.Array:
        del key, observation_space, action_space, num_envs
        return jnp.zeros(1 << config.log2_slots, jnp.int32)

    def update(
        key: jax.Array, state: jax.Array, transitions: Transitions, policy_features: PolicyFeatures
    ) -> tuple[jax.Array, jax.Array, dict[str, jax.Array]]:
        del key, policy_features
        check_rollout(transitions)
        slots = jax.vmap(jax.vmap(slot))(transitions.next_observation, transitions.info)
        number, state = visit(state, slots.reshape(-1))
        number = number.reshape(slots.shape)
        metrics = {"states_seen": jnp.sum(state > 0).astype(jnp.float32)}
        return counts.paid(config.form, number), state, metrics

    name = "global" if callable(config.key) else f"global_{config.key}"
    return Bonus(init, update, name)
