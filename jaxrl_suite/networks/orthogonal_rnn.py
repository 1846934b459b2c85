"""Recurrent networks whose memory is linear (Henaff, Szlam and LeCun, ICML 2016, arXiv 1602.06662).

    h_t = relu(U x_t + b) + V h_{t-1}

An orthogonal V keeps what it has taken in for ever: rotating, like the hands of clocks, or, where V is
the identity, standing still. What tells the kinds apart is where V begins and where it may go:

    orthogonal                    begins as a random orthogonal matrix, then free (LT-ORNN)
    identity                      begins as the identity, then free (LT-IRNN)
    cayley, expm, householder     orthogonal throughout, by `orthogonal_matrix`

`pool=True` adds the lengths of neighbouring pairs of units to the output: a read-out that does not see
the hands turn. Solutions written by hand are in `long_memory_solutions`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrl_suite.networks.initializers import orthogonal
from jaxrl_suite.networks.orthogonal_matrix import PARAMETRISATIONS

KINDS = ("orthogonal", "identity", *PARAMETRISATIONS)


class OrthogonalRNN(nn.Module):
    """The linear memory over time-major inputs.

    Attributes:
      kind: one of `KINDS`.
      features: of the memory, and of the output unless `pool`.
      pool: append the lengths of pairs of units; `features` is even then.
      input_scale: of U's initial values.
    """

    kind: str
    features: int
    pool: bool = False
    input_scale: float = 1.0

    @nn.compact
    def __call__(
        self, carry: jax.Array, x: jax.Array, reset: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """`x` `[T, N, F]`, `reset` `[T, N]` bool (an episode begins at t): `(carry, [T, N, H])`.

        Raises:
          ValueError: for a kind that does not exist, or an odd number of units to pool.
        """
        if self.kind not in KINDS:
            raise ValueError(f"kind={self.kind!r}: one of {', '.join(KINDS)}")
        if self.pool and self.features % 2:
            raise ValueError(f"features={self.features!r}: an even number to pool pairs")
        scale = nn.initializers.variance_scaling(self.input_scale**2, "fan_in", "normal")
        drive = nn.relu(nn.Dense(self.features, kernel_init=scale, name="input")(x))
        first = init_of(self.kind)
        v = matrix_of(self.kind, self.param("recurrent", first, (self.features, self.features)))
        found = unroll(v, drive, carry, reset)
        return found[-1], with_lengths(found) if self.pool else found


def init_of(kind: str) -> Callable[..., jax.Array]:
    """`(key, shape)` -> the first parameters of V."""
    if kind in PARAMETRISATIONS:
        return lambda key, shape: PARAMETRISATIONS[kind].init(key, shape[0])
    return orthogonal() if kind == "orthogonal" else lambda key, shape: jnp.eye(shape[0])


def matrix_of(kind: str, parameters: jax.Array) -> jax.Array:
    """V, `[H, H]`, of its parameters."""
    return PARAMETRISATIONS[kind].matrix(parameters) if kind in PARAMETRISATIONS else parameters


def unroll(
    v: jax.Array, drive: jax.Array, carry: jax.Array, reset: jax.Array | None = None
) -> jax.Array:
    """All states of `h_t = drive_t + V h_{t-1}`, where a reset makes `h_{t-1}` zero.

    Args:
      v: `[H, H]`.
      drive: `[T, N, H]`.
      carry: `[N, H]`, the state before step 0.
      reset: `[T, N]` bool or None.

    Returns:
      `[T, N, H]`.
    """
    keep = jnp.ones(drive.shape[:2]) if reset is None else 1.0 - reset.astype(drive.dtype)
    return _unroll(v, drive, carry, keep[..., None])


@jax.custom_vjp
def _unroll(v: jax.Array, drive: jax.Array, carry: jax.Array, keep: jax.Array) -> jax.Array:
    turn = v.T  # transposed once: inside the loop it would be slow under vmap

    def step(h: jax.Array, now: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        taken, kept = now
        h = taken + (kept * h) @ turn
        return h, h

    return jax.lax.scan(step, carry, (drive, keep))[1]


def _forward(v: jax.Array, drive: jax.Array, carry: jax.Array, keep: jax.Array) -> Any:
    h = _unroll(v, drive, carry, keep)
    return h, (v, h, carry, keep)


def _backward(saved: Any, dh: jax.Array) -> Any:
    """The same recurrence backwards, by V^T; V's own gradient is one product after the loop."""
    v, h, carry, keep = saved

    def step(g: jax.Array, now: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        due, kept = now
        g = due + g
        return kept * (g @ v), g

    first, g = jax.lax.scan(step, jnp.zeros_like(carry), (dh, keep), reverse=True)
    before = keep * jnp.concatenate([carry[None], h[:-1]])
    size = v.shape[0]
    dv = g.reshape(-1, size).T @ before.reshape(-1, size)
    return dv, g, first, jnp.zeros_like(keep)


_unroll.defvjp(_forward, _backward)


def with_lengths(h: jax.Array) -> jax.Array:
    """`[..., H]` and the lengths of its H / 2 pairs (the paper's pooling): `[..., 3 H / 2]`."""
    pairs = h.reshape(*h.shape[:-1], -1, 2)
    # the root of zero has no gradient
    return jnp.concatenate([h, jnp.sqrt(jnp.sum(pairs**2, -1) + 1e-8)], -1)
