"""IMPALA and APPO for slow environments: V-trace targets, any bonus, any environment of the suite.

    jaxrl run impala --env MiniHack-Room-5x5-v0 --core gru
    jaxrl run impala --env MiniHack-Room-5x5-v0 --core gru --clip None --epochs 1    # IMPALA itself

V-trace (Espeholt et al., 2018, section 4.1) corrects the value targets for the distance between the
policy that acted, mu, and the one that learns, pi:

    v_t = V(s_t) + sum_{k>=t} gamma^{k-t} (c_t ... c_{k-1}) rho_k (r_k + gamma V(s_{k+1}) - V(s_k))
    rho_k = min(rho_clip, pi/mu),   c_k = lambda min(trace_clip, pi/mu)

so a rollout, dear where environments are slow, may be used several times: the targets are made anew
from the present network in every minibatch. The policy's objective is APPO's clipped one (Petrenko
et al., 2020), or with `--clip None` IMPALA's policy gradient.
"""

from __future__ import annotations

import dataclasses

from experiments._task import Task, make_env
from experiments.ppo import SWEEPABLE
from jaxrl_suite.agents import impala
from jaxrl_suite.experiment import Experiment, Spec
from jaxrl_suite.exploration import catalog


@dataclasses.dataclass(frozen=True)
class Config(catalog.Options, impala.IMPALAConfig, Task):
    """The bonus's settings, IMPALA's, and the environment's."""

    env: str = "MiniHack-Room-5x5-v0"


def build(config: Config) -> Experiment:
    """IMPALA on the environment, with the chosen bonus added to its reward."""
    env, params = make_env(config)
    spaces = env.observation_space(params), env.action_space(params)
    bonus = catalog.build(config, *spaces, policy_widths=config.widths)
    return impala.make(env, params, config, bonus)


EXPERIMENT = Spec(
    name="impala",
    config=Config,
    build=build,
    summary="IMPALA and APPO, actor-critic on V-trace targets for slow environments",
    paper="Espeholt et al., IMPALA, ICML 2018; Petrenko et al., Sample Factory, ICML 2020",
    sweepable=(*SWEEPABLE, "rho_clip", "trace_clip"),
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
