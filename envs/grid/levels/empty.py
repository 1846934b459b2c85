"""Empty: a room with a goal in the far corner (MiniGrid `EmptyEnv`)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from envs.grid import cells, layout
from envs.grid.level import Layout, Level


def empty(
    size: int = 8, random_start: bool = False, max_steps: int | None = None, name: str = "Empty"
) -> Level:
    """An empty `size` x `size` room; the agent starts in the corner or anywhere.

    Args:
      size: side of the grid, walls included.
      random_start: the agent starts anywhere, not in the corner.
      max_steps: length of an episode.
      name: its name.
    """
    if size < 4:
        raise ValueError(f"size={size!r}: at least 4, walls included")
    grid = layout.room(size, size)
    grid[size - 2, size - 2] = cells.GOAL_CELL

    def generate(key: jax.Array) -> Layout:
        if not random_start:
            return Layout(jnp.asarray(grid), jnp.array([1, 1], jnp.int32), jnp.int32(0))
        place_key, turn_key = jax.random.split(key)
        return Layout(
            jnp.asarray(grid),
            layout.random_free(place_key, grid),
            layout.random_direction(turn_key),
        )

    steps = 4 * size**2 if max_steps is None else max_steps
    return Level(name, size, size, steps, generate, see_through_walls=True, cheap=not random_start)


LEVELS = {f"Empty-{n}x{n}": (empty, {"size": n}) for n in (5, 6, 8, 16)} | {
    # MiniGrid registers the first two of these only
    f"Empty-Random-{n}x{n}": (empty, {"size": n, "random_start": True})
    for n in (5, 6, 8, 16)
}
