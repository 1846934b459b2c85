"""The options by which most scripts choose their environment, and the environment of such options."""

from __future__ import annotations

import dataclasses
from typing import Any

import envs
from jaxrl_suite import checks
from jaxrl_suite.experiment import ConfigError


@dataclasses.dataclass(frozen=True)
class Task:
    """What `envs.make` is asked for.

    Attributes:
      env: name of an environment (`jaxrl list`), or `gym:NAME`.
      auto_reset: "exact", "bank", or None for the environment's default.
      max_steps: episode length, or None for the environment's own.
      noise: random bits added to every observation.
      num_contexts: number of fixed levels, or None for a new level every episode.
    """

    env: str = "CartPole-v1"
    auto_reset: str | None = None
    max_steps: int | None = None
    noise: int = 0
    num_contexts: int | None = None


def make_env(config: Any, bank_size: int | None = None) -> tuple[Any, Any]:
    """The environment a config asks for; its bank holds `config.num_envs` levels unless told.

    Raises:
      ConfigError: for a name or an option that `envs.make` refuses, and an environment that would not
        begin its next episode by itself.
    """
    if bank_size is None:
        checks.at_least(config, 1, "num_envs")
    if config.auto_reset == "none":
        raise ConfigError(
            "auto_reset", "none", "'exact', 'bank' or None: agents need the next episode"
        )
    try:
        return envs.make(
            config.env,
            auto_reset=config.auto_reset,
            bank_size=config.num_envs if bank_size is None else bank_size,
            max_steps=config.max_steps,
            noise=config.noise,
            num_contexts=config.num_contexts,
        )
    except ValueError as error:
        raise ConfigError("env", config.env, str(error)) from None
