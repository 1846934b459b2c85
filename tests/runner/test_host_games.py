"""`jaxrl run` on games of the host: resumed, stopped, spread over processes, watched; lost workers."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from test_hosts import free_port

from envs.host.group import Group
from jaxrl_suite.runner import cli

CARTPOLE = "gym:CartPole-v1?workers=2"
NETHACK = "NetHackScore-v0?workers=1"
SMALL = "--num-envs 4 --rollout-length 8 --minibatches 2 --epochs 1 --eval-episodes 2 --no-plots"
SMALL = [*SMALL.split(), "--no-video", "--widths", "8", "--log-every", "2"]
CODE = "import sys; from jaxrl_suite.runner import cli; sys.exit(cli.main())"


def command(out: Path, env: str, *more: object) -> list[str]:
    return [str(a) for a in ("run", "ppo", "--env", env, "--out", out, *SMALL, *more)]


def metrics(out: Path):
    return pq.read_table(out / "metrics.parquet").drop_columns(["wall_s"])


def start(environment, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CODE, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def children(pid: int) -> list[int]:
    """The workers of a process: those whose parent it is."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if path.read_text().rsplit(")", 1)[1].split()[1] == str(pid):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_lost_workers_are_told_of(tmp_path, monkeypatch):
    receive, calls = Group.recv, []

    def recv(group):
        calls.append(group)
        if len(calls) == 20:
            os.kill(group.pool.processes[0].pid, signal.SIGKILL)
            time.sleep(0.1)
        return receive(group)

    monkeypatch.setattr(Group, "recv", recv)
    with pytest.warns(UserWarning, match="restarting it"):
        assert cli.main(command(tmp_path / "run", CARTPOLE, "--total-steps", 160)) == 0
    assert json.loads((tmp_path / "run/summary.json").read_text())["lost_workers"] == 1
    lost = metrics(tmp_path / "run")["env/lost"].to_pylist()
    assert max(x for x in lost if x is not None) > 0


def test_resumed_and_uninterrupted_runs_are_equal(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert cli.main(command(whole, CARTPOLE, "--total-steps", 640, "--seeds", 2)) == 0
    assert cli.main(command(parts, CARTPOLE, "--total-steps", 320, "--seeds", 2)) == 0
    more = ["run", "ppo", "--out", str(parts), "--resume", "--total-steps", "640", *SMALL]
    assert cli.main(more) == 0
    whole_rows, rows = (
        metrics(out).select([n for n in metrics(out).column_names if not n.startswith("eval/")])
        for out in (whole, parts)
    )
    assert rows.equals(whole_rows) and rows.num_rows == 2 * 10


def test_sigterm_leaves_a_checkpoint_and_no_workers(tmp_path, child_environment):
    out = tmp_path / "run"
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {**child_environment, "TMPDIR": str(temporary)}
    process = start(environment, *command(out, CARTPOLE, "--total-steps", 10_000_000))
    limit = time.monotonic() + 120
    while not (out / "metrics.parquet").exists():  # written some seconds after it began
        assert process.poll() is None and time.monotonic() < limit, process.communicate()
        time.sleep(0.05)
    workers = children(process.pid)
    assert len(workers) >= 2
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143 and "stopped by SIGTERM" in err, err
    assert any(path.name.isdigit() for path in (out / "checkpoints").iterdir())
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert not list(temporary.glob("jaxrl-host-*"))


@pytest.mark.slow
def test_two_processes_play_as_one_does(tmp_path, child_environment):
    given = ["--total-steps", 320, "--seeds", 2]
    where = ["--distributed", "--coordinator", f"localhost:{free_port()}", "--processes", 2]
    two = [
        start(
            child_environment, *command(tmp_path / "two", CARTPOLE, *given, *where, "--process", i)
        )
        for i in (0, 1)
    ]
    for process in two:
        _, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
    one = start(child_environment, *command(tmp_path / "one", CARTPOLE, *given))
    _, err = one.communicate(timeout=240)
    assert one.returncode == 0, err
    ours, theirs = (metrics(tmp_path / name) for name in ("two", "one"))
    assert ours["episode_return"].equals(theirs["episode_return"])  # of games, to the last bit
    for name in ours.column_names:  # a product of one seed's matrices is rounded unlike one of two
        a, b = (np.array(x[name].to_pylist(), float) for x in (ours, theirs))
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6, err_msg=name)


@pytest.mark.skipif(not importlib.util.find_spec("nle"), reason="needs nle")
def test_a_run_on_nethack_is_watched(tmp_path, capsys):
    out, gif = tmp_path / "run", tmp_path / "game.gif"
    assert cli.main(command(out, NETHACK, "--total-steps", 64)) == 0
    capsys.readouterr()
    given = ["watch", str(out), "--fps", "0", "--max-steps", "5", "--gif", str(gif)]
    assert cli.main(given) == 0
    shown = capsys.readouterr().out
    assert "@" in shown and "Dlvl:1" in shown and gif.exists()
    assert "5 steps, return" in " ".join(shown.split())
