"""PC-PG: a policy cover for provable policy gradients (Agarwal et al., NeurIPS 2020, arXiv 2007.08459).

    jaxrl run pcpg --env BidirectionalLock-H6 --seeds 20
    jaxrl run pcpg --env BidirectionalLock-H6 --seeds 20 --mixture uniform    # equal weights
    jaxrl run pcpg --env BidirectionalLock-H6 --seeds 20 --roll-in 0          # without roll-in

A policy gradient only sees what its policy visits. PC-PG keeps all the policies it has had, a cover.
What they have seen is a covariance, and how far a state lies outside of it a bonus:

    Sigma = ridge I + sum_{i <= n} sum_{s ~ pi_i} phi(s) phi(s)^T
    b(s)  = sqrt(phi(s)^T Sigma^-1 phi(s))

Episodes begin with a policy of the cover and are handed over to the learner after a random number of
steps. So no state that was ever reached is forgotten, and the gradient is taken where the cover goes.
The cover is mixed by the weights that maximise log det sum_i w_i Sigma_i: a policy that goes where no
other does gets weight, one that adds nothing gets none.

A bidirectional lock has two combinations to find; the one found first may be the worse. An agent with
a bonus for novelty alone finds one and stays, as its bonus vanishes behind it; the cover still rolls
in to the other lock (`benchmarks/pcpg.py` draws where each policy goes).

`--mode reward` is the variant that learns from reward and bonus together, for the mountain car:

    jaxrl run pcpg --env MountainCarContinuous-v0 --max-steps 200 --standardize --mode reward \\
        --features fourier --coefficient 0.1 --roll-in 0.5 --explore-epochs 12 --loops 10 \\
        --episodes 40 --groups 20 --density-episodes 40 --learning-rate 1e-3 --seeds 5
"""

from __future__ import annotations

import dataclasses
from typing import Any

from experiments._task import bare_env
from jaxrl_suite import evaluation
from jaxrl_suite.agents.pcpg import agent
from jaxrl_suite.agents.pcpg.standardized import Standardized
from jaxrl_suite.experiment import ConfigError, Experiment, Spec


@dataclasses.dataclass(frozen=True)
class Config(agent.PCPGConfig):
    """PC-PG's settings and the environment's.

    Attributes:
      env: name of an environment (`jaxrl list`).
      max_steps: H, episode length, or None for the environment's own.
      num_contexts: number of fixed levels, or None for a new level every episode.
      coverage: pay new places in the place of the environment's own reward.
      standardize: show (vector) observations less the mean and over the deviation of random play.
    """

    env: str = "BidirectionalLock-H6"
    max_steps: int | None = None
    num_contexts: int | None = None
    coverage: bool = False
    standardize: bool = False


def make_env(config: Config) -> tuple[Any, Any]:
    """The environment, which PC-PG resets itself.

    Raises:
      ConfigError: as `bare_env`, and for observations that cannot be standardized.
    """
    env, params = bare_env(
        config.env,
        max_steps=config.max_steps,
        num_contexts=config.num_contexts,
        coverage=config.coverage,
    )
    if not config.standardize:
        return env, params
    if len(getattr(env.observation_space(params), "shape", None) or ()) != 1:
        raise ConfigError("standardize", True, "False, as observations are no vectors")
    env = Standardized(env, evaluation.horizon(env))
    return env, env.default_params


def build(config: Config) -> Experiment:
    """PC-PG on the environment."""
    return agent.make(*make_env(config), config)


EXPERIMENT = Spec(
    name="pcpg",
    config=Config,
    build=build,
    summary="PC-PG, a cover of policies, mixed by log det, that rolls in the next one",
    paper="Agarwal et al., PC-PG: Policy Cover Directed Exploration, NeurIPS 2020",
    length=(),
    budget=("explore_epochs", "exploit_epochs", "loops", "episodes"),
    sweepable=("learning_rate", "coefficient", "entropy", "discount", "gae_lambda", "eps", "ridge"),
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
