"""Reward-free exploration: how much of an unseen map does a bonus alone make an agent visit?

    jaxrl run reward_free --bonus e3b --seeds 5
    jaxrl run reward_free --bonus noveld --seeds 5
    jaxrl run reward_free --env MultiRoom-N6 --bonus e3b

After Henaff et al. (NeurIPS 2022, arXiv 2210.05805, section 4.3, Habitat): the agent learns from
the bonus alone, on maps that are new every episode; the share of a map's free places that an episode
visits is measured, and never shown to it. A bonus over the whole run has nothing to say about maps
that nobody has seen; one over the episode does.

`RaycastMaze` is seen through first-person pictures; grid levels go too.
"""

from __future__ import annotations

import dataclasses

from experiments._task import agent_env
from experiments.ppo import SWEEPABLE
from jaxrl_suite.agents import ppo
from jaxrl_suite.experiment import Experiment, Spec
from jaxrl_suite.exploration import catalog


@dataclasses.dataclass(frozen=True)
class Config(catalog.Options, ppo.PPOConfig):
    """The bonus's settings, PPO's, and the map's.

    Attributes:
      env: name of an environment with a map (`RaycastMaze-...` or a grid level).
      max_steps: episode length; one in the environment's name goes before the default.
      num_contexts: number of fixed maps, or None for a new one every episode.
      noise: random bits added to every observation.
    """

    bonus: str = "e3b"
    extrinsic: float = 0.0
    total_steps: int = 500_000
    learning_rate: float = 5e-4
    epochs: int = 3
    env: str = "RaycastMaze-7x7?goal=False"
    max_steps: int | None = 300
    num_contexts: int | None = None
    noise: int = 0


def build(config: Config) -> Experiment:
    """PPO on the bonus alone; the return that is logged is the share of the map visited."""
    ppo.check(config)
    length = {"max_steps": config.max_steps}
    chosen = config.max_steps != Config.max_steps  # the default is only that
    env, params = agent_env(
        config.env,
        None if chosen else length,
        **(length if chosen else {}),
        bank_size=config.num_envs,
        num_contexts=config.num_contexts,
        noise=config.noise,
        coverage=True,
    )
    spaces = env.observation_space(params), env.action_space(params)
    bonus = catalog.build(config, *spaces, policy_widths=config.widths)
    return ppo.make(env, params, config, bonus)


EXPERIMENT = Spec(
    name="reward_free",
    config=Config,
    build=build,
    summary="share of unseen maps that a bonus alone makes an agent visit",
    paper="Henaff et al., Exploration via Elliptical Episodic Bonuses, NeurIPS 2022",
    sweepable=SWEEPABLE,
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
