"""Hessians of networks: exact for thousands of weights, Lanczos for more.

    h = curvature.exact(loss, params)                 # [n, n]; its eigenvalues by numpy.linalg.eigvalsh
    t = curvature.lanczos(curvature.product(loss, params), key, n, steps=100)
    curvature.share_below(t, -1e-3)                   # of the spectrum, estimated

`share_below` is stochastic Lanczos quadrature (Golub and Meurant, 1994; Ghorbani, Krishnan and Xiao,
ICML 2019): the tridiagonal matrix's eigenvalues, weighted by their squared first components, have the
moments of the whole spectrum as seen from a random vector.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jax.flatten_util import ravel_pytree


class Tridiagonal(NamedTuple):
    """What Lanczos leaves: `diagonal` `[k]` and `beside` `[k - 1]` float32."""

    diagonal: jax.Array
    beside: jax.Array


def product(loss: Callable[[Any], jax.Array], params: Any) -> Callable[[jax.Array], jax.Array]:
    """`v -> H v` on vectors `[n]` for the Hessian H of `loss` at `params`, any pytree of n numbers."""
    flat, restore = ravel_pytree(params)
    slope = jax.grad(lambda v: loss(restore(v)))
    return lambda v: jax.jvp(slope, (flat,), (v,))[1]


def exact(loss: Callable[[Any], jax.Array], params: Any, chunk: int = 64) -> jax.Array:
    """H, `[n, n]`, symmetric, `chunk` columns at a time."""
    flat = ravel_pytree(params)[0]
    columns = jax.lax.map(
        product(loss, params), jnp.eye(flat.size, dtype=flat.dtype), batch_size=chunk
    )
    return (columns + columns.T) / 2


def lanczos(
    product: Callable[[jax.Array], jax.Array], key: jax.Array, size: int, steps: int
) -> Tridiagonal:
    """`steps` steps from a random vector, with full reorthogonalisation.

    Args:
      product: `v -> H v`, symmetric.
      key: random key of the first vector.
      size: n.
      steps: k, at most n.

    Raises:
      ValueError: for more steps than dimensions.
    """
    if not 1 <= steps <= size:
        raise ValueError(f"steps={steps!r}: from 1 to size={size}")
    first = jax.random.normal(key, (size,))

    def step(carry: Any, i: jax.Array) -> Any:
        basis, v = carry
        basis = basis.at[i].set(v)
        w = product(v)
        alpha = w @ v
        for _ in range(2):  # twice is enough (Parlett, The Symmetric Eigenvalue Problem)
            w = w - basis.T @ (basis @ w)
        beta = jnp.linalg.norm(w)
        # the Krylov space is exhausted: a zero vector adds nothing
        following = jnp.where(beta > 1e-10, w / jnp.maximum(beta, 1e-30), 0.0)
        return (basis, following), (alpha, beta)

    start = jnp.zeros((steps, size)), first / jnp.linalg.norm(first)
    _, (alpha, beta) = jax.lax.scan(step, start, jnp.arange(steps))
    return Tridiagonal(alpha, beta[:-1])


def spectrum(tridiagonal: Tridiagonal) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (ascending) and weights (of sum 1) of the quadrature, `[k]` float64 each, on the host."""
    values, vectors = scipy.linalg.eigh_tridiagonal(
        np.asarray(tridiagonal.diagonal, np.float64), np.asarray(tridiagonal.beside, np.float64)
    )
    return values, vectors[0] ** 2


def share_below(tridiagonal: Tridiagonal, bound: float) -> float:
    """The estimated share of eigenvalues below `bound`."""
    values, weights = spectrum(tridiagonal)
    return float(weights[values < bound].sum())
