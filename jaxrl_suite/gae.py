"""Generalized advantage estimation (Schulman et al., 2016), with truncation kept apart.

    delta_t = r_t + gamma * V(s'_t) * (1 - terminated_t) - V(s_t)
    A_t     = delta_t + gamma * lambda * (1 - done_t) * A_{t+1}

`s'_t` is the state step t reached: at a truncation the final observation, whose value still counts,
not the first observation of the next episode.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def advantages(
    reward: jax.Array,
    value: jax.Array,
    next_value: jax.Array,
    terminated: jax.Array,
    done: jax.Array,
    discount: float,
    gae_lambda: float,
) -> jax.Array:
    """Advantages of a rollout.

    Args:
      reward: `[T, ...]` float32.
      value: `[T, ...]` float32, V of what the policy saw at step t.
      next_value: `[T, ...]` float32, V of the state step t reached.
      terminated: `[T, ...]` bool, the task ended at step t.
      done: `[T, ...]` bool, the episode ended at step t, by termination or truncation.
      discount: gamma.
      gae_lambda: lambda.

    Returns:
      `[T, ...]` float32; targets for the value function are `advantages + value`.
    """
    delta = reward + discount * next_value * (1.0 - terminated) - value
    decay = discount * gae_lambda * (1.0 - done)

    def backward(advantage: jax.Array, step: tuple[jax.Array, jax.Array]) -> tuple:
        delta, decay = step
        advantage = delta + decay * advantage
        return advantage, advantage

    return jax.lax.scan(backward, jnp.zeros_like(delta[0]), (delta, decay), reverse=True)[1]
