"""Sweeps: each cell's numbers are those of a run of its own, whatever it was batched with."""

from __future__ import annotations

import dataclasses
import gc
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from walks import walk

from envs.host import catalogue
from envs.host.pool import Pool
from jaxrl_suite import experiment
from jaxrl_suite.runner import Options, RunError, cli, curves, run, segment, sweep, sweep_file

COMMON = ["--total-steps", "160", "--seeds", "2", "--seed", "3", "--log-every", "5"]


def jaxrl(*arguments: object) -> int:
    return cli.main([str(a) for a in arguments], package="walks")


def metrics(out: Path):
    return pq.read_table(out / "metrics.parquet").drop_columns(["wall_s"])


def same(a, b) -> None:
    """Two tables hold the same; NaN equals NaN."""
    assert a.column_names == b.column_names
    for name in a.column_names:
        x, y = (t[name].to_numpy(zero_copy_only=False) for t in (a, b))
        np.testing.assert_array_equal(x, y, err_msg=name)
        assert a[name].is_null().equals(b[name].is_null()), name


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("sweep") / "out"
    fields = ["--grid", "learning_rate=0.05,0.2", "--grid=env=Line,Circle"]
    assert jaxrl("sweep", "walk", *fields, "--out", out, *COMMON) == 0
    return out


def test_two_programs_for_four_cells(swept):
    assert len(list((swept / "programs").iterdir())) == 2
    names = sorted(p.name for p in (swept / "cells").iterdir())
    assert names == [f"learning_rate={r},env={e}" for r in (0.05, 0.2) for e in ("Circle", "Line")]


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_a_cell_equals_a_run_of_its_own(swept, tmp_path, rate):
    config = walk.Config(total_steps=160, learning_rate=rate)
    options = Options(seeds=2, seed=3, log_every=5, out=tmp_path / "run", plots=False, video=False)
    run(walk.EXPERIMENT, config, options)
    alone, cell = metrics(tmp_path / "run"), metrics(swept / f"cells/learning_rate={rate},env=Line")
    assert cell.column_names == alone.column_names
    for name in alone.column_names:
        a, b = (t[name].to_numpy(zero_copy_only=False) for t in (alone, cell))
        np.testing.assert_allclose(a, b, rtol=1e-5, err_msg=name)
    ours, theirs = (
        json.loads((place / "summary.json").read_text())
        for place in (swept / f"cells/learning_rate={rate},env=Line", tmp_path / "run")
    )
    assert ours["config"] == theirs["config"] and ours["runner"] == theirs["runner"]
    assert ours["final"].keys() == theirs["final"].keys()
    assert ours["final"]["weight"]["seeds"].keys() == {"3", "4"}


def test_cells_are_run_directories(swept, tmp_path, capsys):
    cells = sorted((swept / "cells").iterdir())
    read = curves.Curves.read(cells[0])
    assert list(read.seeds) == [3, 4] and read.config["learning_rate"] == 0.05
    assert jaxrl("report", *cells, "--out", tmp_path / "report") == 0
    assert (tmp_path / "report" / "report.png").exists()
    assert jaxrl("run", "walk", "--out", cells[0], "--resume") == 2
    assert "a cell of a sweep" in capsys.readouterr().err
    capsys.readouterr()
    assert jaxrl("report", swept, "--out", tmp_path / "whole") == 0
    shown = capsys.readouterr().out
    assert "under way" not in shown and "learning_rate=0.05" in shown
    rows = json.loads((tmp_path / "whole/report.json").read_text())
    assert sorted(row["run"] for row in rows) == [str(cell) for cell in cells]


def test_an_unfinished_sweep_has_a_report(swept, tmp_path, capsys):
    part = tmp_path / "part"
    shutil.copytree(swept, part)
    whole = {place.name: curves.Curves.read(place) for place in (swept / "cells").iterdir()}
    # as if it had been stopped in the second program, which holds the cells of one environment
    (part / "programs/1/summary.json").unlink()
    second = list(yaml.safe_load((part / "programs/1/config.yaml").read_text())["config"]["cells"])
    for label in second:
        shutil.rmtree(part / "cells" / label)
    assert jaxrl("report", part, "--out", tmp_path / "one") == 0
    shown = capsys.readouterr().out
    assert "2 of 4 cells are trained, 2 under way" in shown and f"{second[0]} at 160 env" in shown
    assert f"; jaxrl sweep walk --out {part} --resume goes on" in shown
    rows = {Path(r["run"]).name: r for r in json.loads((tmp_path / "one/report.json").read_text())}
    assert rows.keys() == whole.keys()
    for name, row in rows.items():  # those under way are told apart by their seeds
        assert row["final"]["weight"] == whole[name].finals()["weight"]
    # and before it began
    shutil.rmtree(part / "programs/1")
    assert jaxrl("report", part, "--out", tmp_path / "two") == 0
    assert "2 of 4 cells are trained, 2 without metrics yet" in capsys.readouterr().out
    shutil.rmtree(part / "programs/0")
    assert jaxrl("report", part, "--out", tmp_path / "three") == 2
    assert "has no metrics yet: 0 of 4 cells are trained" in capsys.readouterr().err


def test_resume_needs_no_grid_and_trains_nothing_twice(swept, capsys):
    before = {p: p.stat().st_mtime_ns for p in swept.glob("programs/*/metrics.parquet")}
    assert len(before) == 2
    assert jaxrl("sweep", "walk", "--out", swept, "--resume") == 0
    shown = capsys.readouterr().out
    assert "4 run directories" in shown and "left" not in shown
    assert "learning_rate=0.2" in shown  # of the report
    assert len(json.loads((swept / "report.json").read_text())) == 4
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_what_a_finished_program_was_trained_with_cannot_change(swept, capsys):
    assert jaxrl("sweep", "walk", "--out", swept, "--resume", "--total-steps", 320) == 2
    err = capsys.readouterr().err
    assert "programs/0 is trained to its end already" in err and "160 there, 320 now" in err
    assert jaxrl("sweep", "walk", "--out", swept, "--resume", "--seeds", 3) == 2
    assert "seeds: 4 there, 6 now" in capsys.readouterr().err


def test_a_sweep_is_resumed_where_it_is_and_by_who_is_there(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert jaxrl("sweep", "walk", "--grid", "learning_rate=0.1,0.2", "--out", "there", *COMMON) == 0
    stored = yaml.safe_load((tmp_path / "there/sweep.yaml").read_text())
    stored["arguments"] += ["--distributed", "--coordinator", "localhost:1", "--process=3"]
    (tmp_path / "there/sweep.yaml").write_text(yaml.safe_dump(stored))
    (tmp_path / "there").rename(tmp_path / "here")
    (tmp_path / "here/programs/0/summary.json").unlink()
    assert jaxrl("sweep", "walk", "--out", "here", "--resume") == 0
    assert not (tmp_path / "there").exists()
    assert "2 run directories in here/cells" in capsys.readouterr().out


def test_interrupted_sweeps_go_on(walk, tmp_path, child_environment):
    import signal
    import subprocess
    import sys
    import time

    out = tmp_path / "out"
    command = [sys.executable, "-c", "from jaxrl_suite.runner import cli; import sys; "
               "sys.exit(cli.main(sys.argv[1:], package='walks'))"]  # fmt: skip
    grid = ["--grid", "learning_rate=0.1,0.3", *COMMON[2:], "--total-steps", "4000"]
    slow = ["--work", "20000", "--checkpoint-every", "0.1"]
    process = subprocess.Popen(
        [*command, "sweep", "walk", *grid, *slow, "--out", str(out)],
        env=child_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    table = out / "programs/0/metrics.parquet"
    limit = time.monotonic() + 60
    while not table.exists() and time.monotonic() < limit and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 143 and "jaxrl sweep walk" in err and "--resume" in err
    assert jaxrl("sweep", "walk", "--out", out, "--resume") == 0
    assert metrics(out / "cells/learning_rate=0.1").num_rows == 2 * 100


def test_a_cell_that_diverges_is_marked_and_the_others_finish(tmp_path, capsys):
    out = tmp_path / "out"
    fields = ["--grid", "nan_at=-1,6", "--grid", "env=Line,Circle", *COMMON]
    assert jaxrl("sweep", "walk", *fields, "--out", out) == 1
    shown = capsys.readouterr()
    last = shown.err.strip().splitlines()[-1]
    assert "2 of 4 cells diverged" in last and "nan_at=6,env=Circle: seed 3 at update 7" in last
    assert "nan_at=6,env=Line, seed 4: loss not finite at update 7 (env_steps 56)" in shown.out
    good, bad = (out / f"cells/nan_at={at},env=Line" for at in (-1, 6))
    assert np.isfinite(metrics(good)["loss"].to_numpy()).all()
    table = metrics(bad)
    for name in set(table.column_names) - {"seed", "env_steps"}:
        later = table[name].to_numpy(zero_copy_only=False)[2:]  # lines of 5 updates, 2 seeds
        assert np.isnan(later).all(), name
    assert np.isfinite(table["loss"].to_numpy()[:2]).all()
    summary = json.loads((bad / "summary.json").read_text())
    assert [(e["seed"], e["update"]) for e in summary["diverged"]] == [(3, 7), (4, 7)]
    assert summary["diverged"][0]["metrics"] == ["loss"]
    assert summary["final"]["weight"]["mean"] is None
    assert json.loads((good / "summary.json").read_text())["diverged"] == []
    rows = {row["config"]["nan_at"]: row for row in json.loads((out / "report.json").read_text())}
    assert rows[-1]["diverged"] == "" and rows[6]["diverged"].startswith("seed 3 at update 7")
    # and again, from the checkpoint before and from what is finished
    (out / "programs/0/summary.json").unlink()
    assert jaxrl("sweep", "walk", "--out", out, "--resume") == 1
    assert "2 of 4 cells diverged" in capsys.readouterr().err
    same(metrics(bad), table)


def test_one_seed_of_a_cell_diverges(tmp_path, capsys):
    import jax

    draws = [float(walk.build(walk.Config()).init(jax.random.key(s)).draw) for s in (0, 1, 2)]
    above = sum(sorted(draws)[1:]) / 2
    options = ["--seeds", "3", "--nan-seed-above", above, "--total-steps", 160, "--log-every", 5]
    out, highest = tmp_path / "out", int(np.argmax(draws))
    grid = ["--grid", "nan_at=12,200", "--out", out]
    assert jaxrl("sweep", "walk", *grid, *options, "--checkpoint-every", 0, "--keep", 10) == 1
    read = curves.Curves.read(out / "cells/nan_at=12")
    assert read.diverged == {highest}
    final = read.finals()["weight"]["seeds"]
    assert [seed for seed, value in final.items() if value is None] == [str(highest)]
    assert len(read.filled("weight")[1]) == 2
    # a resumed program remembers what diverged before its checkpoint
    program = out / "programs/0"
    before = metrics(program)
    (program / "summary.json").unlink()
    (program / "checkpoints/20").rename(tmp_path / "newest")
    assert jaxrl("sweep", "walk", "--out", out, "--resume") == 1
    assert f"nan_at=12: seed {highest} at update 13" in capsys.readouterr().err
    same(metrics(program), before)


def test_a_sweep_whose_every_row_diverges_ends_early(tmp_path, capsys):
    out = tmp_path / "out"
    assert jaxrl("sweep", "walk", "--grid", "nan_at=2,3", "--out", out, *COMMON) == 1
    assert "2 of 2 cells diverged" in capsys.readouterr().err
    assert json.loads((out / "programs/0/summary.json").read_text())["updates"] == 5
    assert (out / "report.csv").read_text().count("seed 3 at update 4") > 1


def test_scripts_with_presets_are_swept(tmp_path):
    small = "--num-envs 4 --rollout-length 8 --minibatches 2 --total-steps 64 --widths 8 --no-plots"
    grid = ["--grid", "learning_rate=0.001,0.002", "--grid", "bonus=none,rnd"]
    command = [
        "sweep",
        "ppo",
        *grid,
        *small.split(),
        "--env",
        "Empty-5x5",
        "--out",
        str(tmp_path / "s"),
    ]
    assert cli.main([*command, "--eval-episodes", "1"]) == 0
    cells = sorted((tmp_path / "s" / "cells").iterdir())
    assert len(cells) == 4
    for cell in cells:
        settings = json.loads((cell / "summary.json").read_text())["settings"]
        assert f"learning_rate={settings['learning_rate']:g}" in cell.name
    assert cli.main(["sweep", "ppo", "--out", str(tmp_path / "s"), "--resume"]) == 0


def test_a_finished_sweep_with_a_diverged_cell_has_no_cells_left(tmp_path, capsys):
    out = tmp_path / "out"
    assert jaxrl("sweep", "walk", "--grid", "learning_rate=0.1,1e30", "--out", out, *COMMON) == 1
    shown = capsys.readouterr().out
    assert "2 of 2 cells left" in shown
    names = {place.name for place in (out / "cells").iterdir()}
    assert names == {"learning_rate=0.1", "learning_rate=1e+30"}  # as the report writes them
    assert "learning_rate=1e+30" in shown
    assert jaxrl("sweep", "walk", "--out", out, "--resume") == 1
    assert "left" not in capsys.readouterr().out


def test_one_value_twice_is_refused(tmp_path, capsys):
    grid = ["--grid", "learning_rate=0.1,1e-1"]
    assert jaxrl("sweep", "walk", *grid, "--out", tmp_path / "out", *COMMON) == 2
    assert "learning_rate=0.1 stands twice in the grid" in capsys.readouterr().err


def test_long_labels_are_folders_of_their_own(tmp_path):
    labels = [f"env=NetHackScore-v0?keys={'glyphs+' * 60}{last},é={'é' * 90}" for last in "ab"]
    names = [sweep.as_name(label) for label in labels]
    assert len(set(names)) == 2
    for name in names:
        (tmp_path / name).mkdir()
    assert sweep.as_name("bonus=e3b*noveld") == "bonus=e3bxnoveld"  # short ones stay


def test_groups_hold_no_more_than_asked():
    configs = {str(i): walk.Config(learning_rate=i / 10) for i in range(5)}
    configs["other"] = dataclasses.replace(configs["0"], hidden=(4, 4))
    parts = sweep.groups(walk.EXPERIMENT, configs, 2)
    assert [list(part) for part in parts] == [["0", "1"], ["2", "3"], ["4"], ["other"]]


def test_bad_grids_are_refused_before_anything_is_written(tmp_path, capsys):
    out = tmp_path / "out"
    for grid, words in (
        ("learning_rat=1,2", "did you mean learning_rate"),
        ("learning_rate=1,x", "learning"),
        ("env=Line,Circl", "one of Line, Circle"),
        ("learning_rate", "FIELD=A,B,C"),
    ):
        assert jaxrl("sweep", "walk", "--grid", grid, "--out", out) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and words in err, err
        assert not out.exists()
    assert jaxrl("sweep", "walk", "--out", out) == 2
    assert "nothing to sweep" in capsys.readouterr().err
    assert jaxrl("sweep", "walk", "--grid", "learning_rate=1,2") == 2
    assert "--out DIR" in capsys.readouterr().err
    assert jaxrl("sweep", "walk", "--out", tmp_path / "none", "--resume") == 2
    assert "no sweep to resume" in capsys.readouterr().err
    with pytest.raises(RunError, match="another|sweep of"):
        sweep_file.write(tmp_path / "s", walk.EXPERIMENT, ["x"])
        sweep_file.arguments_of(tmp_path / "s", dataclasses.replace(walk.EXPERIMENT, name="other"))


def test_the_games_of_a_sweep_live_as_long_as_its_programs(monkeypatch):
    """Each trace of a batched experiment builds anew, but with one set of games, held by none else."""
    spec = experiment.get("ppo")
    small = {"num_envs": 2, "rollout_length": 4, "minibatches": 1, "epochs": 1, "widths": (4,)}
    base = spec.config(env="gym:CartPole-v1?workers=1", total_steps=32, eval_episodes=1, **small)
    configs = [dataclasses.replace(base, learning_rate=rate) for rate in (1e-3, 2e-3, 3e-3)]
    pools = []
    monkeypatch.setattr(catalogue, "Pool", lambda *a, **k: pools.append(Pool(*a, **k)) or pools[-1])
    # three rows, which lie on one device, however many there are
    program = segment.Program(sweep.batched(spec, configs), 0, 3)
    states = program.init()
    compiled = program.segment(2, states)
    gc.collect()
    states, reduced = segment.finished(compiled, states)
    assert np.isfinite(np.asarray(reduced.values)[reduced.present]).all()
    # as in a run: what `init` began is played on
    assert [[group.size for group in pool.groups.values()] for pool in pools] == [[6]]
    gc.collect()
    program.evaluate(states, 2)
    gc.collect()
    evaluated = program.evaluate(states, 2)
    assert np.asarray(evaluated.present).all()


def test_a_sweep_begun_with_resume_can_be_resumed(tmp_path):
    """`--resume` from the first command on, as batch systems' scripts have it."""
    out = tmp_path / "out"
    grid = ["--grid", "learning_rate=0.05,0.2"]
    assert jaxrl("sweep", "walk", *grid, "--out", out, *COMMON, "--resume") == 0
    stored = (out / sweep_file.NAME).read_text()
    assert jaxrl("sweep", "walk", "--out", out, "--resume") == 0
    assert (out / sweep_file.NAME).read_text() == stored
