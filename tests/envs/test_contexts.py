"""Variance of V* between contexts against plain Python in float64."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import envs
from envs.grid import cells
from envs.grid.contexts import optimal_values, value_variance
from envs.grid.planner import FAR, steps_to_goal


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
    values = np.asarray(optimal_values(level, 0.9))
    assert np.isclose(values[0, 3, 2], 1.0)  # beside the goal at (3, 3), facing it
    assert np.isclose(values[0, 1, 1], 0.9**4)  # two right, a turn, two down
    assert values[:, 0].max() == 0.0  # walls
