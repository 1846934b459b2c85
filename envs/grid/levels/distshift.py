"""DistShift: two strips of lava, one of which moves between variants (MiniGrid `DistShiftEnv`)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from envs.grid import cells, layout
from envs.grid.level import Layout, Level


def dist_shift(
    width: int = 9,
    height: int = 7,
    strip2_row: int = 2,
    max_steps: int | None = None,
    name: str = "DistShift",
) -> Level:
    """Always the same level; `strip2_row` is the row of the second strip.

    Args:
      width: columns of the grid, walls included.
      height: its rows.
      strip2_row: row of the second strip of lava.
      max_steps: length of an episode.
      name: its name.
    """
    if width < 7 or height < 4:
        raise ValueError(f"width={width!r}, height={height!r}: at least 7 and 4, walls included")
    if not 1 <= strip2_row <= height - 2:
        raise ValueError(f"strip2_row={strip2_row!r}: from 1 to {height - 2} at this height")
    grid = layout.room(width, height)
    grid[1, width - 2] = cells.GOAL_CELL
    grid[[1, strip2_row], 3 : width - 3] = cells.LAVA_CELL

    def generate(key: jax.Array) -> Layout:
        del key
        return Layout(jnp.asarray(grid), jnp.array([1, 1], jnp.int32), jnp.int32(0))

    steps = 4 * width * height if max_steps is None else max_steps
    return Level(name, width, height, steps, generate, see_through_walls=True, cheap=True)


LEVELS = {
    "DistShift1": (dist_shift, {"strip2_row": 2}),
    "DistShift2": (dist_shift, {"strip2_row": 5}),
}
