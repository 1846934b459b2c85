"""Random mazes: minimum spanning trees of random weights on a square of rooms, with extra openings.

By Prim's algorithm all edges between the tree and the rest are looked at once a step, n^2 - 1 steps
for n x n rooms. Rooms are the odd cells of a map of 2 n + 1 cells a side.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def openings(key: jax.Array, rooms: int, loops: float) -> tuple[jax.Array, jax.Array]:
    """Which neighbours are joined: to the right, `[n, n - 1]`, and below, `[n - 1, n]`, bool.

    Args:
      key: random key.
      rooms: n, at least 2.
      loops: chance that an edge outside the tree is open all the same.
    """
    n = rooms
    weight_key, loop_key = jax.random.split(key)
    weights = jax.random.uniform(weight_key, (2 * n * (n - 1),))

    def split(edges: jax.Array) -> tuple[jax.Array, jax.Array]:
        return edges[: n * (n - 1)].reshape(n, n - 1), edges[n * (n - 1) :].reshape(n - 1, n)

    def grow(_: int, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        inside, chosen = carry
        right, below = inside[:, :-1] ^ inside[:, 1:], inside[:-1] ^ inside[1:]
        border = jnp.concatenate([right.reshape(-1), below.reshape(-1)])
        chosen = chosen.at[jnp.argmin(jnp.where(border, weights, jnp.inf))].set(True)
        right, below = split(chosen)
        near = inside.at[:, 1:].max(inside[:, :-1] & right).at[:, :-1].max(inside[:, 1:] & right)
        near = near.at[1:].max(inside[:-1] & below).at[:-1].max(inside[1:] & below)
        return near, chosen

    first = jnp.zeros((n, n), bool).at[0, 0].set(True), jnp.zeros(weights.shape, bool)
    _, tree = jax.lax.fori_loop(0, n * n - 1, grow, first)
    return split(tree | (jax.random.uniform(loop_key, tree.shape) < loops))


def walls(right: jax.Array, below: jax.Array) -> jax.Array:
    """`[2 n + 1, 2 n + 1]` bool map of the walls of n x n rooms, from `openings`."""
    n = right.shape[0]
    free = jnp.zeros((2 * n + 1, 2 * n + 1), bool).at[1::2, 1::2].set(True)
    free = free.at[1::2, 2:-1:2].set(right).at[2:-1:2, 1::2].set(below)
    return ~free
