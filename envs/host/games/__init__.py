"""Families of games a worker can play: what each of them offers to `envs.host.worker`.

A family is a module here with one function, `family(name, options) -> Family`. Nothing in this
package imports JAX.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from envs.host.seeds import Seeds


class MissingExtra(ImportError, ValueError):
    """A package, or files, that an environment needs are not installed."""


@dataclasses.dataclass(frozen=True)
class Array:
    """Shape, dtype (by name) and bounds of one array of an observation or an action."""

    shape: tuple[int, ...]
    dtype: str
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Description:
    """What the parent must know of an environment before a game has been played.

    Attributes:
      observation: array by key, as JAX gets it.
      single: the observation is the one array itself, not a dictionary.
      action: number of discrete actions, or the array of a continuous one.
      max_steps: after which an episode is cut short.
      slow_reset: starting an episode takes as long as a hundred steps or more.
      library: games are played by NLE's library, a copy each (see `shared_pages`).
      success: an episode's return is above 0 where its goal was reached, and only there.
    """

    observation: dict[str, Array]
    single: bool
    action: int | Array
    max_steps: int
    slow_reset: bool = False
    library: bool = False
    success: bool = False


class Game(Protocol):
    """One running game. It writes each observation into the rows it was made with."""

    def reset(self, seeds: Seeds) -> None:
        """Starts an episode."""

    def step(self, action: Any) -> tuple[float, bool, bool]:
        """One step: reward, terminated, truncated.

        An action that is not finite comes from a policy that has diverged: the game goes on with
        another one, and the reward is NaN.
        """

    def close(self) -> None:
        """Frees what the game holds."""


class Family(Protocol):
    """Games of one kind, all with the same options."""

    description: Description

    def staging(self) -> Mapping[str, tuple[tuple[int, ...], str]]:
        """Shape and dtype of each array of an observation as the games write it."""

    def game(self, rows: dict[str, np.ndarray]) -> Game:
        """A game that writes its observations into `rows`."""

    def viewer(self) -> tuple[Game, Callable[[], Mapping[str, np.ndarray]]]:
        """A game to look at, and what shows it: the arrays `viewer.SCREEN` or `viewer.PICTURE`.

        Raises:
          NotImplementedError: when there is nothing to see.
        """


def load(kind: str, name: str, options: dict[str, Any]) -> Family:
    """The family of `kind` (a module of this package) for the environment `name`."""
    return importlib.import_module(f"envs.host.games.{kind}").family(name, options)
