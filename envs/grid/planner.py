"""The best possible play of levels with at most one key: exact steps to the goal, by value iteration.

Gives the optimum that results are quoted against. Walls and lava block, a closed door costs a toggle
before the step through it, a locked one needs the key of its colour. Exact where the shortest way
passes each door once, as it does in MultiRoom, FourRooms, the crossings, Empty and DoorKey; a level
of several keys or with boxes and balls in the way may be shorter to play than is said here.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from envs.grid import cells
from envs.grid.level import GridState

FAR = 10_000


def passable(grid: jax.Array) -> jax.Array:
    """Cells that can be entered without harm, shut but unlocked doors too, bool."""
    kind = cells.kind(grid)
    return (cells.walkable(grid) & (kind != cells.LAVA)) | (kind == cells.CLOSED_DOOR)


def ahead(values: jax.Array, direction: int) -> jax.Array:
    """`values` of the cell before each cell. Levels are walled in: nothing wraps around."""
    return jnp.roll(values, ((0, -1), (-1, 0), (0, 1), (1, 0))[direction], (0, 1))


def facing(mask: jax.Array) -> jax.Array:
    """`[4, height, width]`: poses that look at a cell of the mask."""
    return jnp.stack([ahead(mask, direction) for direction in range(4)])


def stages(grid: jax.Array) -> jax.Array:
    """The level as it is, with its key in hand, and with the door that it fits open too.

    Args:
      grid: `[height, width]` uint8 cells.

    Returns:
      `[3, height, width]` uint8. In the second a door that the key fits is as good as closed. All
      the same without a key.
    """
    kind, color = cells.kind(grid), cells.color(grid)
    key = kind == cells.KEY
    fits = (kind == cells.LOCKED_DOOR) & (color == jnp.max(jnp.where(key, color, 0))) & jnp.any(key)
    bits = grid - kind
    held = jnp.where(key, cells.EMPTY_CELL, jnp.where(fits, bits | cells.CLOSED_DOOR, grid))
    opened = jnp.where(fits, bits | cells.OPEN_DOOR, held)
    return jnp.stack([grid, held, opened]).astype(jnp.uint8)


def stage_steps(grid: jax.Array) -> jax.Array:
    """Fewest actions until the goal is entered, `[3, 4, height, width]` for each of `stages`."""
    first, held, opened = stages(grid)
    with_key = closed_steps(held)
    picked = jnp.where(facing(cells.kind(grid) == cells.KEY), 1 + with_key, FAR)
    return jnp.stack([closed_steps(first, picked), with_key, closed_steps(opened)])


def steps_to_goal(grid: jax.Array) -> jax.Array:
    """Fewest actions from every pose until the goal is entered, the key still to be picked up.

    Args:
      grid: `[height, width]` uint8 cells.

    Returns:
      `[4, height, width]` int32 by direction, row and column; `FAR` where there is no way.
    """
    return stage_steps(grid)[0]


def closed_steps(grid: jax.Array, known: jax.Array | int = FAR) -> jax.Array:
    """As `steps_to_goal` where nothing is picked up and locked doors stay locked.

    Args:
      grid: `[height, width]` uint8 cells.
      known: `[4, height, width]`, steps of another way on from a pose.
    """
    kind = cells.kind(grid)
    goal = kind == cells.GOAL
    enter = jnp.where(kind == cells.CLOSED_DOOR, 2, 1)
    free = passable(grid)

    def sweep(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        distance, _ = carry
        forward = jnp.stack([ahead(jnp.where(free, distance[d] + enter, FAR), d) for d in range(4)])
        turn = 1 + jnp.minimum(jnp.roll(distance, 1, 0), jnp.roll(distance, -1, 0))
        new = jnp.minimum(distance, jnp.minimum(forward, turn))
        new = jnp.where(goal, 0, jnp.minimum(new, FAR)).astype(jnp.int32)
        return new, jnp.any(new != distance)

    start = jnp.where(jnp.broadcast_to(goal, (4, *grid.shape)), 0, known).astype(jnp.int32)
    return jax.lax.while_loop(lambda c: c[1], sweep, (start, jnp.asarray(True)))[0]


def optimal_return(state: GridState, max_steps: int) -> jax.Array:
    """Return of the best play from a state at the start of an episode, `[]` float32."""
    steps = steps_to_goal(state.grid)[state.direction, state.position[1], state.position[0]]
    return jnp.where(steps <= max_steps, 1.0 - 0.9 * steps / max_steps, 0.0)
