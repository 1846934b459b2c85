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
trains the features, `--encoder policy` takes the policy's. `--bonus episodic_position` and
`--bonus episodic_observation` are episodic counts, of where the agent stands (an oracle) and of what
it sees; any other bonus goes too (`jaxrl_suite.exploration.catalog`).
"""

from __future__ import annotations

import dataclasses

from experiments._task import Task, make_env
from experiments.ppo import SWEEPABLE
from jaxrl_suite.agents import ppo
from jaxrl_suite.experiment import Experiment, Spec
from jaxrl_suite.exploration import catalog


@dataclasses.dataclass(frozen=True)
class Config(catalog.Options, ppo.PPOConfig, Task):
    """The bonus's settings, PPO's, and the environment's."""

    bonus: str = "e3b"
    total_steps: int = 1_000_000
    learning_rate: float = 5e-4
    epochs: int = 3
    entropy: float = 0.01
    env: str = "MultiRoom-N4-S5"


def build(config: Config) -> Experiment:
    """PPO on the environment, with the chosen bonus added to its reward."""
    env, params = make_env(config)
    spaces = env.observation_space(params), env.action_space(params)
    bonus = catalog.build(config, *spaces, policy_widths=config.widths)
    return ppo.make(env, params, config, bonus)


EXPERIMENT = Spec(
    name="e3b",
    config=Config,
    build=build,
    summary="E3B, an episodic elliptical bonus over inverse-dynamics features",
    paper="Henaff et al., Exploration via Elliptical Episodic Bonuses, NeurIPS 2022",
    sweepable=SWEEPABLE,
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
