"""A policy cover: policies of earlier epochs, what each has seen, and how they are mixed.

Everything has room for C policies from the start, so that shapes never change. Rows beyond `count`
are copies of the first policy with weight 0.

Second moments are kept as their triangular roots. After a million steps beside a ridge of 0.01 a
covariance is too badly conditioned for float32; its root is not.
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
      roots: `[C, D, D]`, R_i of each, upper triangular: R_i^T R_i is the sum of phi phi^T over its
        episodes.
      total: `[D, D]`, R of all together, upper triangular: R^T R = Sigma, ridge I plus these sums.
      weights: `[C]` float32, of the mixture.
      count: `[]` int32, policies so far.
    """

    params: Any
    roots: jax.Array
    total: jax.Array
    weights: jax.Array
    count: jax.Array  # type: ignore[assignment]

    @property
    def filled(self) -> jax.Array:
        """`[C]` bool, rows that hold a policy."""
        return jnp.arange(self.weights.shape[0]) < self.count


def init(params: Any, capacity: int, dim: int, ridge: float) -> Cover:
    """An empty cover for `capacity` policies like `params` and features of `dim` numbers."""
    stacked = jax.tree.map(lambda x: jnp.broadcast_to(x, (capacity, *x.shape)), params)
    total = jnp.sqrt(ridge) * jnp.eye(dim)
    zeros = jnp.zeros((capacity, dim, dim))
    return Cover(stacked, zeros, total, jnp.zeros(capacity), jnp.int32(0))


def append(cover: Cover, params: Any, root: jax.Array, wanted: Any = True) -> Cover:
    """The cover with one more policy, where `wanted` (`[]` bool); weights are left as they are."""
    row = jnp.where(wanted, cover.count, cover.weights.shape[0])  # out of bounds: dropped
    stacked = jax.tree.map(lambda all, x: all.at[row].set(x, mode="drop"), cover.params, params)
    roots = cover.roots.at[row].set(root, mode="drop")
    total = jnp.where(wanted, _sum(cover.total, root), cover.total)
    count = cover.count + jnp.asarray(wanted).astype(jnp.int32)
    return cover._replace(params=stacked, roots=roots, total=total, count=count)


def seen_anew(cover: Cover, roots: jax.Array, ridge: float) -> Cover:
    """The cover with other `roots`, `[C, D, D]`, for changed features."""
    roots = jnp.where(cover.filled[:, None, None], roots, 0.0)
    first = jnp.sqrt(ridge) * jnp.eye(roots.shape[-1])
    total, _ = jax.lax.scan(lambda total, root: (_sum(total, root), None), first, roots)
    return cover._replace(roots=roots, total=total)


def _sum(a: jax.Array, b: jax.Array) -> jax.Array:
    """The root of a^T a + b^T b."""
    return linalg.triangle(jnp.concatenate([a, b]))


def inverse_root(cover: Cover) -> jax.Array:
    """R^-1, `[D, D]`, so that Sigma^-1 = R^-1 R^-T."""
    return linalg.solve_lower(cover.total.T, jnp.eye(cover.total.shape[0])).T


def coverage(cover: Cover, ridge: float) -> jax.Array:
    """log det Sigma - log det(ridge I), `[]` float32: 0 for an empty cover; every policy adds to it."""
    diagonal = jnp.abs(jnp.diagonal(cover.total))
    return 2.0 * jnp.sum(jnp.log(diagonal)) - diagonal.shape[0] * jnp.log(ridge)


def bonus(inverse_root: jax.Array, phi: jax.Array) -> jax.Array:
    """b = sqrt(phi^T Sigma^-1 phi) = |phi^T R^-1|, `[...]`, of features `[..., D]`."""
    return jnp.sqrt(jnp.sum((phi @ inverse_root) ** 2, -1))


def root(phi: jax.Array, mask: jax.Array) -> jax.Array:
    """R with R^T R the sum of phi phi^T where `mask` (`[...]` bool) holds, of features `[..., D]`."""
    return linalg.triangle(jnp.where(mask[..., None], phi, 0.0).reshape(-1, phi.shape[-1]))


def draw(
    key: jax.Array, cover: Cover, number: int, places: int | None = None
) -> tuple[jax.Array, Any]:
    """Policies drawn by weight: their rows, `[number]` int32, and networks, pytree of `[number, ...]`.

    Systematic sampling: each row comes up within one of `number` times its weight, in the cover's
    order. With `places` there are as many of both, those beyond `number` the last one's.
    """
    start = jax.random.uniform(key)
    points = (start + jnp.arange(number)) / number
    rows = jnp.searchsorted(jnp.cumsum(cover.weights), points, side="right")
    rows = jnp.clip(rows, 0, cover.count - 1)
    rows = jnp.pad(rows, (0, (places or number) - number), mode="edge")
    return rows, jax.tree.map(lambda x: x[rows], cover.params)
