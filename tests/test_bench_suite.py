"""The page of all benchmarks: which ratios it finds, and how it compares them."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import subprocess
from pathlib import Path

import pytest

from benchmarks import _harness, _targets, suite

RECORD = {
    "benchmark": "x",
    "machine": {"device_kind": "cpu"},
    "seconds": {"a": [1.0, 2.0]},
    "results": [
        {
            "dim": 64,
            "ratio": {"median": 2.0, "min": 1.0, "max": 3.0},
            "milliseconds": {"median": 9},
        },
        {"dim": 128, "ratio": {"median": 4.0, "min": 4.0, "max": 4.0}},
        {"level": "L", "ratios": {"ours / theirs": {"median": 5.0, "min": 4.0, "max": 6.0}}},
    ],
    "pool/16": {"of_alone": {"median": 0.5, "min": 0.4, "max": 0.6}},
}


def test_ratios_are_found_wherever_they_are():
    found = {name: spread["median"] for name, spread in suite.ratios(RECORD)}
    assert found == {"dim 64": 2.0, "dim 128": 4.0, "level L, ours / theirs": 5.0, "pool/16": 0.5}


def test_every_committed_benchmark_of_the_suite_has_ratios_to_compare_with():
    for name in ("environments", "e3b_update", "nethack_pool"):
        path = _harness.COMMITTED / f"{name}.json"
        assert dict(suite.ratios(json.loads(path.read_text()))), name


def test_what_got_slower_is_said(tmp_path):
    (tmp_path / "then").mkdir()
    (tmp_path / "now").mkdir()
    (tmp_path / "then" / "x.json").write_text(json.dumps(RECORD))
    now = json.loads(json.dumps(RECORD))
    now["results"][1]["ratio"]["median"] = 1.0
    (tmp_path / "now" / "x.json").write_text(json.dumps(now))
    rows = suite.compared("x", tmp_path / "now", tmp_path / "then")
    changes = {name: change for name, _, _, change in rows}
    assert changes.pop("x: dim 128") == 0.25 and set(changes.values()) == {1.0}
    assert suite.compared("y", tmp_path / "now", tmp_path / "then") == []
    other = {**RECORD, "machine": {"device_kind": "another"}}
    (tmp_path / "then" / "x.json").write_text(json.dumps(other))
    assert suite.compared("x", tmp_path / "now", tmp_path / "then") == []


def test_targets_are_met_or_named_short(tmp_path):
    now, then = tmp_path / "now", tmp_path / "then"
    numbers = [
        (now, "bonus_cost", {"ratios": {"e3b: speed that is left": {"median": 0.9}}}),
        (then, "bonus_cost", {"ratios": {"e3b: speed that is left": {"median": 0.5}}}),
        (then, "scaling", {"steps/strong/2": {"ratios": {"median": 0.8}}}),
    ]
    for folder, name, record in numbers:
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(record))
    cost, scaling = _targets.rows(now, then)  # and nothing of what was never measured
    assert cost[1:] == ["at most 0.15", "0.111", "met", "bonus_cost"]
    assert scaling[1:] == ["at least 0.9", "0.8", "**short**", "scaling, committed"]
    assert "1 of 2 are met" in _targets.table(now, then)


def test_every_target_reads_the_committed_numbers():
    names = [row[0] for row in _targets.rows(_harness.COMMITTED)]
    assert names == [target.what for target in _targets.TARGETS]


def test_runs_benchmarks_and_writes_one_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(suite, "QUICK", {"e3b_update": "--dims 8 --envs 2 --steps 4"})
    assert suite.main(["--quick", "--only", "e3b_update", "--out", str(tmp_path)]) == 0
    page = (tmp_path / "report.md").read_text()
    assert "## E3B: blocked update" in page and (tmp_path / "e3b_update.json").exists()
    assert "report.md" in capsys.readouterr().out
    monkeypatch.setattr(suite, "QUICK", {"e3b_update": "--no-such-option"})
    assert suite.main(["--quick", "--only", "e3b_update", "--out", str(tmp_path)]) == 1
    assert "Failed: e3b_update" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--all", "--quick"], "--all: every benchmark as committed; leave --quick out"),
        (["--all", "--only", "ppo"], "--all: every benchmark as committed; leave --only out"),
        (["--quick", "--only", "scaling"], "--quick: scaling has no quick form"),
    ],
)
def test_options_that_clash_are_told(given, told, capsys):
    with pytest.raises(SystemExit):
        suite.main(given)
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "more"), [(["--all"], ["scaling", "breakdown", "ppo_learning"]), ([], [])]
)
def test_all_is_all(given, more, tmp_path, monkeypatch):
    commands = []

    def run(command, **_):
        commands.append(command[2:])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(suite.subprocess, "run", run)
    assert suite.main([*given, "--rejax-python", "/r", "--out", str(tmp_path)]) == 0
    names = [command[0].removeprefix("benchmarks.") for command in commands]
    assert names == [*suite.QUICK, *more]
    if more:
        assert commands[-3:] == [
            ["benchmarks.scaling", "--pin", "--repeats", "9"],
            ["benchmarks.breakdown"],
            ["benchmarks.ppo_learning", "--rejax-python", "/r"],
        ]


def test_what_is_there_is_kept_and_still_on_the_page(tmp_path, monkeypatch, capsys):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "ppo.json").write_text(json.dumps({"machine": {"device_kind": "none"}}))
    (tmp_path / "deeper" / "ppo.md").write_text("# PPO as it was\n")
    commands = []

    def run(command, **_):
        commands.append(command[2])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(suite.subprocess, "run", run)
    given = ["--only", "ppo", "e3b_update", "--out", str(tmp_path)]
    assert suite.main([*given, "--keep"]) == 0
    assert commands == ["benchmarks.e3b_update"] and "ppo: kept" in capsys.readouterr().out
    assert "## PPO as it was" in (tmp_path / "report.md").read_text()
    assert suite.main(given) == 0 and commands[1:] == ["benchmarks.ppo", "benchmarks.e3b_update"]


def test_pages_and_their_table_name_the_same_commands():
    table = (_harness.COMMITTED / "README.md").read_text()
    rows = re.findall(r"^\| `(\w+\.md)` \| `(jaxrl bench [^`]+)` \|$", table, re.MULTILINE)
    assert len(rows) >= 10
    for name, command in rows:
        page = (_harness.COMMITTED / name).read_text()
        made = re.findall(r"Command: `([^`]+)`", page)[-1].removesuffix(" --out PATH")
        assert made == command, name


def test_results_go_where_they_are_wanted(tmp_path, monkeypatch):
    """`--out`, else JAXRL_BENCH_RESULTS, else the committed ones."""
    monkeypatch.delenv("JAXRL_BENCH_RESULTS", raising=False)

    def written(*argv):
        return _harness.parse(argparse.ArgumentParser(), argv).out

    assert written() == _harness.COMMITTED
    assert written("--out", str(tmp_path)) == tmp_path
    _harness.write("x", "X", ["a"], [["1"]], "", {"n": 1}, tmp_path)
    assert json.loads((tmp_path / "x.json").read_text())["n"] == 1 and (tmp_path / "x.md").exists()
    monkeypatch.setenv("JAXRL_BENCH_RESULTS", str(tmp_path / "other"))
    assert written() == tmp_path / "other"


@pytest.mark.parametrize(
    "name", [p.stem for p in sorted(Path(suite.__file__).parent.glob("[!_]*.py"))]
)
def test_every_benchmark_takes_a_folder(name, capsys):
    arguments = ["report", "--help"] if name == "neural_e3" else ["--help"]
    with pytest.raises(SystemExit):
        importlib.import_module(f"benchmarks.{name}").main(arguments)
    assert "--out" in capsys.readouterr().out


def test_a_page_in_a_folder_keeps_its_pictures(tmp_path):
    (tmp_path / "fft").mkdir()
    page = tmp_path / "fft" / "fft.md"
    page.write_text("# One\n\n![map](map.png) [jax](https://jax.dev)\n")
    part = suite._section(page, tmp_path)
    assert part == "## One\n\n![map](fft/map.png) [jax](https://jax.dev)\n"
    page.rename(tmp_path / "fft.md")
    assert "![map](map.png)" in suite._section(tmp_path / "fft.md", tmp_path)
