"""Running mean and variance of a stream of batches, and what is scaled by them.

Merging follows Chan, Golub and LeVeque (1979): exact for any split of the stream into batches.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Moments(NamedTuple):
    """Mean and variance so far.

    Attributes:
      mean, variance: pytrees of float32 arrays.
      count: `[]` float32, samples seen.
    """

    mean: Any
    variance: Any
    count: jax.Array  # type: ignore[assignment]  # tuple.count is not missed


def init(example: Any) -> Moments:
    """Of samples shaped like `example` (a pytree without batch axes): mean 0, variance 1."""
    zeros = jax.tree.map(lambda x: jnp.zeros(jnp.shape(x), jnp.float32), example)
    ones = jax.tree.map(lambda x: jnp.ones(jnp.shape(x), jnp.float32), example)
    return Moments(zeros, ones, jnp.float32(1e-4))


def pooled(
    count: Any, mean: jax.Array, m2: jax.Array, more: Any, more_mean: jax.Array, more_m2: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Mean and sum of squared deviations from it (`m2`) of two sets of `count` and `more` samples."""
    total, shift = count + more, more_mean - mean
    return mean + shift * more / total, m2 + more_m2 + shift**2 * count * more / total


def update(moments: Moments, batch: Any) -> Moments:
    """With one more batch, a pytree like the example with any number of batch axes in front."""
    axes = jax.tree.map(lambda x, m: tuple(range(x.ndim - m.ndim)), batch, moments.mean)
    first, first_mean = jax.tree.leaves(batch)[0], jax.tree.leaves(moments.mean)[0]
    size = jnp.float32(first.size / max(first_mean.size, 1))
    total = moments.count + size

    def one(x: jax.Array, axis: Any, mean: jax.Array, variance: jax.Array) -> tuple:
        x = x.astype(jnp.float32)
        seen = moments.count, mean, variance * moments.count
        mean, m2 = pooled(*seen, size, jnp.mean(x, axis), jnp.var(x, axis) * size)
        return mean, m2 / total

    leaves, treedef = jax.tree.flatten(moments.mean)
    merged = [
        one(x, axis, m, v)
        for x, axis, m, v in zip(
            jax.tree.leaves(batch),
            jax.tree.leaves(axes, is_leaf=lambda a: isinstance(a, tuple)),
            leaves,
            jax.tree.leaves(moments.variance),
            strict=True,
        )
    ]
    mean = jax.tree.unflatten(treedef, [m for m, _ in merged])
    variance = jax.tree.unflatten(treedef, [v for _, v in merged])
    return Moments(mean, variance, total)


def standardize(moments: Moments, x: Any, clip: float = 10.0) -> Any:
    """`(x - mean) / std`, clipped to `[-clip, clip]`."""

    def one(x: jax.Array, mean: jax.Array, variance: jax.Array) -> jax.Array:
        return jnp.clip((x - mean) * jax.lax.rsqrt(variance + 1e-8), -clip, clip)

    return jax.tree.map(one, x, moments.mean, moments.variance)
