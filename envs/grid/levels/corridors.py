"""Corridors: equal arms from a centre, the goal at the end of one, and time for one arm only.

The counterexample to purely episodic bonuses in Henaff, Jiang, Raileanu (ICML 2023): every corridor
is new within an episode, so an episodic bonus prefers none and reaches the goal in one of `arms`
episodes, while a bonus over all episodes is used up in the corridors tried before.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from envs.grid import cells
from envs.grid.cells import FORWARD
from envs.grid.level import Layout, Level
from envs.grid.levels import draw

STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


def _arms(arms: int, length: int, bent: bool) -> tuple[int, np.ndarray]:
    """The side of the grid and `[arms, length, 2]` columns and rows, from the centre outwards."""
    straight = (length + 1) // 2 if bent else length
    centre = straight + 1
    paths = np.zeros((arms, length, 2), int)
    for arm in range(arms):
        place = np.array([centre, centre])
        for k in range(length):
            # all arms turn right, like a pinwheel, so none meets another
            place = place + STEPS[arm if k < straight else (arm + 1) % 4]
            paths[arm, k] = place
    return 2 * centre + 1, paths


def corridors(
    arms: int = 4,
    length: int = 10,
    bent: bool = True,
    goal_arm: int = 1,
    random_goal: bool = False,
    moves: str = "turn",
    max_steps: int | None = None,
    name: str = "Corridors",
) -> Level:
    """`arms` corridors of `length` cells; an episode lasts as long as a straight walk to one end.

    The agent starts in the centre and looks right. An episode has `length` steps, two more to face
    any arm, and one more for the bend.

    With `moves="compass"` it is as in NetHack: four actions, a step right, down, left or up;
    reaching the goal is worth 1, whenever; and an episode has `length` steps.

    Args:
      arms: 2 to 4; arm 0 leaves to the right, 1 down, 2 left, 3 up.
      length: cells of an arm, the centre not counted.
      bent: arms turn right half-way, so that no end is in sight from the centre.
      goal_arm: the arm with the goal.
      random_goal: draw that arm for every level.
      moves: "turn", MiniGrid's seven actions, or "compass".
      max_steps: length of an episode.
      name: its name.
    """
    if not 2 <= arms <= 4:
        raise ValueError(f"arms={arms!r}: from 2 to 4")
    if length < (4 if bent else 1):
        raise ValueError(f"length={length!r}: at least {4 if bent else 1}")
    if not 0 <= goal_arm < arms:
        raise ValueError(f"goal_arm={goal_arm!r}: from 0 to {arms - 1}")
    if moves not in ("turn", "compass"):
        raise ValueError(f"moves={moves!r}: 'turn' or 'compass'")
    side, paths = _arms(arms, length, bent)
    grids = np.full((arms, side, side), cells.WALL_CELL)
    grids[:, side // 2, side // 2] = cells.EMPTY_CELL
    grids[:, paths[..., 1], paths[..., 0]] = cells.EMPTY_CELL
    for arm in range(arms):
        grids[arm, paths[arm, -1, 1], paths[arm, -1, 0]] = cells.GOAL_CELL

    def generate(key: jax.Array) -> Layout:
        arm = draw.integer(key, 0, arms) if random_goal else goal_arm
        centre = jnp.full(2, side // 2, jnp.int32)
        return Layout(jnp.asarray(grids)[arm], centre, jnp.int32(0))

    if moves == "turn":
        steps = length + 2 + bent if max_steps is None else max_steps
        return Level(name, side, side, steps, generate, cheap=True)
    return Level(
        name,
        side,
        side,
        length if max_steps is None else max_steps,
        generate,
        outcome=lambda change: (jnp.sign(change.reward), change.terminated),
        before_step=lambda _, state, action: dataclasses.replace(
            state, direction=action.astype(jnp.int32)
        ),
        remap=lambda action: jnp.full_like(action, FORWARD),
        num_actions=4,
        cheap=True,
    )


LEVELS = {
    f"Corridors-N{arms}-L{length}": (corridors, {"arms": arms, "length": length})
    for arms, length in ((2, 10), (3, 10), (4, 6), (4, 10), (4, 16))
}
