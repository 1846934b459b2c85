"""Values of actions over an encoder."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax

from jaxrl_suite.networks.encoders import dense


class QNetwork(nn.Module):
    """A value for each action.

    Attributes:
      encoder: the body.
      actions: how many.
    """

    encoder: nn.Module
    actions: int

    def setup(self) -> None:
        self.head = dense(self.actions, 0.01)

    def __call__(self, observation: Any) -> jax.Array:
        """Observations `[..., *shape]` -> `[..., A]`."""
        return self.head(self.encoder(observation))

    def features(self, observation: Any) -> jax.Array:
        """The encoder's, `[..., F]`."""
        return self.encoder(observation)
