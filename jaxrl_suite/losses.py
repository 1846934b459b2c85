"""The losses of proximal policy optimisation (Schulman et al., 2017), of one minibatch each.

Losses of steps that do not all count are `weighted_mean`s.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def clipped_policy(
    log_ratio: jax.Array, advantage: jax.Array, clip: float
) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The clipped surrogate, equation 7, with its sign turned: to be minimised.

    Args:
      log_ratio: any shape, log pi(a|s) - log pi_old(a|s).
      advantage: the same shape.
      clip: epsilon.

    Returns:
      The loss, `[]` float32, and `approx_kl` (Schulman's k3 estimator, which is never negative) and
      `clip_fraction`, `[]` float32.
    """
    ratio = jnp.exp(log_ratio)
    clipped = jnp.clip(ratio, 1 - clip, 1 + clip)
    loss = -jnp.minimum(ratio * advantage, clipped * advantage).mean()
    return loss, {
        "approx_kl": (ratio - 1 - log_ratio).mean(),
        "clip_fraction": (jnp.abs(ratio - 1) > clip).astype(jnp.float32).mean(),
    }


def squared_value(
    value: jax.Array, target: jax.Array, old_value: jax.Array, clip: float | None = None
) -> jax.Array:
    """Half the mean squared error of the value, `[]` float32; all arguments share one shape.

    With `clip` the larger of the errors of `value` and of `value` kept within `clip` of `old_value`.
    """
    error = jnp.square(value - target)
    if clip is not None:
        near = old_value + jnp.clip(value - old_value, -clip, clip)
        error = jnp.maximum(error, jnp.square(near - target))
    return 0.5 * error.mean()


def weighted_mean(x: jax.Array, weight: jax.Array) -> jax.Array:
    """Mean of `x` where `weight`, of the same shape, counts, `[]`; small where next to nothing does."""
    return jnp.sum(x * weight) / jnp.maximum(jnp.sum(weight), 1.0)


def standardized(advantage: jax.Array) -> jax.Array:
    """Advantages with mean zero and deviation one over the minibatch."""
    return (advantage - advantage.mean()) / (advantage.std() + 1e-8)
