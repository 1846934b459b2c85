"""Random choices that several levels share: numbers, distinct ones, colours, objects."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def integer(key: jax.Array, low: Any, high: Any) -> jax.Array:
    """A uniform `[]` int32 of `low .. high - 1`; bounds may be traced."""
    span = (jnp.asarray(high, jnp.int32) - low).astype(jnp.uint32)
    return (jax.random.bits(key, (), jnp.uint32) % span).astype(jnp.int32) + low


def distinct(key: jax.Array, count: int, choices: int) -> jax.Array:
    """`[count]` int32 different numbers below `choices`, every ordered choice as likely."""
    scores, drawn = jax.random.bits(key, (choices,), jnp.uint32) | 1, []
    for _ in range(count):
        drawn.append(jnp.argmax(scores))
        scores = jnp.where(np.arange(choices) == drawn[-1], 0, scores)
    return jnp.stack(drawn).astype(jnp.int32)


def color(key: jax.Array) -> jax.Array:
    """A uniform colour, `[]` uint8."""
    return (jax.random.bits(key, (), jnp.uint32) % np.uint32(6)).astype(jnp.uint8)


def kind_and_color(number: jax.Array, kinds: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    """The kind and the colour, uint8, that a number below `6 len(kinds)` stands for."""
    return jnp.array(kinds, jnp.uint8)[number // 6], (number % 6).astype(jnp.uint8)


def numbers(*values: jax.typing.ArrayLike) -> jax.Array:
    """Up to four values as a mission, `[4]` uint8."""
    padded = (*values, 0, 0, 0, 0)[:4]
    return jnp.stack([jnp.asarray(v).astype(jnp.uint8) for v in padded])
