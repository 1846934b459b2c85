"""FourRooms: four rooms joined by four gaps, agent and goal anywhere (MiniGrid `FourRoomsEnv`)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from envs.grid import cells, layout
from envs.grid.level import Layout, Level


def four_rooms(size: int = 19, max_steps: int | None = None, name: str = "FourRooms") -> Level:
    """A `size` x `size` grid split in four; a gap at a random place in each inner wall.

    Args:
      size: side of the grid, walls included; odd.
      max_steps: length of an episode.
      name: its name.
    """
    if size < 7 or size % 2 == 0:
        raise ValueError(f"size={size!r}: an odd number of at least 7")
    half = size // 2
    base = layout.room(size, size)
    base[half, :] = cells.WALL_CELL
    base[:, half] = cells.WALL_CELL

    def generate(key: jax.Array) -> Layout:
        gaps_key, agent_key, turn_key, goal_key = jax.random.split(key, 4)
        # MiniGrid draws gaps in [1, half) and [half + 1, 2 half) from the corner of each room
        gaps = (jax.random.bits(gaps_key, (4,), jnp.uint32) % np.uint32(half - 1)).astype(jnp.int32)
        gaps = gaps + np.array([1, half + 1, 1, half + 1])
        grid = layout.put(base, half, gaps[0], cells.EMPTY_CELL)
        grid = layout.put(grid, half, gaps[1], cells.EMPTY_CELL)
        grid = layout.put(grid, gaps[2], half, cells.EMPTY_CELL)
        grid = layout.put(grid, gaps[3], half, cells.EMPTY_CELL)
        agent = layout.random_free(agent_key, grid)
        goal = layout.random_free(goal_key, grid, agent=agent)
        grid = layout.put(grid, goal[0], goal[1], cells.GOAL_CELL)
        return Layout(grid, agent, layout.random_direction(turn_key))

    steps = 100 if max_steps is None else max_steps
    return Level(name, size, size, steps, generate, mission=lambda _: "reach the goal")


LEVELS: dict[str, Any] = {"FourRooms": (four_rooms, {})}
