"""The best possible play of levels without keys: exact steps to the goal, by value iteration.

Gives the optimum that results are quoted against. Walls and lava block, a closed door costs a toggle
before the step through it, locked doors block. Exact where the shortest way passes each door
once, as it does in MultiRoom, FourRooms, the crossings and Empty.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from envs.grid import cells
from envs.grid.level import GridState

FAR = 10_000


def steps_to_goal(grid: jax.Array) -> jax.Array:
    """Fewest actions from every pose until the goal is entered.

    Args:
      grid: `[height, width]` uint8 cells.

    Returns:
      `[4, height, width]` int32 by direction, row and column; `FAR` where there is no way.
    """
    kind = cells.kind(grid)
    goal = kind == cells.GOAL
    enter = jnp.where(kind == cells.CLOSED_DOOR, 2, 1)
    passable = (cells.walkable(grid) & (kind != cells.LAVA)) | (kind == cells.CLOSED_DOOR)

    def ahead(values: jax.Array, direction: int) -> jax.Array:
        dy, dx = ((0, -1), (-1, 0), (0, 1), (1, 0))[direction]
        return jnp.roll(values, (dy, dx), (0, 1))  # levels are walled in: nothing wraps around

    def sweep(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        distance, _ = carry
        forward = jnp.stack(
            [ahead(jnp.where(passable, distance[d] + enter, FAR), d) for d in range(4)]
        )
        turn = 1 + jnp.minimum(jnp.roll(distance, 1, 0), jnp.roll(distance, -1, 0))
        new = jnp.minimum(distance, jnp.minimum(forward, turn))
        new = jnp.where(goal, 0, jnp.minimum(new, FAR)).astype(jnp.int32)
        return new, jnp.any(new != distance)

    start = jnp.where(jnp.broadcast_to(goal, (4, *grid.shape)), 0, FAR).astype(jnp.int32)
    return jax.lax.while_loop(lambda c: c[1], sweep, (start, jnp.asarray(True)))[0]


def optimal_return(state: GridState, max_steps: int) -> jax.Array:
    """Return of the best play from a state at the start of an episode, `[]` float32."""
    steps = steps_to_goal(state.grid)[state.direction, state.position[1], state.position[0]]
    return jnp.where(steps <= max_steps, 1.0 - 0.9 * steps / max_steps, 0.0)
