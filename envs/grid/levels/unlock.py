"""Unlock, UnlockPickup, BlockedUnlockPickup: a key, a locked door, and what is behind it.

MiniGrid `UnlockEnv`, `UnlockPickupEnv`, `BlockedUnlockPickupEnv`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from envs.grid import cells, layout
from envs.grid.cells import TOGGLE
from envs.grid.level import Layout, Level, Transition
from envs.grid.levels import draw, rules
from envs.grid.levels.missions import Mission
from envs.grid.levels.roomgrid import Lattice, random_cell_of


def _opened(t: Transition) -> tuple[jax.Array, jax.Array]:
    now = t.after.columns[t.ahead_index[0], t.ahead_index[1]]
    done = (t.action == TOGGLE) & (cells.kind(now) == cells.OPEN_DOOR)
    return jnp.where(done, t.success, t.reward), t.terminated | done


def unlock(
    room_size: int = 6,
    pickup: bool = False,
    blocked: bool = False,
    max_steps: int | None = None,
    name: str = "Unlock",
) -> Level:
    """Two rooms with a locked door between them, the agent and the key in the left one.

    Args:
      room_size: side of a room, walls included.
      pickup: the task is to pick up a box in the right room, not only to open the door.
      blocked: a ball stands before the door.
      max_steps: length of an episode.
      name: its name.
    """
    lattice = Lattice(2, 1, room_size)
    base = lattice.walls()

    def generate(key: jax.Array) -> Layout:
        doors_key, box_key, color_key, ball_key, key_key, agent_key, at_key = jax.random.split(
            key, 7
        )
        places = lattice.door_places(doors_key)
        grid, mission = jnp.asarray(base), draw.numbers(0)
        if pickup:
            box, box_color = random_cell_of(box_key, cells.BOX)
            grid = lattice.place(at_key, grid, 1, 0, box)
            mission = draw.numbers(box_color, cells.BOX)
        color = draw.color(color_key)
        x, y = lattice.door(places, 0, 0, 0)
        grid = layout.put(grid, x, y, cells.cell(cells.LOCKED_DOOR, color))
        if blocked:
            ball, _ = random_cell_of(ball_key, cells.BALL)
            grid = layout.put(grid, x - 1, y, ball)
        grid = lattice.place(key_key, grid, 0, 0, cells.cell(cells.KEY, color))
        position, direction = lattice.place_agent(agent_key, grid, 0, 0)
        return Layout(grid, position, direction, mission)

    steps = (16 if blocked else 8) * room_size**2 if max_steps is None else max_steps
    return Level(
        name,
        lattice.width,
        lattice.height,
        steps,
        generate,
        outcome=rules.pick_up_target if pickup else _opened,
        mission=Mission.of("pick up the {color} {kind}" if pickup else "open the door"),
    )


LEVELS = {
    "Unlock": (unlock, {}),
    "UnlockPickup": (unlock, {"pickup": True}),
    "BlockedUnlockPickup": (unlock, {"pickup": True, "blocked": True}),
}
