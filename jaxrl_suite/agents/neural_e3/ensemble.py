"""Models of the next observation and the reward; E of them are one under `vmap` over parameters.

params = start(network, key, E, *example)       # [E, ...]
predict(network, params, *inputs)               # inputs [E, ...], each member its own
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import optax


class BitsModel(nn.Module):
    """A vector of bits of a fixed-horizon task, drawn independently given observation and step.

    The first layer of (observation, one-hot action, one-hot step), written as one product and two
    look-ups, then another hidden layer.

    Attributes:
      bits: D, of an observation.
      actions, horizon: A and H.
      width: of both hidden layers.
      scale: deviation of the first layer's weights: how much untrained members differ in what they
        make of an input.
    """

    bits: int
    actions: int
    horizon: int
    width: int = 50
    scale: float = 0.3

    @nn.compact
    def __call__(
        self, observation: jax.Array, action: jax.Array, time: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """`[..., D]`, `[...]` and `[...]` -> logits of the next bits `[..., D]`, reward `[...]`."""
        table = nn.initializers.normal(self.scale)
        x = nn.Dense(self.width, kernel_init=table)(observation)
        x = x + nn.Embed(self.actions, self.width, embedding_init=table)(action)
        x = x + nn.Embed(self.horizon, self.width, embedding_init=table)(time)
        x = nn.relu(nn.Dense(self.width)(nn.relu(x)))
        out = nn.Dense(self.bits + 1)(x)
        return out[..., :-1], out[..., -1]


def start(network: nn.Module, key: jax.Array, members: int, *example: Any) -> Any:
    """Parameters of `members` models, `[E, ...]`; `example` are inputs without the axis of members."""
    return jax.vmap(lambda key: network.init(key, *example))(jax.random.split(key, members))


def each(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """One for every member, so that a norm that is clipped is a member's own, not that of all."""

    def update(gradient: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        return jax.vmap(optimizer.update)(gradient, state, params)

    return optax.GradientTransformation(jax.vmap(optimizer.init), update)


def predict(network: nn.Module, params: Any, *inputs: Any) -> Any:
    """Each member of its own inputs, `[E, ...]` all of them."""
    return jax.vmap(network.apply)(params, *inputs)
