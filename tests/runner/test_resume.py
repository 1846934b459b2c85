"""Killed, stopped and damaged runs go on as if nothing had happened."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from walks import walk

from jaxrl_suite.runner import Options, RunError, cli, run

CONFIG = walk.Config(total_steps=2400, work=20_000)
OPTIONS = Options(
    seeds=2, log_every=5, checkpoint_every=0.1, eval_every=7, video=False, plots=False
)
ARGUMENTS = "--seeds 2 --log-every 5 --checkpoint-every 0.1 --eval-every 7 --no-video --no-plots"
ARGUMENTS = [*ARGUMENTS.split(), "--total-steps", "2400", "--work", "20000"]


def metrics(out: Path):
    return pq.read_table(out / "metrics.parquet").drop_columns(["wall_s"])


def identical(a, b) -> bool:
    """Bit for bit: Arrow's `equals` compares values and nulls of float columns exactly."""
    return a.schema == b.schema and a.equals(b)


def start(out: Path, **changes) -> dict:
    config = changes.pop("config", CONFIG)
    return run(walk.EXPERIMENT, config, dataclasses.replace(OPTIONS, out=out, **changes))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "whole"
    start(out)
    return out


def wait_for(path: Path, process, seconds: float = 60.0) -> None:
    limit = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.005)


def test_killed_at_random_moments(walk, uninterrupted, tmp_path):
    out, moments = tmp_path / "run", []
    for attempt in range(3):
        process = walk("--out", out, "--resume", *ARGUMENTS, wait=False)
        wait_for(out / ("checkpoints" if not attempt else "metrics.parquet"), process)
        moments.append(random.uniform(0.0, 1.2) + (0.8 if attempt else 0.0))
        time.sleep(moments[-1])
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if (out / "metrics.parquet").exists():  # readable, and covers the newest checkpoint
            rows = metrics(out)
            saved = [int(p.name) for p in (out / "checkpoints").iterdir() if p.name.isdigit()]
            assert max(rows["env_steps"].to_pylist()) >= 8 * max(saved, default=0)
            whole = metrics(uninterrupted)
            assert identical(rows, whole.slice(0, rows.num_rows).select(rows.column_names)) or (
                rows.num_rows == whole.num_rows  # killed before the final evaluation
            )
    start(out, resume=True)
    assert identical(metrics(out), metrics(uninterrupted)), f"killed after {moments}"


def check_stopped(err: str, name: str, out: Path, start_text: str, least: int = 5) -> None:
    assert f"stopped by {name} at update" in err and err.count("\n") == 1
    assert err.partition("continue with: ")[2].strip() == f"{start_text} --out {out} --resume"
    saved = [int(p.name) for p in (out / "checkpoints").iterdir()]
    assert len(saved) == 1 and least <= saved[0] < 300 and saved[0] % 5 == 0


def test_sigterm(walk, uninterrupted, tmp_path):
    out = tmp_path / "run"
    process = walk("--out", out, *ARGUMENTS, "--checkpoint-every", 1000, wait=False)
    for line in process.stdout:
        if "/300" in line:
            break
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    check_stopped(err, "SIGTERM", out, "python -m walks.walk")
    start(out, resume=True)
    assert identical(metrics(out), metrics(uninterrupted))


def test_sigint(uninterrupted, tmp_path, capsys):
    out = tmp_path / "run"
    before = signal.getsignal(signal.SIGINT)

    def interrupt():
        while not list((out / "tensorboard").rglob("events*")):
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    arguments = ["run", "walk", "--out", str(out), *ARGUMENTS, "--checkpoint-every", "1000"]
    assert cli.main(arguments, package="walks") == 130
    thread.join()
    err = capsys.readouterr().err
    check_stopped(err, "SIGINT", out, "jaxrl run walk", least=0)  # it can come before an update
    assert signal.getsignal(signal.SIGINT) is before
    start(out, resume=True)
    assert identical(metrics(out), metrics(uninterrupted))


def test_resume_without_repeating_the_options(tmp_path, capsys):
    out = tmp_path / "run"

    def command(*arguments):
        given = ["run", "walk", "--out", str(out), "--no-plots", "--no-video", *arguments]
        assert cli.main(given, package="walks") == 0, capsys.readouterr().err
        return capsys.readouterr().out

    command("--total-steps", "160", "--seeds", "2", "--seed", "3")
    before = metrics(out)
    shown = command("--resume", "--total-steps", "320")
    assert "total_steps: 160 there, 320 now" in shown
    assert "at update 20 of 40" in shown
    after = metrics(out)
    assert after.num_rows == 2 * before.num_rows
    columns = [name for name in before.column_names if not name.startswith("eval/")]
    assert identical(after.slice(0, before.num_rows).select(columns), before.select(columns))
    assert set(after["seed"].to_pylist()) == {3, 4}
    assert yaml.safe_load((out / "config.yaml").read_text())["config"]["total_steps"] == 320


def test_a_finished_run_resumes_to_the_same(uninterrupted):
    before = pq.read_table(uninterrupted / "metrics.parquet")
    speed = json.loads((uninterrupted / "summary.json").read_text())["steps_per_second"]
    again = start(uninterrupted, resume=True)
    assert again["steps_per_second"] == speed > 0
    assert pq.read_table(uninterrupted / "metrics.parquet").equals(before)


def test_a_damaged_newest_checkpoint(uninterrupted, tmp_path, capsys):
    out, quick = tmp_path / "run", walk.Config(total_steps=400)
    start(out, config=quick, checkpoint_every=0)
    expected = metrics(out)
    newest = max((out / "checkpoints").iterdir(), key=lambda p: int(p.name))
    for file in newest.rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:7])
    start(out, config=quick, resume=True)
    shown = capsys.readouterr().out
    assert "checkpoint 50 is damaged" in shown and "at update 45 of 50" in shown
    assert identical(metrics(out), expected)
    for file in (out / "checkpoints").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    with pytest.raises(RunError, match="no checkpoint in .* can be read") as caught:
        start(out, config=quick, resume=True)
    assert caught.value.exit_code == 1
    assert identical(metrics(out), expected)


def test_folders_in_use(tmp_path, walk):
    out, quick = tmp_path / "run", walk_config(total_steps=80)
    start(out, config=quick)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    with pytest.raises(RunError, match="holds a run of 'walk' already; add --resume"):
        start(out, config=quick)
    changed = dataclasses.replace(quick, learning_rate=0.5, hidden=(4, 4))
    with pytest.raises(RunError, match="different config") as caught:
        start(out, config=changed, resume=True, seeds=3)
    for text in (
        "learning_rate: 0.1 there, 0.5 now",
        "hidden: [3, 2] there, [4, 4] now",
        "seeds: 2 there, 3 now",
    ):
        assert text in str(caught.value)
    assert "env" not in str(caught.value).partition("different config")[2]
    with pytest.raises(RunError, match="has done 10 updates already, more than the 5"):
        start(out, config=dataclasses.replace(quick, total_steps=40), resume=True)
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before

    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    for resume in (False, True):
        with pytest.raises(RunError, match="the folder is not empty"):
            start(other, config=quick, resume=resume)
    assert [p.name for p in other.iterdir()] == ["thesis.tex"]
    with pytest.raises(RunError, match="a file is in the way"):
        start(other / "thesis.tex", config=quick)


def walk_config(**changes):
    return walk.Config(**changes)


def test_two_processes_in_one_folder(walk, tmp_path):
    out = tmp_path / "run"
    first = walk("--out", out, *ARGUMENTS, "--work", 200_000, wait=False)
    wait_for(out / "config.yaml", first)
    with pytest.raises(RunError, match="another running process"):
        start(out, resume=True)
    first.kill()
    first.communicate()


def test_an_unreadable_metrics_file_is_not_overwritten(tmp_path):
    out, quick = tmp_path / "run", walk.Config(total_steps=80)
    start(out, config=quick)
    (out / "metrics.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(RunError, match="metrics.parquet cannot be read"):
        start(out, config=quick, resume=True)
    assert (out / "metrics.parquet").read_bytes() == b"PAR1 nonsense"
