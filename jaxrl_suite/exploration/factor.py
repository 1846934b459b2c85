"""Cholesky factors of E3B's blocks with the two inverses that a block needs: `(L, L^-1, (A + L)^-1)`.

By halves on CPUs, by the device's own linear algebra on accelerators, where halves are many small
kernels.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxrl_suite import linalg

LEAF = 8  # `by_halves` works by columns up to this size


def by_halves(matrix: jax.Array, added: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """L, L^-1 and (diag(added) + L)^-1 of a positive definite `[T, T]`, T a power of two, by halves.

    [[A, B^T], [B, C]] has L = [[L_A, 0], [B L_A^-T, L_S]] with S = C - B A^-1 B^T. Not LAPACK's,
    whose batched form on a CPU waits inside XLA's thread pool: on two devices of one process at once
    it waits for ever.
    """
    size = matrix.shape[0]
    if size <= LEAF:
        return _by_columns(matrix, added)
    half = size // 2
    upper, *upper_inverses = by_halves(matrix[:half, :half], added[:half])
    corner = jnp.matmul(matrix[half:, :half], upper_inverses[0].T, precision="highest")
    rest = matrix[half:, half:] - jnp.matmul(corner, corner.T, precision="highest")
    lower, *lower_inverses = by_halves(rest, added[half:])

    def join(a: jax.Array, b: jax.Array, c: jax.Array) -> jax.Array:
        top = jnp.concatenate([a, jnp.zeros_like(a)], axis=1)
        return jnp.concatenate([top, jnp.concatenate([b, c], axis=1)])

    def inverse(a: jax.Array, c: jax.Array) -> jax.Array:
        below = jnp.matmul(c, corner, precision="highest")
        return join(a, -jnp.matmul(below, a, precision="highest"), c)

    first, second = map(inverse, upper_inverses, lower_inverses)
    return join(upper, corner, lower), first, second


def by_library(matrix: jax.Array, added: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """`by_halves` by calls of the device's linear algebra."""
    factor = linalg.cholesky(matrix)
    identity = jnp.eye(matrix.shape[-1], dtype=matrix.dtype)
    total = linalg.solve_lower(factor + jnp.diag(added), identity)
    return factor, linalg.solve_lower(factor, identity), total


def _by_columns(matrix: jax.Array, added: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """`by_halves` of a small matrix: Gaussian elimination on [matrix, I], a row at a time."""
    size = matrix.shape[0]
    rows = jnp.arange(size)
    identity = jnp.eye(size, dtype=matrix.dtype)
    work = jnp.concatenate([matrix, identity], axis=1)
    pivots = []
    for j in range(size):
        pivot = work[j] * jax.lax.rsqrt(work[j, j])  # row j of [L^T, L^-1]
        pivots.append(pivot)
        work = (
            work - jnp.where(rows > j, work[:, j] * jax.lax.rsqrt(work[j, j]), 0.0)[:, None] * pivot
        )
    both = jnp.stack(pivots)
    factor = jnp.triu(both[:, :size]).T
    total = identity
    for j in range(size):  # a row of diag(added) + L at a time
        row = total[j] / (added[j] + factor[j, j])
        total = jnp.where((rows == j)[:, None], row, total)
        total = total - jnp.where(rows > j, factor[:, j], 0.0)[:, None] * row
    return factor, jnp.tril(both[:, size:]), total
