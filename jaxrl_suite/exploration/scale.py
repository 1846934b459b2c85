"""Dividing a bonus by its running standard deviation, correctly or as the E3B code did it."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

MODES = ("std", "release", "none")


class Moments(NamedTuple):
    """Running moments: `[]` float32 each.

    Attributes:
      count: of values seen.
      mean: of them.
      m2: sum of squared deviations from the mean.
    """

    count: jax.Array  # type: ignore[assignment]  # hides tuple.count, which nobody calls
    mean: jax.Array
    m2: jax.Array


def init() -> Moments:
    """Moments of nothing."""
    return Moments(jnp.float32(0), jnp.float32(0), jnp.float32(0))


def observe(moments: Moments, values: jax.Array, mode: str = "std") -> Moments:
    """Adds `values` by Chan's parallel formula.

    Args:
      moments: so far.
      values: `[T, N]`.
      mode: "std" counts T N values. "release" counts T of them, as the released E3B code does
        when it divides sums over time and environments by the number of time steps: its "mean" is
        N mu and its variance N (sigma^2 + (N - 1)^2 mu^2).
    """
    count = jnp.float32(values.shape[0] if mode == "release" else values.size)
    mean = jnp.sum(values) / count
    m2 = jnp.sum((values - mean) ** 2)
    total = moments.count + count
    delta = mean - moments.mean
    return Moments(
        total,
        moments.mean + delta * count / total,
        moments.m2 + m2 + delta**2 * moments.count * count / total,
    )


def std(moments: Moments) -> jax.Array:
    """`[]` float32, the population standard deviation; 1 before anything was seen."""
    seen = moments.count > 0
    return jnp.where(seen, jnp.sqrt(moments.m2 / jnp.maximum(moments.count, 1.0)), 1.0)


def apply(moments: Moments, bonus: jax.Array, mode: str) -> tuple[jax.Array, Moments]:
    """`bonus` `[T, N]` divided by the running deviation, this rollout included, and the moments.

    The mean is not subtracted: a bonus stays positive. With `mode="none"` nothing changes.
    """
    if mode == "none":
        return bonus, moments
    moments = observe(moments, bonus, mode)
    return bonus / (std(moments) + 1e-8), moments
