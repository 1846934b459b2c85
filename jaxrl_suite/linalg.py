"""Factorisations and solutions of linear systems that are safe inside parallel programs on CPUs.

A batched LAPACK call of jaxlib splits its batch over XLA's thread pool and waits for the parts inside
a thread of that pool. As many such calls at once as the pool has threads wait for ever: two on a
machine of two cores, as soon as seeds are vmapped and two programs, or two branches of one, overlap
(jaxlib 0.10.2, `tests/test_linalg.py` shows it). Calls on one matrix do not split. So these functions
take one matrix, and their `vmap` is a loop on CPUs; elsewhere it is the batched call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def _one_by_one(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """`function`, of single matrices, with `vmap` as a loop on CPUs."""
    looped: Callable[..., Any] = jax.custom_batching.sequential_vmap(function)

    def apply(*operands: jax.Array) -> jax.Array:
        found: jax.Array = jax.lax.platform_dependent(*operands, cpu=looped, default=function)
        return found

    return apply


_cholesky = _one_by_one(jnp.linalg.cholesky)
_triangle = _one_by_one(lambda rows: jnp.linalg.qr(rows, mode="r"))
_inverse = _one_by_one(jnp.linalg.inv)
_solve_lower = _one_by_one(lambda a, b: jax.scipy.linalg.solve_triangular(a, b, lower=True))
_solve_positive = _one_by_one(lambda a, b: jax.scipy.linalg.solve(a, b, assume_a="pos"))


def cholesky(matrix: jax.Array) -> jax.Array:
    """L, lower triangular, with L L^T = `matrix`, `[D, D]`, symmetric and positive definite.

    Like all functions here it has no gradient.
    """
    return _cholesky(matrix)


def triangle(rows: jax.Array) -> jax.Array:
    """R, `[D, D]` upper triangular, with R^T R = X^T X of `rows` X, `[K, D]` with any K (by QR).

    A covariance kept as its root has the square root of its condition number, and it is never
    indefinite by rounding: sums of millions of terms beside a small ridge fit in float32. Entries of
    the diagonal may be negative.
    """
    count, dim = rows.shape
    return _triangle(jnp.pad(rows, ((0, max(0, dim - count)), (0, 0))))


def inverse(matrix: jax.Array) -> jax.Array:
    """Of a square matrix, `[D, D]`."""
    return _inverse(matrix)


def log_det(matrix: jax.Array) -> jax.Array:
    """Logarithm of the determinant, `[]`, of a symmetric, positive definite matrix `[D, D]`."""
    return 2.0 * jnp.sum(jnp.log(jnp.diagonal(cholesky(matrix))))


def solve_lower(factor: jax.Array, right: jax.Array) -> jax.Array:
    """L^-1 B, `[D, K]`, of a lower triangular `factor` `[D, D]` and `right` `[D, K]`."""
    return _solve_lower(factor, right)


def solve_positive(matrix: jax.Array, right: jax.Array) -> jax.Array:
    """A^-1 B, `[D, K]`, of a symmetric, positive definite `matrix` `[D, D]` and `right` `[D, K]`."""
    return _solve_positive(matrix, right)
