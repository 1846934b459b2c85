"""`envs.batch_keys`, and the choice of a level from a bank: uniform and independent."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy import stats

import envs


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_keys_differ_and_keep_their_kind(impl):
    key = jax.random.key(3, impl=impl)
    keys = envs.batch_keys(key, 1000)
    assert keys.shape == (1000,) and keys.dtype == key.dtype
    assert len(np.unique(np.asarray(jax.random.key_data(keys)), axis=0)) == 1000


def test_streams_of_neighbouring_keys_are_independent():
    keys = envs.batch_keys(jax.random.key(5), 4096)
    bits = np.asarray(jax.vmap(lambda k: jax.random.bits(k, (8,), "uint8"))(keys))
    assert stats.chisquare(np.bincount(bits.reshape(-1), minlength=256)).pvalue > 1e-4
    # neighbours agree in half of their bits
    agree = np.unpackbits(~(bits[1:] ^ bits[:-1]))
    assert stats.binomtest(int(agree.sum()), agree.size).pvalue > 1e-4


def test_a_batch_of_one_and_no_leak_between_calls():
    first = envs.batch_keys(jax.random.key(0), 1)
    assert first[0] == jax.random.key(0)
    one, two = jax.random.split(jax.random.key(1))
    both = np.concatenate(
        [np.asarray(jax.random.key_data(envs.batch_keys(k, 512))) for k in (one, two)]
    )
    assert len(np.unique(both, axis=0)) == 1024


@pytest.mark.parametrize("kind", ["batch", "split", "counted"])
def test_levels_of_a_bank_are_equally_likely(kind):
    env, params = envs.make("CartPole-v1", auto_reset="bank", bank_size=32, log=False)
    number = 6400
    keys = {
        "batch": lambda: envs.batch_keys(jax.random.key(7), number),
        "split": lambda: jax.random.split(jax.random.key(7), number),
        "counted": lambda: jax.vmap(jax.random.key)(np.arange(number)),
    }[kind]()
    first, _ = jax.jit(jax.vmap(env.reset, in_axes=(0, None)))(keys, params)
    _, counts = np.unique(np.asarray(first), axis=0, return_counts=True)
    assert len(counts) == 32
    assert stats.chisquare(counts).pvalue > 1e-4
