"""LockedRoom: six rooms off a corridor, the goal in a locked one (MiniGrid `LockedRoomEnv`)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from envs.grid import cells, layout
from envs.grid.level import Layout, Level
from envs.grid.levels import draw
from envs.grid.levels.missions import Mission

MISSION = Mission.of(
    "get the {color} key from the {color2} room, unlock the {color} door and go to the goal"
)


def locked_room(size: int = 19, max_steps: int | None = None, name: str = "LockedRoom") -> Level:
    """Three rooms on each side of a corridor three cells wide; six doors of six colours.

    Args:
      size: side of the grid, one more than a multiple of 3.
      max_steps: length of an episode.
      name: its name.
    """
    if size < 13 or size % 3 != 1:
        raise ValueError(f"size={size!r}: at least 13 and one more than a multiple of 3")
    left, right, pitch = size // 2 - 2, size // 2 + 2, size // 3
    base = layout.room(size, size)
    base[:, [left, right]] = cells.WALL_CELL
    for top in (0, pitch, 2 * pitch):
        base[top, :left] = cells.WALL_CELL
        base[top, right:] = cells.WALL_CELL
    # rooms in MiniGrid's order: left and right, from the top down
    lefts = np.tile(np.array([0, right]), 3)
    tops = np.repeat(np.arange(3) * pitch, 2)
    door_x, door_y = np.tile(np.array([left, right]), 3), tops + 3

    def inside(key: jax.Array, room: jax.Array) -> tuple[jax.Array, jax.Array]:
        x_key, y_key = jax.random.split(key)
        return (
            jnp.asarray(lefts)[room] + draw.integer(x_key, 1, left),
            jnp.asarray(tops)[room] + draw.integer(y_key, 1, pitch),
        )

    def generate(key: jax.Array) -> Layout:
        rooms_key, goal_key, color_key, key_key, agent_key, turn_key = jax.random.split(key, 6)
        rooms = draw.distinct(rooms_key, 2, 6)  # the locked one and the one with the key
        colors = draw.distinct(color_key, 6, 6)
        grid = layout.put(jnp.asarray(base), *inside(goal_key, rooms[0]), cells.GOAL_CELL)
        kinds = jnp.where(np.arange(6) == rooms[0], cells.LOCKED_DOOR, cells.CLOSED_DOOR)
        grid = grid.at[door_y, door_x].set(cells.cell(kinds, colors))
        grid = layout.put(grid, *inside(key_key, rooms[1]), cells.cell(cells.KEY, colors[rooms[0]]))
        corridor = layout.rectangle(base.shape, left, 0, right - left, size)
        agent = layout.random_free(agent_key, grid, corridor)
        mission = draw.numbers(colors[rooms[0]], colors[rooms[1]])
        return Layout(grid, agent, layout.random_direction(turn_key), mission)

    steps = 10 * size if max_steps is None else max_steps
    return Level(name, size, size, steps, generate, mission=MISSION)


LEVELS: dict[str, tuple[Any, dict[str, Any]]] = {"LockedRoom": (locked_room, {})}
