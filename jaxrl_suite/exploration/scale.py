"""Coefficient and normaliser of a bonus: divided by its running standard deviation, or left as it is.

The deviation is taken over the whole life of the run. Over a short window it would lift a bonus that
has been used up back to where it began, and undo what global bonuses rest on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl_suite.experiment import ConfigError, merged
from jaxrl_suite.exploration.bonus import Bonus, PolicyFeatures, Transitions, extra_reward
from jaxrl_suite.normalize import pooled

MODES = ("std", "release", "none")
FLOOR = 0.1  # least deviation, as a share of the mean


class Moments(NamedTuple):
    """Running moments of a bonus, `[]` float32 each; unlike `normalize`'s they begin at nothing.

    Attributes:
      count: of values seen.
      mean: of them.
      m2: sum of squared deviations from the mean.
    """

    count: jax.Array  # type: ignore[assignment]  # hides tuple.count, which nobody calls
    mean: jax.Array
    m2: jax.Array


def init() -> Moments:
    """Moments of nothing."""
    return Moments(jnp.float32(0), jnp.float32(0), jnp.float32(0))


def observe(moments: Moments, values: jax.Array, mode: str = "std") -> Moments:
    """Adds `values`.

    Args:
      moments: so far.
      values: `[T, N]`.
      mode: "std" counts T N values. "release" counts T of them, as the released E3B code does
        when it divides sums over time and environments by the number of time steps: its "mean" is
        N mu and its variance N (sigma^2 + (N - 1)^2 mu^2).
    """
    count = jnp.float32(values.shape[0] if mode == "release" else values.size)
    mean = jnp.sum(values) / count
    m2 = jnp.sum((values - mean) ** 2)
    return Moments(moments.count + count, *pooled(*moments, count, mean, m2))


def std(moments: Moments) -> jax.Array:
    """`[]` float32, the population standard deviation; 1 before anything was seen."""
    seen = moments.count > 0
    return jnp.where(seen, jnp.sqrt(moments.m2 / jnp.maximum(moments.count, 1.0)), 1.0)


def apply(moments: Moments, bonus: jax.Array, mode: str) -> tuple[jax.Array, Moments]:
    """`bonus` `[T, N]` divided by the running deviation, this rollout included, and the moments.

    The mean is not subtracted: a bonus stays positive. The divisor is a tenth of the mean at least,
    or a bonus that hardly varies (a count of observations that never repeat) would be blown up.
    With `mode="none"` nothing changes.
    """
    if mode == "none":
        return bonus, moments
    moments = observe(moments, bonus, mode)
    divisor = jnp.maximum(std(moments), FLOOR * jnp.abs(moments.mean))
    return bonus / (divisor + 1e-8), moments


class ScaledState(NamedTuple):
    """The bonus's own state, and its moments."""

    inner: Any
    moments: Moments


def scaled(bonus: Bonus, coefficient: float = 1.0, normalize: str = "std") -> Bonus:
    """`coefficient * bonus / deviation`; metrics `bonus_mean` and `bonus_std` are of the raw bonus.

    Args:
      bonus: any; a product is normalised as a whole, not factor by factor (arXiv 2306.03236).
      coefficient: beta.
      normalize: "std" divides by the running deviation, "release" by what the released E3B code
        takes for it (see `observe`), "none" does not divide.

    Raises:
      ConfigError: for an unknown `normalize`.
    """
    if normalize not in MODES:
        raise ConfigError("normalize", normalize, f"one of {', '.join(MODES)}")

    def start(
        key: jax.Array, observation_space: Any, action_space: Any, num_envs: int
    ) -> ScaledState:
        return ScaledState(bonus.init(key, observation_space, action_space, num_envs), init())

    def update(
        key: jax.Array, state: ScaledState, transitions: Transitions, features: PolicyFeatures
    ) -> tuple[jax.Array, ScaledState, dict[str, jax.Array]]:
        raw, inner, metrics = extra_reward(bonus, key, state.inner, transitions, features)
        extra, moments = apply(state.moments, raw, normalize)
        own = {"bonus_mean": jnp.mean(raw), "bonus_std": jnp.std(raw)}
        metrics = merged({"the bonus": metrics, "its scale": own})
        return coefficient * extra, ScaledState(inner, moments), metrics

    return Bonus(start, update, bonus.name)
