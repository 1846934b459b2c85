"""Supervised experiments: gradient steps by hand, projections, seeds by vmap."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrl_suite import supervised


def line(steps=3, **options):
    """Least squares of one weight on data that never change."""
    x, y = jnp.arange(4.0), 2 * jnp.arange(4.0)

    def loss(params, batch, key):
        return jnp.mean((params * batch[0] - batch[1]) ** 2), {"weight": params}

    return supervised.make(
        lambda key: jax.random.normal(key),
        loss,
        lambda key, count: (x, y),
        optax.sgd(0.1),
        num_updates=2,
        steps=steps,
        samples_per_step=4,
        evaluate=lambda key, params: {"weight": params},
        **options,
    )


def test_an_update_is_its_gradient_steps():
    experiment = line()
    fit = experiment.init(jax.random.key(0))
    weight, losses = float(fit.params), []
    for _ in range(3):
        error = (weight - 2) * np.arange(4)
        losses.append(np.mean(error**2))
        weight -= 0.1 * np.mean(2 * error * np.arange(4))
    fit, metrics = jax.jit(experiment.update)(fit)
    np.testing.assert_allclose(fit.params, weight, rtol=1e-5)
    np.testing.assert_allclose(metrics["loss"], np.mean(losses), rtol=1e-5)
    assert fit.count == 3 and experiment.steps_per_update == 12
    assert experiment.evaluate(jax.random.key(0), fit)["weight"] == fit.params


def test_projection_follows_every_step():
    experiment = line(project=lambda params: jnp.minimum(params, -5.0))
    fit = experiment.init(jax.random.key(0))
    assert experiment.update(fit)[0].params == -5.0


def test_seeds_by_vmap_are_single_runs():
    experiment = line()
    keys = jax.random.split(jax.random.key(1), 3)
    run = jax.jit(lambda key: experiment.update(experiment.init(key)))
    together = jax.jit(jax.vmap(run))(keys)
    for i in range(3):
        for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(run(keys[i])), strict=True):
            np.testing.assert_allclose(
                *(jax.random.key_data(v) if v.dtype == keys.dtype else v for v in (a[i], b)),
                rtol=1e-6,
            )


def test_minibatches_are_rows_that_belong_together():
    data = jnp.arange(10.0), jnp.arange(10) * 3
    x, y = supervised.minibatch(jax.random.key(0), data, 64)
    np.testing.assert_array_equal(x * 3, y)
    assert len(np.unique(x)) > 5


def test_classification_is_cross_entropy_and_share_of_hits():
    logits, labels = np.array([[2.0, 0, 0], [0, 1, 3], [0, 0, 1]]), np.array([0, 1, 2])
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    loss, accuracy = supervised.classification(jnp.asarray(logits), jnp.asarray(labels))
    np.testing.assert_allclose(loss, -np.log(probabilities[range(3), labels]).mean(), rtol=1e-6)
    np.testing.assert_allclose(accuracy, 2 / 3, rtol=1e-6)
