"""Seeds of games: what an environment's key and an episode's number determine.

`reset(key)` draws 64 bits, the environment's `base`. Episode `e` of that environment then has seeds
that depend on `base` and `e` alone, so a worker can start the next episode without asking anybody,
and an episode can be played again from its base, its number and its actions. Mixing is splitmix64
(Steele, Lea and Flood, 2014), whose outputs are as good as independent.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15


class Seeds(NamedTuple):
    """Two seeds of 63 bits: NetHack's core and display generators; others use what they need."""

    core: int
    disp: int


@dataclasses.dataclass(frozen=True)
class Contexts:
    """Draw episodes from a fixed number of levels (a contextual MDP), or from all of them.

    Attributes:
      number: how many, or None for all.
      seed: which ones.
    """

    number: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.number is not None and self.number < 1:
            raise ValueError(f"num_contexts={self.number!r}: at least 1, or None for all levels")


def mix(value: int) -> int:
    """splitmix64's output function, a bijection of 64 bits."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def episode_seeds(base: tuple[int, int], episode: int, contexts: Contexts) -> Seeds:
    """Seeds of one episode.

    Args:
      base: the two words drawn from the environment's key.
      episode: its number, 0 for the one that `reset` starts.
      contexts: fixed levels to draw from.
    """
    state = mix((int(base[0]) << 32 | int(base[1])) + _GAMMA & _MASK)
    state = (state + (int(episode) + 1) * _GAMMA) & _MASK
    if contexts.number is not None:
        level = mix(state) % contexts.number
        state = (mix(contexts.seed + _GAMMA & _MASK) + (level + 1) * _GAMMA) & _MASK
    return Seeds(mix(state) >> 1, mix(state ^ 0xD6E8FEB86659FD93) >> 1)
