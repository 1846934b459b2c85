"""PPO's settings, what they must fulfil, and the optimiser they ask for."""

from __future__ import annotations

import dataclasses
from typing import Any

import optax

from jaxrl_suite import checks
from jaxrl_suite.agents import networks, on_policy
from jaxrl_suite.experiment import ConfigError


@dataclasses.dataclass(frozen=True)
class PPOConfig(networks.Options):
    """Settings of PPO; the defaults suit CartPole and small grid levels.

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
      extrinsic: weight of the environment's own reward; 0 explores without one.
      intrinsic_discount: gamma of the bonus, which then has a value function of its own, over the ends
        of episodes, as RND's authors have it; None adds the bonus to the reward.
      intrinsic_episodic: end that value with the episode, for episodic bonuses.
      clip: epsilon of the clipped objective.
      clip_value: clip the value loss in the same way.
      value_coefficient: weight of the value loss.
      entropy: weight of the entropy bonus at the start.
      entropy_end: its weight at the end, the same if None.
      max_grad_norm: gradients are scaled to this global norm.
      bootstrap_truncation: go on with the value of the state in which time ran out; False for tasks
        whose time limit is part of them, where nothing comes after it.
      normalize_advantages: per minibatch.
      normalize_observations: by running moments (vector observations only).
      normalize_rewards: divide by the running deviation of the discounted return.
      eval_episodes: episodes of one evaluation.
      eval_greedy: evaluate the most likely action.
    """

    total_steps: int = 500_000
    num_envs: int = 64
    rollout_length: int = 64
    take_turns: bool = False
    epochs: int = 4
    minibatches: int = 4
    learning_rate: float = 5e-4
    anneal_learning_rate: bool = False
    discount: float = 0.99
    gae_lambda: float = 0.95
    extrinsic: float = 1.0
    intrinsic_discount: float | None = None
    intrinsic_episodic: bool = False
    clip: float = 0.2
    clip_value: bool = False
    value_coefficient: float = 0.5
    entropy: float = 0.01
    entropy_end: float | None = None
    max_grad_norm: float = 0.5
    bootstrap_truncation: bool = True
    normalize_advantages: bool = True
    normalize_observations: bool = False
    normalize_rewards: bool = False
    eval_episodes: int = 32
    eval_greedy: bool = False


def check(config: PPOConfig) -> None:
    """Refuses settings that cannot work.

    Raises:
      ConfigError: naming the field.
    """
    checks.at_least(config, 1, "total_steps", most=checks.MOST_STEPS)
    checks.at_least(config, 1, "num_envs", "rollout_length", "epochs", "minibatches")
    checks.batch(config, "num_envs", "rollout_length")
    checks.at_least(config, 1, "eval_episodes")
    checks.within(config, 0.0, 1.0, "discount", "gae_lambda", "intrinsic_discount")
    checks.above(config, 0.0, "learning_rate", "clip", "max_grad_norm")
    checks.at_least(config, 0.0, "value_coefficient", "entropy", "entropy_end")
    checks.finite(config, "extrinsic")
    networks.check(config)
    if config.intrinsic_episodic and config.intrinsic_discount is None:
        raise ConfigError("intrinsic_episodic", True, "False without intrinsic_discount")
    unit = config.num_envs if config.core != "none" else config.num_envs * config.rollout_length
    what = "num_envs" if config.core != "none" else "num_envs * rollout_length"
    if unit % config.minibatches:
        raise ConfigError("minibatches", config.minibatches, f"a divisor of {what}={unit}")


def number_of_values(config: PPOConfig) -> int:
    """Values of the network: 2 where the bonus has its own."""
    return 1 if config.intrinsic_discount is None else 2


def optimizer(config: PPOConfig, num_updates: int, separate: bool) -> optax.GradientTransformation:
    """Adam on clipped gradients, those of actor and critic clipped apart where they share nothing.

    Under one norm for both, the critic's early gradients, large where returns are, would scale the
    actor's below Adam's epsilon.
    """
    rate = on_policy.learning_rate(config, num_updates)
    clip, adam = optax.clip_by_global_norm(config.max_grad_norm), optax.adam(rate, eps=1e-5)
    if not separate:
        return optax.chain(clip, adam)

    def labels(params: Any) -> Any:
        return {"params": {k: "critic" if "critic" in k else "actor" for k in params["params"]}}

    return optax.chain(optax.partition({"actor": clip, "critic": clip}, labels), adam)
