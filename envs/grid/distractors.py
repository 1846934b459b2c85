"""Moving distractors: coloured balls that drift over the floor, seen but never touched.

They are drawn into observations only. The level underneath knows nothing of them, so rewards,
obstacles and optimal behaviour stay the same while observations of one state differ all the time
(the "noisy" settings of the exploration papers). A ball is hidden while its cell holds anything.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from envs import wrappers
from envs.grid import cells
from envs.grid.engine import GridWorld
from envs.grid.level import GridState

STEP = np.array([(1, 0), (0, 1), (-1, 0), (0, -1), (0, 0)], np.int32)


@struct.dataclass
class DistractorState:
    """A grid state and the balls over it.

    Attributes:
      env_state: the state underneath.
      places: `[balls, 2]` int32, column and row.
      looks: `[balls]` uint8, cells that hold a ball of some colour.
    """

    env_state: GridState
    places: jax.Array
    looks: jax.Array


class MovingDistractors(wrappers.Wrapper):
    """A grid level with `number` balls that each go one cell in a random direction, or stay.

    Args:
      world: the level, `GridWorld` itself.
      number: balls.

    Raises:
      ValueError: for less than one ball.
    """

    def __init__(self, world: GridWorld, number: int):
        super().__init__(world)
        self.env: GridWorld = world
        if number < 1:
            raise ValueError(f"distractors={number!r}: at least 1")
        self.number = number

    def drawn(self, state: DistractorState) -> GridState:
        """The state underneath with balls in its grid, for observations and pictures."""
        inside = state.env_state
        columns, rows = state.places[:, 0], state.places[:, 1]
        free = inside.columns[columns, rows] == cells.EMPTY_CELL
        free = free & jnp.any(state.places != inside.position, axis=1)
        # a ball that is hidden goes to a row that does not exist, which drops it
        rows = jnp.where(free, rows, inside.columns.shape[1])
        drawn = inside.columns.at[columns, rows].set(state.looks, mode="drop")
        return dataclasses.replace(inside, columns=drawn)

    def reset(self, key: jax.Array, params: Any = None) -> tuple[Any, DistractorState]:
        key, place_key, color_key = jax.random.split(key, 3)
        _, inside = self.env.reset(key, params)
        shape = inside.grid.shape
        scores = jax.random.bits(place_key, (self.number, shape[0] * shape[1]), jnp.uint32) | 1
        floor = inside.grid.reshape(-1) == cells.EMPTY_CELL
        index = jnp.argmax(jnp.where(floor, scores, 0), axis=1).astype(jnp.int32)
        places = jnp.stack([index % shape[1], index // shape[1]], axis=-1)
        colors = jax.random.bits(color_key, (self.number,), jnp.uint32) % np.uint32(6)
        state = DistractorState(inside, places, cells.cell(cells.BALL, colors.astype(jnp.uint8)))
        return self.env.observe(self.drawn(state)), state

    def step(
        self, key: jax.Array, state: DistractorState, action: jax.Array, params: Any = None
    ) -> Any:
        key, move_key = jax.random.split(key)
        _, inside, reward, terminated, truncated, info = self.env.step(
            key, state.env_state, action, params
        )
        move = jax.random.bits(move_key, (self.number,), jnp.uint32) % np.uint32(len(STEP))
        to = state.places + jnp.asarray(STEP)[move]
        # some levels have floor at their very edge, so a ball could leave the array
        width, height = inside.columns.shape
        free = jnp.all((to >= 0) & (to < jnp.array([width, height])), axis=1)
        free = free & (inside.columns[to[:, 0], to[:, 1]] == cells.EMPTY_CELL)
        places = jnp.where(free[:, None], to, state.places)
        state = DistractorState(inside, places, state.looks)
        return self.env.observe(self.drawn(state)), state, reward, terminated, truncated, info

    def render(self, state: DistractorState, params: Any = None) -> Any:
        return self.env.render(self.drawn(state), params)

    def inner(self, state: DistractorState, params: Any = None) -> tuple[Any, Any]:
        return state.env_state, params
