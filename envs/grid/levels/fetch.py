"""Fetch: pick up an object of the kind and colour asked for, and no other (MiniGrid `FetchEnv`)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from envs.grid import cells, layout
from envs.grid.level import Layout, Level, Transition
from envs.grid.levels import draw
from envs.grid.levels.missions import Mission

MISSION = Mission.of(
    *(
        f"{verb} {{color}} {{kind}}"
        for verb in ("get a", "go get a", "fetch a", "go fetch a", "you must fetch a")
    )
)
KINDS = (cells.KEY, cells.BALL)


def _outcome(t: Transition) -> tuple[jax.Array, jax.Array]:
    held = t.after.carrying
    wanted = held == cells.cell(t.after.mission[2], t.after.mission[1])
    holding = held != cells.EMPTY
    reward = jnp.where(holding, jnp.where(wanted, t.success, 0.0), t.reward)
    return reward, t.terminated | holding


def fetch(
    size: int = 8, num_objects: int = 3, max_steps: int | None = None, name: str = "Fetch"
) -> Level:
    """`num_objects` keys and balls (equal ones may occur) anywhere in a room, and the agent.

    Args:
      size: side of the grid, walls included.
      num_objects: keys and balls that lie about.
      max_steps: length of an episode.
      name: its name.
    """
    if size < 4 or not 1 <= num_objects < (size - 2) ** 2:
        raise ValueError(
            f"size={size!r}, num_objects={num_objects!r}: at least 4, and from 1 to the free cells"
        )
    base = layout.room(size, size)

    def generate(key: jax.Array) -> Layout:
        what_key, which_key, words_key, agent_key, turn_key, place_key = jax.random.split(key, 6)
        what = (jax.random.bits(what_key, (num_objects,), jnp.uint32) % np.uint32(12)).astype(
            jnp.int32
        )
        kinds, colors = draw.kind_and_color(what, KINDS)
        grid = jnp.asarray(base)
        for i, k in enumerate(jax.random.split(place_key, num_objects)):
            at = layout.random_free(k, grid)
            grid = layout.put(grid, at[0], at[1], cells.cell(kinds[i], colors[i]))
        agent = layout.random_free(agent_key, grid)
        target = draw.integer(which_key, 0, num_objects)
        mission = draw.numbers(draw.integer(words_key, 0, 5), colors[target], kinds[target])
        return Layout(grid, agent, layout.random_direction(turn_key), mission)

    return Level(
        name,
        size,
        size,
        5 * size**2 if max_steps is None else max_steps,
        generate,
        outcome=_outcome,
        see_through_walls=True,
        mission=MISSION,
    )


LEVELS = {
    f"Fetch-{size}x{size}-N{n}": (fetch, {"size": size, "num_objects": n})
    for size, n in ((5, 2), (6, 2), (8, 3))
}
