"""How much contexts of a grid world have in common, from their exact value functions.

Henaff, Jiang and Raileanu (ICML 2023, arXiv 2306.03236) explain which exploration bonus works by how
much the value function varies between contexts: a global bonus carries what it learned in one level
over to the next, which helps only where the same features have about the same value there.

Here V* is computed by value iteration on every level, and split by the law of total variance over the
feature psi = pose (position and direction; in levels with a key also whether it lies there still, is
in hand, or its door is open; before that with the poses on this side of the door):

    Var[V*] = E[ Var(V* | psi) ]  +  Var( E[V* | psi] )
              between contexts        explained by the pose
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from envs.grid import cells
from envs.grid.planner import FAR, closed_steps, facing, passable, stage_steps, stages


class ValueVariance(NamedTuple):
    """Of V* over all poses of all contexts, each pose of each context counting once.

    Attributes:
      between: `[]` float32, E[Var(V* | pose)]: 0 for one context, or where only the pose matters.
      total: `[]` float32, Var[V*].
    """

    between: jax.Array
    total: jax.Array


def optimal_values(grid: jax.Array, discount: float) -> jax.Array:
    """V* of every pose when entering the goal pays 1: `discount ** (steps - 1)`.

    Args:
      grid: `[height, width]` uint8 cells.
      discount: gamma.

    Returns:
      `[3, 4, height, width]` float32 by stage (`planner.stages`), direction, row and column; 0 in
      walls and where there is no way to the goal. Levels without a key are in the last stage.
    """
    present, steps = _poses(grid)
    return jnp.where(present, discount ** (steps - 1.0), 0.0)


def _poses(grid: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Whether an agent can stand there with a way to go, and the steps to the goal, by stage."""
    steps, kind = stage_steps(grid), cells.kind(grid)
    key, goal = kind == cells.KEY, kind == cells.GOAL
    # on this side of the locked door: where a way leads to the key
    near = (
        closed_steps(jnp.where(goal, cells.WALL_CELL, grid), jnp.where(facing(key), 0, FAR)) < FAR
    )
    near = near.any(0) & passable(grid)
    free = jax.vmap(passable)(stages(grid)) & jnp.stack([near, near | key, jnp.ones_like(near)])
    return free[:, None] & (steps < FAR) & (steps > 0), steps


def value_variance(grids: jax.Array, discount: float = 0.99) -> ValueVariance:
    """The split of Var[V*] over contexts.

    Args:
      grids: `[contexts, height, width]` uint8 cells, of at most one key each.
      discount: gamma.

    Raises:
      ValueError: for levels of several keys, whose V* is not what is computed here (where the cells
        are known).
    """
    if not isinstance(grids, jax.core.Tracer):
        most = int(jnp.max(jnp.sum(cells.kind(grids) == cells.KEY, (1, 2))))
        if most > 1:
            raise ValueError(f"grids with {most} keys: V* is exact for at most one key in a level")
    present, steps = jax.lax.map(_poses, grids)  # one after another: few arrays at a time
    values = jnp.where(present, discount ** (steps - 1.0), 0.0)
    count = present.sum(0)
    mean = values.sum(0) / jnp.maximum(count, 1)
    number = count.sum()
    grand = values.sum() / number
    between = jnp.where(present, (values - mean) ** 2, 0.0).sum() / number
    total = jnp.where(present, (values - grand) ** 2, 0.0).sum() / number
    return ValueVariance(between, total)
