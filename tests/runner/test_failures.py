"""Runs that fail: numbers that are not finite, disks that are full."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import subprocess
import time
from pathlib import Path

import jax
import pyarrow.parquet as pq
import pytest
from walks import walk as module

from jaxrl_suite.runner import Options, RunError, cli, run
from jaxrl_suite.runner.options import default_log_every


def test_a_metric_that_is_not_finite(tmp_path):
    out = tmp_path / "run"
    config = module.Config(nan_at=17)
    options = Options(seeds=2, seed=5, out=out, log_every=5, checkpoint_every=0)
    with pytest.raises(RunError) as caught:
        run(module.EXPERIMENT, config, options)
    message = str(caught.value)
    assert caught.value.exit_code == 1
    assert "metric loss of seed 5 is not finite at update 18 (env_steps 144)" in message
    assert "checkpoint of update 15 is kept" in message
    saved = sorted(int(p.name) for p in (out / "checkpoints").iterdir())
    assert saved == [5, 10, 15]  # and not the bad state's
    assert max(pq.read_table(out / "metrics.parquet")["env_steps"].to_pylist()) == 120
    assert not (out / "summary.json").exists()


def test_the_failing_seed_is_named(tmp_path):
    draws = {
        seed: float(module.build(module.Config()).init(jax.random.key(seed)).draw)
        for seed in range(4)
    }
    highest = max(draws, key=draws.__getitem__)
    others = sorted(draws.values())[-2]
    config = module.Config(nan_at=3, nan_seed_above=(draws[highest] + others) / 2)
    with pytest.raises(RunError, match=f"of seed {highest} is not finite at update 4"):
        run(module.EXPERIMENT, config, Options(seeds=4, out=tmp_path / "run"))


def test_a_metric_of_training_named_as_one_of_the_evaluation(tmp_path):
    def build(config):
        made = module.build(config)
        return dataclasses.replace(
            made, update=lambda s: (s, made.update(s)[1] | {"eval/return": 0.0 * s.weight})
        )

    spec = dataclasses.replace(module.EXPERIMENT, build=build)
    with pytest.raises(RunError, match="metric='eval/return': training and evaluation both"):
        run(spec, module.Config(), Options(out=tmp_path / "run"))
    assert not (tmp_path / "run/config.yaml").exists()


def test_exit_code_and_one_line(tmp_path, capsys):
    command = ["run", "walk", "--out", str(tmp_path / "run"), "--nan-at", "2"]
    assert cli.main(command, package="walks") == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "not finite at update 3" in err and "no checkpoint yet" in err


def test_a_run_that_is_larger_than_the_machine(tmp_path, monkeypatch):
    from jaxrl_suite.runner import memory

    options = Options(out=tmp_path / "run")
    with pytest.raises(RunError, match=r"the state of this run needs [\d,.]+ GB of memory, of the"):
        run(module.EXPERIMENT, module.Config(ballast=2**37), options)
    state = module.build(module.Config()).init
    need = sum(
        x.size * x.dtype.itemsize for x in jax.tree.leaves(jax.eval_shape(state, jax.random.key(0)))
    )
    monkeypatch.setattr(memory, "available", lambda: need + 1.0)
    with pytest.raises(RunError, match="this run needs") as caught:
        run(module.EXPERIMENT, module.Config(), Options(out=tmp_path / "other"))
    assert caught.value.exit_code == 2 and "state" not in str(caught.value)


def test_memory_that_is_used_up_on_the_way(tmp_path, monkeypatch):
    from jaxrl_suite.runner import segment

    def fetch(reduced):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 99 bytes.")

    monkeypatch.setattr(segment, "fetch", fetch)
    with pytest.raises(RunError, match=r"^out of memory \(Out of memory allocating 99") as caught:
        run(module.EXPERIMENT, module.Config(), Options(out=tmp_path / "run"))
    assert caught.value.exit_code == 1


def test_a_clock_that_jumps(tmp_path, monkeypatch):
    jumps = itertools.cycle((0.0, 240.0, -240.0))
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + next(jumps))
    summary = run(module.EXPERIMENT, module.Config(), Options(out=tmp_path / "run", log_every=5))
    assert 0 < summary["wall_s"] < 600 and 0 < summary["train_s"] < 600
    walls = pq.read_table(tmp_path / "run" / "metrics.parquet")["wall_s"].to_pylist()
    assert walls == sorted(walls) and 0 <= walls[0] <= walls[-1] < 600


LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"


def test_a_full_disk(walk, tmp_path, capsys):
    """On a file system of 3 MB where one may be mounted, else under a limit on file sizes."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)]
    mounted = (
        bool(shutil.which("mount"))
        and not subprocess.run(mount, capture_output=True, check=False).returncode
    )
    try:
        arguments = ["--out", small / "run", "--ballast", 200_000, "--log-every", 1]
        arguments += ["--checkpoint-every", 0, "--keep", 10, "--no-tensorboard"]
        if mounted:
            done = walk(*arguments)
            assert done.returncode == 1, done.stderr
            assert done.stderr.count("\n") == 1 and "is full" in done.stderr
            names = [p.name for p in (small / "run/checkpoints").iterdir()]
            kept = sorted(int(name) for name in names if name.isdigit())
            assert kept, "the earlier checkpoints stay"
            subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
            again = Options(out=small / "run", resume=True, log_every=1, keep=10, plots=False)
            summary = run(module.EXPERIMENT, module.Config(ballast=200_000), again)
            assert summary["updates"] == 100
            assert f"at update {kept[-1]} of 100" in capsys.readouterr().out
        else:
            check_limited(walk, small / "run")
    finally:
        if mounted:
            subprocess.run(["umount", str(small)], check=True)


def test_a_limit_on_file_sizes(walk, tmp_path):
    check_limited(walk, tmp_path / "run")


def check_limited(walk, out: Path) -> None:
    options = Options(out=out, log_every=1, checkpoint_every=1000, plots=False, video=False)
    run(module.EXPERIMENT, module.Config(total_steps=80), options)
    before = sorted(p.name for p in (out / "checkpoints").iterdir())
    # The state no longer fits in one file; what is there stays.
    arguments = ["--out", out, "--resume", "--total-steps", 160, "--checkpoint-every", 0]
    failed = walk(*arguments, "--no-compile-cache", prefix=LIMIT.format(600))
    assert failed.returncode == 1, failed.stderr
    assert failed.stderr.count("\n") == 1 and "is full" in failed.stderr
    assert sorted(p.name for p in (out / "checkpoints").iterdir() if p.name.isdigit()) == before


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"seeds": 0}, "seeds=0: 1 or more"),
        ({"log_every": 0}, "log_every=0"),
        ({"checkpoint_every": -1.0}, "checkpoint_every=-1.0"),
        ({"keep": 0}, "keep=0"),
        ({"resume": True}, "give --out DIR"),
    ],
)
def test_unusable_options(changes, text):
    with pytest.raises(RunError, match=text.replace(".", r"\.")):
        run(module.EXPERIMENT, module.Config(), Options(**changes))


def test_a_folder_without_permission(tmp_path):
    import os

    if os.geteuid() == 0:
        target = Path("/proc/no-such-folder/run")  # nobody may make folders there, root neither
    else:
        tmp_path.chmod(0o500)
        target = tmp_path / "run"
    with pytest.raises(RunError, match="cannot be written"):
        run(module.EXPERIMENT, module.Config(), Options(out=target))


@pytest.mark.parametrize(
    ("updates", "chosen"),
    [(1, 1), (199, 1), (800, 4), (1000, 5), (60_000, 100), (1399, 6), (1350, 6)],
)
def test_default_log_lines(updates, chosen):
    assert default_log_every(updates) == chosen
