"""KeyCorridor: find a key, open the locked room, pick up the ball (MiniGrid `KeyCorridorEnv`)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from envs.grid import cells, layout
from envs.grid.level import Layout, Level
from envs.grid.levels import draw, rules
from envs.grid.levels.missions import Mission
from envs.grid.levels.roomgrid import Lattice, random_cell_of


def key_corridor(
    room_size: int = 6, num_rows: int = 3, max_steps: int | None = None, name: str = "KeyCorridor"
) -> Level:
    """Three columns of rooms; the middle one is a corridor, the key is left, the ball right.

    Args:
      room_size: side of a room, walls included.
      num_rows: rooms in a column.
      max_steps: length of an episode.
      name: its name.
    """
    lattice = Lattice(3, num_rows, room_size)
    base = lattice.walls()
    pitch = lattice.pitch
    for row in range(1, num_rows):
        base[row * pitch, pitch + 1 : 2 * pitch] = cells.EMPTY_CELL
    ends = lattice.links
    corridor = np.all(ends % 3 == 1, axis=1)

    def generate(key: jax.Array) -> Layout:
        keys = jax.random.split(key, 10)
        places = lattice.door_places(keys[0])
        ball_row, key_row = draw.integer(keys[1], 0, num_rows), draw.integer(keys[2], 0, num_rows)
        color = draw.color(keys[3])
        x, y = lattice.door(places, 2, ball_row, 2)
        grid = layout.put(jnp.asarray(base), x, y, cells.cell(cells.LOCKED_DOOR, color))
        ball, ball_color = random_cell_of(keys[4], cells.BALL)
        grid = lattice.place(keys[5], grid, 2, ball_row, ball)
        grid = lattice.place(keys[6], grid, 0, key_row, cells.cell(cells.KEY, color))
        position, direction = lattice.place_agent(keys[7], grid, 1, num_rows // 2)

        # a locked room gets no second door
        of_locked_room = jnp.any(ends == 3 * ball_row + 2, axis=1)
        locked_link = of_locked_room & jnp.asarray(ends[:, 0] % 3 == 1)
        added = lattice.connect(keys[8], corridor | locked_link, ~of_locked_room)
        grid = lattice.add_doors(keys[9], grid, places, added)
        return Layout(grid, position, direction, draw.numbers(ball_color, cells.BALL))

    return Level(
        name,
        lattice.width,
        lattice.height,
        30 * room_size**2 if max_steps is None else max_steps,
        generate,
        outcome=rules.pick_up_target,
        mission=Mission.of("pick up the {color} {kind}"),
    )


LEVELS = {
    f"KeyCorridorS{size}R{rows}": (key_corridor, {"room_size": size, "num_rows": rows})
    for size, rows in ((3, 1), (3, 2), (3, 3), (4, 3), (5, 3), (6, 3))
}
