"""PPO on any environment of the suite: the baseline every other experiment is compared with.

    jaxrl run ppo --env CartPole-v1 --seeds 8
    jaxrl run ppo --env MultiRoom-N6 --bonus "e3b*noveld"     # with any exploration bonus

Every setting of PPO is None unless given. None takes the value that `PRESETS` has for the chosen
environment, and PPO's own default (`jaxrl_suite.agents.ppo.PPOConfig`) where it has none.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from envs.registry import own_name
from experiments._task import Task, make_env
from jaxrl_suite.agents import ppo
from jaxrl_suite.experiment import Experiment, Spec
from jaxrl_suite.exploration import catalog

SMALL_BATCHES: dict[str, Any] = {
    "num_envs": 16,
    "rollout_length": 256,
    "epochs": 10,
    "minibatches": 16,
    "learning_rate": 1e-3,
    "anneal_learning_rate": True,
    "entropy": 0.0,
}
MANY_STEPS: dict[str, Any] = {
    "num_envs": 32,
    "rollout_length": 128,
    "minibatches": 16,
    "learning_rate": 1e-3,
    "anneal_learning_rate": True,
}
SCALED: dict[str, Any] = {"normalize_observations": True, "normalize_rewards": True}

PRESETS: dict[str, dict[str, Any]] = {
    "CartPole-v1": SMALL_BATCHES
    | {"total_steps": 300_000, "rollout_length": 128, "minibatches": 8},
    "Acrobot-v1": SMALL_BATCHES | {"epochs": 4, "minibatches": 8, "normalize_observations": True},
    "Pendulum-v1": SMALL_BATCHES | SCALED | {"discount": 0.98, "total_steps": 400_000},
    # the flag is some 70 steps away at best and a random policy seldom finds it: a long horizon, and
    # noise as large as the bounds of the actions
    "MountainCarContinuous-v0": SMALL_BATCHES
    | SCALED
    | {"minibatches": 8, "learning_rate": 3e-4, "discount": 0.999, "gae_lambda": 0.98},
    "Empty-16x16": MANY_STEPS | {"total_steps": 300_000},
    "DoorKey-8x8": MANY_STEPS | {"total_steps": 3_000_000},
    "FourRooms": MANY_STEPS | {"total_steps": 12_000_000},
}


@dataclasses.dataclass(frozen=True)
class Config(catalog.Options, Task):
    """The environment's settings, the bonus's, and PPO's.

    Attributes:
      total_steps: environment steps of one seed.
      num_envs: N, environments stepped side by side.
      rollout_length: T, steps of each between two updates.
      take_turns: one half of the games on the host plays while the policy looks at the other; see
        `docs/results/nethack_training.md`.
      epochs: passes over a rollout.
      minibatches: parts of a rollout per pass.
      learning_rate: of Adam.
      anneal_learning_rate: take the learning rate linearly to zero.
      discount: gamma.
      gae_lambda: lambda of the advantage estimates.
      extrinsic: weight of the environment's own reward.
      intrinsic_discount: gamma of the bonus, which then has a value function of its own, over the ends
        of episodes, as RND's authors have it; None adds the bonus to the reward.
      intrinsic_episodic: end that value with the episode, for episodic bonuses.
      clip: epsilon of the clipped objective.
      clip_value: clip the value loss in the same way.
      value_coefficient: weight of the value loss.
      entropy: weight of the entropy bonus at the start.
      entropy_end: its weight at the end, the same if None.
      max_grad_norm: gradients are scaled to this global norm.
      bootstrap_truncation: go on with the value of the state in which time ran out.
      normalize_advantages: per minibatch.
      normalize_observations: by running moments (vector observations only).
      normalize_rewards: divide by the running deviation of the discounted return.
      widths: dense layers of an encoder.
      core: recurrent core, "none", "gru", "lstm", "orthogonal", "identity", "cayley", "expm",
        "householder" or "entities".
      core_features: its size.
      separate_critic: give the critic an encoder of its own.
      activation: of vector encoders, "tanh", "relu" or another of `agents.networks.ACTIVATIONS`.
      use_mission: tell grid encoders the level's mission.
      log_std: initial logarithm of the deviation of continuous actions.
      eval_episodes: episodes of one evaluation.
      eval_greedy: evaluate the most likely action.
    """

    total_steps: int | None = None
    num_envs: int | None = None
    rollout_length: int | None = None
    take_turns: bool | None = None
    epochs: int | None = None
    minibatches: int | None = None
    learning_rate: float | None = None
    anneal_learning_rate: bool | None = None
    discount: float | None = None
    gae_lambda: float | None = None
    extrinsic: float | None = None
    intrinsic_discount: float | None = None
    intrinsic_episodic: bool | None = None
    clip: float | None = None
    clip_value: bool | None = None
    value_coefficient: float | None = None
    entropy: float | None = None
    entropy_end: float | None = None
    max_grad_norm: float | None = None
    bootstrap_truncation: bool | None = None
    normalize_advantages: bool | None = None
    normalize_observations: bool | None = None
    normalize_rewards: bool | None = None
    widths: tuple[int, ...] | None = None
    core: str | None = None
    core_features: int | None = None
    separate_critic: bool | None = None
    activation: str | None = None
    use_mission: bool | None = None
    log_std: float | None = None
    eval_episodes: int | None = None
    eval_greedy: bool | None = None


def settings(config: Config) -> ppo.PPOConfig:
    """PPO's settings: those given, else the preset's, else PPO's defaults."""
    names = [field.name for field in dataclasses.fields(ppo.PPOConfig)]
    given = {name: getattr(config, name) for name in names if getattr(config, name) is not None}
    return ppo.PPOConfig(**{**PRESETS.get(own_name(config.env), {}), **given})


def build(config: Config) -> Experiment:
    """The environment, then PPO on it, with a bonus where one is asked for."""
    chosen = settings(config)
    ppo.check(chosen)
    env, params = make_env(config, bank_size=chosen.num_envs)
    spaces = env.observation_space(params), env.action_space(params)
    bonus = catalog.build(config, *spaces, policy_widths=chosen.widths)
    return ppo.make(env, params, chosen, bonus)


SWEEPABLE = (
    "learning_rate",
    "discount",
    "gae_lambda",
    "clip",
    "value_coefficient",
    "entropy",
    "entropy_end",
    "max_grad_norm",
    "coefficient",
    "ridge",
    "bonus_learning_rate",
    "novelty_decay",
    "num_contexts",
)

EXPERIMENT = Spec(
    name="ppo",
    config=Config,
    build=build,
    settings=settings,
    summary="PPO, with or without a bonus; settings left out: the environment's preset, else PPO's",
    paper="Schulman et al., Proximal Policy Optimization Algorithms, 2017 (arXiv 1707.06347)",
    sweepable=SWEEPABLE,
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
