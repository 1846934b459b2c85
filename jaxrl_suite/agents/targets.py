"""What PPO learns from a rollout's rewards: scaled rewards, advantages, targets of the values."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl_suite import gae, normalize
from jaxrl_suite.agents.ppo_settings import PPOConfig
from jaxrl_suite.exploration.bonus import Transitions


class Targets(NamedTuple):
    """What a rollout teaches.

    Attributes:
      advantage: `[T, N]`, of the actions taken.
      target: like the values, what these should have been.
    """

    advantage: jax.Array
    target: jax.Array


def scaled_rewards(
    steps: Transitions, discount: float, moments: normalize.Moments, returns: jax.Array
) -> tuple[jax.Array, normalize.Moments, jax.Array]:
    """Rewards over the running deviation of the discounted return (Engstrom et al., 2020).

    Args:
      steps: a rollout.
      discount: gamma.
      moments: of the discounted return so far.
      returns: `[N]`, where it stands.

    Returns:
      Rewards `[T, N]` within 10 of 0, and `moments` and `returns` after the rollout.
    """

    def accumulate(returns: jax.Array, step: Any) -> tuple[jax.Array, jax.Array]:
        reward, done = step
        returns = returns * discount + reward
        return jnp.where(done, 0.0, returns), returns

    returns, history = jax.lax.scan(accumulate, returns, (steps.reward, steps.done))
    moments = normalize.update(moments, history)
    scaled = steps.reward * jax.lax.rsqrt(moments.variance + 1e-8)
    return jnp.clip(scaled, -10.0, 10.0), moments, returns


def of_sum(
    config: PPOConfig, reward: jax.Array, value: jax.Array, after: jax.Array, steps: Transitions
) -> Targets:
    """With one value, of all rewards.

    Args:
      config: gamma, lambda, and whether values go on where time ran out.
      reward: `[T, N]`, the environment's and the bonus.
      value, after: `[T, N]`, of what the policy saw at step t and of the state step t reached.
      steps: the rollout.
    """
    ended = steps.terminated if config.bootstrap_truncation else steps.done
    known = reward, value, after, ended, steps.done
    advantage = gae.advantages(*known, config.discount, config.gae_lambda)
    return Targets(advantage, advantage + value)


def apart(
    config: PPOConfig,
    reward: jax.Array,
    bonus: jax.Array,
    value: jax.Array,
    after: jax.Array,
    last: jax.Array,
    steps: Transitions,
) -> Targets:
    """With a value for the bonus alone beside the environment's (Burda et al., 2019, section 2.3).

    The bonus has its own discount, and unless `config.intrinsic_episodic` its value goes on over the
    ends of episodes: dying costs what could still have been found, and no more. Advantages are added.

    Args:
      config: as `of_sum`, and the intrinsic ones.
      reward, bonus: `[T, N]`.
      value, after: `[T, N, 2]`, the environment's value first.
      last: `[N, 2]`, values of what the policy sees after the rollout.
      steps: the rollout.
    """
    extrinsic = of_sum(config, reward, value[..., 0], after[..., 0], steps)
    if config.intrinsic_episodic:
        own, ended, done = after[..., 1], steps.terminated, steps.done
    else:
        own = jnp.concatenate([value[1:, :, 1], last[None, :, 1]])
        ended = done = jnp.zeros_like(steps.done)
    known = bonus, value[..., 1], own, ended, done
    intrinsic = gae.advantages(*known, config.intrinsic_discount, config.gae_lambda)  # type: ignore[arg-type]
    both = jnp.stack([extrinsic.advantage, intrinsic], -1)
    return Targets(both.sum(-1), both + value)
