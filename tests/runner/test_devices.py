"""Seeds over several devices: the same numbers as on one."""

from __future__ import annotations

import pyarrow.parquet as pq

FOUR = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
QUICK = ["--total-steps", 160, "--no-plots", "--no-video", "--no-tensorboard", "--eval-every", 5]


def test_four_devices(walk, tmp_path):
    def metrics(name):
        return pq.read_table(tmp_path / name / "metrics.parquet").drop_columns(["wall_s"])

    one = walk("--out", tmp_path / "one", "--seeds", 6, *QUICK)
    three = walk("--out", tmp_path / "three", "--seeds", 6, *QUICK, environment=FOUR)
    assert one.returncode == three.returncode == 0, one.stderr + three.stderr
    assert "6 seeds do not divide evenly over 4 devices: using 3" in three.stdout
    assert "divide" not in one.stdout
    assert metrics("one").equals(metrics("three"))
    # A run made on three devices goes on on four, on the seeds it has.
    more = ["--resume", "--total-steps", 320, "--no-plots", "--no-video"]
    for name, environment in (("one", FOUR), ("three", {})):
        done = walk("--out", tmp_path / name, *more, environment=environment)
        assert done.returncode == 0, done.stderr
    assert metrics("one").equals(metrics("three"))


def test_states_lie_on_all_devices(child_environment):
    import subprocess
    import sys

    code = """
from walks import walk
from jaxrl_suite.runner import segment
import jax
program = segment.Program(walk.build(walk.Config()), 0, 8)
states = program.init()
for _ in range(2):
    states, reduced = program.segment(3, states)(states)
    assert all(len(x.sharding.device_set) == 4 for x in jax.tree.leaves(states))
    assert len(reduced.values.sharding.device_set) == 4 and not program.message
text = program.segment(3, states).as_text()
assert not any(name in text for name in ("all-gather", "all-reduce", "collective-permute"))
"""
    environment = {**child_environment, **FOUR}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=120)
