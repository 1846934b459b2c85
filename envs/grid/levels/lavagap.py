"""LavaGap: one column of lava with one gap between agent and goal (MiniGrid `LavaGapEnv`)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from envs.grid import cells, layout
from envs.grid.level import Layout, Level
from envs.grid.levels import draw
from envs.grid.levels.missions import Mission


def lava_gap(size: int = 5, max_steps: int | None = None, name: str = "LavaGap") -> Level:
    """The column and the gap's row are uniform; start and goal are in opposite corners.

    Args:
      size: side of the grid, walls included.
      max_steps: length of an episode.
      name: its name.
    """
    if size < 5:
        raise ValueError(f"size={size!r}: at least 5, walls included")
    base = layout.room(size, size)
    base[size - 2, size - 2] = cells.GOAL_CELL

    def generate(key: jax.Array) -> Layout:
        x_key, y_key = jax.random.split(key)
        x, y = draw.integer(x_key, 2, size - 2), draw.integer(y_key, 1, size - 1)
        column = layout.rectangle(base.shape, x, 1, 1, size - 2)
        grid = layout.put(jnp.where(column, cells.LAVA_CELL, base), x, y, cells.EMPTY_CELL)
        return Layout(grid, jnp.array([1, 1], jnp.int32), jnp.int32(0))

    steps = 4 * size**2 if max_steps is None else max_steps
    mission = Mission.of("avoid the lava and get to the green goal square")
    return Level(name, size, size, steps, generate, mission=mission)


LEVELS = {f"LavaGapS{n}": (lava_gap, {"size": n}) for n in (5, 6, 7)}
