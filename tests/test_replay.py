"""The replay buffer against a Python list."""

from __future__ import annotations

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrl_suite import replay


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([4, 7]), st.lists(st.integers(1, 4), max_size=8))
def test_holds_the_newest_items(capacity, batches):
    ring = replay.init({"x": jnp.float32(0), "y": jnp.zeros(2, jnp.int32)}, capacity)
    kept, count = collections.deque(maxlen=capacity), 0
    for number in batches:
        x = np.arange(count, count + number, dtype=np.float32)
        ring = replay.add(ring, {"x": x, "y": np.stack([x, -x], 1).astype(np.int32)})
        kept.extend(x)
        count += number
    assert int(ring.size) == len(kept)
    assert sorted(np.asarray(ring.data["x"])[: len(kept)]) == sorted(kept)
    assert np.array_equal(ring.data["y"][:, 0], ring.data["x"])


def test_samples_uniformly_what_is_there():
    ring = replay.add(replay.init(jnp.int32(0), 10), jnp.arange(1, 5))
    drawn = np.asarray(replay.sample(jax.random.key(0), ring, 8_000))
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [1, 2, 3, 4]
    assert np.all(np.abs(counts - 2_000) < 200)


def test_never_counts_beyond_its_integers():
    ring = replay.init(jnp.int32(0), 7)._replace(added=jnp.int32(2**30 - 1))
    place = int(ring.added % 7)
    for i in range(3):
        ring = replay.add(ring, jnp.full(1, i + 1))
    assert int(ring.added) < 2**30 and int(ring.size) == 7
    assert [int(ring.data[(place + i) % 7]) for i in range(3)] == [1, 2, 3]


def test_too_many_at_once_is_refused():
    with pytest.raises(ValueError, match="4 places"):
        replay.add(replay.init(jnp.int32(0), 4), jnp.arange(5))
    with pytest.raises(ValueError, match="capacity"):
        replay.init(jnp.int32(0), 0)
