"""PutNear: pick up one object and drop it next to another (MiniGrid `PutNearEnv`)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from envs.grid import cells, layout
from envs.grid.cells import DROP, PICKUP
from envs.grid.level import Layout, Level, Transition
from envs.grid.levels import draw
from envs.grid.levels.missions import Mission

MISSION = Mission.of("put the {color} {kind} near the {color2} {kind2}")
KINDS = (cells.KEY, cells.BALL, cells.BOX)


def _outcome(t: Transition) -> tuple[jax.Array, jax.Array]:
    held, holding = t.before.carrying, t.after.carrying
    to_move = cells.cell(t.after.mission[1], t.after.mission[0])
    wrong = (t.action == PICKUP) & (holding != cells.EMPTY) & (holding != to_move)
    dropping = (t.action == DROP) & (held != cells.EMPTY)
    near = jnp.all(jnp.abs(t.ahead_index - t.after.extra) <= 1)
    placed = dropping & (holding == cells.EMPTY) & near
    return jnp.where(placed, t.success, t.reward), t.terminated | wrong | dropping


def put_near(
    size: int = 6, num_objects: int = 2, max_steps: int | None = None, name: str = "PutNear"
) -> Level:
    """`num_objects` different objects, none next to another; which to move where is the mission.

    "Near" is one of the nine cells around the place where the other object was at the start.

    Args:
      size: side of the grid, walls included.
      num_objects: that lie about, all of them different.
      max_steps: length of an episode.
      name: its name.
    """
    if size < 5 or not 2 <= num_objects <= 18:
        raise ValueError(
            f"size={size!r}, num_objects={num_objects!r}: at least 5, and from 2 to 18"
        )
    if (size - 2) ** 2 <= 9 * num_objects - 9:
        raise ValueError(f"num_objects={num_objects!r}: may not fit apart in a room of size {size}")
    base = layout.room(size, size)

    def generate(key: jax.Array) -> Layout:
        what_key, which_key, agent_key, turn_key, place_key = jax.random.split(key, 5)
        kinds, colors = draw.kind_and_color(draw.distinct(what_key, num_objects, 18), KINDS)
        grid, apart = jnp.asarray(base), jnp.ones((size, size), bool)
        places = []
        for i, k in enumerate(jax.random.split(place_key, num_objects)):
            at = layout.random_free(k, grid, apart)
            grid = layout.put(grid, at[0], at[1], cells.cell(kinds[i], colors[i]))
            apart = apart & ~layout.rectangle(base.shape, at[0] - 1, at[1] - 1, 3, 3)
            places.append(at)
        agent = layout.random_free(agent_key, grid)
        move, target = draw.distinct(which_key, 2, num_objects)
        mission = draw.numbers(colors[move], kinds[move], colors[target], kinds[target])
        direction = layout.random_direction(turn_key)
        return Layout(grid, agent, direction, mission, jnp.stack(places)[target])

    return Level(
        name,
        size,
        size,
        5 * size if max_steps is None else max_steps,
        generate,
        outcome=_outcome,
        see_through_walls=True,
        mission=MISSION,
    )


LEVELS = {
    f"PutNear-{size}x{size}-N{n}": (put_near, {"size": size, "num_objects": n})
    for size, n in ((6, 2), (8, 3))
}
