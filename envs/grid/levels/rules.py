"""How an episode ends in several levels: outcomes about the object that the mission names."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from envs.grid import cells
from envs.grid.cells import DONE, PICKUP, TOGGLE
from envs.grid.level import Transition


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
