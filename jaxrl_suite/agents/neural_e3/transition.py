"""Models of deterministic tasks: the next state, seen whole, and the reward, from state and action.

Both add what changes to the state they are given. E of them are one under `vmap` (`ensemble`).
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from envs import spaces
from jaxrl_suite.networks.patches import neighbourhoods


class VectorModel(nn.Module):
    """Of a state that is a vector: an encoder times an embedding of the action, two more layers.

    Attributes:
      size: D, of a state.
      actions: A.
      width: of the layers.
    """

    size: int
    actions: int
    width: int = 64

    @nn.compact
    def __call__(self, state: jax.Array, action: jax.Array) -> tuple[jax.Array, jax.Array]:
        """`[..., D]`, `[...]` -> `[..., D]`, `[...]`."""
        x = nn.LayerNorm()(nn.Dense(self.width)(state))
        x = nn.LayerNorm()(nn.Dense(self.width)(nn.leaky_relu(x)))
        x = x * nn.Embed(self.actions, self.width, embedding_init=nn.initializers.normal(1.0))(
            action
        )
        x = nn.leaky_relu(nn.Dense(self.width)(x))
        x = nn.leaky_relu(nn.Dense(self.width)(x))
        out = nn.Dense(self.size + 1)(x)
        return state + out[..., :-1], out[..., -1]


class BoardModel(nn.Module):
    """Of a state that is a board `[S, S, C]`: what a place and the 8 around it become.

    A 3 x 3 convolution with an embedding of the action added, then layers on each place alone. What
    moves a step at a time needs no more, and a search asks the model thousands of times.

    Attributes:
      planes: C.
      actions: A.
      channels: of each layer.
    """

    planes: int
    actions: int
    channels: int = 16

    @nn.compact
    def __call__(self, state: jax.Array, action: jax.Array) -> tuple[jax.Array, jax.Array]:
        """`[..., S, S, C]`, `[...]` -> `[..., S, S, C]`, `[...]`."""
        told = nn.Embed(self.actions, self.channels, embedding_init=nn.initializers.normal(1.0))
        x = nn.Dense(self.channels)(neighbourhoods(state)) + told(action)[..., None, None, :]
        x = nn.leaky_relu(nn.Dense(self.channels)(nn.leaky_relu(x)))
        change = nn.Dense(self.planes)(x)
        reward = nn.Dense(1)(jnp.concatenate([x.max((-3, -2)), x.sum((-3, -2))], -1))
        return state + change, reward[..., 0]


def model_for(space: spaces.Box, actions: int, width: int) -> nn.Module:
    """The model of a task's states.

    Raises:
      ValueError: for states that are neither vectors nor boards.
    """
    if len(space.shape) == 1:
        return VectorModel(space.shape[0], actions, width)
    if len(space.shape) == 3:
        return BoardModel(space.shape[-1], actions, width)
    raise ValueError(f"states of shape {space.shape}: a vector or a board [S, S, C]")
