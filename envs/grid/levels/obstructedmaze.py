"""ObstructedMaze: locked doors, keys hidden in boxes, doors blocked by balls (MiniGrid, same name).

MiniGrid's `-v0` levels place the second blocking ball of a room after the first key, so the ball
may replace the key and the level may have no solution; its `-v1` levels (`obstructedmaze_v1.py`)
place all doors and balls first. Both are here, as they are there.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from envs.grid import cells, layout
from envs.grid.level import Layout, Level
from envs.grid.levels import draw, rules
from envs.grid.levels.missions import Mission
from envs.grid.levels.roomgrid import STEP_X, STEP_Y, DoorPlaces, Lattice

ROOM_SIZE = 6
TARGET = cells.code(cells.BALL, cells.BLUE)
OBSTACLE = cells.code(cells.BALL, cells.GREEN)
MISSION = Mission.of("pick up the {color} {kind}")
# side rooms and corners in MiniGrid's order, clockwise from the right
SIDES = ((2, 1), (1, 2), (0, 1), (1, 0))
CORNERS = ((2, 0), (2, 2), (0, 2), (0, 0))


def _locked_door(
    lattice: Lattice,
    grid: jax.Array,
    places: DoorPlaces,
    room: tuple[int, int],
    wall: int,
    color: jax.Array,
    blocked: bool,
) -> jax.Array:
    x, y = lattice.door(places, *room, wall)
    grid = layout.put(grid, x, y, cells.cell(cells.LOCKED_DOOR, color))
    if blocked:
        grid = layout.put(grid, x - int(STEP_X[wall]), y - int(STEP_Y[wall]), OBSTACLE)
    return grid


def _level(
    lattice: Lattice, generate: object, visited: int, max_steps: int | None, name: str
) -> Level:
    return Level(
        name,
        lattice.width,
        lattice.height,
        4 * visited * ROOM_SIZE**2 if max_steps is None else max_steps,
        generate,  # type: ignore[arg-type]
        outcome=rules.pick_up_target,
        mission=MISSION,
    )


def one_door(
    key_in_box: bool = True,
    blocked: bool = True,
    max_steps: int | None = None,
    name: str = "ObstructedMaze-1D",
) -> Level:
    """Two rooms and one locked door; the ball to pick up is behind it.

    Args:
      key_in_box: the key is hidden in a box.
      blocked: a ball stands before the locked door.
      max_steps: length of an episode.
      name: its name.
    """
    lattice = Lattice(2, 1, ROOM_SIZE)
    base = lattice.walls()
    holder = cells.KEY_BOX if key_in_box else cells.KEY

    def generate(key: jax.Array) -> Layout:
        doors_key, color_key, key_key, ball_key, agent_key = jax.random.split(key, 5)
        places, color = lattice.door_places(doors_key), draw.color(color_key)
        grid = _locked_door(lattice, jnp.asarray(base), places, (0, 0), 0, color, blocked)
        grid = lattice.place(key_key, grid, 0, 0, cells.cell(holder, color))
        grid = lattice.place(ball_key, grid, 1, 0, TARGET)
        position, direction = lattice.place_agent(agent_key, grid, 0, 0)
        return Layout(grid, position, direction, draw.numbers(cells.BLUE, cells.BALL))

    return _level(lattice, generate, 2, max_steps, name)


def maze(
    agent_column: int = 1,
    agent_row: int = 1,
    key_in_box: bool = True,
    blocked: bool = True,
    num_quarters: int = 4,
    rooms_visited: int = 25,
    keys_last: bool = True,
    max_steps: int | None = None,
    name: str = "ObstructedMaze",
) -> Level:
    """Nine rooms; the ball is in one of the first `num_quarters` corners.

    Args:
      agent_column: column of the room in which the agent starts.
      agent_row: its row.
      key_in_box: keys are hidden in boxes.
      blocked: balls stand before the locked doors.
      num_quarters: corners (and the side rooms before them) in use, 1 to 4.
      rooms_visited: sets the default length of an episode, 144 steps each.
      keys_last: place keys after all balls of their room (MiniGrid's `-v1`).
      max_steps: length of an episode.
      name: its name.
    """
    if not 1 <= num_quarters <= 4:
        raise ValueError(f"num_quarters={num_quarters!r}: from 1 to 4")
    lattice = Lattice(3, 3, ROOM_SIZE)
    base = lattice.walls()
    holder = cells.KEY_BOX if key_in_box else cells.KEY

    def generate(key: jax.Array) -> Layout:
        doors_key, color_key, keys_key, corner_key, ball_key, agent_key = jax.random.split(key, 6)
        places, colors = lattice.door_places(doors_key), draw.distinct(color_key, 6, 6)
        key_keys = iter(jax.random.split(keys_key, 8))
        grid = jnp.asarray(base)
        for side, room in enumerate(SIDES[:num_quarters]):
            x, y = lattice.door(places, 1, 1, side)
            grid = layout.put(grid, x, y, cells.cell(cells.CLOSED_DOOR, colors[side]))
            # the wall's number and its colour count around 4 walls and 6 colours
            locks = [((side + k) % 4, colors[(side + k) % 6]) for k in (-1, 1)]
            for wall, color in locks:
                grid = _locked_door(lattice, grid, places, room, wall, color, blocked)
                if not keys_last:
                    grid = lattice.place(next(key_keys), grid, *room, cells.cell(holder, color))
            if keys_last:
                for _, color in locks:
                    grid = lattice.place(next(key_keys), grid, *room, cells.cell(holder, color))
        corner = draw.integer(corner_key, 0, num_quarters)
        column, row = (jnp.asarray(axis)[corner] for axis in zip(*CORNERS, strict=True))
        grid = lattice.place(ball_key, grid, column, row, TARGET)
        position, direction = lattice.place_agent(agent_key, grid, agent_column, agent_row)
        return Layout(grid, position, direction, draw.numbers(cells.BLUE, cells.BALL))

    return _level(lattice, generate, rooms_visited, max_steps, name)


_TWO_DOORS = {"agent_column": 2, "num_quarters": 1, "rooms_visited": 4}
_MAZES = {
    "2Dlhb": _TWO_DOORS,
    "1Q": {"num_quarters": 1, "rooms_visited": 5},
    "2Q": {"agent_column": 2, "num_quarters": 2, "rooms_visited": 11},
    "Full": {},
}
LEVELS = (
    {
        "ObstructedMaze-1Dl": (one_door, {"key_in_box": False, "blocked": False}),
        "ObstructedMaze-1Dlh": (one_door, {"blocked": False}),
        "ObstructedMaze-1Dlhb": (one_door, {}),
        "ObstructedMaze-2Dl": (
            maze,
            {**_TWO_DOORS, "key_in_box": False, "blocked": False, "keys_last": False},
        ),
        "ObstructedMaze-2Dlh": (maze, {**_TWO_DOORS, "blocked": False, "keys_last": False}),
    }
    | {f"ObstructedMaze-{n}": (maze, {**kw, "keys_last": False}) for n, kw in _MAZES.items()}
    | {f"ObstructedMaze-{n}-v1": (maze, {**kw, "keys_last": True}) for n, kw in _MAZES.items()}
)
