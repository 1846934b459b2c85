"""V-trace targets (Espeholt et al., IMPALA, 2018, section 4.1), with truncation kept apart.

For actions of a behaviour policy mu and the learner's policy pi, with r_t = pi / mu of the action:

    rho_t   = min(rho_clip, r_t),  c_t = lambda * min(trace_clip, r_t)
    delta_t = rho_t (reward_t + gamma V(s'_t) - V(s_t)),  V(s'_t) = 0 at a termination
    v_t     = V(s_t) + delta_t + gamma c_t (v_{t+1} - V(s_{t+1})), the last term 0 at an episode's end

and the policy's advantage is reward_t + gamma v(s'_t) - V(s_t), where v(s'_t) is v_{t+1} inside an
episode and V(s'_t) at a truncation or at the end of the rollout. `s'_t` is the state that step t
reached. On policy, with both clips at 1, v_t is the lambda-return.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class VTrace(NamedTuple):
    """What a policy and its value function learn from.

    Attributes:
      target: v, `[T, ...]` float32, for the value function.
      advantage: `[T, ...]` float32, for a policy objective that weighs by pi / mu itself.
      rho: `[T, ...]` float32, the clipped weight; IMPALA's gradient is that of
        `rho * advantage * log pi`.
    """

    target: jax.Array
    advantage: jax.Array
    rho: jax.Array


def vtrace(
    log_ratio: jax.Array,
    reward: jax.Array,
    value: jax.Array,
    next_value: jax.Array,
    terminated: jax.Array,
    done: jax.Array,
    discount: float,
    lambda_: float = 1.0,
    rho_clip: float = 1.0,
    trace_clip: float = 1.0,
) -> VTrace:
    """Targets and advantages of a rollout; no gradient flows through them.

    Args:
      log_ratio: `[T, ...]` float32, log pi - log mu of the actions taken.
      reward: `[T, ...]` float32.
      value: `[T, ...]` float32, V of what the policy saw at step t, by the learner's parameters.
      next_value: `[T, ...]` float32, V of the state step t reached.
      terminated: `[T, ...]` bool, the task ended at step t.
      done: `[T, ...]` bool, the episode ended at step t, by termination or truncation.
      discount: gamma.
      lambda_: lambda.
      rho_clip: bounds how far v may rest on other actions than mu's: its fixed point.
      trace_clip: bounds the variance: how fast it gets there.
    """
    ratio = jnp.exp(log_ratio)
    rho = jnp.minimum(rho_clip, ratio)
    decay = discount * lambda_ * jnp.minimum(trace_clip, ratio) * (1.0 - done)
    next_value = next_value * (1.0 - terminated)
    delta = rho * (reward + discount * next_value - value)

    def backward(later: jax.Array, step: Any) -> tuple[jax.Array, jax.Array]:
        delta, decay = step
        correction = delta + decay * later
        return correction, correction

    end = jnp.zeros_like(delta[0])
    correction: jax.Array = jax.lax.scan(backward, end, (delta, decay), reverse=True)[1]
    later = jnp.concatenate([correction[1:], end[None]])
    reached = next_value + jnp.where(done, 0.0, later)
    advantage = reward + discount * reached - value
    return jax.lax.stop_gradient(VTrace(value + correction, advantage, rho))
