"""Neural-E3 on combination locks (Henaff, NeurIPS 2019, arXiv 1911.00617).

    jaxrl run neural_e3 --env StochasticLock-H10 --seeds 5
    jaxrl run neural_e3 --env StochasticLock-H10 --seeds 5 --explore uniform   # the same without it

Explicit explore or exploit, after Kearns and Singh, with neural models: E models of the next
observation and the reward are trained on all data so far. Where they disagree, too little is known:

    u(s, a) = max over pairs (i, j) of models of |M_i(s, a) - M_j(s, a)|

To explore, the agent plans actions inside its models whose way collects most u, takes the first one,
and plans again. What it has seen is then exploited by planning for reward instead (`--exploit plan`),
or by double DQN on the data (the default, and the paper's choice).

The stochastic lock holds two good states with two right actions of four at each of H steps, which cost
a little, while a wrong one pays a little and ends all hope of the prize: without exploring, agents
learn to fall.
"""

from __future__ import annotations

import dataclasses

from experiments._task import bare_env
from jaxrl_suite.agents.neural_e3 import finite, settings
from jaxrl_suite.experiment import Experiment, Spec


@dataclasses.dataclass(frozen=True)
class Config(settings.FiniteConfig):
    """Neural-E3's settings and the task.

    Attributes:
      env: name of a task of fixed length whose observations are vectors of bits.
    """

    env: str = "StochasticLock-H10"


def build(config: Config) -> Experiment:
    """Neural-E3 on the task, which the agent resets itself."""
    env, params = bare_env(config.env)
    return finite.make(env, params, config)


EXPERIMENT = Spec(
    name="neural_e3",
    config=Config,
    build=build,
    summary="Neural-E3 on locks: explore where an ensemble of models disagrees",
    paper="Henaff, Explicit Explore-Exploit Algorithms in Continuous State Spaces, NeurIPS 2019",
    length=("episodes",),
    sweepable=("model_rate", "q_rate", "discount", "scale"),
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
