"""PPO on any environment of the suite: the baseline every other experiment is compared with.

    jaxrl run ppo --env CartPole-v1 --seeds 8

Options that hold PPO's default take the value of `PRESETS` for the chosen environment, unless
`--no-presets`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import envs
from jaxrl_suite.agents import ppo
from jaxrl_suite.experiment import ConfigError, Experiment, Spec

CONTROL = {
    "num_envs": 16,
    "rollout_length": 128,
    "learning_rate": 1e-3,
    "anneal_learning_rate": True,
    "entropy": 0.0,
}
CONTINUOUS = CONTROL | {
    "total_steps": 1_000_000,
    "rollout_length": 256,
    "epochs": 10,
    "minibatches": 8,
    "normalize_observations": True,
    "normalize_rewards": True,
    "eval_greedy": True,
}
GRID = {"total_steps": 500_000, "num_envs": 32, "rollout_length": 128, "anneal_learning_rate": True}
PRESETS: dict[str, dict[str, Any]] = {
    "CartPole-v1": CONTROL,
    "Acrobot-v1": CONTROL,
    "Pendulum-v1": CONTINUOUS | {"discount": 0.9},
    "MountainCarContinuous-v0": CONTINUOUS | {"discount": 0.999, "log_std": 1.0},
    "Empty-16x16": GRID | {"learning_rate": 1e-3},
}


@dataclasses.dataclass(frozen=True)
class Config(ppo.PPOConfig):
    """PPO's settings and the environment's.

    Attributes:
      env: name of an environment (`jaxrl list`).
      auto_reset: "exact", "bank", "none", or None for the environment's default.
      max_steps: episode length, or None for the environment's own.
      noise: random bits added to every observation.
      num_contexts: number of fixed levels, or None for a new level every episode.
      presets: take the environment's tuned settings for fields left at PPO's defaults.
    """

    env: str = "CartPole-v1"
    auto_reset: str | None = None
    max_steps: int | None = None
    noise: int = 0
    num_contexts: int | None = None
    presets: bool = True


def build(config: Config) -> Experiment:
    """The environment, then PPO on it."""
    config = with_preset(config)
    env, params = make_env(config)
    return ppo.make(env, params, config)


def with_preset(config: Config) -> Config:
    """Fields that hold PPO's default get the environment's preset, if it has one."""
    preset = PRESETS.get(config.env, {}) if config.presets else {}
    default = Config()
    unset = {k: v for k, v in preset.items() if getattr(config, k) == getattr(default, k)}
    return dataclasses.replace(config, **unset)


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
