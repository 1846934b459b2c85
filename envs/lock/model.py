"""A lock as tables, for what can be known exactly: the best value, and who visits what."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Model(NamedTuple):
    """A finite-horizon MDP over true states.

    Attributes:
      start: `[S]`, probability of starting in s.
      transition: `[H, S, A, S]`, of reaching s' from s by action a in step h.
      reward: `[H, S, A]`, expected.
    """

    start: jax.Array
    transition: jax.Array
    reward: jax.Array


def optimal(model: Model) -> tuple[jax.Array, jax.Array]:
    """Backward induction: the value of a best episode `[]`, and Q* `[H, S, A]`.

    Q*_h(s, a) = r_h(s, a) + sum_s' P_h(s' | s, a) max_a' Q*_{h+1}(s', a')
    """

    def back(value: jax.Array, level: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        transition, reward = level
        q = reward + transition @ value
        return q.max(-1), q

    levels = (model.transition, model.reward)
    value, q = jax.lax.scan(back, jnp.zeros_like(model.start), levels, reverse=True)
    return model.start @ value, q


def visits(model: Model, policy: jax.Array) -> jax.Array:
    """`[H + 1, S]`, the probability that `policy`, `[H, S, A]` probabilities, is in s in step h."""

    def forth(where: jax.Array, level: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        transition, pi = level
        after = jnp.einsum("s,sa,sat->t", where, pi, transition)
        return after, after

    _, rest = jax.lax.scan(forth, model.start, (model.transition, policy))
    return jnp.concatenate([model.start[None], rest])
