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
from jaxrl_suite.exploration.bonus import Bonus, Transitions, both_ends


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

    def change(
        model: dynamics.Dynamics, state: dynamics.DynamicsState, transitions: Transitions
    ) -> jax.Array:
        now, then = both_ends(partial(model.embed, state), transitions)
        return jnp.linalg.norm(then - now, axis=-1)

    return dynamics.bonus("impact", change, config, observation_space, action_space, encoder)


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
