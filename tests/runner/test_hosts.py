"""Several processes as one run: the same folder as one process makes, stops and faults."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jaxrl_suite.runner import Options, RunError, cli, hosts

QUICK = ["--log-every", 5, "--eval-every", 7, "--no-plots", "--no-video"]
LONG = ["--work", 20_000, "--checkpoint-every", 0.1]


def free_port() -> int:
    with contextlib.closing(socket.socket()) as listening:
        listening.bind(("localhost", 0))
        return listening.getsockname()[1]


@pytest.fixture
def processes(walk):
    """Starts the two processes of a run; those still there at the end are killed."""
    started: list[subprocess.Popen] = []

    def start(*arguments, each=((), ()), patience=60) -> list[subprocess.Popen]:
        where = ["--distributed", "--coordinator", f"localhost:{free_port()}", "--processes", 2]
        where += ["--patience", patience]
        both = [
            walk(*arguments, *own, *where, "--process", index, wait=False)
            for index, own in enumerate(each)
        ]
        started.extend(both)
        return both

    yield start
    for process in started:
        process.kill()


def ended(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def wait_for_checkpoint(out: Path, process: subprocess.Popen) -> None:
    limit = time.monotonic() + 60
    while not any(p.name.isdigit() for p in (out / "checkpoints").glob("*")):
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.01)


def metrics(out: Path):
    return pq.read_table(out / "metrics.parquet").drop_columns(["wall_s"])


def test_two_processes_stopped_and_continued_by_one(processes, tmp_path, capsys):
    # long enough that a signal that comes late, on a busy machine, still finds it running
    out, total = tmp_path / "two", ["--seeds", 4, "--total-steps", 3000]
    both = processes("--out", out, *total, *QUICK, *LONG)
    wait_for_checkpoint(out, both[0])
    both[1].send_signal(signal.SIGTERM)  # the one that does not write
    for process in both:
        code, _, err = ended(process)
        assert code == 143 and "stopped by SIGTERM at update" in err, err
    stopped = metrics(out).num_rows
    for process in processes("--out", out, "--resume", "--no-video", "--no-plots"):
        code, shown, err = ended(process)
        assert code == 0, err
    assert "final values" not in shown  # process 0 alone speaks
    given = ["run", "walk", "--out", tmp_path / "one", *total, *QUICK, *LONG]
    assert cli.main([str(a) for a in given], package="walks") == 0
    assert metrics(out).equals(metrics(tmp_path / "one"))
    assert 0 < stopped < metrics(out).num_rows == 4 * 75
    # One process goes on where two stopped, and the other way round.
    longer = ["--resume", "--total-steps", 3400, "--no-plots", "--no-video"]
    given = ["run", "walk", "--out", out, *longer]
    assert cli.main([str(a) for a in given], package="walks") == 0, capsys.readouterr().err
    assert all(ended(p)[0] == 0 for p in processes("--out", tmp_path / "one", *longer))
    assert metrics(out).equals(metrics(tmp_path / "one")) and metrics(out).num_rows == 4 * 85


def test_a_signal_while_processes_agree_is_kept(tmp_path, monkeypatch, capsys):
    calls = []

    def agree(self, signal_so_far, save):
        calls.append(signal_so_far)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return signal_so_far, save

    monkeypatch.setattr(hosts.Hosts, "agree", agree)
    given = ["run", "walk", "--out", tmp_path / "run", "--total-steps", 1200, *QUICK]
    assert cli.main([str(a) for a in given], package="walks") == 143
    assert "stopped by SIGTERM at update" in capsys.readouterr().err
    assert calls == [0, 0, signal.SIGTERM]


def test_a_killed_process_ends_the_others(processes, tmp_path):
    out = tmp_path / "run"
    both = processes("--out", out, "--seeds", 2, "--total-steps", 80_000, *QUICK, *LONG, patience=5)
    wait_for_checkpoint(out, both[0])
    both[1].kill()
    start = time.monotonic()
    assert ended(both[0])[0] != 0 and time.monotonic() - start < 60


def test_what_process_0_refuses_all_refuse(processes, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("")
    for index, process in enumerate(processes("--out", tmp_path / "taken", "--seeds", 2)):
        code, _, err = ended(process)
        assert code == 2 and "the folder is not empty" in err and ("process 0" in err) == index


def test_different_configs_and_odd_seeds_are_refused(processes, tmp_path):
    out = ["--out", tmp_path / "run", "--seeds", 2]
    for process in processes(*out, each=(["--env", "Line"], ["--env", "Circle"])):
        code, _, err = ended(process)
        assert code == 2 and "the config of process 1 differs from that of process 0" in err
    for process in processes("--out", tmp_path / "odd", "--seeds", 3):
        code, _, err = ended(process)
        assert code == 2 and "seeds=3: 2 processes need a multiple of 2 seeds" in err
    assert not (tmp_path / "odd" / "checkpoints").exists()


def test_a_sweep_over_two_processes(child_environment, tmp_path):
    code = "import sys; from jaxrl_suite.runner import cli; sys.exit(cli.main(package='walks'))"
    sweep = ["sweep", "walk", "--grid", "learning_rate=0.1,0.2", "--seeds", "3", "--log-every", "5"]
    sweep += ["--total-steps", "160"]
    port = str(free_port())
    where = ["--distributed", "--coordinator", f"localhost:{port}", "--processes", "2"]

    def start(name, *more):
        command = [sys.executable, "-c", code, *sweep, "--out", str(tmp_path / name), *more]
        return subprocess.Popen(command, env=child_environment)

    started = [start("two", *where, "--process", str(i)) for i in range(2)] + [start("one")]
    assert [process.wait(120) for process in started] == [0, 0, 0]
    for cell in ("learning_rate=0.1", "learning_rate=0.2"):
        assert metrics(tmp_path / "two/cells" / cell).equals(metrics(tmp_path / "one/cells" / cell))


def test_a_cell_that_diverges_over_two_processes(child_environment, tmp_path, capsys):
    code = "import sys; from jaxrl_suite.runner import cli; sys.exit(cli.main(package='walks'))"
    out = tmp_path / "out"
    sweep = ["sweep", "walk", "--grid", "nan_at=-1,6", "--seeds", "2", "--log-every", "5"]
    sweep += ["--total-steps", "160", "--out", str(out), "--distributed", "--processes", "2"]
    sweep += ["--coordinator", f"localhost:{free_port()}"]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, *sweep, "--process", str(i)], env=child_environment
        )
        for i in range(2)
    ]
    assert [process.wait(120) for process in started] == [1, 1]
    (out / "programs/0/summary.json").unlink()
    assert cli.main(["sweep", "walk", "--out", str(out), "--resume"], package="walks") == 1
    assert "1 of 2 cells diverged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(distributed=True), "no Slurm, MPI, Kubernetes or TPU pod here"),
        (Options(distributed=True, processes=2), "are given together"),
    ],
)
def test_nobody_to_join(options, message, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("SLURM", "OMPI", "TPU", "KUBERNETES")):
            monkeypatch.delenv(name)
    with pytest.raises(RunError, match=message):
        hosts.connect(options)


def test_options_that_make_no_sense():
    with pytest.raises(RunError, match="coordinator='a:1': add --distributed"):
        Options(coordinator="a:1").check()
    with pytest.raises(RunError, match="process=2: 0 or more, and below --processes"):
        Options(distributed=True, coordinator="a:1", processes=2, process=2).check()


def test_one_process_shares_with_itself():
    alone = hosts.Hosts()
    assert alone.writes and alone.part(3) == slice(0, 3) and alone.agree(15, True) == (15, True)
    assert hosts.Hosts(1, 3).part(6) == slice(2, 4)
