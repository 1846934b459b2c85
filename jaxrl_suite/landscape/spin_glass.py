"""Spherical spin glasses: the loss surfaces of an idealised network (arXiv 1412.0233, equation 7).

    L(w) = N^(-(p-1)/2) sum_{i1..ip} X_{i1..ip} w_i1 ... w_ip,    |w|^2 = N,    X standard normal

Energies are e = L / N. A point is `[N]`; functions are for one point, `vmap` gives many. The couplings
are made symmetric, which changes no energy.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

_SIGN_STEPS = 48


def couplings(key: jax.Array, size: int, p: int) -> jax.Array:
    """X, symmetric, `[N] * p` float32.

    Raises:
      ValueError: for an order other than 2, 3 or 4, or fewer than 2 spins.
    """
    if p not in (2, 3, 4):
        raise ValueError(f"p={p!r}: 2, 3 or 4")
    if size < 2:
        raise ValueError(f"size={size!r}: at least 2 spins")
    x = jax.random.normal(key, (size,) * p)
    orders = list(itertools.permutations(range(p)))
    return sum((x.transpose(order) for order in orders[1:]), x) / len(orders)


def on_sphere(key: jax.Array, size: int) -> jax.Array:
    """A uniform point of the sphere of radius sqrt(N), `[N]`."""
    return _to_sphere(jax.random.normal(key, (size,)))


def _to_sphere(w: jax.Array) -> jax.Array:
    return w * jnp.sqrt(w.shape[0] / jnp.sum(w**2))


def contract(x: jax.Array, w: jax.Array, free: int) -> jax.Array:
    """X with w in all places but the last `free`: `[N] * free`."""
    for _ in range(x.ndim - free):
        x = jnp.tensordot(w, x, 1)
    return x


def _scale(x: jax.Array) -> float:
    return x.shape[0] ** (-(x.ndim - 1) / 2)


def energy(x: jax.Array, w: jax.Array) -> jax.Array:
    """e = L / N, `[]`."""
    return _scale(x) * contract(x, w, 0) / w.shape[0]


def gradient(x: jax.Array, w: jax.Array) -> jax.Array:
    """Of L along the sphere, `[N]`."""
    full = x.ndim * _scale(x) * contract(x, w, 1)
    return full - (full @ w / w.shape[0]) * w


def hessian(x: jax.Array, w: jax.Array) -> jax.Array:
    """Of L along the sphere, `[N, N]`: P (D^2 L - (D L . w) / N I) P, with w its own null direction."""
    p, n = x.ndim, w.shape[0]
    second = p * (p - 1) * _scale(x) * contract(x, w, 2)
    pull = p * _scale(x) * contract(x, w, 0) / n
    project = jnp.eye(n) - jnp.outer(w, w) / n
    return project @ (second - pull * jnp.eye(n)) @ project


def count_below(matrix: jax.Array, bound: float = 0.0) -> jax.Array:
    """How many eigenvalues of a symmetric `[n, n]` matrix lie below `bound`, `[]` int32.

    By the trace of sign(A - bound), from Newton and Schulz's X <- 1.5 X - 0.5 X^3: matrix products
    only (`networks.initializers` says why). Eigenvalues within about 1e-7 |A| of `bound` count half.
    """
    n = matrix.shape[0]
    shifted = matrix - bound * jnp.eye(n, dtype=matrix.dtype)
    x = shifted / jnp.maximum(jnp.sqrt(jnp.sum(shifted**2)), 1e-30)

    def step(_: int, x: jax.Array) -> jax.Array:
        return 1.5 * x - 0.5 * x @ (x @ x)

    x = jax.lax.fori_loop(0, _SIGN_STEPS, step, x)
    return jnp.round((n - jnp.trace(x)) / 2).astype(jnp.int32)


def index(x: jax.Array, w: jax.Array, tolerance: float = 1e-3) -> jax.Array:
    """The number of directions along the sphere in which L curves down, `[]` int32.

    Args:
      x: couplings.
      w: `[N]`, a point.
      tolerance: eigenvalues above minus this count as flat.
    """
    return count_below(hessian(x, w), -tolerance)


class Schedule(NamedTuple):
    """How to go down.

    Attributes:
      rate: step size at the first step.
      slowing: its factor over the whole run, 1 keeps it.
      temperature: of the noise at the first step (Langevin), 0 for none.
      cooling: its factor over the whole run (annealing), 1 keeps it.
      share: of the spins whose couplings a step sees (stochastic gradients), 1 for all.
      steps: of the whole run.
    """

    rate: float = 0.05
    slowing: float = 1.0
    temperature: float = 0.0
    cooling: float = 1.0
    share: float = 1.0
    steps: int = 2000


def descend(
    key: jax.Array, x: jax.Array, w: jax.Array, schedule: Schedule, start: jax.Array, steps: int
) -> jax.Array:
    """`steps` steps of one point from step `start` of a schedule on.

    Each is w <- w - rate g + sqrt(2 rate T) noise, along the sphere and back to it. With `share` below 1
    g is the gradient of the terms whose first spin is in a random subset, over `share`: unbiased.
    """

    def step(w: jax.Array, now: jax.Array) -> tuple[jax.Array, None]:
        noise_key, part_key = jax.random.split(jax.random.fold_in(key, now))
        if schedule.share < 1.0:
            kept = jax.random.bernoulli(part_key, schedule.share, w.shape) / schedule.share
            part = _part_gradient(x, w, kept)
            g = part - (part @ w / w.shape[0]) * w
        else:
            g = gradient(x, w)
        rate = schedule.rate * schedule.slowing ** (now / schedule.steps)
        w = w - rate * g
        if schedule.temperature > 0:
            heat = schedule.temperature * schedule.cooling ** (now / schedule.steps)
            w = w + jnp.sqrt(2 * rate * heat) * jax.random.normal(noise_key, w.shape)
        return _to_sphere(w), None

    return jax.lax.scan(step, w, start + jnp.arange(steps))[0]


def _part_gradient(x: jax.Array, w: jax.Array, kept: jax.Array) -> jax.Array:
    """Of sum_i kept_i w_i X(e_i, w, ..., w): `kept` times the last place, and all the others."""
    p = x.ndim
    two = contract(x, w, 2)  # [N, N]
    return _scale(x) * (kept * (two @ w) + (p - 1) * (two @ (kept * w)))


def stable_rate(p: int) -> float:
    """A step size that converges: half of 2 / the largest curvature, 2 sqrt(p (p - 1)) + p E_0."""
    return 1.0 / (2 * math.sqrt(p * (p - 1)) + 2.0 * p)
