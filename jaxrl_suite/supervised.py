"""Supervised learning as an `Experiment`: a loss over sampled batches, an optimiser, a test.

    experiment = supervised.make(init, loss, sample, optax.adam(1e-3), num_updates=1000)

Everything is one seed's; the runner adds the seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxrl_suite.experiment import Experiment

# (params, batch, key) -> (loss, metrics)
Loss = Callable[[Any, Any, jax.Array], tuple[jax.Array, dict[str, Any]]]


class Fit(NamedTuple):
    """What is trained, and where training stands.

    Attributes:
      params, opt_state: of the model and its optimiser.
      key: random key.
      count: `[]` int32, gradient steps done.
    """

    params: Any
    opt_state: Any
    key: jax.Array
    count: jax.Array  # type: ignore[assignment]


def make(
    init: Callable[[jax.Array], Any],
    loss: Loss,
    sample: Callable[[jax.Array, jax.Array], Any],
    optimizer: optax.GradientTransformation,
    num_updates: int,
    steps: int = 1,
    samples_per_step: int = 1,
    evaluate: Callable[[jax.Array, Any], dict[str, Any]] | None = None,
    project: Callable[[Any], Any] | None = None,
    headline: tuple[str, ...] = ("loss",),
) -> Experiment:
    """An experiment of `num_updates` times `steps` gradient steps.

    Args:
      init: `key -> params`.
      loss: `(params, batch, key) -> (loss, metrics)`, metrics as the runner takes them.
      sample: `(key, count) -> batch`, the batch of gradient step `count`.
      optimizer: of the parameters.
      num_updates: of the run.
      steps: gradient steps of an update; metrics are averaged over them.
      samples_per_step: for the `env_steps` column.
      evaluate: `(key, params) -> metrics`, or None.
      project: applied to the parameters after every step, or None.
      headline: metrics to show first.
    """

    def start(key: jax.Array) -> Fit:
        params_key, key = jax.random.split(key)
        params = init(params_key)
        return Fit(params, optimizer.init(params), key, jnp.int32(0))

    def step(fit: Fit, _: None) -> tuple[Fit, dict[str, Any]]:
        sample_key, loss_key, key = jax.random.split(fit.key, 3)
        batch = sample(sample_key, fit.count)
        (value, metrics), gradient = jax.value_and_grad(loss, has_aux=True)(
            fit.params, batch, loss_key
        )
        change, opt_state = optimizer.update(gradient, fit.opt_state, fit.params)
        params = optax.apply_updates(fit.params, change)
        params = params if project is None else project(params)
        metrics = {"loss": value, "gradient_norm": optax.tree.norm(gradient), **metrics}
        return Fit(params, opt_state, key, fit.count + 1), metrics

    def update(fit: Fit) -> tuple[Fit, dict[str, Any]]:
        fit, metrics = jax.lax.scan(step, fit, None, length=steps)
        return fit, jax.tree.map(jnp.mean, metrics)

    def test(key: jax.Array, fit: Fit) -> dict[str, Any]:
        assert evaluate is not None
        return evaluate(key, fit.params)

    return Experiment(
        start,
        update,
        num_updates,
        steps * samples_per_step,
        evaluate=None if evaluate is None else test,
        headline=headline,
    )


def minibatch(key: jax.Array, data: Any, size: int) -> Any:
    """`size` random rows, with replacement, of a pytree of `[S, ...]`."""
    rows = jax.random.randint(key, (size,), 0, jax.tree.leaves(data)[0].shape[0])
    return jax.tree.map(lambda x: x.at[rows].get(mode="promise_in_bounds"), data)


def parameters(network: nn.Module, inputs: int) -> int:
    """How many numbers a network of `[S, inputs]` learns."""
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, inputs)))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))


def classification(logits: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean cross entropy and accuracy of `[..., classes]` logits."""
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    right = (jnp.argmax(logits, -1) == labels).astype(jnp.float32)
    return loss.mean(), jnp.minimum(right.mean(), 1.0)  # XLA multiplies by a rounded 1 / N
