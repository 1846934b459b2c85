"""The actor-critic that an agent builds for an environment's spaces unless it is given one."""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.linen as nn

from envs import spaces
from jaxrl_suite import checks
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.networks.actor_critic import ActorCritic
from jaxrl_suite.networks.encoders import NO_ENCODER, encoder_for, is_grid
from jaxrl_suite.networks.recurrent import KINDS

# functions of flax.linen that take numbers one by one
ACTIVATIONS = (
    "tanh", "relu", "elu", "gelu", "silu", "swish", "leaky_relu", "sigmoid", "softplus", "soft_sign",
    "celu", "selu", "relu6", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "log_sigmoid",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Options:
    """What the network is built with.

    Attributes:
      widths: dense layers of an encoder.
      core: recurrent core, "none" or one of `networks.recurrent.KINDS`: "gru", "lstm", a linear
        memory ("orthogonal", "identity", "cayley", "expm", "householder") or "entities".
      core_features: its size.
      separate_critic: give the critic an encoder of its own; None does so for vectors
        without a core only.
      activation: of vector encoders.
      use_mission: tell grid encoders the level's mission.
      log_std: initial logarithm of the deviation of continuous actions.
    """

    widths: tuple[int, ...] = (64, 64)
    core: str = "none"
    core_features: int = 64
    separate_critic: bool | None = None
    activation: str = "tanh"
    use_mission: bool = False
    log_std: float = 0.0


def check(options: Options) -> None:
    """Refuses a network that cannot be built.

    Raises:
      ConfigError: naming the field.
    """
    checks.one_of(options, ("none", *KINDS), "core")
    checks.sizes(options, "widths")
    checks.at_least(options, 1, "core_features")
    checks.finite(options, "log_std")
    check_activation(options.activation)
    if options.core != "none" and options.separate_critic:
        right = f"None or False with core={options.core!r}, whose memory both share"
        raise ConfigError("separate_critic", True, right)


def check_activation(name: str) -> None:
    """Refuses what is no activation of flax.linen's; raises as `check`."""
    if name not in ACTIVATIONS:
        raise ConfigError("activation", name, f"one of {', '.join(ACTIVATIONS)}")


def encoder(observation_space: spaces.Space, options: Any) -> nn.Module:
    """The default encoder, by the fields `widths`, `activation` and `use_mission` of `options`.

    Raises:
      ConfigError: for a space without an encoder.
    """
    try:
        return encoder_for(
            observation_space,
            options.widths,
            activation=options.activation,
            use_mission=options.use_mission,
        )
    except ValueError:
        parts = getattr(observation_space, "spaces", None)
        shown = observation_space if parts is None else sorted(parts)
        raise ConfigError("env", shown, NO_ENCODER) from None


def build(
    observation_space: spaces.Space, action_space: spaces.Space, options: Options, values: int = 1
) -> ActorCritic:
    """The default actor-critic for two spaces; `values` as `ActorCritic` has it."""
    separate = options.separate_critic
    if separate is None:
        separate = not is_grid(observation_space) and options.core == "none"
    return ActorCritic(
        encoder=encoder(observation_space, options),
        action_space=action_space,
        critic_encoder=encoder(observation_space, options) if separate else None,
        core=options.core,
        core_features=options.core_features,
        log_std=options.log_std,
        values=values,
    )
