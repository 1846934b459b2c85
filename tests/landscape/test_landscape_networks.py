"""Many networks at once: SGD and annealing by hand, statistics by NumPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl_suite.landscape import networks


def problem():
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (40, 5))
    return networks.init(keys[1], 5, 7, 3), x, (x[:, 0] > 0).astype(jnp.int32)


def test_loss_is_the_negative_log_likelihood():
    weights, x, y = problem()
    a, b, c, d = (np.asarray(p, np.float64) for p in weights)
    logits = np.maximum(np.asarray(x) @ a + b, 0) @ c + d
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    want = -np.log(p[np.arange(40), np.asarray(y)])
    np.testing.assert_allclose(networks.losses(weights, x, y), want, rtol=1e-4)
    assert abs(a).max() <= 1 / np.sqrt(5) and abs(c).max() <= 1 / np.sqrt(7)


@pytest.mark.parametrize("slowing", [1.0, 0.25])
def test_sgd_slows_down_with_the_epochs(slowing):
    weights, x, y = problem()
    x, y = x[:1], y[:1]  # one row: every batch is the same
    got = networks.sgd(jax.random.key(1), weights, x, y, jnp.int32(3), 2, 1, 0.1, slowing)
    for epochs in (3, 4):
        slope = jax.grad(networks.loss)(weights, x, y)
        weights = jax.tree.map(
            lambda p, g, e=epochs: p - 0.1 / (1 + slowing * e) * g, weights, slope
        )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), got, weights)


def test_annealing_keeps_its_loss_and_ends_low():
    weights, x, y = problem()
    start = networks.Annealed(weights, networks.loss(weights, x, y))

    def run(key, cold):
        return networks.anneal(key, start, x, y, jnp.int32(0), 3000, 3000, (0.3, cold), 0.5, 0.1)

    end = jax.jit(run)(jax.random.key(2), 1e-4)
    np.testing.assert_allclose(end.loss, networks.loss(end.weights, x, y), rtol=1e-4)
    hot = jax.jit(run)(jax.random.key(2), 0.3)
    assert end.loss < 0.1 * start.loss and end.loss < hot.loss


def test_statistics_are_numpy_s():
    rng = np.random.default_rng(0)
    train = rng.normal(size=50).astype(np.float32)
    test = (train + rng.normal(size=50)).astype(np.float32)
    found = networks.summary(jnp.asarray(train), jnp.asarray(test))
    np.testing.assert_allclose(found["correlation"], np.corrcoef(train, test)[0, 1], rtol=1e-4)
    np.testing.assert_allclose(found["test_std"], test.std(), rtol=1e-4)
    np.testing.assert_allclose(found["worst_test_loss"], test.max())
