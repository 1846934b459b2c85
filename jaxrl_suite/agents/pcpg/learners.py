"""How the learner's steps improve it: PPO, or a natural policy gradient step as in the paper's theory.

Both take a flat batch of steps with weights (0 for padding) and advantages normalised over it.

NPG solves F x = g for the gradient g of the advantage-weighted log-likelihood by conjugate gradients,
with F the Fisher information E_s[ J^T H J ], J the derivative of the policy's outputs and H the
Fisher information of the distribution itself, and no action sampled. x is also the compatible
function approximation's weights, argmin_x E[(A - x . grad log pi)^2] (Kakade, 2002). The step has
length sqrt(2 delta / x^T F x), so that KL(old, new) is about delta.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from envs import spaces
from jaxrl_suite import distributions, minibatches
from jaxrl_suite.losses import weighted_mean


class Batch(NamedTuple):
    """Steps, `[S, ...]`."""

    observation: Any
    action: jax.Array
    log_prob: jax.Array
    advantage: jax.Array
    target: jax.Array
    weight: jax.Array


Forward = Callable[[Any, Any], tuple[Any, jax.Array]]  # (params, observation) -> (outputs, value)
Update = Callable[[jax.Array, Any, Any, Batch], tuple[Any, Any, dict[str, jax.Array]]]


@dataclasses.dataclass(frozen=True)
class Learner:
    """An optimiser of a policy.

    Attributes:
      init: `params -> opt_state`.
      update: `(key, params, opt_state, batch) -> (params, opt_state, metrics)`.
    """

    init: Callable[[Any], Any]
    update: Update


@jax.custom_batching.custom_vmap
def _of_all_seeds(x: jax.Array) -> jax.Array:
    """x, which is the same in every seed, so that `cond` on it does not become `select` under vmap."""
    return x


@_of_all_seeds.def_vmap
def _(axis_size: int, batched: list[bool], x: jax.Array) -> tuple[jax.Array, bool]:
    del axis_size
    return (x[0] if batched[0] else x), False


def either(choose_first: jax.Array, first: Update, second: Update) -> Update:
    """One of two updates, by a `[]` bool that is the same in every seed; the other is not computed."""

    def update(*args: Any) -> Any:
        return jax.lax.cond(_of_all_seeds(choose_first), first, second, *args)

    return update


def standardized(batch: Batch) -> Batch:
    """Advantages with mean zero and deviation one."""
    centre = weighted_mean(batch.advantage, batch.weight)
    variance = weighted_mean((batch.advantage - centre) ** 2, batch.weight)
    return batch._replace(advantage=(batch.advantage - centre) * jax.lax.rsqrt(variance + 1e-8))


def _optimizer(config: Any) -> optax.GradientTransformation:
    """As in the authors' code, whose RMSprop (PyTorch's) adds eps outside of the root."""
    return optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm),
        optax.rmsprop(config.learning_rate, decay=0.99, eps=1e-8, eps_in_sqrt=False),
    )


def ppo(forward: Forward, action_space: spaces.Space, config: Any) -> Learner:
    """Clipped surrogate, squared value error and entropy bonus, several passes over minibatches."""
    optimizer = _optimizer(config)

    def loss(params: Any, batch: Batch) -> tuple[jax.Array, dict[str, jax.Array]]:
        outputs, value = forward(params, batch.observation)
        pi = distributions.policy(action_space, outputs)
        ratio = jnp.exp(pi.log_prob(batch.action) - batch.log_prob)
        clipped = jnp.clip(ratio, 1.0 - config.clip, 1.0 + config.clip)
        surrogate = jnp.minimum(ratio * batch.advantage, clipped * batch.advantage)
        entropy = weighted_mean(pi.entropy(), batch.weight)
        value_loss = 0.5 * weighted_mean((batch.target - value) ** 2, batch.weight)
        policy_loss = -weighted_mean(surrogate, batch.weight) - config.entropy * entropy
        return policy_loss + value_loss, {"entropy": entropy, "value_loss": value_loss}

    def update(key: jax.Array, params: Any, opt_state: Any, batch: Batch) -> Any:
        parts = max(1, batch.weight.shape[0] // config.minibatch_size)

        def step(carry: Any, part: Batch) -> tuple[Any, Any]:
            params, opt_state = carry
            gradient, metrics = jax.grad(loss, has_aux=True)(params, part)
            change, opt_state = optimizer.update(gradient, opt_state, params)
            return (optax.apply_updates(params, change), opt_state), metrics

        data = jax.tree.map(lambda x: x[None], standardized(batch))
        (params, opt_state), metrics = minibatches.passes(
            key, (params, opt_state), step, data, config.passes, parts
        )
        return params, opt_state, metrics

    return Learner(optimizer.init, update)


def fisher_product(
    outputs: Callable[[Any], Any], params: Any, vector: Any, action_space: spaces.Space, weight: Any
) -> Any:
    """F v, a pytree like `params`, with F = sum_s weight_s J_s^T H_s J_s.

    Args:
      outputs: params -> logits `[S, A]`, or (mean, scale), each `[S, A]`.
      params: where.
      vector: v, a pytree like `params`.
      action_space: what the outputs stand for.
      weight: `[S]`.
    """
    at, along = jax.jvp(outputs, (params,), (vector,))
    if isinstance(action_space, spaces.Discrete):
        p = jax.nn.softmax(at)
        curved = weight[:, None] * (p * along - p * jnp.sum(p * along, -1, keepdims=True))
    else:
        scale = at[1]
        curved = (
            weight[:, None] * along[0] / scale**2,
            weight[:, None] * 2.0 * along[1] / scale**2,
        )
    (product,) = jax.vjp(outputs, params)[1](curved)
    return product


def natural_direction(
    outputs: Callable[[Any], Any],
    params: Any,
    batch: Batch,
    action_space: spaces.Space,
    iterations: int,
    damping: float,
) -> tuple[Any, jax.Array]:
    """x with (F + damping I) x = g, and x . g, `[]`."""
    weight = batch.weight / jnp.maximum(jnp.sum(batch.weight), 1.0)

    def gain(params: Any) -> jax.Array:
        pi = distributions.policy(action_space, outputs(params))
        return jnp.sum(weight * batch.advantage * pi.log_prob(batch.action))

    g = jax.grad(gain)(params)

    def product(v: Any) -> Any:
        curved = fisher_product(outputs, params, v, action_space, weight)
        return jax.tree.map(lambda f, x: f + damping * x, curved, v)

    x, _ = jax.scipy.sparse.linalg.cg(product, g, maxiter=iterations)
    return x, jnp.stack(jax.tree.leaves(jax.tree.map(jnp.vdot, x, g))).sum()


def npg(forward: Forward, action_space: spaces.Space, config: Any) -> Learner:
    """One natural gradient step of the actor, then passes over minibatches for the critic."""
    optimizer = _optimizer(config)

    def value_loss(params: Any, batch: Batch) -> jax.Array:
        _, value = forward(params, batch.observation)
        return 0.5 * weighted_mean((batch.target - value) ** 2, batch.weight)

    def update(key: jax.Array, params: Any, opt_state: Any, batch: Batch) -> Any:
        batch = standardized(batch)

        def outputs(params: Any) -> Any:
            return forward(params, batch.observation)[0]

        x, decrease = natural_direction(
            outputs, params, batch, action_space, config.cg_iterations, config.damping
        )
        length = jnp.sqrt(2.0 * config.kl / jnp.maximum(decrease, 1e-8))
        params = jax.tree.map(lambda p, x: p + length * x, params, x)

        def step(carry: Any, part: Batch) -> tuple[Any, Any]:
            params, opt_state = carry
            loss, gradient = jax.value_and_grad(value_loss)(params, part)
            change, opt_state = optimizer.update(gradient, opt_state, params)
            return (optax.apply_updates(params, change), opt_state), loss

        parts = max(1, batch.weight.shape[0] // config.minibatch_size)
        data = jax.tree.map(lambda x: x[None], batch)
        (params, opt_state), loss = minibatches.passes(
            key, (params, opt_state), step, data, config.passes, parts
        )
        entropy = distributions.policy(action_space, outputs(params)).entropy()
        entropy = weighted_mean(entropy, batch.weight)
        return params, opt_state, {"entropy": entropy, "value_loss": loss}

    return Learner(optimizer.init, update)
