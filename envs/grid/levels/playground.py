"""Playground: nine rooms, twelve doors, twelve objects and no task (MiniGrid `PlaygroundEnv`)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from envs.grid import cells, layout
from envs.grid.level import Layout, Level
from envs.grid.levels import draw
from envs.grid.levels.goto import KINDS
from envs.grid.levels.missions import Mission
from envs.grid.levels.roomgrid import Lattice


def playground(
    num_objects: int = 12, max_steps: int | None = None, name: str = "Playground"
) -> Level:
    """A door in every wall between two rooms; `num_objects` keys, balls and boxes anywhere.

    Args:
      num_objects: keys, balls and boxes that lie about.
      max_steps: length of an episode.
      name: its name.
    """
    lattice = Lattice(3, 3, 7)
    base = lattice.walls()

    def generate(key: jax.Array) -> Layout:
        doors_key, color_key, what_key, agent_key, turn_key, place_key = jax.random.split(key, 6)
        # MiniGrid puts no door right before the far corner of a wall
        places = lattice.door_places(doors_key, choices=lattice.size - 3)
        grid = lattice.add_doors(color_key, jnp.asarray(base), places, jnp.ones(12, bool))
        agent = layout.random_free(agent_key, grid)
        what = (jax.random.bits(what_key, (num_objects,), jnp.uint32) % np.uint32(18)).astype(
            jnp.int32
        )
        objects = cells.cell(*draw.kind_and_color(what, KINDS))
        for i, k in enumerate(jax.random.split(place_key, num_objects)):
            at = layout.random_free(k, grid, agent=agent)
            grid = layout.put(grid, at[0], at[1], objects[i])
        return Layout(grid, agent, layout.random_direction(turn_key))

    steps = 100 if max_steps is None else max_steps
    return Level(name, 19, 19, steps, generate, mission=Mission.of(""))


LEVELS: dict[str, tuple[Any, dict[str, Any]]] = {"Playground": (playground, {})}
