"""Orthogonal weights without LAPACK.

flax's orthogonal initializer takes a QR factorisation. Under `vmap` over seeds that is a batched LAPACK
call, and two of them at once block every thread of XLA's CPU pool for good (seen with jaxlib 0.10.2 on
two cores: `ParallelBatchMap` waits inside the pool for a thread of the same pool). The polar factor of
a Gaussian matrix has the same (Haar) distribution and takes matrix products only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

ITERATIONS = 60


def orthogonal(scale: float = 1.0) -> Callable[..., jax.Array]:
    """An initializer of `[..., in, out]` weights with orthogonal rows or columns times `scale`.

    Saxe et al. (2014). The polar factor comes from the Newton-Schulz iteration X <- 1.5 X - 0.5 X
    X^T X, which converges once every singular value is at most one.
    """

    def init(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = (max(rows, columns), min(rows, columns))
        x = jax.random.normal(key, tall, jnp.float32)
        # the largest singular value of a Gaussian matrix is about sqrt(m) + sqrt(n)
        x = x / (1.2 * (math.sqrt(tall[0]) + math.sqrt(tall[1])))
        x = jax.lax.fori_loop(0, ITERATIONS, lambda _, x: 1.5 * x - 0.5 * x @ (x.T @ x), x)
        x = x if rows >= columns else x.T
        return (scale * x).reshape(shape).astype(dtype)

    return init
