"""Mazes dug by a depth-first walk that never breaks through: the open cells are a tree.

A cell may be opened when exactly one of its neighbours is open, the one the walk comes from. To keep
it from zigzagging, a walk that has just turned may not turn again in its next step (the paper's
generator has this rule). The walk goes back when it is stuck and ends where it began.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))  # up, right, down, left: rows and columns


def dig(key: jax.Array, side: int) -> jax.Array:
    """`[side, side]` bool, the open cells.

    Args:
      key: random key.
      side: of the square that is dug in, at least 1.
    """
    cells = side * side
    start_key, key = jax.random.split(key)
    start = jax.random.randint(start_key, (2,), 0, side, jnp.int32)
    # one row of rock all around, so that neighbours are always inside the array
    opened = jnp.zeros((side + 2, side + 2), bool).at[start[0] + 1, start[1] + 1].set(True)
    inside = jnp.zeros((side + 2, side + 2), bool).at[1:-1, 1:-1].set(True)
    moves = jnp.array(MOVES, jnp.int32)
    # the stack: where, and by which move; index 0 is the start, whose move (none) is 0 as the paper's
    places = jnp.zeros((cells, 2), jnp.int32).at[0].set(start + 1)
    ways = jnp.zeros(cells, jnp.int32)
    ranks = jax.random.uniform(key, (2 * cells, 4))  # at most one push and one pop a cell

    def walk(carry: tuple) -> tuple:
        opened, places, ways, top, count = carry
        here, way = places[top], ways[top]
        turned = (top >= 2) & (way != ways[jnp.maximum(top - 1, 0)])
        there = here + moves  # [4, 2]
        around = there[:, None] + moves  # [4, 4, 2]
        near = opened.at[around[..., 0], around[..., 1]].get(mode="fill", fill_value=False).sum(-1)
        free = inside[there[:, 0], there[:, 1]] & ~opened[there[:, 0], there[:, 1]] & (near == 1)
        free &= ~turned | (jnp.arange(4) == way)
        chosen = jnp.argmax(jnp.where(free, ranks[count], -1.0)).astype(jnp.int32)
        go = free.any()
        at = there[chosen]
        opened = opened.at[at[0], at[1]].max(go)
        top = jnp.where(go, top + 1, top - 1)
        slot = jnp.where(go, top, cells)
        places = places.at[slot].set(at, mode="drop")
        ways = ways.at[slot].set(chosen, mode="drop")
        return opened, places, ways, top, count + 1

    first = (opened, places, ways, jnp.int32(0), jnp.int32(0))
    return jax.lax.while_loop(lambda carry: carry[3] >= 0, walk, first)[0][1:-1, 1:-1]
