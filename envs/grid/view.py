"""What the agent sees: MiniGrid's egocentric view with its exact occlusion, in straight-line code.

The view is `[size, size]`, indexed `[column, row]` as MiniGrid's `image` is: the agent stands in the
middle of the last row and looks towards row 0. MiniGrid's `Grid.process_vis` walks the rows from the
agent outwards; visible see-through cells light their neighbours sideways and in the next row. With
a row's visible and see-through cells as bits of a word, that walk is two bit fills a row.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from envs.grid import cells


def crop(columns: jax.Array, position: jax.Array, direction: jax.Array, size: int = 7) -> jax.Array:
    """The square in front of the agent, turned so that it looks up.

    Args:
      columns: `[width, height]` uint8 cells.
      position: `[2]` int32, column and row of the agent.
      direction: `[]` int32, 0 right, 1 down, 2 left, 3 up.
      size: odd side of the view.

    Returns:
      `[size * size]` uint8 cells, column by column; walls outside the level.
    """
    width, height = columns.shape
    # how far ahead of the agent and how far to its right each cell of the view is
    column, row = np.divmod(np.arange(size * size, dtype=np.int32), size)
    ahead, right = size - 1 - row, column - size // 2
    dx = (direction == 0).astype(jnp.int32) - (direction == 2).astype(jnp.int32)
    dy = (direction == 1).astype(jnp.int32) - (direction == 3).astype(jnp.int32)
    x = position[0] + ahead * dx - right * dy
    y = position[1] + ahead * dy + right * dx
    inside = (x.astype(jnp.uint32) < width) & (y.astype(jnp.uint32) < height)
    # one look-up by a flat index: a third of the time of a slice and four rotations
    index = jnp.where(inside, x * height + y, 0)
    found = columns.reshape(-1).at[index].get(mode="promise_in_bounds")
    return jnp.where(inside, found, cells.WALL_CELL)


def visible(view: jax.Array) -> jax.Array:
    """MiniGrid's occlusion (`Grid.process_vis`): `[size, size]` cells to `[size, size]` bool."""
    size = view.shape[0]
    see_through = (~cells.opaque(view)).astype(jnp.uint32)
    row_bits = see_through[0]
    for column in range(1, size):
        row_bits = row_bits | (see_through[column] << column)
    row_bits = cells.materialize(row_bits)  # [row], bit = column

    full = np.uint32(2**size - 1)
    reached = jnp.uint32(1 << (size // 2))  # the agent's own cell
    rows = [jnp.uint32(0)] * size
    for row in reversed(range(size)):
        clear = row_bits[row]
        # towards higher columns: adding the lit cells to the see-through ones carries through a run
        lit = reached & clear
        reached = (reached | ((lit + clear) ^ clear) | lit) & full
        # towards lower columns: the same fill by doubling
        lit, through, step = reached & clear, clear, 1
        while step < size:
            lit = lit | (through & (lit >> step))
            through = through & (through >> step)
            step *= 2
        rows[row] = reached | lit | (lit >> 1)
        lit = rows[row] & clear
        reached = (lit | (lit << 1) | (lit >> 1)) & full
    return _unpack(rows, size)


def _unpack(rows: list[jax.Array], size: int) -> jax.Array:
    """Row words to `[column, row]` bool, with as many rows as fit packed into one word first."""
    per_word = 30 // size
    words, shift = [], np.zeros((size, size), np.uint32)
    for start in range(0, size, per_word):
        group = range(start, min(start + per_word, size))
        word = rows[start]
        for k, row in enumerate(group):
            if k:
                word = word | (rows[row] << (k * size))
            shift[:, row] = np.arange(size) + k * size
        words.append(cells.materialize(word))
    flat = words[0]
    for k, word in enumerate(words[1:], 1):
        in_word = np.broadcast_to(np.arange(size) // per_word == k, (size, size)).reshape(-1)
        flat = jnp.where(in_word, word, flat)
    return ((flat >> shift.reshape(-1)) & 1).astype(bool).reshape(size, size)


def egocentric(
    columns: jax.Array,
    position: jax.Array,
    direction: jax.Array,
    carrying: jax.Array,
    size: int = 7,
    see_through_walls: bool = False,
) -> jax.Array:
    """MiniGrid's `image` in words: `[size * size]` uint32 (`cells.words`), column by column."""
    # flat arrays all the way: XLA vectorises along the last axis only, and 49 is better than 7
    view = crop(columns, position, direction, size)
    own = np.arange(size * size) == (size // 2 + 1) * size - 1
    if not see_through_walls:
        view = cells.materialize(view)
        view = jnp.where(visible(view.reshape(size, size)).reshape(-1), view, cells.UNSEEN)
    return cells.words(jnp.where(own, carrying, view))


def full(columns: jax.Array, position: jax.Array, direction: jax.Array) -> jax.Array:
    """MiniGrid's `FullyObsWrapper` image in words, the agent drawn in: `[width * height]` uint32."""
    width, height = columns.shape
    agent = cells.AGENT | cells.RED << 8 | direction.astype(jnp.uint32) << 16
    here = np.arange(width * height) == position[0] * height + position[1]
    return jnp.where(here, agent, cells.words(columns.reshape(-1)))
