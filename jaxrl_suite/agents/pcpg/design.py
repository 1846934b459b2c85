"""Weights of a mixture of policies that see as much as possible: D-optimal design over matrices.

    max_w  f(w) = log det S(w),   S(w) = sum_i w_i M_i,   w in the simplex

M_i is policy i's second moment of features. f is concave and df/dw_i = g_i = tr(S^-1 M_i), with
sum_i w_i g_i = d. So for any w (Kiefer and Wolfowitz, 1960)

    f(w*) - f(w) <= max_i g_i - d,

a certificate that costs nothing. `vertex_exchange` moves weight from the policy with the least g_i to
that with the most (Fedorov, 1972; Boehning, 1986), until the certificate is small. The step needs no
line search: log det is self-concordant, so along a direction of slope a and curvature c the damped
Newton step a / (c + a sqrt(c)) always ascends. `adam` is what the released PC-PG code does instead.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxrl_suite import linalg

PRECISION = 3e-4  # of the certificate in float32, relative to the dimension


class Design(NamedTuple):
    """A mixture.

    Attributes:
      weights: `[C]` float32, of the simplex, 0 for rows that are not filled.
      gap: `[]` float32, an upper bound of f(w*) - f(w).
      iterations: `[]` int32, steps taken.
    """

    weights: jax.Array
    gap: jax.Array
    iterations: jax.Array


def uniform(filled: jax.Array) -> jax.Array:
    """Equal weights, `[C]` float32, for the rows that are filled."""
    return filled / jnp.sum(filled)


def log_det(weights: jax.Array, matrices: jax.Array) -> jax.Array:
    """f(w), `[]` float32."""
    return linalg.log_det(jnp.einsum("i,ijk->jk", weights, matrices))


def whitened(roots: jax.Array, inverse_root: jax.Array, ridge: float) -> jax.Array:
    """M_i = R^-T (R_i^T R_i + ridge I) R^-1, `[C, D, D]`: f changes by a constant only.

    Directions that no policy has seen hold nothing but the ridge, and the mixture of the matrices
    themselves is too badly conditioned for float32.

    Args:
      roots: `[C, D, D]`, R_i with R_i^T R_i the sums of phi phi^T.
      inverse_root: `[D, D]`, R^-1 with R^T R = ridge I + sum_i R_i^T R_i.
      ridge: lambda.
    """
    floor = ridge * (inverse_root.T @ inverse_root)

    def whiten(root: jax.Array) -> jax.Array:
        half = root @ inverse_root
        return half.T @ half + floor

    return jax.vmap(whiten)(roots)


def slopes(weights: jax.Array, matrices: jax.Array) -> tuple[jax.Array, jax.Array]:
    """g, `[C]`, and S^-1, `[D, D]`."""
    inverse = linalg.inverse(jnp.einsum("i,ijk->jk", weights, matrices))
    # not einsum: XLA's loop for matrix times vector is several times slower than a sum of products
    return jnp.sum(matrices * inverse, (-2, -1)), inverse


def certificate(weights: jax.Array, matrices: jax.Array, filled: jax.Array) -> jax.Array:
    """max_i g_i - d, `[]` float32: how far f(w) may be from its maximum."""
    slope, _ = slopes(weights, matrices)
    return jnp.max(jnp.where(filled, slope, -jnp.inf)) - matrices.shape[-1]


def vertex_exchange(
    matrices: jax.Array, filled: jax.Array, tolerance: float = 1e-2, most: int = 2000
) -> Design:
    """Maximises f to within `tolerance`, or to within what float32 can tell.

    Args:
      matrices: `[C, D, D]`, symmetric and positive definite where filled, and such that their sum is
        well conditioned (`whitened`).
      filled: `[C]` bool.
      tolerance: of the certificate, in nats; at least `PRECISION` d, as each of the d terms of g_i
        has a rounding error.
      most: steps.
    """
    dim = matrices.shape[-1]
    tolerance = max(tolerance, PRECISION * dim)

    def going_on(design: Design) -> jax.Array:
        return (design.gap > tolerance) & (design.iterations < most)

    def step(design: Design) -> Design:
        w = design.weights
        slope, inverse = slopes(w, matrices)
        up = jnp.argmax(jnp.where(filled, slope, -jnp.inf))
        down = jnp.argmin(jnp.where(w > 0, slope, jnp.inf))
        along = inverse @ (matrices[up] - matrices[down])
        rise, curvature = slope[up] - slope[down], jnp.sum(along * along.T)
        newton = rise / (curvature + rise * jnp.sqrt(curvature) + 1e-12)
        gap = slope[up] - dim
        size = jnp.where(gap > tolerance, jnp.minimum(newton, w[down]), 0.0)
        better = w.at[down].add(-size).at[up].add(size)
        better = jnp.maximum(better, 0.0) / jnp.sum(jnp.maximum(better, 0.0))
        return Design(better, gap, design.iterations + 1)

    first = Design(uniform(filled), jnp.float32(jnp.inf), jnp.int32(0))
    found = jax.lax.while_loop(going_on, step, first)
    slope, _ = slopes(found.weights, matrices)
    return found._replace(gap=jnp.max(jnp.where(filled, slope, -jnp.inf)) - dim)


def adam(
    key: jax.Array,
    matrices: jax.Array,
    filled: jax.Array,
    steps: int = 5000,
    learning_rate: float = 1e-3,
) -> Design:
    """The released code's: Adam on the logits of w, from standard normal ones."""
    optimizer = optax.adam(learning_rate)

    def weights(logits: jax.Array) -> jax.Array:
        return jax.nn.softmax(jnp.where(filled, logits, -jnp.inf))

    def step(carry: tuple, _: None) -> tuple:
        logits, state = carry
        w = weights(logits)
        slope = slopes(w, matrices)[0]
        # the gradient of f through the softmax, by hand: -inf logits have none
        gradient = -w * (jnp.where(filled, slope, 0.0) - jnp.sum(w * slope))
        change, state = optimizer.update(gradient, state)
        return (optax.apply_updates(logits, change), state), None

    logits = jax.random.normal(key, filled.shape)
    (logits, _), _ = jax.lax.scan(step, (logits, optimizer.init(logits)), None, length=steps)
    w = weights(logits)
    return Design(w, certificate(w, matrices, filled), jnp.int32(steps))


def solve(mixture: str, key: jax.Array, matrices: jax.Array, filled: jax.Array) -> Design:
    """By `vertex_exchange` ("optimal"), by `adam`, or equal weights ("uniform")."""
    if mixture == "optimal":
        return vertex_exchange(matrices, filled)
    if mixture == "adam":
        return adam(key, matrices, filled)
    weights = uniform(filled)
    return Design(weights, certificate(weights, matrices, filled), jnp.int32(0))
