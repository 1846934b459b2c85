"""Dynamic obstacles: balls wander through the room and touching one ends the episode with -1.

MiniGrid `DynamicObstaclesEnv`: each ball in turn moves to a free cell of its 3 x 3 neighbourhood
before the agent acts. Walking into anything but the goal, walls included, counts as touching; what
was ahead *before* the balls moved decides.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from envs.grid import cells, layout
from envs.grid.cells import FORWARD
from envs.grid.level import GridState, Layout, Level, Transition

BALL = np.uint8(cells.code(cells.BALL, cells.BLUE))


def _move(key: jax.Array, state: GridState, action: jax.Array) -> GridState:
    """Every ball to a uniform free cell around it, one after the other; hemmed in, it stays."""
    del action
    agent_x, agent_y = state.position[0], state.position[1]
    dx, dy = np.arange(9) % 3 - 1, np.arange(9) // 3 - 1

    def one(columns: jax.Array, ball: Any) -> tuple[jax.Array, jax.Array]:
        (x, y), bits = ball
        around = jax.lax.dynamic_slice(columns, (x - 1, y - 1), (3, 3)).T.reshape(9)
        free = (around == cells.EMPTY_CELL) & ~((x + dx == agent_x) & (y + dy == agent_y))
        number = jnp.cumsum(free.astype(jnp.uint32))
        moves = number[-1] > 0
        # the (bits mod count)-th free cell
        move = jnp.argmax(number > bits % jnp.maximum(number[-1], 1))
        to = jnp.where(moves, jnp.stack([x + move % 3 - 1, y + move // 3 - 1]), ball[0])
        columns = columns.at[x, y].set(cells.EMPTY_CELL)
        return columns.at[to[0], to[1]].set(BALL), to.astype(jnp.int32)

    bits = jax.random.bits(key, (state.extra.shape[0],), jnp.uint32)
    columns, balls = jax.lax.scan(one, state.columns, (state.extra, bits))
    return dataclasses.replace(state, columns=columns, extra=balls)


def _outcome(t: Transition) -> tuple[jax.Array, jax.Array]:
    ahead = cells.kind(t.before.columns[t.ahead_index[0], t.ahead_index[1]])
    touched = (t.action == FORWARD) & (ahead != cells.EMPTY) & (ahead != cells.GOAL)
    return jnp.where(touched, -1.0, t.reward), t.terminated | touched


def dynamic_obstacles(
    size: int = 8,
    num_obstacles: int = 4,
    random_start: bool = False,
    max_steps: int | None = None,
    name: str = "Dynamic-Obstacles",
) -> Level:
    """An empty room, the goal in the far corner, `num_obstacles` balls; three actions.

    Args:
      size: side of the grid, walls included.
      num_obstacles: balls that move.
      random_start: the agent starts anywhere, not in the corner.
      max_steps: length of an episode.
      name: its name.
    """
    if size < 4:
        raise ValueError(f"size={size!r}: at least 4, walls included")
    # MiniGrid's own rule for too many obstacles
    count = num_obstacles if num_obstacles <= size / 2 + 1 else size // 2
    if count < 1:
        raise ValueError(f"num_obstacles={num_obstacles!r}: at least 1")
    base = layout.room(size, size)
    base[size - 2, size - 2] = cells.GOAL_CELL

    def generate(key: jax.Array) -> Layout:
        agent_key, turn_key, *ball_keys = jax.random.split(key, 2 + count)
        agent, direction = jnp.array([1, 1], jnp.int32), jnp.int32(0)
        if random_start:
            agent = layout.random_free(agent_key, jnp.asarray(base))
            direction = layout.random_direction(turn_key)
        grid, balls = jnp.asarray(base), []
        for ball_key in ball_keys:
            at = layout.random_free(ball_key, grid, agent=agent)
            grid = layout.put(grid, at[0], at[1], BALL)
            balls.append(at)
        return Layout(grid, agent, direction, extra=jnp.stack(balls))

    return Level(
        name,
        size,
        size,
        4 * size**2 if max_steps is None else max_steps,
        generate,
        outcome=_outcome,
        before_step=_move,
        remap=lambda action: jnp.where(action > FORWARD, 0, action),
        num_actions=3,
        see_through_walls=True,
    )


LEVELS = {
    f"Dynamic-Obstacles-{prefix}{size}x{size}": (
        dynamic_obstacles,
        {"size": size, "num_obstacles": n, "random_start": bool(prefix)},
    )
    for prefix, size, n in (
        ("", 5, 2),
        ("Random-", 5, 2),
        ("", 6, 3),
        ("Random-", 6, 3),
        ("", 8, 4),
        ("", 16, 8),
    )
}
