"""Many small networks trained at once, and how their losses lie (arXiv 1412.0233, section 5).

A run is a network with one hidden layer, log-softmax outputs and the recipe of the paper's code: weights
uniform within 1 / sqrt(fan-in), plain SGD, a step size that falls as 1 / (1 + epochs). All functions
are for one run; `vmap` trains thousands.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Weights(NamedTuple):
    """`a` `[d, h]`, `b` `[h]`, `c` `[h, classes]`, `d` `[classes]`, float32."""

    a: jax.Array
    b: jax.Array
    c: jax.Array
    d: jax.Array


def init(key: jax.Array, inputs: int, hidden: int, classes: int) -> Weights:
    """Uniform within 1 / sqrt(fan-in), biases too."""
    keys = jax.random.split(key, 4)

    def draw(key: jax.Array, shape: tuple[int, ...], fan_in: int) -> jax.Array:
        most = 1.0 / math.sqrt(fan_in)
        return jax.random.uniform(key, shape, minval=-most, maxval=most)

    return Weights(
        draw(keys[0], (inputs, hidden), inputs),
        draw(keys[1], (hidden,), inputs),
        draw(keys[2], (hidden, classes), hidden),
        draw(keys[3], (classes,), hidden),
    )


def losses(weights: Weights, x: jax.Array, y: jax.Array) -> jax.Array:
    """Negative log-likelihoods `[B]` of `x` `[B, d]` and labels `y` `[B]`."""
    logits = jax.nn.relu(x @ weights.a + weights.b) @ weights.c + weights.d
    # a product with one-hot labels: picking one by index is slow under vmap
    hot = jax.nn.one_hot(y, weights.d.shape[0], dtype=logits.dtype)
    return -jnp.sum(jax.nn.log_softmax(logits) * hot, -1)


def loss(weights: Weights, x: jax.Array, y: jax.Array) -> jax.Array:
    """Their mean."""
    return jnp.mean(losses(weights, x, y))


def sgd(
    key: jax.Array,
    weights: Weights,
    x: jax.Array,
    y: jax.Array,
    start: jax.Array,
    steps: int,
    batch_size: int,
    rate: float,
    slowing: float = 1.0,
) -> Weights:
    """`steps` steps from step `start` on; the rate is `rate / (1 + slowing * epochs so far)`."""
    rows_a_step = batch_size / x.shape[0]

    def step(weights: Weights, now: jax.Array) -> tuple[Weights, None]:
        rows = jax.random.randint(jax.random.fold_in(key, now), (batch_size,), 0, x.shape[0])
        slope = jax.grad(loss)(weights, x[rows], y[rows])
        by = rate / (1.0 + slowing * now * rows_a_step)
        return jax.tree.map(lambda p, g: p - by * g, weights, slope), None

    return jax.lax.scan(step, weights, start + jnp.arange(steps))[0]


class Annealed(NamedTuple):
    """A run of simulated annealing: `weights` and their training loss `[]`."""

    weights: Weights
    loss: jax.Array


def anneal(
    key: jax.Array,
    run: Annealed,
    x: jax.Array,
    y: jax.Array,
    start: jax.Array,
    steps: int,
    total: int,
    temperatures: tuple[float, float],
    width: float,
    share: float,
) -> Annealed:
    """Metropolis steps on the training loss, cooled geometrically.

    Args:
      key: random key.
      run: where it stands.
      x, y: all training data.
      start: number of the first of these steps.
      steps: how many.
      total: of the whole run.
      temperatures: at its start and at its end.
      width: deviation of a changed weight at the start; it shrinks with the root of the temperature.
      share: of the weights that a proposal changes.
    """
    hot, cold = temperatures

    def step(run: Annealed, now: jax.Array) -> tuple[Annealed, None]:
        keys = jax.random.split(jax.random.fold_in(key, now), 3)
        heat = hot * (cold / hot) ** (now / total)
        scale = width * jnp.sqrt(heat / hot)

        def change(path_key: jax.Array, p: jax.Array) -> jax.Array:
            which, how = jax.random.split(path_key)
            chosen = jax.random.bernoulli(which, share, p.shape)
            return p + chosen * scale * jax.random.normal(how, p.shape)

        each = jax.random.split(keys[0], len(run.weights))
        proposal = Weights(*(change(k, p) for k, p in zip(each, run.weights, strict=True)))
        found = loss(proposal, x, y)
        accept = jnp.log(jax.random.uniform(keys[1])) < (run.loss - found) / heat
        chosen = Annealed(proposal, found)
        return jax.tree.map(lambda new, old: jnp.where(accept, new, old), chosen, run), None

    return jax.lax.scan(step, run, start + jnp.arange(steps))[0]


def correlation(a: jax.Array, b: jax.Array) -> jax.Array:
    """Pearson's, of two `[R]`."""
    a, b = a - a.mean(), b - b.mean()
    return jnp.sum(a * b) / jnp.maximum(jnp.sqrt(jnp.sum(a**2) * jnp.sum(b**2)), 1e-12)


def summary(train: Any, test: Any) -> dict[str, jax.Array]:
    """How `[R]` training and test losses lie: means, deviations, the worst, their correlation."""
    return {
        "train_loss": jnp.mean(train),
        "train_std": jnp.std(train),
        "test_loss": jnp.mean(test),
        "test_std": jnp.std(test),
        "worst_test_loss": jnp.max(test),
        "correlation": correlation(train, test),
    }
