"""Policies as distributions: the only place that imports distrax.

distrax stands on a dated nightly of TensorFlow Probability, so the suite uses few of its
constructors and tests them against closed forms.
"""

from __future__ import annotations

import warnings
from typing import Any

import jax

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import distrax

from envs import spaces


def categorical(logits: jax.Array) -> distrax.Categorical:
    """Over the last axis of `logits`."""
    return distrax.Categorical(logits=logits)


def gaussian(mean: jax.Array, scale: jax.Array) -> distrax.MultivariateNormalDiag:
    """Independent normals over the last axis of `mean` and `scale`."""
    return distrax.MultivariateNormalDiag(mean, scale)


def tanh_gaussian(mean: jax.Array, scale: jax.Array) -> distrax.Transformed:
    """The same squashed to (-1, 1); use `sample_and_log_prob`, its entropy has no closed form."""
    squash = distrax.Block(distrax.Tanh(), 1)
    return distrax.Transformed(gaussian(mean, scale), squash)


def action_size(space: spaces.Space) -> int:
    """Outputs a policy needs for a space: one a choice, or one a dimension."""
    if isinstance(space, spaces.Discrete):
        return space.n
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        return space.shape[0]
    raise ValueError(f"action space {space!r}: Discrete, or a Box with one axis")


def policy(space: spaces.Space, outputs: Any) -> distrax.Distribution:
    """The distribution an actor's `outputs` stand for: logits, or `(mean, scale)`."""
    if isinstance(space, spaces.Discrete):
        return categorical(outputs)
    return gaussian(*outputs)
