"""DoorKey: fetch a key, open a locked door, reach the goal (MiniGrid `DoorKeyEnv`)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from envs.grid import cells, layout
from envs.grid.level import Layout, Level
from envs.grid.levels import draw


def door_key(size: int = 8, max_steps: int | None = None, name: str = "DoorKey") -> Level:
    """Two rooms split by a wall at a random column; agent and key on the left of it.

    Args:
      size: side of the grid, walls included.
      max_steps: length of an episode.
      name: its name.
    """
    if size < 5:
        raise ValueError(f"size={size!r}: at least 5, walls included")
    base = layout.room(size, size)
    base[size - 2, size - 2] = cells.GOAL_CELL
    door, key_cell = (
        cells.code(cells.LOCKED_DOOR, cells.YELLOW),
        cells.code(cells.KEY, cells.YELLOW),
    )

    def generate(key: jax.Array) -> Layout:
        split_key, agent_key, turn_key, door_y_key, key_key = jax.random.split(key, 5)
        split = draw.integer(split_key, 2, size - 2)
        columns = jnp.arange(size)[None, :]
        grid = jnp.where(columns == split, cells.WALL_CELL, base)
        left = jnp.broadcast_to(columns < split, grid.shape)
        agent = layout.random_free(agent_key, grid, left)
        grid = layout.put(grid, split, draw.integer(door_y_key, 1, size - 2), door)
        at = layout.random_free(key_key, grid, left, agent)
        grid = layout.put(grid, at[0], at[1], key_cell)
        return Layout(grid, agent, layout.random_direction(turn_key))

    steps = 10 * size**2 if max_steps is None else max_steps
    mission = "use the key to open the door and then get to the goal"
    return Level(name, size, size, steps, generate, mission=lambda _: mission)


LEVELS = {f"DoorKey-{n}x{n}": (door_key, {"size": n}) for n in (5, 6, 8, 16)}
