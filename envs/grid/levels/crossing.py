"""Crossing: the goal is behind rivers of lava or walls with openings (MiniGrid `CrossingEnv`)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from envs.grid import cells, layout
from envs.grid.level import Layout, Level
from envs.grid.levels import draw
from envs.grid.levels.missions import Mission

MISSIONS = {
    "lava": Mission.of("avoid the lava and get to the green goal square"),
    "wall": Mission.of("find the opening and get to the green goal square"),
}


def crossing(
    size: int = 9,
    num_crossings: int = 1,
    obstacle: str = "lava",
    max_steps: int | None = None,
    name: str = "Crossing",
) -> Level:
    """`num_crossings` straight rivers on even rows and columns, each with one opening.

    MiniGrid walks from the start to the goal, crossing the rivers in a random order of directions,
    and opens each river at a random place along the part that the walk can reach.

    Args:
      size: side of the grid, walls included; odd.
      num_crossings: rivers.
      obstacle: "lava" or "wall".
      max_steps: length of an episode.
      name: its name.
    """
    places = np.arange(2, size - 2, 2)
    if size < 5 or size % 2 == 0:
        raise ValueError(f"size={size!r}: an odd number of at least 5")
    if not 1 <= num_crossings <= 2 * len(places):
        raise ValueError(
            f"num_crossings={num_crossings!r}: from 1 to {2 * len(places)} at this size"
        )
    if obstacle not in MISSIONS:
        raise ValueError(f"obstacle={obstacle!r}: 'lava' or 'wall'")
    base = layout.room(size, size)
    base[size - 2, size - 2] = cells.GOAL_CELL
    interior = np.zeros((size, size), bool)
    interior[1:-1, 1:-1] = True
    river_cell = cells.LAVA_CELL if obstacle == "lava" else cells.WALL_CELL
    along = np.arange(size)

    def generate(key: jax.Array) -> Layout:
        which_key, path_key = jax.random.split(key)
        chosen = draw.distinct(which_key, num_crossings, 2 * len(places))
        taken = jnp.zeros(2 * len(places), bool).at[chosen].set(True)
        columns, rows = taken[: len(places)], taken[len(places) :]
        lines = jnp.zeros((2, size), bool).at[:, places].set(jnp.stack([columns, rows]))
        grid = jnp.where((lines[0][None, :] | lines[1][:, None]) & interior, river_cell, base)

        bits = jax.random.bits(path_key, (num_crossings, 2), jnp.uint32)
        left = jnp.stack([columns.sum(), rows.sum()]).astype(jnp.uint32)  # still to be crossed
        at = jnp.zeros(2, jnp.int32)  # the last river crossed in each direction
        for step in range(num_crossings):
            # a shuffled list of directions, drawn one by one without replacement
            is_column = bits[step, 0] % np.uint32(num_crossings - step) < left[0]
            ahead = jnp.min(jnp.where(lines & (along > at[:, None]), along, size - 1), axis=1)
            span = (ahead - at - 1).astype(jnp.uint32)
            opening = at + 1 + (bits[step, 1] % span).astype(jnp.int32)
            x = jnp.where(is_column, ahead[0], opening[0])
            y = jnp.where(is_column, opening[1], ahead[1])
            grid = layout.put(grid, x, y, cells.EMPTY_CELL)
            crossed = jnp.stack([is_column, ~is_column])
            at = jnp.where(crossed, ahead, at)
            left = left - crossed.astype(jnp.uint32)
        return Layout(grid, jnp.array([1, 1], jnp.int32), jnp.int32(0))

    steps = 4 * size**2 if max_steps is None else max_steps
    return Level(name, size, size, steps, generate, mission=MISSIONS[obstacle])


LEVELS = {
    f"{prefix}CrossingS{size}N{n}": (
        crossing,
        {"size": size, "num_crossings": n, "obstacle": obstacle},
    )
    for prefix, obstacle in (("Simple", "wall"), ("Lava", "lava"))
    for size, n in ((9, 1), (9, 2), (9, 3), (11, 5))
}
