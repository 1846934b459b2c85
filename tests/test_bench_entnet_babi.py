"""What the benchmark of bAbI's families keeps of its runs."""

from __future__ import annotations

import json

import numpy as np

from benchmarks import entnet_babi
from benchmarks._entnet_babi_settings import Stage


def test_what_was_cut_short_is_trained_again_and_what_is_finished_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("JAXRL_BENCH_RESULTS", str(tmp_path / "results"))
    path, page = tmp_path / "runs" / "15.json", tmp_path / "results" / "entnet" / "entnet_babi.md"
    path.parent.mkdir()
    path.write_text(json.dumps({"task": 15, "finished": False}))
    small = ["--features", "8", "--slots", "2", "--batch-size", "8", "--restarts", "1"]
    given = ["--tasks", "15", "--updates", "1", "--runs", str(path.parent), *small]
    entnet_babi.main(given)
    first = path.read_text()
    found = json.loads(first)
    assert found["finished"] and len(found["validation"]) == 1
    assert "| 15 basic-deduction |" in page.read_text()
    page.unlink()
    entnet_babi.main(given)
    assert path.read_text() == first and page.exists()


def test_restarts_left_behind_keep_their_errors_and_the_others_go_on(tmp_path, monkeypatch):
    small = {"features": 8, "slots": 2, "batch_size": 8, "questions": 200, "steps": 20}
    stages = (
        Stage(1, 3, {"task": 2, "along": (1,), "train_window": 4}),
        Stage(1, 1, {"along": (2,), "train_window": 4}),
        Stage(2, 1, {"along": (2,), "train_window": 8}),
    )
    monkeypatch.setitem(entnet_babi.STAGES, 1, stages)
    monkeypatch.setitem(entnet_babi.SETTINGS, 1, small)
    found = entnet_babi.train(1, 3, updates=1, enough=0.0, path=tmp_path / "1.json")
    assert json.loads(json.dumps(found)) == json.loads((tmp_path / "1.json").read_text())
    assert found["finished"] and len(found["validation"]) == 4
    assert found["validation"][0] == found["test"][0] == [1.0] * 3  # another family's do not count
    train, validation = (np.asarray(found[name]) for name in ("train", "validation"))
    best = int(np.argmin(train[1]))
    behind = [i for i in range(3) if i != best]
    assert (train[2:, behind] == train[1, behind]).all()
    assert (validation[2:, behind] == validation[1, behind]).all()
    assert (train[2:, best] != train[1, best]).any()
