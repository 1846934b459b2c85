"""RedBlueDoors: open the red door, then the blue one (MiniGrid `RedBlueDoorEnv`)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from envs.grid import cells, layout
from envs.grid.cells import TOGGLE
from envs.grid.level import Layout, Level, Transition
from envs.grid.levels import draw
from envs.grid.levels.missions import Mission

RED_DOOR = cells.code(cells.CLOSED_DOOR, cells.RED)
BLUE_DOOR = cells.code(cells.CLOSED_DOOR, cells.BLUE)


def red_blue_doors(
    size: int = 8, max_steps: int | None = None, name: str = "RedBlueDoors"
) -> Level:
    """A `size` x `size` room in the middle of a grid twice as wide, a door to either side.

    Args:
      size: side of the room, walls included; the grid is twice as wide.
      max_steps: length of an episode.
      name: its name.
    """
    if size < 4:
        raise ValueError(f"size={size!r}: at least 4, walls included")
    left, right = size // 2, size // 2 + size - 1
    base = layout.room(2 * size, size)
    base[:, [left, right]] = cells.WALL_CELL

    def generate(key: jax.Array) -> Layout:
        agent_key, turn_key, red_key, blue_key = jax.random.split(key, 4)
        room = layout.rectangle(base.shape, left, 0, size, size)
        grid = jnp.asarray(base)
        agent = layout.random_free(agent_key, grid, room)
        grid = layout.put(grid, left, draw.integer(red_key, 1, size - 1), RED_DOOR)
        grid = layout.put(grid, right, draw.integer(blue_key, 1, size - 1), BLUE_DOOR)
        return Layout(grid, agent, layout.random_direction(turn_key))

    def outcome(t: Transition) -> tuple[jax.Array, jax.Array]:
        # the blue door opens once an episode at most: opening it ends the episode either way
        opened = (t.action == TOGGLE) & (t.ahead == BLUE_DOOR)
        red_open = jnp.any(cells.kind(t.before.columns[left]) == cells.OPEN_DOOR)
        reward = jnp.where(opened, jnp.where(red_open, t.success, 0.0), t.reward)
        return reward, t.terminated | opened

    return Level(
        name,
        2 * size,
        size,
        20 * size**2 if max_steps is None else max_steps,
        generate,
        outcome=outcome,
        mission=Mission.of("open the red door then the blue door"),
    )


LEVELS = {f"RedBlueDoors-{n}x{n}": (red_blue_doors, {"size": n}) for n in (6, 8)}
