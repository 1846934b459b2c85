"""Advantages against the O(T^2) sum they stand for, in float64."""

from __future__ import annotations

import jax
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrl_suite import gae


def brute_force(reward, value, next_value, terminated, done, discount, gae_lambda):
    """A_t = sum_k (gamma lambda)^k delta_{t+k}, until the episode's end."""
    length = len(reward)
    result = np.zeros(length)
    for t in range(length):
        weight = 1.0
        for k in range(t, length):
            delta = reward[k] + discount * next_value[k] * (not terminated[k]) - value[k]
            result[t] += weight * delta
            if done[k]:
                break
            weight *= discount * gae_lambda
    return result


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**16), discount=st.floats(0.0, 1.0), gae_lambda=st.floats(0.0, 1.0))
def test_equals_the_sum(seed, discount, gae_lambda):
    random = np.random.default_rng(seed)
    reward, value, next_value = random.normal(size=(3, 24, 2))
    terminated = random.random((24, 2)) < 0.15
    done = terminated | (random.random((24, 2)) < 0.1)
    got = jax.jit(gae.advantages)(
        *(x.astype(np.float32) for x in (reward, value, next_value)),
        terminated,
        done,
        discount,
        gae_lambda,
    )
    for n in range(2):
        args = (x[:, n] for x in (reward, value, next_value, terminated, done))
        np.testing.assert_allclose(
            got[:, n], brute_force(*args, discount, gae_lambda), rtol=1e-4, atol=1e-4
        )


def test_truncation_bootstraps_and_termination_does_not():
    ones, no, yes = np.ones((1, 1), np.float32), np.zeros((1, 1), bool), np.ones((1, 1), bool)
    cut = gae.advantages(ones, ones, 5 * ones, no, yes, 0.9, 0.95)
    ended = gae.advantages(ones, ones, 5 * ones, yes, yes, 0.9, 0.95)
    np.testing.assert_allclose(cut, 1 + 0.9 * 5 - 1, rtol=1e-6)
    np.testing.assert_allclose(ended, 0.0, atol=1e-6)
