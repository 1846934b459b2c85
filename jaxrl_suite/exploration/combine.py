"""One bonus made of several: product, sum, gate.

The product is what Henaff et al. (2023, arXiv 2306.03236, section 5) recommend: an episodic bonus
times a global one pays for what is new in this episode and in the whole of training. In a sum the
global part decays and leaves the episodic one. Factors are not normalised one by one; put
`scale.scaled` around the whole.

    scaled(product(e3b_bonus.make(...), rnd.make(...)), coefficient=0.1)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxrl_suite.experiment import merged
from jaxrl_suite.exploration.bonus import Bonus, PolicyFeatures, Transitions, extra_reward


def product(*bonuses: Bonus) -> Bonus:
    """`b_1 * b_2 * ...`.

    Raises:
      ValueError: without any bonus.
    """
    return _join(bonuses, jnp.multiply, "*")


def total(*bonuses: Bonus, weights: Sequence[float] | None = None) -> Bonus:
    """`w_1 b_1 + w_2 b_2 + ...`, all weights 1 unless given.

    Raises:
      ValueError: without any bonus, or with another number of weights.
    """
    if weights is not None:
        if len(weights) != len(bonuses):
            raise ValueError(f"weights={weights!r}: one for each of the {len(bonuses)} bonuses")
        bonuses = tuple(times(w, b) for w, b in zip(weights, bonuses, strict=True))
    return _join(bonuses, jnp.add, "+")


def gated(bonus: Bonus, gate: Bonus) -> Bonus:
    """`bonus` where `gate` is positive, else 0. NovelD is gated by an episode's first visits."""
    return _join((bonus, gate), lambda b, g: jnp.where(g > 0, b, 0.0), "@")


def times(weight: float, bonus: Bonus) -> Bonus:
    """`weight * bonus`, with no normaliser."""

    def update(*arguments: Any) -> Any:
        extra, state, metrics = extra_reward(bonus, *arguments)
        return weight * extra, state, metrics

    return Bonus(bonus.init, update, bonus.name)


def _join(
    bonuses: Sequence[Bonus], operation: Callable[[jax.Array, jax.Array], jax.Array], sign: str
) -> Bonus:
    """Each with a state and a random key of its own; metrics as `name/metric`."""
    if not bonuses:
        raise ValueError("no bonus to combine: at least one")
    if len(bonuses) == 1:
        return bonuses[0]
    labels = _labels([b.name for b in bonuses])

    def init(key: jax.Array, observation_space: Any, action_space: Any, num_envs: int) -> tuple:
        keys = jax.random.split(key, len(bonuses))
        return tuple(
            b.init(k, observation_space, action_space, num_envs)
            for b, k in zip(bonuses, keys, strict=True)
        )

    def update(
        key: jax.Array, state: tuple, transitions: Transitions, policy_features: PolicyFeatures
    ) -> tuple[jax.Array, tuple, dict[str, jax.Array]]:
        keys = jax.random.split(key, len(bonuses))
        results = [
            extra_reward(b, k, s, transitions, policy_features)
            for b, k, s in zip(bonuses, keys, state, strict=True)
        ]
        metrics: dict[str, dict[str, jax.Array]] = {"the combination": {}}
        for label, (extra, _, own) in zip(labels, results, strict=True):
            metrics["the combination"][f"{label}/mean"] = jnp.mean(extra)
            metrics[label] = {f"{label}/{name}": value for name, value in own.items()}
        joined = functools.reduce(operation, [extra for extra, _, _ in results])
        return joined, tuple(state for _, state, _ in results), merged(metrics)

    return Bonus(init, update, sign.join(b.name for b in bonuses))


def _labels(names: list[str]) -> list[str]:
    """The names, numbered where two are the same."""
    return [
        name if names.count(name) == 1 else f"{name}_{names[: i + 1].count(name)}"
        for i, name in enumerate(names)
    ]
