"""Weights that solve the long-memory tasks, written down, not learned (arXiv 1602.06662, section 4).

All are weights of `h_t = activation(U x_t + b) + V h_{t-1}`, `y_t = W h_t + c` with an orthogonal V, for
any delay T. Tasks as in `jaxrl_suite.data.long_memory`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl_suite.networks.orthogonal_rnn import unroll


class Weights(NamedTuple):
    """Of a linear memory: `u` `[H, F]`, `b` `[H]`, `v` `[H, H]`, `w` `[O, H]`, `c` `[O]`, float32."""

    u: np.ndarray
    b: np.ndarray
    v: np.ndarray
    w: np.ndarray
    c: np.ndarray


def run(
    weights: Weights, x: jax.Array, activation: Callable[[jax.Array], jax.Array] = jax.nn.relu
) -> jax.Array:
    """Outputs `[T, N, O]` of `x` `[T, N, F]`, from a memory of zeros."""
    drive = activation(x @ weights.u.T + weights.b)
    h = unroll(jnp.asarray(weights.v), drive, jnp.zeros_like(drive[0]))
    return h @ weights.w.T + weights.c


def addition() -> Weights:
    """One unit: it takes in relu(u + m - 1), which is u where the mark m is 1 and 0 elsewhere."""
    one = np.ones((1, 1), np.float32)
    return Weights(np.ones((1, 2), np.float32), -one[0], one, one, np.zeros(1, np.float32))


def copy_by_registers(delay: int, symbols: int = 8, length: int = 10) -> Weights:
    """Exact: for each symbol a ring of `length` units that turns by one at every step.

    A symbol seen at step s enters its own ring at place 0 and stands at place `(t - s) mod length` at
    step t. It is wanted at t = s + delay + length, so W reads the place `(delay + length) mod length`.
    A last ring of `length + 1` units holds the flag: until it has left place 0 the blank is louder.
    H = symbols * length + length + 1.
    """
    rings = [length] * symbols + [length + 1]
    starts = np.cumsum([0, *rings[:-1]])
    size = sum(rings)
    u, v = np.zeros((size, symbols + 2), np.float32), np.zeros((size, size), np.float32)
    w, c = np.zeros((symbols + 1, size), np.float32), np.zeros(symbols + 1, np.float32)
    for start, ring in zip(starts, rings, strict=True):
        v[start + (np.arange(ring) + 1) % ring, start + np.arange(ring)] = 1
    for symbol, start in enumerate(starts[:-1]):
        u[start, symbol] = 1
        w[symbol, start + (delay + length) % length] = 1
    u[starts[-1], symbols + 1] = 1  # the flag
    c[symbols], w[symbols, starts[-1] + 1 :] = 2, -2
    return Weights(u, np.zeros(size, np.float32), v, w, c)


def copy_by_clocks(
    key: jax.Array, features: int, delay: int, symbols: int = 8, length: int = 10
) -> Weights:
    """The paper's: `features / 2` clocks of random speeds, all of which come round at the right time.

    Rotations by 2 pi n_j / (delay + length), n_j random integers, so V^(delay + length) = I; symbols
    are random unit vectors. A symbol is in phase when it is wanted, all others are scattered: right
    with a probability that grows with `features` and does not depend on the delay. To be run without
    activation (`lambda x: x`). The ring of the flag is as above, so H = features + length + 1.

    Raises:
      ValueError: for an odd number of features.
    """
    if features % 2:
        raise ValueError(f"features={features!r}: an even number, two a clock")
    rng = np.random.default_rng(np.asarray(jax.random.bits(key, (2,))))
    period = delay + length
    angle = 2 * np.pi * rng.integers(1, period, features // 2) / period
    size, ring = features + length + 1, features + np.arange(length + 1)
    v, even = np.zeros((size, size)), 2 * np.arange(features // 2)
    v[even, even] = v[even + 1, even + 1] = np.cos(angle)
    v[even, even + 1], v[even + 1, even] = -np.sin(angle), np.sin(angle)
    v[np.roll(ring, -1), ring] = 1
    codes = rng.normal(size=(symbols, features))
    codes /= np.linalg.norm(codes, axis=1, keepdims=True)
    u, w = np.zeros((size, symbols + 2)), np.zeros((symbols + 1, size))
    u[:features, :symbols], w[:symbols, :features] = codes.T, codes
    u[features, symbols + 1] = 1
    c = np.zeros(symbols + 1)
    # louder than the sum of all symbols can be, then quieter
    c[symbols], w[symbols, features + 1 :] = length + 1, -2 * (length + 1)
    zeros = np.zeros(size, np.float32)
    return Weights(u.astype("f4"), zeros, v.astype("f4"), w.astype("f4"), c.astype("f4"))
