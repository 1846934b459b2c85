"""HOMER: exploring rich observations by kinematic inseparability (Misra et al., 2020, arXiv 1911.05815).

    jaxrl run homer --env DiabolicalLock-H25 --seeds 5
    jaxrl run homer --env DiabolicalLock-H25 --seeds 5 --abstraction random     # must fail
    jaxrl run homer --env DiabolicalLock-H25 --seeds 5 --abstraction oracle     # sees the true state

An observation of the lock is 32 noisy numbers in which one of three states hides. HOMER finds the
states a step at a time. From transitions (x, a, x') into step h it trains a classifier to tell real
ones from impostors, whose x' was swapped; the classifier sees x' only through N codes (a
Gumbel-softmax bottleneck). Observations may share a code at no loss just where

    P(x'_1 | x, a) / rho(x'_1) = P(x'_2 | x, a) / rho(x'_2)    for all x, a,

that is, where no way of getting there tells them apart. So the codes are the true states up to that:
in the lock the two good states merge (either right action leads to both alike) and stay apart from the
dead one. For each code a homing policy learns to reach it, with the code as its reward, and all of
them together are where the next level starts from. Nothing so far has used a reward. Planning by
dynamic programming from the last step to the first, each time behind the cover of homing policies,
then finds the best policy for any reward.

Both phases need a number of episodes that is polynomial in the horizon, where random exploration
needs A^H.
"""

from __future__ import annotations

import dataclasses

from experiments._task import bare_env
from jaxrl_suite.agents import homer
from jaxrl_suite.experiment import Experiment, Spec


@dataclasses.dataclass(frozen=True)
class Config(homer.HomerConfig):
    """The environment, and HOMER's settings.

    Attributes:
      env: name of an environment of vectors, discrete actions and episodes of one length; options
        follow it, as in `DiabolicalLock-H25?observation=gaussian&deviation=0.3`.
    """

    env: str = "DiabolicalLock-H10"


def build(config: Config) -> Experiment:
    """HOMER on the environment, which every seed draws for itself."""
    env, params = bare_env(config.env)
    return homer.make(env, params, config)


EXPERIMENT = Spec(
    name="homer",
    config=Config,
    build=build,
    summary="HOMER, homing policies from kinematic inseparability",
    paper="Misra, Henaff, Krishnamurthy and Langford, Kinematic State Abstraction and Provably "
    "Efficient Rich-Observation Reinforcement Learning, ICML 2020",
    budget=("samples",),
    sweepable=("learning_rate", "ridge"),
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
