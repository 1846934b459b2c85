"""Pieces to draw a level with: walls, doorways, and random free cells. All shapes are static.

Coordinates are `(column, row)` as in MiniGrid; grids are `[row, column]` uint8.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from envs.grid import cells


def room(width: int, height: int) -> np.ndarray:
    """An empty room with an outer wall, `[height, width]` uint8 NumPy (so it is free under jit)."""
    grid = np.full((height, width), cells.EMPTY_CELL)
    grid[0], grid[-1], grid[:, 0], grid[:, -1] = (cells.WALL_CELL,) * 4
    return grid


def put(
    grid: jax.typing.ArrayLike,
    x: jax.typing.ArrayLike,
    y: jax.typing.ArrayLike,
    cell: jax.typing.ArrayLike,
) -> jax.Array:
    """`grid` with `cell` at column `x`, row `y`."""
    return jnp.asarray(grid).at[y, x].set(jnp.asarray(cell, jnp.uint8))


def rectangle(
    shape: tuple[int, ...],
    left: jax.typing.ArrayLike,
    top: jax.typing.ArrayLike,
    width: jax.typing.ArrayLike,
    height: jax.typing.ArrayLike,
) -> jax.Array:
    """`shape` bool, true inside the rectangle (its border included)."""
    rows, columns = jnp.arange(shape[0])[:, None], jnp.arange(shape[1])[None, :]
    left, top = jnp.asarray(left), jnp.asarray(top)
    return (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)


def outline(
    shape: tuple[int, ...],
    left: jax.typing.ArrayLike,
    top: jax.typing.ArrayLike,
    width: jax.typing.ArrayLike,
    height: jax.typing.ArrayLike,
) -> jax.Array:
    """`shape` bool, true on the border of the rectangle."""
    inner = rectangle(
        shape,
        jnp.asarray(left) + 1,
        jnp.asarray(top) + 1,
        jnp.asarray(width) - 2,
        jnp.asarray(height) - 2,
    )
    return rectangle(shape, left, top, width, height) & ~inner


def random_cell(key: jax.Array, mask: jax.Array) -> jax.Array:
    """A uniform draw among the true cells of `[height, width]` `mask`: `[2]` int32, column and row.

    With no true cell the result is cell (0, 0); levels make sure there is one.
    """
    # one draw a cell and an argmax: no loop, so no environment of a batch waits for another
    scores = jnp.where(mask, jax.random.bits(key, mask.shape, jnp.uint32) | 1, 0)
    index = jnp.argmax(scores.reshape(-1)).astype(jnp.int32)
    return jnp.stack([index % mask.shape[1], index // mask.shape[1]])


def random_free(
    key: jax.Array,
    grid: jax.typing.ArrayLike,
    within: jax.Array | None = None,
    agent: jax.Array | None = None,
) -> jax.Array:
    """MiniGrid's `place_obj`: a uniform empty cell, inside `within` and away from the agent's cell."""
    mask = jnp.asarray(grid) == cells.EMPTY_CELL
    if within is not None:
        mask = mask & within
    if agent is not None:
        mask = mask & ~rectangle(mask.shape, agent[0], agent[1], 1, 1)
    return random_cell(key, mask)


def random_direction(key: jax.Array) -> jax.Array:
    """A uniform direction, `[]` int32."""
    return (jax.random.bits(key, (), jnp.uint32) & 3).astype(jnp.int32)


def reachable(grid: jax.Array, start: jax.Array) -> jax.Array:
    """Cells that can be walked to with all doors open and nothing in the way, bool like `grid`.

    Args:
      grid: `[A, B]` uint8 cells, walled in.
      start: `[2]` int32, where the walk begins, in the order of the axes.
    """
    kind = cells.kind(grid)
    free = (kind != cells.WALL) & (kind != cells.LAVA)

    def spread(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        found, _ = carry
        near = found
        for axis in (0, 1):
            near = near | jnp.roll(found, 1, axis) | jnp.roll(found, -1, axis)
        near = near & free
        return near, jnp.any(near != found)

    first = jnp.zeros(grid.shape, bool).at[start[0], start[1]].set(True)
    return jax.lax.while_loop(lambda carry: carry[1], spread, (first, jnp.asarray(True)))[0]
