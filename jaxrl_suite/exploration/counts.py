"""Episodic count bonuses: 1 / sqrt(N_e) or 1[N_e = 1] of a key of the state that a step reached.

N_e counts how often the key was met in the running episode, this visit included (Henaff et al.,
2023, arXiv 2306.03236; the indicator is the episodic half of NovelD, the root that of RIDE). What a
key is: `keys`. Counts over the whole of a run: `global_counts`.

Counts live in one hash table an environment. A slot holds a 32-bit fingerprint of the key, the
number of the episode that wrote it, and the count; a slot of an earlier episode is free, so nothing
is cleared at a reset and a step touches `PROBES` slots, not the table. Two keys are taken for one
if fingerprint and slot agree (about 2^-32 a pair). When all probed slots are taken, the first is
overwritten: choose `log2_slots` so that the table has several slots for each step of an episode.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl_suite import checks
from jaxrl_suite.exploration import keys
from jaxrl_suite.exploration.bonus import Bonus, PolicyFeatures, Transitions, check_rollout

PROBES = 8
MOST_LOG2_SLOTS = 26
FORMS = ("inverse_sqrt", "indicator")


@dataclasses.dataclass(frozen=True)
class CountConfig:
    """Options of the count bonuses.

    Attributes:
      key: "position", "message", "observation", or a function (see `keys`).
      form: "inverse_sqrt" pays 1 / sqrt(N), "indicator" pays 1 at the first visit only.
      log2_slots: size of a table.
    """

    key: str | keys.KeyFunction = "observation"
    form: str = "inverse_sqrt"
    log2_slots: int = 12

    def check(self) -> None:
        """Raises `ConfigError` for an option that cannot be used."""
        keys.find(self.key)
        checks.one_of(self, FORMS, "form")
        checks.within(self, 0, MOST_LOG2_SLOTS, "log2_slots")


def paid(form: str, counts: jax.Array) -> jax.Array:
    """The bonus for counts `[...]` from 1 on: float32."""
    if form == "indicator":
        return (counts == 1).astype(jnp.float32)
    return jax.lax.rsqrt(counts.astype(jnp.float32))


class Table(NamedTuple):
    """One environment's counts; `slots` is a power of two.

    Attributes:
      fingerprint: `[slots]` uint32.
      episode: `[slots]` int32, the episode that wrote the slot, 0 for none.
      count: `[slots]` int32.
      now: `[]` int32, number of the running episode, from 1.
    """

    fingerprint: jax.Array
    episode: jax.Array
    count: jax.Array  # type: ignore[assignment]  # hides tuple.count, which nobody calls
    now: jax.Array


def empty(log2_slots: int) -> Table:
    """A table without entries."""
    slots = 1 << log2_slots
    integers = jnp.zeros(slots, jnp.int32)
    return Table(jnp.zeros(slots, jnp.uint32), integers, integers, jnp.int32(1))


def visit(table: Table, hashes: jax.Array, where: jax.Array | bool = True) -> tuple[Any, Table]:
    """Counts one visit in the running episode.

    Args:
      table: one environment's.
      hashes: `[2]` uint32, from `keys.hash_words`.
      where: `[]` bool; False leaves the table as it is.

    Returns:
      `[]` int32 N_e, this visit included, and the table.

    Raises:
      ValueError: for hashes of several keys, or the tables of several environments.
    """
    if jnp.shape(hashes) != (2,):
        shape = jnp.shape(hashes)
        raise ValueError(
            f"hashes of shape {shape}: must be [2], of one key; vmap over environments"
        )
    if table.count.ndim != 1:
        shape = table.count.shape
        raise ValueError(f"table.count of shape {shape}: must be [slots]; vmap over environments")
    slots = table.count.shape[0]
    probes = min(PROBES, slots)
    places = (hashes[0] + jnp.arange(probes, dtype=jnp.uint32)) & jnp.uint32(slots - 1)
    current = table.episode[places] == table.now
    match = current & (table.fingerprint[places] == hashes[1])
    # the first match, else the first free slot, else the first slot
    chosen = jnp.argmax(jnp.where(match, 2, jnp.where(current, 0, 1)))
    known = match[chosen]
    place = places[chosen]
    count = jnp.where(known, table.count[place], 0) + 1

    def put(values: jax.Array, value: jax.Array) -> jax.Array:
        return values.at[place].set(jnp.where(where, value, values[place]))

    return count, Table(
        put(table.fingerprint, hashes[1]),
        put(table.episode, table.now),
        put(table.count, count),
        table.now,
    )


def make(config: CountConfig) -> Bonus:
    """The episodic count bonus.

    With keys that the observation holds, the first observation of an episode is counted before its
    first step, so coming back to it is no news. `info` tells only of states that a step reached:
    with "position" (or a function) the first position is counted when it is reached again.

    Raises:
      ConfigError: for an option that cannot be used.
    """
    config.check()
    key_of = keys.find(config.key)
    count_first = config.key in keys.FROM_OBSERVATION

    def hashes(observation: Any, info: dict[str, jax.Array]) -> jax.Array:
        return keys.hash_words(key_of(observation, info))

    over_rollout = jax.vmap(jax.vmap(hashes))

    def init(key: jax.Array, observation_space: Any, action_space: Any, num_envs: int) -> Table:
        del key, observation_space, action_space
        table = empty(config.log2_slots)
        return jax.tree.map(lambda x: jnp.broadcast_to(x, (num_envs, *x.shape)), table)

    def update(
        key: jax.Array, state: Table, transitions: Transitions, policy_features: PolicyFeatures
    ) -> tuple[jax.Array, Table, dict[str, jax.Array]]:
        del key, policy_features
        check_rollout(transitions, state.now.shape[0])
        reached = over_rollout(transitions.next_observation, transitions.info)
        first = reached  # a placeholder, never counted, where only reached states have keys
        if count_first:
            first = over_rollout(transitions.observation, transitions.info)

        def step(table: Table, xs: Any) -> tuple[Table, jax.Array]:
            reset, first, reached = xs
            table = table._replace(now=table.now + reset)
            if count_first:
                _, table = visit(table, first, reset)
            count, table = visit(table, reached)
            return table, count

        def rollout(table: Table, *xs: jax.Array) -> Any:
            return jax.lax.scan(step, table, xs)

        state, counts = jax.vmap(rollout, in_axes=(0, 1, 1, 1), out_axes=(0, 1))(
            state, transitions.reset, first, reached
        )
        new = jnp.mean((counts == 1).astype(jnp.float32))
        return paid(config.form, counts), state, {"new_states": new}

    name = "episodic" if callable(config.key) else f"episodic_{config.key}"
    return Bonus(init, update, name)
