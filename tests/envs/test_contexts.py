"""Variance of V* between contexts against plain Python in float64."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import envs
from envs.grid import cells
from envs.grid.contexts import optimal_values, value_variance
from envs.grid.planner import FAR, steps_to_goal

MOVES = ((1, 0), (0, 1), (-1, 0), (0, -1))


def grids(name, number, **options):
    env, _ = envs.make(name, auto_reset="none", log=False, **options)
    return jax.vmap(env.reset)(jax.random.split(jax.random.key(1), number))[1].grid


@pytest.mark.parametrize("name", ["MultiRoom-N2-S4", "Empty-5x5"])
def test_equals_a_dictionary_of_poses(name):
    levels, discount = grids(name, 6), 0.9
    values: dict = {}
    for level in levels:
        steps = np.asarray(steps_to_goal(level))
        free = ~np.isin(np.asarray(cells.kind(level)), (cells.WALL, cells.LAVA))
        for pose in np.argwhere((steps < FAR) & (steps > 0) & free):
            values.setdefault(tuple(pose), []).append(discount ** (float(steps[tuple(pose)]) - 1))
    everything = np.concatenate([np.asarray(v) for v in values.values()])
    within = sum(len(v) * np.var(v) for v in values.values()) / len(everything)
    got = value_variance(levels, discount)
    np.testing.assert_allclose(got.total, everything.var(), rtol=1e-4)
    np.testing.assert_allclose(got.between, within, rtol=1e-4, atol=1e-7)
    assert (within > 1e-5) == (name != "Empty-5x5")  # its goal never moves


def test_one_context_has_no_variance_between():
    got = value_variance(grids("FourRooms", 1))
    np.testing.assert_allclose(got.between, 0.0, atol=1e-8)
    assert got.total > 1e-3


def test_values_fall_with_the_distance():
    level = grids("Empty-5x5", 1)[0]
    values = np.asarray(optimal_values(level, 0.9))[2]  # no key, so all is open
    assert np.isclose(values[0, 3, 2], 1.0)  # beside the goal at (3, 3), facing it
    assert np.isclose(values[0, 1, 1], 0.9**4)  # two right, a turn, two down
    assert values[:, 0].max() == 0.0  # walls


def following(level, state):
    """What an action leads to by MiniGrid's rules, the key never let go; None is the goal."""
    x, y, d, held, opened = state
    ahead = x + MOVES[d][0], y + MOVES[d][1]
    kind = level[ahead[1], ahead[0]] & 15
    yield x, y, (d + 1) % 4, held, opened
    yield x, y, (d - 1) % 4, held, opened
    if kind == cells.GOAL:
        yield None
    elif kind == cells.KEY and not held:
        yield x, y, d, True, opened
    elif kind == cells.LOCKED_DOOR and not opened:
        if held:
            yield x, y, d, held, True
    elif kind != cells.WALL:
        yield *ahead, d, held, opened


def iterated(level, starts, discount):
    """V* of every state that can be reached from the starts."""
    values, todo = {None: 1.0 / discount}, list(starts)
    while todo:
        if (state := todo.pop()) not in values:
            values[state] = 0.0
            todo += following(level, state)
    for _ in range(60):
        for state in values.keys() - {None}:
            values[state] = discount * max(values[s] for s in following(level, state))
    del values[None]
    return values


def test_doorkeys_values_are_value_iterations_over_pose_key_and_door():
    env, _ = envs.make("DoorKey-5x5", auto_reset="none", log=False)
    _, states = jax.vmap(env.reset)(jax.random.split(jax.random.key(2), 5))
    discount, values = 0.9, {}
    for i in range(5):
        level = np.asarray(states.grid[i])
        door = np.argwhere(level & 15 == cells.LOCKED_DOOR)[0, 1]  # a key may part its room
        empty = np.argwhere(level[:, :door] == cells.EMPTY)
        starts = [(int(x), int(y), 0, False, False) for y, x in empty]
        found = iterated(level, starts, discount)
        got = np.asarray(optimal_values(states.grid[i], discount))
        assert np.count_nonzero(got) == len(found)
        for (x, y, d, held, opened), value in found.items():
            pose = held + opened, d, y, x
            np.testing.assert_allclose(got[pose], value, rtol=1e-5)
            values.setdefault(pose, []).append(value)
    everything = np.concatenate([np.asarray(v) for v in values.values()])
    within = sum(len(v) * np.var(v) for v in values.values()) / len(everything)
    split = value_variance(states.grid, discount)
    np.testing.assert_allclose(split.total, everything.var(), rtol=1e-4)
    np.testing.assert_allclose(split.between, within, rtol=1e-4)
    assert within > 0.05 * everything.var()


def test_levels_of_several_keys_are_refused():
    level = np.asarray(grids("DoorKey-5x5", 1)).copy()
    level[0, 0, :2] = cells.code(cells.KEY, cells.RED)
    with pytest.raises(ValueError, match="3 keys"):
        value_variance(level)
