"""What makes a family of grid levels: how one is drawn, its state while it is played, its own rules.

A `Level` is a record of pure functions and static sizes; `engine` plays any of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import struct


class Layout(NamedTuple):
    """A freshly drawn level.

    Attributes:
      grid: `[height, width]` uint8 cells (`envs.grid.cells`), outer wall included.
      position: `[2]` int32, the agent's column and row.
      direction: `[]` int32, 0 right, 1 down, 2 left, 3 up.
      mission: `[4]` uint8, numbers that make the mission text of this level (colours, kinds).
      extra: pytree of whatever the level's rules need (a target's position, say).
    """

    grid: jax.Array
    position: jax.Array
    direction: jax.Array
    mission: jax.Array = np.zeros(4, np.uint8)  # type: ignore[assignment]
    extra: Any = ()


@struct.dataclass
class GridState:
    """A running episode.

    Attributes:
      columns: `[width, height]` uint8 cells, stored column by column as observations have them.
      position, direction, mission, extra: as in `Layout`.
      carrying: `[]` uint8, the cell in the agent's hands, `EMPTY` for none.
      time: `[]` int32, steps since the episode began.
    """

    columns: jax.Array
    position: jax.Array
    direction: jax.Array
    carrying: jax.Array
    time: jax.Array
    mission: jax.Array
    extra: Any

    @property
    def grid(self) -> jax.Array:
        """`[height, width]` uint8 cells, as in `Layout`."""
        return self.columns.swapaxes(-1, -2)

    def with_grid(self, grid: jax.Array) -> GridState:
        """The same state with another `[height, width]` grid."""
        return dataclasses.replace(self, columns=grid.swapaxes(-1, -2))


class Transition(NamedTuple):
    """What a level's `outcome` may look at.

    Attributes:
      before, after: the states around the action.
      action: `[]` int32.
      ahead: `[]` uint8, the cell in front of the agent before the action.
      ahead_index: `[2]` int32, its column and row.
      reward, terminated: what MiniGrid's common rules say (goal reached, lava entered).
      success: `[]` float32, the reward a success earns at this step, `1 - 0.9 t / max_steps`.
    """

    before: GridState
    after: GridState
    action: jax.Array
    ahead: jax.Array
    ahead_index: jax.Array
    reward: jax.Array
    terminated: jax.Array
    success: jax.Array


Outcome = Callable[[Transition], tuple[jax.Array, jax.Array]]


@dataclasses.dataclass(frozen=True)
class Level:
    """A family of levels: pure functions and static sizes.

    Attributes:
      name: MiniGrid's name without `MiniGrid-` and `-v0`.
      width, height: cells, outer wall included.
      max_steps: default length of an episode.
      generate: `key -> Layout`.
      outcome: `Transition -> (reward, terminated)`; None for the common rules alone.
      before_step: `(key, state, action) -> state`, moves things before the agent acts.
      remap: `action -> action`, for levels in which MiniGrid reinterprets actions.
      num_actions: 7, or fewer where MiniGrid allows fewer.
      see_through_walls: as MiniGrid sets it for the level.
      cheap: whether drawing a level costs less than looking one up (then auto-reset is exact).
      mission: `[4] uint8 -> text`, MiniGrid's mission string.
    """

    name: str
    width: int
    height: int
    max_steps: int
    generate: Callable[[jax.Array], Layout]
    outcome: Outcome | None = None
    before_step: Callable[[jax.Array, GridState, jax.Array], GridState] | None = None
    remap: Callable[[jax.Array], jax.Array] | None = None
    num_actions: int = 7
    see_through_walls: bool = False
    cheap: bool = False
    mission: Callable[[np.ndarray], str] = lambda _: "get to the green goal square"
