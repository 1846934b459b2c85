"""ICM, the intrinsic curiosity module (Pathak et al., 2017, arXiv 1705.05363), a global bonus.

Step t pays how wrong the forward model was about it, in features that inverse dynamics learned:

    b_t = |F(phi(s_t), a_t) - phi(s_{t+1})|^2 / 2        (equation 6, eta is the coefficient)
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax

from jaxrl_suite.exploration import dynamics
from jaxrl_suite.exploration.bonus import Bonus, PolicyFeatures, Transitions, check_rollout


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
    model = dynamics.make_model(config, observation_space, action_space, encoder)

    def init(
        key: jax.Array, observation_space: Any, action_space: Any, num_envs: int
    ) -> dynamics.DynamicsState:
        del action_space, num_envs
        return model.init(key, observation_space)

    def update(
        key: jax.Array,
        state: dynamics.DynamicsState,
        transitions: Transitions,
        policy_features: PolicyFeatures,
    ) -> tuple[jax.Array, dynamics.DynamicsState, dict[str, jax.Array]]:
        del policy_features
        check_rollout(transitions)
        extra = model.error(state, transitions)
        state, metrics = model.update(key, state, transitions)
        return extra, state, metrics

    return Bonus(init, update, "icm")
