"""The report of Neural-E3 and its baselines: what it counts, and what it keeps of an earlier one."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import _neural_e3_report, neural_e3
from jaxrl_suite.runner.errors import RunError

TASK = "StochasticLock-H5"


def record(arm: str, value: float, **more: Any) -> dict[str, Any]:
    return {
        "task": TASK,
        "arm": arm,
        "options": {},
        "steps": [500, 1000],
        "returns": [[0.1, 0.1, 4.1], [value, 0.1, 4.1]],
        "first_success": [750, None, 20],
        **more,
    }


def test_the_report_counts_seeds_and_keeps_what_was_not_run_again(tmp_path):
    runs = tmp_path / "runs" / TASK
    runs.mkdir(parents=True)
    own = {"disagreement": [[0.5, 0.4, 0.3], [0.1, 0.2, 0.3]], "alive": [[1.0] * 5, [0.5] * 5]}
    fresh = [record("neural_e3", 4.2, **own), record("uniform", 0.1, alive=[[0.5] * 5])]
    for one in fresh:
        (runs / f"{one['arm']}.json").write_text(json.dumps(one))
    slower = {**record("double_dqn", 0.1), "options": {"learning_rate": 0.001}}
    earlier = {"runs": {TASK: [record("neural_e3", 0.1, **own), slower]}}
    (tmp_path / "earlier.json").write_text(json.dumps(earlier))

    _neural_e3_report.report(tmp_path / "runs", tmp_path / "out", tmp_path / "earlier.json")

    rows = [r for r in (tmp_path / "out" / "neural_e3.md").read_text().splitlines() if TASK in r]
    cells = {row.split(" | ")[1]: [c.strip(" |") for c in row.split(" | ")[2:]] for row in rows[:3]}
    assert cells["neural_e3"] == ["1,000", "750 (2 of 3)", "1,000 (2 of 3)", "2.80"]
    assert cells["double_dqn-learning_rate=0.001"][2] == "> 1,000 (1 of 3)"
    assert set(cells) == {"neural_e3", "uniform", "double_dqn-learning_rate=0.001"}
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {
        "curves.png",
        "exploration.png",
    }


def test_a_report_of_nothing_says_so(tmp_path):
    with pytest.raises(RunError, match="holds no runs"):
        _neural_e3_report.report(tmp_path, tmp_path / "out")


def test_alive_is_the_share_of_episodes_not_yet_fallen():
    place = np.zeros((2, 12, 4), int)  # seeds, room for episodes, steps
    place[0, 5:, 2:] = 2  # the first seed falls in its third step from the sixth episode on
    place[:, 10:] = 2  # what was never written counts for nothing
    seen = np.eye(7)[place]  # the place, and more
    state = SimpleNamespace(data=SimpleNamespace(data=SimpleNamespace(next_observation=seen)))
    np.testing.assert_allclose(neural_e3.alive(state, 10), [[1, 1, 1, 1], [1, 1, 0.5, 0.5]])
