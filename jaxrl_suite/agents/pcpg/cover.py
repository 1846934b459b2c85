"""A policy cover: policies of earlier epochs, what each has seen, and how they are mixed.

Everything has room for C policies from the start, so that shapes never change. Rows beyond `count`
are copies of the first policy with weight 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl_suite import linalg


class Cover(NamedTuple):
    """Up to C policies.

    Attributes:
      params: pytree of `[C, ...]`, their networks.
      moments: `[C, D, D]`, of each: the sum of phi phi^T over its episodes.
      weights: `[C]` float32, of the mixture.
      count: `[]` int32, policies so far.
    """

    params: Any
    moments: jax.Array
    weights: jax.Array
    count: jax.Array  # type: ignore[assignment]

    @property
    def filled(self) -> jax.Array:
        """`[C]` bool, rows that hold a policy."""
        return jnp.arange(self.weights.shape[0]) < self.count


def init(params: Any, capacity: int, dim: int) -> Cover:
    """An empty cover for `capacity` policies like `params` and features of `dim` numbers."""
    stacked = jax.tree.map(lambda x: jnp.broadcast_to(x, (capacity, *x.shape)), params)
    moments = jnp.zeros((capacity, dim, dim))
    return Cover(stacked, moments, jnp.zeros(capacity), jnp.int32(0))


def append(cover: Cover, params: Any, moment: jax.Array, wanted: Any = True) -> Cover:
    """The cover with one more policy, where `wanted` (`[]` bool); weights are left as they are."""
    row = jnp.where(wanted, cover.count, cover.weights.shape[0])  # out of bounds: dropped
    stacked = jax.tree.map(lambda all, x: all.at[row].set(x, mode="drop"), cover.params, params)
    moments = cover.moments.at[row].set(moment, mode="drop")
    count = cover.count + jnp.asarray(wanted).astype(jnp.int32)
    return cover._replace(params=stacked, moments=moments, count=count)


def factor(cover: Cover, ridge: float) -> jax.Array:
    """Cholesky factor, `[D, D]`, of Sigma = ridge I + the sum of phi phi^T over all ever seen."""
    total = jnp.einsum("i,ijk->jk", cover.filled.astype(jnp.float32), cover.moments)
    return linalg.cholesky(total + ridge * jnp.eye(total.shape[-1]))


def inverse_covariance(cover: Cover, ridge: float) -> jax.Array:
    """Sigma^-1, `[D, D]`."""
    lower = factor(cover, ridge)
    half = linalg.solve_lower(lower, jnp.eye(lower.shape[0]))
    return half.T @ half


def coverage(cover: Cover, ridge: float) -> jax.Array:
    """log det Sigma - log det(ridge I), `[]` float32: 0 for an empty cover; every policy adds to it."""
    lower = factor(cover, ridge)
    return 2.0 * jnp.sum(jnp.log(jnp.diagonal(lower))) - lower.shape[0] * jnp.log(ridge)


def bonus(inverse: jax.Array, phi: jax.Array) -> jax.Array:
    """b = sqrt(phi^T Sigma^-1 phi), `[...]`, of features `[..., D]`."""
    return jnp.sqrt(jnp.maximum(jnp.sum((phi @ inverse) * phi, -1), 0.0))


def second_moment(phi: jax.Array, mask: jax.Array) -> jax.Array:
    """Sum of phi phi^T where `mask` (`[...]` bool) holds, `[D, D]`, of features `[..., D]`."""
    kept = jnp.where(mask[..., None], phi, 0.0).reshape(-1, phi.shape[-1])
    return kept.T @ kept


def draw(key: jax.Array, cover: Cover, number: int) -> tuple[jax.Array, Any]:
    """Policies drawn by weight: their rows, `[number]` int32, and networks, pytree of `[number, ...]`.

    Systematic sampling: each row comes up within one of `number` times its weight.
    """
    start = jax.random.uniform(key)
    points = (start + jnp.arange(number)) / number
    rows = jnp.searchsorted(jnp.cumsum(cover.weights), points, side="right")
    rows = jnp.clip(rows, 0, cover.count - 1)
    return rows, jax.tree.map(lambda x: x[rows], cover.params)
