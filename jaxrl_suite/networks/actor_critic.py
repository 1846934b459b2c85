"""Actor and critic over one encoder, or one each, with an optional recurrent core between."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from envs import spaces
from jaxrl_suite import distributions
from jaxrl_suite.networks.encoders import dense
from jaxrl_suite.networks.recurrent import Recurrent


class ActorCritic(nn.Module):
    """Policy outputs and values of time-major observations.

    Attributes:
      encoder: the body; with `critic_encoder` the actor's alone.
      action_space: discrete (the output is logits) or a vector (mean and scale).
      critic_encoder: a second body for the critic, or None to share the first.
      core: "none" or one of `recurrent.KINDS`, after the (shared) encoder.
      core_features: of the recurrent core.
      log_std: initial logarithm of the standard deviation of continuous actions.
      values: how many value functions; with one they are `[T, N]`, with k of them `[T, N, k]`.
    """

    encoder: nn.Module
    action_space: spaces.Space
    critic_encoder: nn.Module | None = None
    core: str = "none"
    core_features: int = 64
    log_std: float = 0.0
    values: int = 1

    def setup(self) -> None:
        size = distributions.action_size(self.action_space)
        self.actor = dense(size, 0.01)
        self.critic = dense(self.values, 1.0)
        if self.core != "none":
            self.memory = Recurrent(self.core, self.core_features)
        if isinstance(self.action_space, spaces.Box):
            self.log_scale = self.param(
                "log_scale", nn.initializers.constant(self.log_std), (size,)
            )

    def __call__(
        self, carry: Any, observation: Any, reset: jax.Array
    ) -> tuple[Any, Any, jax.Array]:
        """Of `[T, N, ...]` observations.

        Args:
          carry: the recurrent state before step 0; `()` without a core.
          observation: pytree of `[T, N, ...]` (any batch axes without a core).
          reset: `[T, N]` bool, an episode begins at step t; unused without a core.

        Returns:
          The carry after the last step, policy outputs (logits `[T, N, A]`, or `(mean, scale)`),
          and values `[T, N]`, or `[T, N, values]` of several.
        """
        x = self.encoder(observation)
        if self.core != "none":
            carry, x = self.memory(carry, x, reset)
        y = x if self.critic_encoder is None else self.critic_encoder(observation)
        outputs: Any = self.actor(x)
        if isinstance(self.action_space, spaces.Box):
            outputs = (outputs, jnp.broadcast_to(jnp.exp(self.log_scale), outputs.shape))
        value = self.critic(y)
        return carry, outputs, value[..., 0] if self.values == 1 else value

    def features(self, observation: Any) -> jax.Array:
        """The actor's features of `[..., *shape]` observations, before any recurrent core."""
        return self.encoder(observation)
