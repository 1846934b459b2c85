"""Steps to the goal against a breadth-first search over poses, doors and the key in plain Python."""

from __future__ import annotations

from collections import deque

import jax
import numpy as np
import pytest

import envs
from envs.grid import cells
from envs.grid.planner import FAR, optimal_return, steps_to_goal

DOORS = (cells.OPEN_DOOR, cells.CLOSED_DOOR, cells.LOCKED_DOOR)
MOVES = ((1, 0), (0, 1), (-1, 0), (0, -1))


def search(grid, x, y, d):
    """Fewest actions to enter the goal; a state is pose, opened doors and what key is in hand."""
    start = (x, y, d, frozenset(), None)
    seen, queue = {start}, deque([(start, 0)])
    while queue:
        (x, y, d, opened, held), steps = queue.popleft()
        ahead = x + MOVES[d][0], y + MOVES[d][1]
        cell, color = grid[ahead[1], ahead[0]] & 15, grid[ahead[1], ahead[0]] >> 4
        shut = cell in (cells.CLOSED_DOOR, cells.LOCKED_DOOR) and ahead not in opened
        following = [(x, y, (d + 1) % 4, opened, held), (x, y, (d - 1) % 4, opened, held)]
        if shut:
            if cell == cells.CLOSED_DOOR or held == color:
                following.append((x, y, d, opened | {ahead}, held))
        elif cell == cells.GOAL:
            return steps + 1
        elif cell == cells.KEY and held is None:
            following.append((x, y, d, opened, color))
        elif cell in (cells.EMPTY, *DOORS) or (cell == cells.KEY and held == color):
            following.append((*ahead, d, opened, held))
        for state in following:
            if state not in seen:
                seen.add(state)
                queue.append((state, steps + 1))
    raise AssertionError("no way to the goal")


@pytest.mark.parametrize(
    "name", ["MultiRoom-N2-S4", "FourRooms", "SimpleCrossingS9N2", "DoorKey-6x6"]
)
def test_equals_breadth_first_search(name):
    env, _ = envs.make(name, auto_reset="none", log=False)
    _, states = jax.vmap(env.reset)(jax.random.split(jax.random.key(3), 8))
    steps = int(env.default_params.max_steps_in_episode)
    got = jax.jit(jax.vmap(lambda s: optimal_return(s, steps)))(states)
    for i in range(8):
        (x, y), d = np.asarray(states.position[i]), int(states.direction[i])
        want = 1 - 0.9 * search(np.asarray(states.grid[i]), int(x), int(y), d) / steps
        np.testing.assert_allclose(got[i], want, rtol=1e-5)


def test_another_doors_key_is_no_use_and_a_key_in_the_way_is_picked_up():
    wall = cells.code(cells.WALL, cells.GREY)
    row = [
        wall,
        0,
        0,
        cells.code(cells.KEY, cells.RED),
        0,
        cells.code(cells.LOCKED_DOOR, cells.RED),
    ]
    level = np.full((3, 8), wall, np.uint8)
    level[1] = [cells.EMPTY if cell == 0 else cell for cell in row] + [cells.code(cells.GOAL), wall]
    # forward, pick up, forward twice to the door, open it, into it, to the goal
    assert int(steps_to_goal(level)[0, 1, 1]) == 1 + 1 + 2 + 1 + 1 + 1
    level[1, 5] = cells.code(cells.LOCKED_DOOR, cells.BLUE)
    assert int(steps_to_goal(level)[0, 1, 1]) == FAR
