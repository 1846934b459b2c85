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


def crop(grid: jax.Array, position: jax.Array, direction: jax.Array, size: int = 7) -> jax.Array:
    """The square in front of the agent, turned so that it looks up.

    Args:
      grid: `[height, width]` uint8 cells.
      position: `[2]` int32, column and row of the agent.
      direction: `[]` int32, 0 right, 1 down, 2 left, 3 up.
      size: odd side of the view.

    Returns:
      `[size, size]` uint8 cells, `[column, row]`; walls outside the level.
    """
    grid = cells.materialize(jnp.pad(grid, size - 1, constant_values=cells.WALL_CELL))
    half = size // 2
    ahead_x = (direction == 0).astype(jnp.int32) - (direction == 2).astype(jnp.int32)
    ahead_y = (direction == 1).astype(jnp.int32) - (direction == 3).astype(jnp.int32)
    corner_x = position[0] + size - 1 + half * (ahead_x - 1)
    corner_y = position[1] + size - 1 + half * (ahead_y - 1)
    block = jax.lax.dynamic_slice(grid, (corner_y, corner_x), (size, size))
    # one contiguous slice and four fixed rotations: half the time of one gather of rotated indices
    right, down, left, up = block[:, ::-1], block.T[::-1, ::-1], block[::-1, :], block.T
    return jnp.where(
        direction == 0,
        right,
        jnp.where(direction == 1, down, jnp.where(direction == 2, left, up)),
    )


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
    grid: jax.Array,
    position: jax.Array,
    direction: jax.Array,
    carrying: jax.Array,
    size: int = 7,
    see_through_walls: bool = False,
) -> jax.Array:
    """MiniGrid's `image`: `[size, size, 3]` uint8, `[column, row, (object, colour, state)]`."""
    view = crop(grid, position, direction, size)
    own = np.zeros((size, size), bool)
    own[size // 2, size - 1] = True
    if see_through_walls:
        return cells.triples(jnp.where(own, carrying, view))
    # flat arrays from here: XLA vectorises along the last axis only, and 49 is better than 7
    view = cells.materialize(view)
    mask, flat = visible(view).reshape(-1), view.reshape(-1)
    seen = jnp.where(mask, jnp.where(own.reshape(-1), carrying, flat), np.uint8(cells.UNSEEN))
    return cells.triples(seen).reshape(size, size, 3)
