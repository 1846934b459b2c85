"""Models of the next observation and the reward; E of them are one under `vmap` over parameters.

params = start(network, key, E, *example)       # [E, ...]
predict(network, params, *inputs)               # inputs [E, ...], each member its own
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp


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


class VectorModel(nn.Module):
    """s' = s + f(s, a) and the reward, with the action's embedding as a factor.

    Attributes:
      actions: A.
      width: of every layer.
    """

    actions: int
    width: int = 64

    @nn.compact
    def __call__(self, state: jax.Array, action: jax.Array) -> tuple[jax.Array, jax.Array]:
        """`[..., D]` and `[...]` -> next state `[..., D]` and reward `[...]`."""

        def layer(x: jax.Array) -> jax.Array:
            return nn.LayerNorm(use_scale=False, use_bias=False)(nn.Dense(self.width)(x))

        x = layer(nn.leaky_relu(layer(state), 0.2))
        factor = nn.initializers.normal(1.0)
        x = x * nn.Embed(self.actions, self.width, embedding_init=factor)(action)
        x = nn.leaky_relu(layer(nn.leaky_relu(layer(x), 0.2)), 0.2)
        out = nn.Dense(state.shape[-1] + 1)(x)
        return state + out[..., :-1], out[..., -1]


class PictureModel(nn.Module):
    """The same of `[S, S, C]` pictures: convolutions of 3 x 3, the action added to every place.

    Attributes:
      actions: A.
      maps: of the hidden layers.
    """

    actions: int
    maps: int = 16

    @nn.compact
    def __call__(self, state: jax.Array, action: jax.Array) -> tuple[jax.Array, jax.Array]:
        """`[..., S, S, C]` and `[...]` -> next state `[..., S, S, C]` and reward `[...]`."""
        x = nn.relu(nn.Conv(self.maps, (3, 3))(state))
        code = nn.Embed(self.actions, self.maps, embedding_init=nn.initializers.normal(1.0))(action)
        x = nn.relu(nn.Conv(self.maps, (3, 3))(x + code[..., None, None, :]))
        change = nn.Conv(state.shape[-1], (3, 3))(x)
        # what is paid depends on one place only, wherever it is
        best = jnp.max(nn.relu(nn.Dense(self.maps)(x)), (-3, -2))
        return state + change, nn.Dense(1)(best)[..., 0]


def start(network: nn.Module, key: jax.Array, members: int, *example: Any) -> Any:
    """Parameters of `members` models, `[E, ...]`; `example` are inputs without the axis of members."""
    return jax.vmap(lambda key: network.init(key, *example))(jax.random.split(key, members))


def predict(network: nn.Module, params: Any, *inputs: Any) -> Any:
    """Each member of its own inputs, `[E, ...]` all of them."""
    return jax.vmap(network.apply)(params, *inputs)
