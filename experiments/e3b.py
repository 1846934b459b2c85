"""E3B: exploration via elliptical episodic bonuses (Henaff et al., NeurIPS 2022, arXiv 2210.05805).

    jaxrl run e3b --env MultiRoom-N4-S5 --seeds 8
    jaxrl run e3b --env MultiRoom-N4-S5 --seeds 8 --bonus none        # the same agent without it

The bonus of a state is how far its features lie outside the ellipse of all states of the running
episode (equation 1):

    b(s_t) = phi(s_t)^T C_{t-1}^{-1} phi(s_t),    C_{t-1} = sum_{i<t} phi(s_i) phi(s_i)^T + lambda I

With one-hot features this is a count, 1 / (N(s) + lambda); with features from inverse dynamics it
generalises, and ignores what the agent's actions do not touch. So it holds up where counting breaks:
when no two observations are ever the same (`--noise 16`).

The paper's ablations are options: `--lifelong` keeps one ellipse for life, `--encoder random` never
trains the features, `--encoder policy` takes the policy's. `--bonus count_position` and
`--bonus count_observation` are episodic counts, of where the agent stands (an oracle) and of what it
sees.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from envs import Environment
from experiments.ppo import make_env
from jaxrl_suite.agents import ppo
from jaxrl_suite.experiment import ConfigError, Experiment, Spec
from jaxrl_suite.exploration import counts, e3b_bonus
from jaxrl_suite.exploration.bonus import Bonus
from jaxrl_suite.networks.encoders import encoder_for

BONUSES = ("e3b", "count_position", "count_observation", "none")


@dataclasses.dataclass(frozen=True)
class Config(ppo.PPOConfig):
    """PPO's settings, the environment's, and the bonus's.

    Attributes:
      env: name of an environment (`jaxrl list`).
      auto_reset: "exact", "bank", or None for the environment's default.
      max_steps: episode length, or None for the environment's own.
      noise: random bits added to every observation.
      num_contexts: number of fixed levels, or None for a new level every episode.
      bonus: "e3b", "count_position", "count_observation" or "none".
      coefficient: beta, weight of the bonus after it is divided by its running deviation.
      ridge: lambda of the ellipse.
      encoder: of E3B's features: "inverse_dynamics", "random" or "policy".
      lifelong: never restart the ellipse at an episode's end.
      features: length of phi.
      layer_norm: normalise phi, as the released fast variant does.
      encoder_learning_rate: of the inverse dynamics model (Adam).
      encoder_epochs, encoder_minibatches: its passes over each rollout.
    """

    total_steps: int = 1_000_000
    learning_rate: float = 5e-4
    epochs: int = 3
    entropy: float = 0.01
    env: str = "MultiRoom-N4-S5"
    auto_reset: str | None = None
    max_steps: int | None = None
    noise: int = 0
    num_contexts: int | None = None
    bonus: str = "e3b"
    coefficient: float = 0.02
    ridge: float = 0.1
    encoder: str = "inverse_dynamics"
    lifelong: bool = False
    features: int = 32
    layer_norm: bool = True
    encoder_learning_rate: float = 1e-3
    encoder_epochs: int = 1
    encoder_minibatches: int = 4


def build(config: Config) -> Experiment:
    """PPO on the environment, with the chosen bonus added to its reward."""
    env, params = make_env(config)
    return ppo.make(env, params, config, bonus=build_bonus(config, env, params))


def build_bonus(config: Config, env: Environment, params: Any) -> Bonus | None:
    """The bonus that `config` names."""
    if config.bonus == "none":
        return None
    if config.bonus == "e3b":
        return e3b_bonus.make(
            e3b_bonus.E3BConfig(
                coefficient=config.coefficient,
                ridge=config.ridge,
                encoder=config.encoder,
                episodic=not config.lifelong,
                layer_norm=config.layer_norm,
                learning_rate=config.encoder_learning_rate,
                epochs=config.encoder_epochs,
                minibatches=config.encoder_minibatches,
            ),
            env.observation_space(params),
            env.action_space(params),
            encoder=encoder_for(env.observation_space(params), (64, config.features), "linear"),
            policy_dim=config.widths[-1],
        )
    if config.bonus in ("count_position", "count_observation"):
        key = config.bonus.removeprefix("count_")
        return counts.make(counts.CountConfig(key=key, coefficient=config.coefficient))
    raise ConfigError("bonus", config.bonus, f"one of {', '.join(BONUSES)}")


EXPERIMENT = Spec(
    name="e3b",
    config=Config,
    build=build,
    summary="E3B, an episodic elliptical bonus over inverse-dynamics features",
    paper="Henaff et al., Exploration via Elliptical Episodic Bonuses, NeurIPS 2022",
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
