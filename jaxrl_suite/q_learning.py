"""Q-learning on batches of transitions, plain and double (van Hasselt et al., 2016).

    y = r + gamma * (1 - ended) * Q'(s', a*),    a* = argmax_a Q'(s', a)  or, double, of Q(s', a)

with Q' an older copy of Q. Nothing here knows an environment or where the transitions come from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

QFunction = Callable[[Any, Any], jax.Array]  # (params, observation [B, ...]) -> [B, A]


class Item(NamedTuple):
    """A transition as the buffer holds it, `[...]` or `[B, ...]`.

    Attributes:
      observation, next_observation: pytrees.
      action: int32.
      reward: float32.
      ended: bool, nothing is worth anything after it.
    """

    observation: Any
    action: jax.Array
    reward: jax.Array
    next_observation: Any
    ended: jax.Array


class Learner(NamedTuple):
    """What gradient steps change.

    Attributes:
      params, target: of the network and of its older copy.
      opt_state: of the optimiser.
      steps: `[]` int32, gradient steps done.
    """

    params: Any
    target: Any
    opt_state: Any
    steps: jax.Array


def targets(
    q: QFunction, params: Any, target: Any, batch: Item, discount: Any, double: bool
) -> jax.Array:
    """y of each transition, `[B]`."""
    older = q(target, batch.next_observation)
    chooser = q(params, batch.next_observation) if double else older
    best = jnp.argmax(chooser, -1)
    value = jnp.take_along_axis(older, best[..., None], -1)[..., 0]
    return batch.reward + discount * jnp.where(batch.ended, 0.0, value)


def loss(
    q: QFunction,
    params: Any,
    target: Any,
    batch: Item,
    discount: Any = 0.99,
    double: bool = True,
    huber: float = 1.0,
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Mean Huber loss of a batch, and its metrics."""
    y = jax.lax.stop_gradient(targets(q, params, target, batch, discount, double))
    value = jnp.take_along_axis(q(params, batch.observation), batch.action[..., None], -1)[..., 0]
    error = optax.huber_loss(value, y, delta=huber).mean()
    return error, {"loss": error, "q": value.mean()}


def begin(params: Any, optimizer: optax.GradientTransformation) -> Learner:
    """Of a network with these parameters."""
    return Learner(params, params, optimizer.init(params), jnp.int32(0))


def learn(
    learner: Learner,
    gradient: Any,
    optimizer: optax.GradientTransformation,
    target_every: int,
) -> Learner:
    """One gradient step; the copy is renewed every `target_every` of them."""
    change, opt_state = optimizer.update(gradient, learner.opt_state, learner.params)
    params = optax.apply_updates(learner.params, change)
    steps = learner.steps + 1
    target = optax.periodic_update(params, learner.target, steps, target_every)
    return Learner(params, target, opt_state, steps)
