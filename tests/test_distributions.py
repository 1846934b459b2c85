"""The few distributions in use against SciPy's closed forms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from envs import spaces
from jaxrl_suite import distributions

MEAN, SCALE = np.array([0.3, -1.0], np.float32), np.array([0.5, 2.0], np.float32)


def test_categorical():
    logits = np.array([0.1, 2.0, -1.0], np.float32)
    p = special.softmax(logits.astype(np.float64))
    pi = distributions.categorical(jnp.asarray(logits))
    np.testing.assert_allclose(pi.log_prob(jnp.arange(3)[:, None])[:, 0], np.log(p), rtol=1e-5)
    np.testing.assert_allclose(pi.entropy(), stats.entropy(p), rtol=1e-5)
    draws = pi.sample(seed=jax.random.key(0), sample_shape=(20_000,))
    np.testing.assert_allclose(np.bincount(draws, minlength=3) / 20_000, p, atol=0.02)


def test_gaussian():
    pi = distributions.gaussian(jnp.asarray(MEAN), jnp.asarray(SCALE))
    x = np.array([1.0, 0.5], np.float32)
    np.testing.assert_allclose(pi.log_prob(x), stats.norm.logpdf(x, MEAN, SCALE).sum(), rtol=1e-5)
    np.testing.assert_allclose(pi.entropy(), stats.norm.entropy(MEAN, SCALE).sum(), rtol=1e-5)


def test_tanh_gaussian_follows_the_change_of_variables():
    pi = distributions.tanh_gaussian(jnp.asarray(MEAN), jnp.asarray(SCALE))
    y, log_prob = pi.sample_and_log_prob(seed=jax.random.key(1))
    x = np.arctanh(np.asarray(y, np.float64))
    want = (
        stats.norm.logpdf(x, MEAN, SCALE).sum() - np.log1p(-(np.asarray(y, np.float64) ** 2)).sum()
    )
    np.testing.assert_allclose(log_prob, want, rtol=1e-4)


def test_under_jit_vmap_and_grad():
    def log_prob(mean):
        return distributions.gaussian(mean, jnp.ones(2)).log_prob(jnp.ones(2))

    gradient = jax.jit(jax.vmap(jax.grad(log_prob)))(jnp.zeros((3, 2)))
    np.testing.assert_allclose(gradient, 1.0)


def test_action_size():
    assert distributions.action_size(spaces.Discrete(5)) == 5
    assert distributions.action_size(spaces.Box(-1.0, 1.0, (3,))) == 3
    with pytest.raises(ValueError, match="action space"):
        distributions.action_size(spaces.Box(-1.0, 1.0, (3, 3)))
