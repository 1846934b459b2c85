"""How far the models of an ensemble disagree, which is what Neural-E3 explores for."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def disagreement(predictions: jax.Array, distance: str = "l2") -> jax.Array:
    """max over pairs (i, j) of members of a distance of their predictions (the paper's utility).

    The paper takes absolute differences ("l1") for locks and squares ("l2") for control and mazes.
    Squares count one large difference for more than many small ones, such as those that members who
    agree on what matters have about bits of pure noise.

    Args:
      predictions: `[..., E, D]`.
      distance: "l1" or "l2": the mean over D of absolute values or of squares.

    Returns:
      `[...]`.
    """
    gaps = predictions[..., :, None, :] - predictions[..., None, :, :]
    sizes = jnp.abs(gaps) if distance == "l1" else gaps**2
    return jnp.max(jnp.mean(sizes, -1), (-2, -1))
