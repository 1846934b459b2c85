"""Memory: see an object in the first room, later choose its like (MiniGrid `MemoryEnv`)."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from envs.grid import cells, layout
from envs.grid.cells import PICKUP, TOGGLE
from envs.grid.level import Layout, Level, Transition
from envs.grid.levels import draw
from envs.grid.levels.missions import Mission


class Ends(NamedTuple):
    """Where the episode ends: beside the matching object and beside the other, `[2]` int32 each."""

    success: jax.Array
    failure: jax.Array


def _outcome(t: Transition) -> tuple[jax.Array, jax.Array]:
    won = jnp.all(t.after.position == t.after.extra.success)
    lost = jnp.all(t.after.position == t.after.extra.failure)
    reward = jnp.where(won, t.success, jnp.where(lost, 0.0, t.reward))
    return reward, t.terminated | won | lost


def memory(
    size: int = 7, random_length: bool = False, max_steps: int | None = None, name: str = "Memory"
) -> Level:
    """A `size` x `size` grid; the corridor ends at its right side or, `random_length`, anywhere.

    Args:
      size: side of the grid, walls included; odd.
      random_length: the corridor ends anywhere, not at the right side.
      max_steps: length of an episode.
      name: its name.
    """
    if size < 7 or size % 2 == 0:
        raise ValueError(f"size={size!r}: an odd number of at least 7")
    half = size // 2
    start_room = layout.room(size, size)
    start_room[[half - 2, half + 2], 1:5] = cells.WALL_CELL
    start_room[[half - 1, half + 1], 4] = cells.WALL_CELL
    rows, columns = np.arange(size)[:, None], np.arange(size)[None, :]
    kinds = jnp.array([cells.KEY, cells.BALL], jnp.uint8)

    def generate(key: jax.Array) -> Layout:
        end_key, agent_key, which_key = jax.random.split(key, 3)
        end = draw.integer(end_key, 4, size - 2) if random_length else jnp.int32(size - 3)
        beside = (np.abs(rows - half) == 1) & (columns >= 5) & (columns < end)
        fork = ((columns == end) & (rows != half)) | (columns == end + 2)
        grid = jnp.where(beside | fork, cells.WALL_CELL, start_room)
        shown, upper = jax.random.bernoulli(which_key, shape=(2,)).astype(jnp.int32)
        objects = cells.cell(kinds[jnp.stack([shown, upper, 1 - upper])], cells.GREEN)
        xs = jnp.stack([jnp.int32(1), end + 1, end + 1])
        grid = grid.at[np.array([half - 1, half - 2, half + 2]), xs].set(objects)
        agent = jnp.stack([draw.integer(agent_key, 1, end + 1), jnp.int32(half)])
        up, down = jnp.stack([end + 1, half - 1]), jnp.stack([end + 1, half + 1])
        match = shown == upper
        ends = Ends(jnp.where(match, up, down), jnp.where(match, down, up))
        return Layout(grid, agent, jnp.int32(0), extra=ends)

    return Level(
        name,
        size,
        size,
        5 * size**2 if max_steps is None else max_steps,
        generate,
        outcome=_outcome,
        remap=lambda action: jnp.where(action == PICKUP, TOGGLE, action),
        mission=Mission.of("go to the matching object at the end of the hallway"),
    )


LEVELS = {f"MemoryS{n}": (memory, {"size": n}) for n in (7, 9, 11, 13)} | {
    f"MemoryS{n}Random": (memory, {"size": n, "random_length": True}) for n in (13, 17)
}
