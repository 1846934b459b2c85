"""Rows of a table, and weighted sums of them: as `table[index]`, but fast under `vmap` too.

Seeds by `vmap` give every seed a table of its own. XLA's CPU backend then gathers into memory what it
would otherwise add up on the way, and scatters gradients element by element: up to a hundred times
slower than one seed alone. Both are loops over the last axis of the index here, which stay as fast.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

_UNROLL = 4


def lookup(table: jax.Array, index: jax.Array) -> jax.Array:
    """`table[index]`.

    Args:
      table: `[rows, features]`.
      index: `[..., K]` integers, 0 to `rows - 1`: nothing checks them.

    Returns:
      `[..., K, features]`.
    """
    return _lookup(table, index)


def bag(table: jax.Array, index: jax.Array, weight: jax.Array) -> jax.Array:
    """`sum_k weight_k table[index_k]`; gradients go to the table alone.

    Args:
      table: `[rows, features]`.
      index: `[..., K]` integers, 0 to `rows - 1`: nothing checks them.
      weight: `[..., K]`.

    Returns:
      `[..., features]`.
    """
    return _bag(table, index, jax.lax.stop_gradient(weight))


class Embedding(nn.Module):
    """A learned table, flax's `Embed` otherwise.

    Attributes:
      rows: of the table.
      features: of a row.
    """

    rows: int
    features: int

    def setup(self) -> None:
        initializer = nn.initializers.variance_scaling(1.0, "fan_in", "normal", out_axis=0)
        self.embedding = self.param("embedding", initializer, (self.rows, self.features))

    def __call__(self, index: jax.Array) -> jax.Array:
        """Rows: `[..., K]` -> `[..., K, features]`."""
        return lookup(self.embedding, index)

    def bag(self, index: jax.Array, weight: jax.Array) -> jax.Array:
        """Weighted sums of rows: two of `[..., K]` -> `[..., features]`."""
        return bag(self.embedding, index, weight)


def _last_first(*arrays: jax.Array) -> tuple[jax.Array, ...]:
    return tuple(jnp.moveaxis(x, -1, 0) for x in arrays)


@jax.custom_vjp
def _lookup(table: jax.Array, index: jax.Array) -> jax.Array:
    return table.at[index].get(mode="promise_in_bounds")


def _lookup_forward(table: jax.Array, index: jax.Array) -> tuple[jax.Array, Any]:
    return _lookup(table, index), (index, jnp.zeros((table.shape[0], 0), table.dtype))


def _lookup_backward(saved: Any, gradient: jax.Array) -> tuple[jax.Array, None]:
    index, like = saved

    def add(total: jax.Array, at: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        row, rows = at
        return total.at[row].add(rows, mode="promise_in_bounds"), None

    zeros = jnp.zeros((like.shape[0], gradient.shape[-1]), gradient.dtype)
    each = _last_first(index)[0], jnp.moveaxis(gradient, -2, 0)
    return jax.lax.scan(add, zeros, each)[0], None


_lookup.defvjp(_lookup_forward, _lookup_backward)


@jax.custom_vjp
def _bag(table: jax.Array, index: jax.Array, weight: jax.Array) -> jax.Array:
    def add(total: jax.Array, at: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        row, by = at
        return total + table.at[row].get(mode="promise_in_bounds") * by[..., None], None

    zeros = jnp.zeros((*index.shape[:-1], table.shape[-1]), table.dtype)
    return jax.lax.scan(add, zeros, _last_first(index, weight), unroll=_UNROLL)[0]


def _bag_forward(table: jax.Array, index: jax.Array, weight: jax.Array) -> tuple[jax.Array, Any]:
    saved = index, weight, jnp.zeros((table.shape[0], 0), table.dtype)
    return _bag(table, index, weight), saved


def _bag_backward(saved: Any, gradient: jax.Array) -> tuple[jax.Array, None, jax.Array]:
    index, weight, like = saved

    def add(total: jax.Array, at: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        row, by = at
        return total.at[row].add(gradient * by[..., None], mode="promise_in_bounds"), None

    zeros = jnp.zeros((like.shape[0], gradient.shape[-1]), gradient.dtype)
    total = jax.lax.scan(add, zeros, _last_first(index, weight))[0]
    return total, None, jnp.zeros_like(weight)


_bag.defvjp(_bag_forward, _bag_backward)
