"""NovelD (Zhang et al., NeurIPS 2021): the gain of novelty over a step.

    b_t = max(e(s_{t+1}) - alpha e(s_t), 0),    e(s) = |f(s) - g(s)| of random network distillation

This is the global half. The published bonus also needs s_{t+1} to be new in the episode:
`combine.gated(noveld.make(...), counts.make(CountConfig(form="indicator")))`, called
"noveld@first_observation" on the command line. "E3B x NovelD" (arXiv 2306.03236, equation 5) puts
E3B in the gate's place, as a factor: alpha is 0.1 there (0.5 in NovelD's own paper), and alpha = 0
leaves RND.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrl_suite import checks
from jaxrl_suite.exploration import rnd
from jaxrl_suite.exploration.bonus import (
    Bonus,
    PolicyFeatures,
    Transitions,
    both_ends,
    check_rollout,
)


@dataclasses.dataclass(frozen=True)
class NovelDConfig(rnd.RNDConfig):
    """RND's options, with distances not squared, and NovelD's.

    Attributes:
      alpha: how much of the novelty before the step is taken off.
    """

    squared: bool = False
    alpha: float = 0.1


def make(
    config: NovelDConfig,
    observation_space: Any,
    encoders: tuple[nn.Module, nn.Module] | None = None,
) -> Bonus:
    """The bonus; arguments as of `rnd.make_model`.

    Raises:
      ConfigError: for an option that cannot be used.
    """
    checks.at_least(config, 0.0, "alpha")
    model = rnd.make_model(config, observation_space, encoders)

    def init(
        key: jax.Array, observation_space: Any, action_space: Any, num_envs: int
    ) -> rnd.RNDState:
        del action_space, num_envs
        return model.init(key, observation_space)

    def update(
        key: jax.Array,
        state: rnd.RNDState,
        transitions: Transitions,
        policy_features: PolicyFeatures,
    ) -> tuple[jax.Array, rnd.RNDState, dict[str, jax.Array]]:
        del policy_features
        check_rollout(transitions)
        state = model.see(state, transitions)
        before, after = both_ends(partial(model.error, state), transitions)
        extra = jnp.maximum(after - config.alpha * before, 0.0)
        state, metrics = model.update(key, state, transitions)
        return extra, state, metrics

    return Bonus(init, update, "noveld")
