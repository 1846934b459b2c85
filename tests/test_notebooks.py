"""The notebooks run from top to bottom, at a small scale, and hold what a run of theirs showed."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "docs" / "notebooks"
# in the place of each notebook's cell with the tag "parameters"
SMALL = {
    "quickstart": {"ENV": "Empty-5x5", "STEPS": 8192, "SEEDS": 2},
    "lift_e3b": {"DIM": 8, "STEPS": 40},
    "policy_cover": {"HORIZON": 3, "EPOCHS": 1, "LOOPS": 2},
}


def cells(name: str) -> list[dict]:
    return json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]


def test_every_notebook_is_known():
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_a_notebook_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    names: dict = {"__name__": "__main__"}
    given = False
    for cell in cells(name):
        if cell["cell_type"] != "code":
            continue
        code = "".join(cell["source"])
        if "parameters" in cell["metadata"].get("tags", []):
            exec(compile(code, name, "exec"), own := {})
            assert set(own) - {"__builtins__"} == set(SMALL[name])
            names |= SMALL[name]
            given = True
            continue
        exec(compile(code, name, "exec"), names)
    plt.close("all")
    assert given


@pytest.mark.parametrize("name", SMALL)
def test_a_notebook_shows_its_results(name):
    code = [cell for cell in cells(name) if cell["cell_type"] == "code"]
    outputs = [output for cell in code for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
