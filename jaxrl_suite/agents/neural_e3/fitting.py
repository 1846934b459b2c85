"""Losses of Neural-E3's models, of all members of an ensemble at once.

They are sums over members: each gets the gradient of its own loss (`ensemble.each` keeps them apart).
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxrl_suite.agents.neural_e3 import ensemble, segments
from jaxrl_suite.q_learning import Item


def bits_loss(network: nn.Module, models: Any, item: Item, weight: jax.Array) -> jax.Array:
    """Cross entropy of the next bits and squared error of the reward, of each member's batch.

    Args:
      network: a `BitsModel`.
      models: parameters, `[E, ...]`.
      item: steps `[E, B]`; observations are pairs of bits and time.
      weight: `[E, B]`, of each step in the mean over B.
    """
    observation, time = item.observation
    logits, reward = ensemble.predict(network, models, observation, item.action, time)
    error = optax.sigmoid_binary_cross_entropy(logits, item.next_observation[0]).mean(-1)
    error = error + (reward - item.reward) ** 2
    return jnp.sum(jnp.mean(error * weight, -1))


def ahead_loss(
    network: nn.Module, models: Any, batch: segments.Segment, reward_weight: float
) -> jax.Array:
    """Squared errors of all steps of each member's segments `[E, B, T]`, its own states fed back.

    Args:
      network: `(state, action) -> (next state, reward)`.
      models: parameters, `[E, ...]`.
      batch: segments; steps without weight do not count.
      reward_weight: of the reward's error.
    """

    def ahead(states: jax.Array, now: Any) -> tuple[jax.Array, jax.Array]:
        action, reward, true, weight = now
        after, guess = ensemble.predict(network, models, states, action)
        error = jnp.sum((after - true) ** 2, tuple(range(2, after.ndim)))
        error = error + reward_weight * (guess - reward) ** 2
        return after, error * weight

    by_time = jax.tree.map(
        lambda x: jnp.moveaxis(x, 2, 0), (batch.action, batch.reward, batch.after, batch.weight)
    )
    _, errors = jax.lax.scan(ahead, batch.first, by_time)
    per_member = errors.sum((0, 2)) / jnp.maximum(batch.weight.sum((1, 2)), 1.0)
    return per_member.sum()
