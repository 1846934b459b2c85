"""ICM, the intrinsic curiosity module (Pathak et al., 2017, arXiv 1705.05363), a global bonus.

Step t pays how wrong the forward model was about it, in features that inverse dynamics learned:

    b_t = |F(phi(s_t), a_t) - phi(s_{t+1})|^2 / 2        (equation 6, eta is the coefficient)
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax

from jaxrl_suite.exploration import dynamics
from jaxrl_suite.exploration.bonus import Bonus, Transitions


def make(
    config: dynamics.DynamicsConfig,
    observation_space: Any,
    action_space: Any,
    encoder: nn.Module | None = None,
) -> Bonus:
    """The bonus; arguments as of `dynamics.make_model`.

    Raises:
      ConfigError: for an option that cannot be used.
    """

    def surprise(
        model: dynamics.Dynamics, state: dynamics.DynamicsState, transitions: Transitions
    ) -> jax.Array:
        return model.error(state, transitions)

    return dynamics.bonus("icm", surprise, config, observation_space, action_space, encoder)
