"""A study of global and episodic bonuses in contextual MDPs (Henaff, Jiang and Raileanu, ICML 2023,
arXiv 2306.03236).

    jaxrl sweep global_episodic --env MultiRoom-N4-S5-v1 --seeds 5 --out runs/contexts \\
        --grid "bonus=first_position,global_position,first_position*global_position" \\
        --grid num_contexts=1,3,5,10,none --grid coefficient=0.005,0.02,0.1

In a contextual MDP every episode draws a context, here a level, from a set C of `num_contexts`; none
draws a new level every time. With N(s) the visits of a whole run and N_e(s) those of an episode,

    global:    b = 1 / sqrt(N(psi(s)))          episodic:  b = 1[N_e(psi(s)) = 1]
    combined:  their product

where psi picks what is counted: the position, a message, or the whole observation. A global bonus
explores across episodes, which takes contexts that share what psi sees; an episodic one needs no
sharing, but forgets which of two equally new ways it tried last time (`--env Corridors`). With deep
bonuses: `e3b` (episodic), `noveld` and `rnd` (global), `e3b*noveld`.

Each seed draws a set of contexts of its own. Evaluation is on those contexts.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax

from experiments._task import agent_env
from experiments.ppo import SWEEPABLE
from jaxrl_suite.agents import ppo
from jaxrl_suite.experiment import Experiment, Spec, beside
from jaxrl_suite.exploration import catalog


@dataclasses.dataclass(frozen=True)
class Config(catalog.Options, ppo.PPOConfig):
    """The bonus's settings, PPO's, and the contexts'.

    Attributes:
      env: name of an environment (`jaxrl list`).
      num_contexts: |C|, number of levels that episodes draw from; None draws a new one every time.
      noise: random bits added to every observation.
      max_steps: episode length, or None for the environment's own.
    """

    bonus: str = "first_position*global_position"
    total_steps: int = 500_000
    learning_rate: float = 5e-4
    epochs: int = 3
    env: str = "MultiRoom-N4-S5-v1"
    num_contexts: int | None = None
    noise: int = 0
    max_steps: int | None = None


def build(config: Config) -> Experiment:
    """PPO with the bonus; the set of contexts is part of the state, so that every seed has its own."""
    if config.num_contexts is None:
        return on_contexts(config, 0)
    example = on_contexts(config, 0)

    def init(key: jax.Array) -> Any:
        context_key, key = jax.random.split(key)
        context_seed = jax.random.bits(context_key)
        return context_seed, on_contexts(config, context_seed).init(key)

    def update(state: Any) -> Any:
        context_seed, inner = state
        inner, metrics = on_contexts(config, context_seed).update(inner)
        return (context_seed, inner), metrics

    def evaluate(key: jax.Array, state: Any) -> Any:
        context_seed, inner = state
        found = on_contexts(config, context_seed).evaluate
        return {} if found is None else found(key, inner)

    def play(key: jax.Array, state: Any) -> Any:
        found = on_contexts(config, state[0]).play
        return iter(()) if found is None else found(key, state[1])

    return dataclasses.replace(
        example,
        init=init,
        update=update,
        evaluate=evaluate,
        play=play,
        over_envs=beside(False, example.over_envs),
        learnt=None,
    )


def on_contexts(config: Config, context_seed: Any) -> Experiment:
    """The experiment with the contexts that `context_seed` stands for."""
    env, params = agent_env(
        config.env,
        bank_size=config.num_envs,
        num_contexts=config.num_contexts,
        context_seed=context_seed,
        noise=config.noise,
        max_steps=config.max_steps,
    )
    spaces = env.observation_space(params), env.action_space(params)
    bonus = catalog.build(config, *spaces, policy_widths=config.widths)
    return ppo.make(env, params, config, bonus)


EXPERIMENT = Spec(
    name="global_episodic",
    config=Config,
    build=build,
    summary="global, episodic and combined bonuses over a number of contexts",
    paper="Henaff et al., A Study of Global and Episodic Bonuses, ICML 2023 (arXiv 2306.03236)",
    sweepable=SWEEPABLE,
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
