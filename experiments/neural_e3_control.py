"""Neural-E3 on control and mazes (Henaff, NeurIPS 2019, arXiv 1911.00617).

    jaxrl run neural_e3_control --env "MountainCar-v0?scaled=True" --seeds 5
    jaxrl run neural_e3_control --env "Maze-10?fixed=True" --exploit plan --eval-episodes 1 \\
        --together 2 --random-episodes 2 --members 4 --width 16 --segment 2 --model-updates 200 \\
        --model-rate 5e-3 --vertices 600 --deepest 100 --top 0.1
    jaxrl run neural_e3_control --explore uniform --seeds 5        # the same without exploring

Explicit explore or exploit where nothing is random and the state is seen whole. E models of what an
action changes are trained on all data so far. A search inside them collects the states that they
think can be reached, those far from all others first, and the way to take is one on which they
disagree most:

    u(s, a) = max over pairs (i, j) of models of |M_i(s, a) - M_j(s, a)|^2

It is walked to its end before the next search. What was seen is exploited by double DQN on the data,
or by the same search for reward. MountainCar pays -1 a step until the goal, which chance does not
reach in 200 steps: without exploring there is nothing to learn.
"""

from __future__ import annotations

import dataclasses

from experiments._task import bare_env
from jaxrl_suite.agents.neural_e3 import control, control_settings
from jaxrl_suite.experiment import Experiment, Spec


@dataclasses.dataclass(frozen=True)
class Config(control_settings.ControlConfig):
    """Neural-E3's settings and the task.

    Attributes:
      env: name of a deterministic task whose state is seen whole.
    """

    env: str = "MountainCar-v0?scaled=True"


def build(config: Config) -> Experiment:
    """Neural-E3 on the task, which the agent resets itself."""
    env, params = bare_env(config.env)
    return control.make(env, params, config)


EXPERIMENT = Spec(
    name="neural_e3_control",
    config=Config,
    build=build,
    summary="Neural-E3 on control and mazes: search where an ensemble of models disagrees",
    paper="Henaff, Explicit Explore-Exploit Algorithms in Continuous State Spaces, NeurIPS 2019",
    length=("episodes",),
    sweepable=("model_rate", "q_rate", "discount", "reward_weight"),
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
