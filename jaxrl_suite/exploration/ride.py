"""RIDE, rewarding impact-driven exploration (Raileanu and Rocktaeschel, ICLR 2020, arXiv 2002.12292).

A step pays for the change it made, in features of inverse and forward dynamics, the less the more
often the state it reached was seen in the episode (equation 4):

    b_t = |phi(s_{t+1}) - phi(s_t)| / sqrt(N_e(s_{t+1}))
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrl_suite.exploration import combine, counts, dynamics
from jaxrl_suite.exploration.bonus import (
    Bonus,
    PolicyFeatures,
    Transitions,
    both_ends,
    check_rollout,
)


def impact(
    config: dynamics.DynamicsConfig,
    observation_space: Any,
    action_space: Any,
    encoder: nn.Module | None = None,
) -> Bonus:
    """The numerator alone; arguments as of `dynamics.make_model`.

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
        now, then = both_ends(partial(model.embed, state), transitions)
        state, metrics = model.update(key, state, transitions)
        return jnp.linalg.norm(then - now, axis=-1), state, metrics

    return Bonus(init, update, "impact")


def make(
    config: dynamics.DynamicsConfig,
    count: counts.CountConfig,
    observation_space: Any,
    action_space: Any,
    encoder: nn.Module | None = None,
) -> Bonus:
    """The bonus; `count.form` should be "inverse_sqrt".

    Raises:
      ConfigError: for an option that cannot be used.
    """
    model = impact(config, observation_space, action_space, encoder)
    joined = combine.product(model, counts.make(count))
    return dataclasses.replace(joined, name="ride")
