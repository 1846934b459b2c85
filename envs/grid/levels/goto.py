"""GoToDoor and GoToObject: stand next to the right thing and say "done" (MiniGrid, same names)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from envs.grid import cells, layout
from envs.grid.level import Layout, Level
from envs.grid.levels import draw, rules
from envs.grid.levels.missions import Mission

KINDS = (cells.KEY, cells.BALL, cells.BOX)


def go_to_door(size: int = 5, max_steps: int | None = None, name: str = "GoToDoor") -> Level:
    """A room of 5 to `size` cells a side, in the grid's corner, with a door in each wall.

    Args:
      size: side of the grid, of the largest room.
      max_steps: length of an episode.
      name: its name.
    """
    if size < 5:
        raise ValueError(f"size={size!r}: at least 5, walls included")
    shape = (size, size)

    def generate(key: jax.Array) -> Layout:
        keys = jax.random.split(key, 10)
        width, height = draw.integer(keys[0], 5, size + 1), draw.integer(keys[1], 5, size + 1)
        wall = layout.outline(shape, 0, 0, width, height)
        grid = jnp.where(wall, cells.WALL_CELL, cells.EMPTY_CELL)
        x = [draw.integer(k, 2, width - 2) for k in keys[2:4]]
        y = [draw.integer(k, 2, height - 2) for k in keys[4:6]]
        zero = jnp.int32(0)
        doors_x = jnp.stack([x[0], x[1], zero, width - 1])
        doors_y = jnp.stack([zero, height - 1, y[0], y[1]])
        colors = draw.distinct(keys[6], 4, 6)
        grid = grid.at[doors_y, doors_x].set(cells.cell(cells.CLOSED_DOOR, colors))
        agent = layout.random_free(keys[7], grid, layout.rectangle(shape, 0, 0, width, height))
        target = draw.integer(keys[8], 0, 4)
        place = jnp.stack([doors_x[target], doors_y[target]])
        mission = draw.numbers(colors[target])
        return Layout(grid, agent, layout.random_direction(keys[9]), mission, place)

    return Level(
        name,
        size,
        size,
        4 * size**2 if max_steps is None else max_steps,
        generate,
        outcome=rules.done_beside_target,
        see_through_walls=True,
        mission=Mission.of("go to the {color} door"),
    )


def go_to_object(
    size: int = 6, num_objects: int = 2, max_steps: int | None = None, name: str = "GoToObject"
) -> Level:
    """`num_objects` different objects anywhere in a room; one of them is the target.

    Args:
      size: side of the grid, walls included.
      num_objects: that lie about, all of them different.
      max_steps: length of an episode.
      name: its name.
    """
    if size < 4 or not 1 <= num_objects < min((size - 2) ** 2, 19):
        raise ValueError(
            f"size={size!r}, num_objects={num_objects!r}: at least 4, and from 1 to 18 that fit"
        )
    base = layout.room(size, size)

    def generate(key: jax.Array) -> Layout:
        what_key, which_key, agent_key, turn_key, place_key = jax.random.split(key, 5)
        kinds, colors = draw.kind_and_color(draw.distinct(what_key, num_objects, 18), KINDS)
        grid, places = jnp.asarray(base), []
        for i, k in enumerate(jax.random.split(place_key, num_objects)):
            at = layout.random_free(k, grid)
            grid = layout.put(grid, at[0], at[1], cells.cell(kinds[i], colors[i]))
            places.append(at)
        agent = layout.random_free(agent_key, grid)
        target = draw.integer(which_key, 0, num_objects)
        mission = draw.numbers(colors[target], kinds[target])
        direction = layout.random_direction(turn_key)
        return Layout(grid, agent, direction, mission, jnp.stack(places)[target])

    return Level(
        name,
        size,
        size,
        5 * size**2 if max_steps is None else max_steps,
        generate,
        outcome=rules.done_beside_target,
        see_through_walls=True,
        mission=Mission.of("go to the {color} {kind}"),
    )


LEVELS = {f"GoToDoor-{n}x{n}": (go_to_door, {"size": n}) for n in (5, 6, 8)} | {
    f"GoToObject-{n}x{n}-N2": (go_to_object, {"size": n}) for n in (6, 8)
}
