"""Square orthogonal matrices as functions of free parameters, by matrix products only.

    cayley        V = (I + A)^-1 (I - A), A skew           (Helfrich, Willmott and Ye, ICML 2018)
    expm          V = exp(A), A skew                       (Lezcano-Casado and Martinez-Rubio, ICML 2019)
    householder   V = H_1 ... H_n, H_i = I - 2 v_i v_i^T / |v_i|^2      (Mhammedi et al., ICML 2017)

All parameters are `[n, n]` float32. LAPACK is avoided for the reason `initializers` gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

_NEWTON, _TAYLOR, _SQUARINGS = 24, 8, 7


class Parametrisation(NamedTuple):
    """`init(key, n) -> [n, n]` parameters, and `matrix(parameters) -> [n, n]` orthogonal."""

    init: Callable[[jax.Array, int], jax.Array]
    matrix: Callable[[jax.Array], jax.Array]


def skew(parameters: jax.Array) -> jax.Array:
    """The skew-symmetric matrix of the entries above the diagonal."""
    upper = jnp.triu(parameters, 1)
    return upper - upper.T


@jax.custom_jvp
def cayley(a: jax.Array) -> jax.Array:
    """`(I + A)^-1 (I - A)` of a skew `[n, n]` A; eigenvalues of -1 are out of reach."""
    return _inverse(a) @ (jnp.eye(a.shape[0], dtype=a.dtype) - a)


@cayley.defjvp
def _cayley_jvp(primals: Any, tangents: Any) -> tuple[jax.Array, jax.Array]:
    (a,), (da,) = primals, tangents
    eye = jnp.eye(a.shape[0], dtype=a.dtype)
    inverse = _inverse(a)
    v = inverse @ (eye - a)
    return v, -inverse @ (da @ (eye + v))


def _inverse(a: jax.Array) -> jax.Array:
    """`(I + A)^-1` by Newton's X <- X (2 I - (I + A) X), from X = (I - A) / c.

    (I + A)(I - A) = I + A^T A is positive definite, so it converges for every c above its largest
    eigenvalue, the faster the smaller A: 24 rounds do for |A| up to a thousand.
    """
    eye = jnp.eye(a.shape[0], dtype=a.dtype)
    most = 1.0 + jnp.max(jnp.sum(jnp.abs(a), 0)) ** 2

    def step(_: Any, x: jax.Array) -> jax.Array:
        return x @ (2 * eye - (eye + a) @ x)

    return jax.lax.fori_loop(0, _NEWTON, step, (eye - a) / most)


def expm(a: jax.Array) -> jax.Array:
    """`exp(A)` of a skew `[n, n]` A by scaling, Taylor's series and squaring."""
    eye = jnp.eye(a.shape[0], dtype=a.dtype)
    small = a / 2.0**_SQUARINGS
    v = eye + small / _TAYLOR
    for order in range(_TAYLOR - 1, 0, -1):
        v = eye + small @ v / order
    for _ in range(_SQUARINGS):
        v = v @ v
    return v


def householder(vectors: jax.Array) -> jax.Array:
    """The product of reflections along the rows of `vectors` `[m, n]`, the first row outermost."""

    def reflect(v: jax.Array, row: jax.Array) -> tuple[jax.Array, None]:
        scale = 2.0 / jnp.maximum(row @ row, 1e-12)
        return v - scale * jnp.outer(row, row @ v), None

    eye = jnp.eye(vectors.shape[1], dtype=vectors.dtype)
    return jax.lax.scan(reflect, eye, vectors, reverse=True)[0]


def rotations(angles: jax.Array, n: int) -> jax.Array:
    """Parameters `[n, n]` of a skew matrix of 2 x 2 blocks, one for each of `angles` `[n // 2]`."""
    place = 2 * jnp.arange(n // 2)
    return jnp.zeros((n, n)).at[place, place + 1].set(angles)


def _init_expm(key: jax.Array, n: int) -> jax.Array:
    """Random rotations of planes: eigenvalues anywhere on the unit circle (the paper's clocks)."""
    return rotations(jax.random.uniform(key, (n // 2,), minval=-math.pi, maxval=math.pi), n)


def _init_cayley(key: jax.Array, n: int) -> jax.Array:
    """The same, but for angles near pi, where A would be without bounds."""
    angle = jax.random.uniform(key, (n // 2,), minval=-0.9 * math.pi, maxval=0.9 * math.pi)
    return rotations(jnp.tan(angle / 2), n)


PARAMETRISATIONS = {
    "cayley": Parametrisation(_init_cayley, lambda p: cayley(skew(p))),
    "expm": Parametrisation(_init_expm, lambda p: expm(skew(p))),
    "householder": Parametrisation(lambda key, n: jax.random.normal(key, (n, n)), householder),
}
"""By name."""


def distance(v: jax.Array) -> jax.Array:
    """How far `[n, n]` V is from orthogonal: the squared Frobenius norm of V^T V - I."""
    return jnp.sum((v.T @ v - jnp.eye(v.shape[0], dtype=v.dtype)) ** 2)
