"""Episodic count bonuses: 1 / sqrt(N_e) or 1[N_e = 1] of a key of the state that a step reached.

N_e counts how often the key was met in the running episode, this visit included (Henaff et al.,
2023, arXiv 2306.03236; the indicator is the episodic half of NovelD and RIDE). The key is what the
count depends on: where the agent stands (an oracle), or the whole observation, which is the honest
choice and stops working when an observation never repeats.

Counts live in one hash table an environment. A slot holds a 32-bit fingerprint of the key, the
number of the episode that wrote it, and the count; a slot of an earlier episode is free, so nothing
is cleared at a reset and a step touches `PROBES` slots, not the table. Two keys are taken for one
if fingerprint and slot agree (about 2^-32 a pair). When all probed slots are taken, the first is
overwritten: choose `log2_slots` so that the table has several slots for each step of an episode.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.exploration import scale
from jaxrl_suite.exploration.bonus import Bonus, PolicyFeatures, Transitions

PROBES = 8
KEYS = ("position", "observation")
FORMS = ("inverse_sqrt", "indicator")
KeyFunction = Callable[
    [Any, dict[str, jax.Array]], Any
]  # one state's (observation, info) -> pytree


@dataclasses.dataclass(frozen=True)
class CountConfig:
    """Options of the episodic count bonus.

    Attributes:
      coefficient: what the bonus is multiplied by.
      key: "position" (`info["position"]`), "observation" (every key of it, noise included), or a
        function `(observation, info) -> pytree` of one state.
      form: "inverse_sqrt" pays 1 / sqrt(N_e), "indicator" pays 1 at the first visit only.
      normalize: divide by the running standard deviation: "std", "release" or "none" (`scale`).
      log2_slots: size of each environment's table.
    """

    coefficient: float = 1.0
    key: str | KeyFunction = "observation"
    form: str = "inverse_sqrt"
    normalize: str = "none"
    log2_slots: int = 12


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


class CountState(NamedTuple):
    """Tables `[N, ...]` and the bonus's moments."""

    table: Table
    moments: scale.Moments


def empty(log2_slots: int) -> Table:
    """A table without entries."""
    slots = 1 << log2_slots
    integers = jnp.zeros(slots, jnp.int32)
    return Table(jnp.zeros(slots, jnp.uint32), integers, integers, jnp.int32(1))


def hash_words(key: Any) -> jax.Array:
    """Two independent 32-bit hashes of one state's key.

    Each word of the key is mixed with constants of its own place, the mixed words are added, and
    the sum is mixed once more (the finaliser of MurmurHash3).

    Args:
      key: pytree of arrays; floats are taken bit by bit.

    Returns:
      `[2]` uint32.
    """
    words = jnp.concatenate([_words(leaf) for leaf in jax.tree.leaves(key)])
    rng = np.random.default_rng(0x5EED)
    constants = rng.integers(1, 2**32, size=(2, 2, words.shape[0]), dtype=np.uint32)
    mixed = _mix(words * (constants[:, 0] | np.uint32(1)) + constants[:, 1])
    return _mix(jnp.sum(mixed, axis=-1, dtype=jnp.uint32))


def _words(x: jax.Array) -> jax.Array:
    x = jnp.asarray(x).reshape(-1)
    if jnp.issubdtype(x.dtype, jnp.floating):
        x = jax.lax.bitcast_convert_type(x.astype(jnp.float32) + 0.0, jnp.uint32)  # -0 is 0
    return x.astype(jnp.uint32)


def _mix(h: jax.Array) -> jax.Array:
    h = (h ^ (h >> 16)) * jnp.uint32(0x85EBCA6B)
    h = (h ^ (h >> 13)) * jnp.uint32(0xC2B2AE35)
    return h ^ (h >> 16)


def visit(table: Table, hashes: jax.Array, where: jax.Array | bool = True) -> tuple[Any, Table]:
    """Counts one visit in the running episode.

    Args:
      table: one environment's.
      hashes: `[2]` uint32, from `hash_words`.
      where: `[]` bool; False leaves the table as it is.

    Returns:
      `[]` int32 N_e, this visit included, and the table.
    """
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

    With `key="observation"` the first observation of an episode is counted before its first step,
    so coming back to it is no news. `info` tells only of states that a step reached; with
    `key="position"` (or any function) the first position is counted when it is reached again.

    Raises:
      ConfigError: for an option that cannot be used.
    """
    if not callable(config.key) and config.key not in KEYS:
        raise ConfigError("key", config.key, f"one of {', '.join(KEYS)}, or a function")
    if config.form not in FORMS:
        raise ConfigError("form", config.form, f"one of {', '.join(FORMS)}")
    if config.normalize not in scale.MODES:
        raise ConfigError("normalize", config.normalize, f"one of {', '.join(scale.MODES)}")
    if not 0 <= config.log2_slots <= 24:
        raise ConfigError("log2_slots", config.log2_slots, "from 0 to 24")
    whole = config.key == "observation"

    def hashes(observation: Any, info: dict[str, jax.Array]) -> jax.Array:
        if whole:
            return hash_words(observation)
        if callable(config.key):
            return hash_words(config.key(observation, info))
        if "position" not in info:
            raise ConfigError("key", "position", "this environment has no info['position']")
        return hash_words(info["position"])

    over_rollout = jax.vmap(jax.vmap(hashes))

    def init(
        key: jax.Array, observation_space: Any, action_space: Any, num_envs: int
    ) -> CountState:
        del key, observation_space, action_space
        table = empty(config.log2_slots)
        table = jax.tree.map(lambda x: jnp.broadcast_to(x, (num_envs, *x.shape)), table)
        return CountState(table, scale.init())

    def update(
        key: jax.Array, state: CountState, transitions: Transitions, policy_features: PolicyFeatures
    ) -> tuple[jax.Array, CountState, dict[str, jax.Array]]:
        del key, policy_features
        reached = over_rollout(transitions.next_observation, transitions.info)
        # the placeholder is never counted: only observations are known before the first step
        first = over_rollout(transitions.observation, transitions.info) if whole else reached

        def step(table: Table, xs: Any) -> tuple[Table, jax.Array]:
            reset, first, reached = xs
            table = table._replace(now=table.now + reset)
            if whole:
                _, table = visit(table, first, reset)
            count, table = visit(table, reached)
            return table, count

        def rollout(table: Table, *xs: jax.Array) -> Any:
            return jax.lax.scan(step, table, xs)

        table, counts = jax.vmap(rollout, in_axes=(0, 1, 1, 1), out_axes=(0, 1))(
            state.table, transitions.reset, first, reached
        )
        new = (counts == 1).astype(jnp.float32)
        raw = new if config.form == "indicator" else jax.lax.rsqrt(counts.astype(jnp.float32))
        bonus, moments = scale.apply(state.moments, raw, config.normalize)
        metrics = {"bonus_mean": jnp.mean(raw), "new_states": jnp.mean(new)}
        return config.coefficient * bonus, CountState(table, moments), metrics

    return Bonus(init, update)
