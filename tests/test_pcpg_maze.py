"""The reward-free mazes' measures, and their benchmark from end to end."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import pcpg_maze


def test_entropy_of_visits():
    visits = np.zeros((2, 3, 3))
    visits[0, :2, :2] = 7  # four places as often as each other
    visits[1, 0, :2] = 3, 1
    wanted = np.log(4), -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    np.testing.assert_allclose(pcpg_maze.entropy(visits), wanted)


def test_cells_within_reach():
    walls = np.ones((5, 7), bool)
    walls[1, 1:6] = walls[2:4, 5] = False  # a corridor of seven cells with a corner
    for steps in range(9):
        assert pcpg_maze.reachable(walls, np.array([1, 1]), steps) == min(steps, 6) + 1
    assert pcpg_maze.reachable(walls, np.array([1, 3]), 2) == 5


@pytest.mark.slow
def test_all_arms_explore_the_same_mazes(tmp_path, monkeypatch):
    few = {"loops": 1, "episodes": 8, "groups": 4, "density_episodes": 8, "minibatch_size": 50}
    monkeypatch.setattr(pcpg_maze, "SETTINGS", pcpg_maze.SETTINGS | few)
    common = ["--size", "5", "--seeds", "2", "--policies", "2", "--runs", str(tmp_path)]
    out = tmp_path / "out"
    pcpg_maze.main([*common, "--out", str(out), "--arms", "pcpg", "--set", "loops=2"])
    pcpg_maze.main([*common, "--out", str(out), "--arms", "pcpg", "rnd", "random"])
    data = json.loads((out / "pcpg_maze.json").read_text())
    assert set(data["arms"]) == {"pcpg", "rnd", "random"}
    for arm in data["arms"].values():
        entropy, cells = np.array(arm["entropy"]), np.array(arm["cells"])
        assert entropy.shape == (2, 2) and (cells <= data["reachable"]).all()
        assert (np.exp(entropy[:, -1]) <= cells + 1e-6).all()
    saved = [np.load(tmp_path / f"{arm}.npz")["walls"] for arm in ("pcpg", "rnd", "random")]
    for walls in saved[1:]:
        np.testing.assert_array_equal(walls, saved[0])
