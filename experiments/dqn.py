"""DQN and double DQN on any environment of the suite whose actions are a choice.

    jaxrl run dqn --env CartPole-v1 --seeds 4
    jaxrl run dqn --env CartPole-v1 --seeds 4 --no-double
    jaxrl run dqn --env DoorKey-5x5 --bonus rnd          # with any exploration bonus

The off-policy baseline beside `ppo`: epsilon-greedy, a replay buffer, a target network. `--double`
(the default) lets the online network choose the action whose value the target network gives (van
Hasselt et al., 2016).
"""

from __future__ import annotations

import dataclasses

from experiments._task import Task, make_env
from jaxrl_suite.agents import dqn
from jaxrl_suite.experiment import Experiment, Spec
from jaxrl_suite.exploration import catalog


@dataclasses.dataclass(frozen=True)
class Config(catalog.Options, dqn.DQNConfig, Task):
    """The bonus's settings, DQN's, and the environment's."""


def build(config: Config) -> Experiment:
    """DQN on the environment, with a bonus where one is asked for."""
    env, params = make_env(config)
    spaces = env.observation_space(params), env.action_space(params)
    bonus = catalog.build(config, *spaces, policy_widths=config.widths)
    return dqn.make(env, params, config, bonus)


EXPERIMENT = Spec(
    name="dqn",
    config=Config,
    build=build,
    summary="DQN and double DQN, with or without an exploration bonus",
    paper="Mnih et al., Human-level control through deep reinforcement learning, Nature 2015",
    sweepable=("learning_rate", "discount", "huber", "epsilon", "epsilon_end", "coefficient"),
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
