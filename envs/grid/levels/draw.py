"""What several levels share: random choices, objects, and rules for the target of a mission."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from envs.grid import cells
from envs.grid.cells import DONE, PICKUP, TOGGLE
from envs.grid.engine import Transition


def integer(key: jax.Array, low: Any, high: Any) -> jax.Array:
    """A uniform `[]` int32 of `low .. high - 1`; bounds may be traced."""
    span = (jnp.asarray(high, jnp.int32) - low).astype(jnp.uint32)
    return (jax.random.bits(key) % span).astype(jnp.int32) + low


def distinct(key: jax.Array, count: int, choices: int) -> jax.Array:
    """`[count]` int32 different numbers below `choices`, every ordered choice as likely."""
    scores, drawn = jax.random.bits(key, (choices,)) | 1, []
    for _ in range(count):
        drawn.append(jnp.argmax(scores))
        scores = jnp.where(np.arange(choices) == drawn[-1], 0, scores)
    return jnp.stack(drawn).astype(jnp.int32)


def color(key: jax.Array) -> jax.Array:
    """A uniform colour, `[]` uint8."""
    return (jax.random.bits(key) % np.uint32(6)).astype(jnp.uint8)


def kind_and_color(number: jax.Array, kinds: tuple[int, ...]) -> tuple[jax.Array, jax.Array]:
    """The kind and the colour, uint8, that a number below `6 len(kinds)` stands for."""
    return jnp.array(kinds, jnp.uint8)[number // 6], (number % 6).astype(jnp.uint8)


def numbers(*values: jax.typing.ArrayLike) -> jax.Array:
    """Up to four values as a mission, `[4]` uint8."""
    padded = (*values, 0, 0, 0, 0)[:4]
    return jnp.stack([jnp.asarray(v).astype(jnp.uint8) for v in padded])


def pick_up_target(t: Transition) -> tuple[jax.Array, jax.Array]:
    """Success by picking up the one object of the mission's (colour, kind)."""
    target = cells.cell(t.after.mission[1], t.after.mission[0])
    done = (t.action == PICKUP) & (t.after.carrying == target)
    return jnp.where(done, t.success, t.reward), t.terminated | done


def done_beside_target(t: Transition) -> tuple[jax.Array, jax.Array]:
    """Success by "done" next to the place in `extra` (`[2]`); any toggle ends the episode."""
    distance = jnp.sum(jnp.abs(t.after.position - t.after.extra))
    done = t.action == DONE
    return (
        jnp.where(done & (distance == 1), t.success, t.reward),
        t.terminated | done | (t.action == TOGGLE),
    )
