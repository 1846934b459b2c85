"""Levels from Farama MiniGrid: `import_level` turns a reset environment into a `GridState`.

MiniGrid is not a dependency of the suite: nothing here imports it, an environment that the caller
made is read through its attributes. Whatever MiniGrid generates can so be played at our speed, and
the tests compare both step for step.

    source = gymnasium.make("MiniGrid-KeyCorridorS3R3-v0")
    source.reset(seed=1)
    world = envs.make("KeyCorridorS3R3", auto_reset="none", log=False)[0]
    state = import_level(source, world)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from envs.grid import cells
from envs.grid.engine import GridWorld
from envs.grid.level import GridState
from envs.grid.levels.memory import Ends
from envs.grid.levels.missions import Mission


def cell_of(thing: Any) -> int:
    """The byte of a MiniGrid `WorldObj` (or None).

    Raises:
      ValueError: for a box that holds what no registered level puts into one.
    """
    if thing is None:
        return int(cells.EMPTY_CELL)
    content = getattr(thing, "contains", None)
    if content is not None:
        if content.type != "key" or thing.color != "grey":
            raise ValueError(
                f"box={thing.color!r} with {content.type!r} inside: only keys in grey boxes fit"
            )
        return cells.code(cells.KEY_BOX, cells.COLORS.index(content.color))
    return int(cells.from_triples(np.array(thing.encode(), np.uint8)))


def _place(position: Any) -> jax.Array:
    return jnp.asarray(np.asarray(position, np.int32).reshape(2))


# what the rules of a family need beside the grid, by the name of MiniGrid's class
EXTRA: dict[str, Callable[[Any], Any]] = {
    "DynamicObstaclesEnv": lambda e: jnp.stack([_place(o.cur_pos) for o in e.obstacles]),
    "MemoryEnv": lambda e: Ends(_place(e.success_pos), _place(e.failure_pos)),
    "GoToDoorEnv": lambda e: _place(e.target_pos),
    "GoToObjectEnv": lambda e: _place(e.target_pos),
    "PutNearEnv": lambda e: _place(e.target_pos),
}


def import_level(minigrid_env: Any, world: GridWorld) -> GridState:
    """The state of a MiniGrid environment as a state of `world`.

    Args:
      minigrid_env: an environment after `reset` (and any number of steps), wrapped or not.
      world: the same level here, `envs.make(name, auto_reset="none", log=False)[0]`.

    Returns:
      An unbatched `GridState`: the same grid (boxes with their keys), agent, hands, time, mission.

    Raises:
      ValueError: if the sizes differ, or the level holds something that has no cell.
    """
    source = minigrid_env.unwrapped
    level = world.level
    if (source.width, source.height) != (level.width, level.height):
        raise ValueError(
            f"minigrid_env of {source.width} x {source.height} cells: {level.name} has "
            f"{level.width} x {level.height}"
        )
    grid = np.array([cell_of(thing) for thing in source.grid.grid], np.uint8)
    numbers = np.zeros(4, np.uint8)
    if isinstance(level.mission, Mission):
        numbers = level.mission.parse(source.mission)
    families = [EXTRA[c.__name__] for c in type(source).__mro__ if c.__name__ in EXTRA]
    extra = families[0](source) if families else ()
    return GridState(
        columns=jnp.asarray(grid.reshape(source.height, source.width).T),
        position=_place(source.agent_pos),
        direction=jnp.asarray(int(source.agent_dir), jnp.int32),
        carrying=jnp.asarray(cell_of(source.carrying), jnp.uint8),
        time=jnp.asarray(int(source.step_count), jnp.int32),
        mission=jnp.asarray(numbers),
        extra=extra,
    )
