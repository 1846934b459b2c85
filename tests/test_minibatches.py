"""Minibatches: every step exactly once, sequences whole, orders uniform."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl_suite import minibatches


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1000, 1 << 16, (1 << 16) + 3])
def test_permutation_holds_every_index_once(size):
    order = np.asarray(minibatches.permutation(jax.random.key(0), size))
    np.testing.assert_array_equal(np.sort(order), np.arange(size))


def test_permutations_of_four_are_equally_likely():
    draws = 24_000
    keys = jax.random.split(jax.random.key(1), draws)
    orders = np.asarray(jax.vmap(lambda k: minibatches.permutation(k, 4))(keys))
    codes, counts = np.unique(orders @ [64, 16, 4, 1], return_counts=True)
    assert len(codes) == len(list(itertools.permutations(range(4))))
    chi_square = ((counts - draws / 24) ** 2 / (draws / 24)).sum()
    assert chi_square < 49.7  # 23 degrees of freedom, p = 0.001


def test_steps_keep_their_fields_together():
    index = jnp.arange(24).reshape(6, 4)
    rollout = {"index": index, "vector": jnp.stack([index, -index], -1)}
    parts = minibatches.of_steps(jax.random.key(2), rollout, 3)
    assert parts["index"].shape == (3, 8) and parts["vector"].shape == (3, 8, 2)
    np.testing.assert_array_equal(np.sort(parts["index"].ravel()), np.arange(24))
    np.testing.assert_array_equal(parts["vector"][..., 0], parts["index"])
    assert not np.array_equal(parts["index"].ravel(), np.arange(24))


def test_sequences_stay_whole_and_keep_their_carry():
    length, envs = 5, 8
    rollout = jnp.arange(length)[:, None] * 100 + jnp.arange(envs)
    carry = jnp.arange(envs)
    memory, parts = minibatches.of_sequences(jax.random.key(3), carry, rollout, 4)
    assert memory.shape == (4, 2) and parts.shape == (4, length, 2)
    np.testing.assert_array_equal(np.sort(memory.ravel()), np.arange(envs))
    for which, sequence in zip(memory, parts, strict=True):
        np.testing.assert_array_equal(sequence, rollout[:, which])


@pytest.mark.parametrize("share, used", [(1.0, 4), (0.5, 2), (0.25, 1), (0.01, 1)])
def test_passes_look_at_a_share_of_the_minibatches(share, used):
    data = jnp.arange(40.0).reshape(10, 4)

    def step(seen, batch):
        assert batch.shape == (10,)
        return seen.at[batch.astype(int)].add(1), jnp.float32(1)

    seen, _ = minibatches.passes(jax.random.key(4), jnp.zeros(40), step, data, 1, 4, share)
    assert float(seen.sum()) == 10 * used and float(seen.max()) == 1
    seen, _ = minibatches.passes(jax.random.key(4), jnp.zeros(40), step, data, 200, 4, share)
    assert float(seen.min()) > 0  # no step is left out for good
