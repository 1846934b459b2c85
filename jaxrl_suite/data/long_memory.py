"""Copy and addition (Hochreiter and Schmidhuber, 1997; arXiv 1602.06662, section 3), drawn as needed.

Copy, of S symbols after a delay of T: S symbols, T - 1 blanks, a flag, S blanks; wanted are T + S
blanks, then the symbols. Addition: T pairs of a number in [0, 1] and a mark that is 1 twice, once in
each half, and 0 otherwise; wanted is the sum of the two marked numbers at the end.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Copy(NamedTuple):
    """A batch of the copy task.

    Attributes:
      x: `[T + 2 S, N, K + 2]` float32, one-hot: K symbols, the blank, the flag.
      y: `[T + 2 S, N]` int32, the wanted class: a symbol or the blank, K.
      recall: `[T + 2 S, N]` bool, where a symbol is wanted.
    """

    x: jax.Array
    y: jax.Array
    recall: jax.Array


def copy(
    key: jax.Array,
    number: int,
    delay: int,
    symbols: int = 8,
    length: int = 10,
    shortest: int | None = None,
) -> Copy:
    """`number` sequences.

    Args:
      key: random key.
      number: N.
      delay: T, at least 1; the longest where it varies.
      symbols: K.
      length: S.
      shortest: draw every sequence's delay from `shortest` to `delay`; blanks follow its end. None
        keeps it at `delay`.
    """
    symbol_key, delay_key = jax.random.split(key)
    drawn = jax.random.randint(symbol_key, (length, number), 0, symbols)
    least = delay if shortest is None else shortest
    waits = jax.random.randint(delay_key, (number,), least, delay + 1)
    t = jnp.arange(delay + 2 * length)[:, None]
    blank = jnp.full((delay + 2 * length, number), symbols)
    x = blank.at[:length].set(drawn)
    x = jnp.where(t == length + waits - 1, symbols + 1, x)
    place = t - (waits + length)
    recall = (place >= 0) & (place < length)
    wanted = jnp.take_along_axis(drawn, jnp.clip(place, 0, length - 1), 0)
    return Copy(jax.nn.one_hot(x, symbols + 2), jnp.where(recall, wanted, blank), recall)


def copy_baseline(delay: int, symbols: int = 8, length: int = 10) -> float:
    """Mean cross entropy of knowing when but not what: S ln K / (T + 2 S)."""
    return length * math.log(symbols) / (delay + 2 * length)


class Addition(NamedTuple):
    """A batch of the addition task: `x` `[T, N, 2]` numbers and marks, `y` `[N]` sums, float32."""

    x: jax.Array
    y: jax.Array


ADDITION_BASELINE = 1.0 / 6.0
"""Mean squared error of always answering 1."""


def addition(key: jax.Array, number: int, length: int) -> Addition:
    """`number` sequences of `length` pairs, at least 2."""
    keys = jax.random.split(key, 3)
    numbers = jax.random.uniform(keys[0], (length, number))
    half = length // 2
    first = jax.random.randint(keys[1], (number,), 0, half)
    second = jax.random.randint(keys[2], (number,), half, length)
    t = jnp.arange(length)[:, None]
    marks = ((t == first) | (t == second)).astype(jnp.float32)
    return Addition(jnp.stack([numbers, marks], -1), jnp.sum(numbers * marks, 0))
