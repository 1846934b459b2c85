"""What the benchmark of bAbI's families keeps of its runs."""

from __future__ import annotations

import json

from benchmarks import entnet_babi


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
