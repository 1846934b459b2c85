"""A replay buffer as a pytree: a ring of transitions, written in batches and sampled uniformly.

ring = replay.init(example, capacity=10_000)
ring = replay.add(ring, batch)  # [N, ...]: the oldest are overwritten
batch = replay.sample(key, ring, 64)  # with replacement
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Replay(NamedTuple):
    """The ring.

    Attributes:
      data: pytree of `[capacity, ...]`.
      added: `[]` int32, items written so far, overwritten ones included; it stops at 2^30 plus
        what keeps its place in the ring.
    """

    data: Any
    added: jax.Array

    @property
    def capacity(self) -> int:
        return int(jax.tree.leaves(self.data)[0].shape[0])

    @property
    def size(self) -> jax.Array:
        """`[]` int32, items that are there."""
        return jnp.minimum(self.added, self.capacity)


def init(example: Any, capacity: int) -> Replay:
    """Empty, for items shaped like `example` (a pytree without batch axes).

    Raises:
      ValueError: for a capacity below 1.
    """
    if capacity < 1:
        raise ValueError(f"capacity={capacity!r}: at least 1")
    data = jax.tree.map(
        lambda x: jnp.zeros((capacity, *jnp.shape(x)), jnp.asarray(x).dtype), example
    )
    return Replay(data, jnp.int32(0))


def add(replay: Replay, items: Any) -> Replay:
    """With the items of a batch, a pytree of `[N, ...]`, N at most the capacity.

    Raises:
      ValueError: for more items than there are places.
    """
    number, capacity = jax.tree.leaves(items)[0].shape[0], replay.capacity
    if number > capacity:
        raise ValueError(f"{number} items at once: the ring has {capacity} places")
    places = (replay.added + jnp.arange(number)) % capacity
    data = jax.tree.map(
        lambda ring, x: ring.at[places].set(x, mode="promise_in_bounds", unique_indices=True),
        replay.data,
        items,
    )
    added = replay.added + number
    # stays far from the end of int32, with the same place in the ring
    added = jnp.where(added > 1 << 30, added % capacity + capacity, added)
    return Replay(data, added)


def take(replay: Replay, index: jax.Array) -> Any:
    """The items at places `index`, `[B]`: a pytree of `[B, ...]`."""
    return jax.tree.map(lambda x: x.at[index].get(mode="clip"), replay.data)


def sample(key: jax.Array, replay: Replay, number: int) -> Any:
    """`number` uniform draws with replacement; the ring must not be empty."""
    return take(replay, jax.random.randint(key, (number,), 0, jnp.maximum(replay.size, 1)))
