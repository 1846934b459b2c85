"""Random minibatches of a rollout, with a leading axis to scan over.

Single steps for feed-forward policies, whole environments (with their recurrent state) for recurrent
ones: a sequence must stay in order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrl_suite.experiment import ConfigError


def permutation(key: jax.Array, size: int) -> jax.Array:
    """A random order of `0 .. size - 1`, `[size]` int32.

    One sort of 32-bit words, random bits above and the index below: several times faster on a CPU
    than `jax.random.permutation`, which sorts pairs. Words with equal random bits keep their order;
    that is a share of at most `2 * size / 2^32` of all pairs. Sizes above 2^16 go to
    `jax.random.permutation`.
    """
    if size > 1 << 16:
        return jax.random.permutation(key, size)
    low = jnp.uint32((1 << (size - 1).bit_length()) - 1)
    words = (jax.random.bits(key, (size,), jnp.uint32) & ~low) | jnp.arange(size, dtype=jnp.uint32)
    return (jnp.sort(words) & low).astype(jnp.int32)


def of_steps(key: jax.Array, rollout: Any, parts: int) -> Any:
    """`[T, N, ...]` leaves as `[parts, T * N / parts, ...]` of steps in random order."""
    length, width = jax.tree.leaves(rollout)[0].shape[:2]
    size = length * width
    order = permutation(key, size)

    def cut(x: jax.Array) -> jax.Array:
        flat = x.reshape(size, *x.shape[2:])
        picked = flat.at[order].get(mode="promise_in_bounds", unique_indices=True)
        return picked.reshape(parts, size // parts, *x.shape[2:])

    return jax.tree.map(cut, rollout)


def of_sequences(key: jax.Array, carry: Any, rollout: Any, parts: int) -> tuple[Any, Any]:
    """Whole environments in random order.

    Args:
      key: random key.
      carry: pytree of `[N, ...]`, the recurrent state before step 0.
      rollout: pytree of `[T, N, ...]`.
      parts: a divisor of N.

    Returns:
      `carry` as `[parts, N / parts, ...]` and `rollout` as `[parts, T, N / parts, ...]`.
    """
    length, size = jax.tree.leaves(rollout)[0].shape[:2]
    order = permutation(key, size)

    def cut_carry(x: jax.Array) -> jax.Array:
        return x[order].reshape(parts, size // parts, *x.shape[1:])

    def cut(x: jax.Array) -> jax.Array:
        x = x[:, order].reshape(length, parts, size // parts, *x.shape[2:])
        return jnp.moveaxis(x, 1, 0)

    return jax.tree.map(cut_carry, carry), jax.tree.map(cut, rollout)


def passes(
    key: jax.Array,
    state: Any,
    step: Callable[[Any, Any], tuple[Any, Any]],
    data: Any,
    epochs: int,
    parts: int,
    share: float = 1.0,
) -> tuple[Any, Any]:
    """Several passes over single steps, each in an order of its own.

    Args:
      key: random key.
      state: what is trained.
      step: `(state, batch) -> (state, metrics)` on one minibatch.
      data: pytree of `[T, N, ...]`.
      epochs: passes.
      parts: minibatches of a pass; a remainder of a random few steps is left out.
      share: of a pass's minibatches that are looked at, at least one.

    Returns:
      The state, and the metrics' means over all minibatches.

    Raises:
      ConfigError: when there are more minibatches than steps.
    """
    length, width = jax.tree.leaves(data)[0].shape[:2]
    size = length * width
    if parts > size:
        raise ConfigError("minibatches", parts, f"at most {size}, the steps of a rollout")
    flat = jax.tree.map(lambda x: x.reshape(size, *x.shape[2:]), data)
    used = max(1, round(share * parts))

    def epoch(state: Any, key: jax.Array) -> tuple[Any, Any]:
        order = permutation(key, size)[: used * (size // parts)].reshape(used, -1)
        return jax.lax.scan(
            lambda state, index: step(state, jax.tree.map(lambda x: x[index], flat)), state, order
        )

    state, metrics = jax.lax.scan(epoch, state, jax.random.split(key, epochs))
    return state, jax.tree.map(jnp.mean, metrics)
