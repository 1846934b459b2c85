"""Steps to the goal against a breadth-first search over poses and doors in plain Python."""

from __future__ import annotations

from collections import deque

import jax
import numpy as np
import pytest

import envs
from envs.grid import cells
from envs.grid.planner import optimal_return

MOVES = ((1, 0), (0, 1), (-1, 0), (0, -1))


def search(grid, x, y, d):
    """Fewest actions to enter the goal; a state is the pose and the set of opened doors."""
    start = (x, y, d, frozenset())
    seen, queue = {start}, deque([(start, 0)])
    while queue:
        (x, y, d, opened), steps = queue.popleft()
        ahead = x + MOVES[d][0], y + MOVES[d][1]
        cell = grid[ahead[1], ahead[0]] & 15
        shut = cell == cells.CLOSED_DOOR and ahead not in opened
        following = [(x, y, (d + 1) % 4, opened), (x, y, (d - 1) % 4, opened)]
        if shut:
            following.append((x, y, d, opened | {ahead}))
        elif cell == cells.GOAL:
            return steps + 1
        elif cell in (cells.EMPTY, cells.OPEN_DOOR, cells.CLOSED_DOOR):
            following.append((*ahead, d, opened))
        for state in following:
            if state not in seen:
                seen.add(state)
                queue.append((state, steps + 1))
    raise AssertionError("no way to the goal")


@pytest.mark.parametrize("name", ["MultiRoom-N2-S4", "FourRooms", "SimpleCrossingS9N2"])
def test_equals_breadth_first_search(name):
    env, _ = envs.make(name, auto_reset="none", log=False)
    _, states = jax.vmap(env.reset)(jax.random.split(jax.random.key(3), 8))
    steps = int(env.default_params.max_steps_in_episode)
    got = jax.jit(jax.vmap(lambda s: optimal_return(s, steps)))(states)
    for i in range(8):
        (x, y), d = np.asarray(states.position[i]), int(states.direction[i])
        want = 1 - 0.9 * search(np.asarray(states.grid[i]), int(x), int(y), d) / steps
        np.testing.assert_allclose(got[i], want, rtol=1e-5)
