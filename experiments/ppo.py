"""PPO on any environment of the suite: the baseline every other experiment is compared with.

    jaxrl run ppo --env CartPole-v1 --seeds 8

Options left alone take the values of `PRESETS` for the chosen environment, then PPO's defaults.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import envs
from jaxrl_suite.agents import ppo
from jaxrl_suite.experiment import ConfigError, Experiment, Spec

PRESETS: dict[str, dict[str, Any]] = {}


@dataclasses.dataclass(frozen=True)
class Config(ppo.PPOConfig):
    """PPO's settings and the environment's.

    Attributes:
      env: name of an environment (`jaxrl list`).
      auto_reset: "exact", "bank", "none", or None for the environment's default.
      max_steps: episode length, or None for the environment's own.
      noise: random bits added to every observation.
      num_contexts: number of fixed levels, or None for a new level every episode.
    """

    env: str = "CartPole-v1"
    auto_reset: str | None = None
    max_steps: int | None = None
    noise: int = 0
    num_contexts: int | None = None


def build(config: Config) -> Experiment:
    """The environment, then PPO on it."""
    env, params = make_env(config)
    return ppo.make(env, params, config)


def make_env(config: Any) -> tuple[Any, Any]:
    """The environment a config asks for.

    Raises:
      ConfigError: for a name or an option that `envs.make` refuses.
    """
    try:
        return envs.make(
            config.env,
            auto_reset=config.auto_reset,
            bank_size=config.num_envs,
            max_steps=config.max_steps,
            noise=config.noise,
            num_contexts=config.num_contexts,
        )
    except ValueError as error:
        raise ConfigError("env", config.env, str(error)) from None


EXPERIMENT = Spec(
    name="ppo",
    config=Config,
    build=build,
    summary="PPO without an exploration bonus",
    paper="Schulman et al., Proximal Policy Optimization Algorithms, 2017 (arXiv 1707.06347)",
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
