"""Seeds over several devices: the same numbers as on one."""

from __future__ import annotations

import os
import subprocess
import sys

import jax
import pyarrow.parquet as pq

from envs import cores
from jaxrl_suite import experiment
from jaxrl_suite.runner import cli, cpu_devices

FLAG = "--xla_force_host_platform_device_count"
FOUR = {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {FLAG}=4"}
QUICK = ["--total-steps", 160, "--no-plots", "--no-video", "--no-tensorboard", "--eval-every", 5]


def test_four_devices(walk, tmp_path, capsys):
    def metrics(name):
        return pq.read_table(tmp_path / name / "metrics.parquet").drop_columns(["wall_s"])

    def here(name, *arguments):
        given = ["run", "walk", "--out", tmp_path / name, *arguments]
        assert cli.main([str(a) for a in given], package="walks") == 0, capsys.readouterr().err

    three = walk("--out", tmp_path / "three", "--seeds", 6, *QUICK, environment=FOUR)
    assert three.returncode == 0, three.stderr
    assert "6 seeds do not divide evenly over 4 devices: using 3" in three.stdout
    here("one", "--seeds", 6, *QUICK)
    assert "divide" not in capsys.readouterr().out
    assert metrics("one").equals(metrics("three"))
    # A run made on three devices goes on on one.
    for name in ("one", "three"):
        here(name, "--resume", "--total-steps", 320, "--no-plots", "--no-video")
    assert metrics("one").equals(metrics("three")) and metrics("one").num_rows == 6 * 40


def test_states_lie_on_all_devices(child_environment):
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


def test_environments_of_a_seed_lie_over_devices(child_environment):
    code = """
import envs, jax
import numpy as np
from jaxrl_suite.agents import ppo
from jaxrl_suite.runner import segment
config = ppo.PPOConfig(num_envs=8, rollout_length=8, total_steps=256, minibatches=2)
experiment = ppo.make(*envs.make("Empty-5x5"), config)
one, both = (segment.Program(experiment, 0, 2, spread=spread) for spread in (False, True))
found = []
for program in (one, both):
    states, reduced = program.segment(2, program.init())(program.init())
    found.append(jax.device_get((reduced.values, states.params)))
image = states.acting.observation["image"]
assert len(image.sharding.device_set) == 4 and image.addressable_shards[0].data.shape[:2] == (1, 4)
jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), *found)
# with contexts, and swept, a seed's state lies beside what it was built from
from experiments import global_episodic
from jaxrl_suite.runner import sweep
small = global_episodic.Config(num_envs=8, rollout_length=4, minibatches=2, num_contexts=3)
swept = sweep.batched(global_episodic.EXPERIMENT, [small, small])
for experiment in (global_episodic.build(small), swept):
    state = segment.Program(experiment, 0, 2, spread=True).init()
    shapes = {x.sharding.shard_shape(x.shape)[:2] for x in jax.tree.leaves(state)}
    assert (1, 4) in shapes
experiment = ppo.make(*envs.make("Empty-5x5"), ppo.PPOConfig(num_envs=9, minibatches=3))
try:
    segment.Program(experiment, 0, 2, spread=True)
except segment.RunError as error:
    assert "num_envs=9: a multiple of 2, the devices of a seed" in str(error)
else:
    raise AssertionError
"""
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**child_environment, **FOUR}, timeout=240
    )


def test_hosts_of_games_keep_one_device(monkeypatch):
    spec = experiment.get("e3b_minihack")
    names = [spec.plays(spec.config(env=name)) for name in ("freeze-horn", "NetHackScore-v0")]
    assert names[0] == "MiniHack-Freeze-Horn-Restricted-v0"
    asked = []
    monkeypatch.setattr(cores, "usable_cores", lambda: 2)
    monkeypatch.setattr(jax.config, "update", lambda *given: asked.append(given))
    for chosen in ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES"):
        monkeypatch.delenv(chosen, raising=False)
    assert cpu_devices.configure(2, names[:1]) == 0
    assert cpu_devices.configure(2, ["Empty-5x5", *names]) == 0 and not asked
    assert cpu_devices.configure(2, ["Empty-5x5", None]) == 2
    assert cpu_devices.configure(0) == 1  # fewer seeds than processes: told about later


WRAPPED = """
import envs
from envs.wrappers import Wrapper
from jaxrl_suite import experiment
from jaxrl_suite.runner.cli import run_script

class Halved(Wrapper):
    def step(self, key, state, action, params=None):
        observation, state, reward, *rest = self.env.step(key, state, action, params)
        return observation, state, reward * 0.5, *rest

def make(**options):
    env, _ = envs.make("gym:CartPole-v1?workers=1", log=False)
    return Halved(env), "none"

envs.register("Halved", make)
run_script(experiment.get("ppo"))
"""


def test_wrapped_games_of_several_seeds(child_environment, tmp_path):
    # no name says that these are on the host: seen when the program is traced
    script, out = tmp_path / "script.py", tmp_path / "run"
    script.write_text(WRAPPED)
    small = "--env Halved --total-steps 64 --num-envs 4 --rollout-length 8 --seeds 2 --no-video"
    done = subprocess.run(
        [sys.executable, str(script), *small.split(), "--out", str(out)],
        env={**child_environment, **FOUR},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "games on the host are played from one CPU device" in done.stdout + done.stderr
    assert (out / "summary.json").exists()


def test_seeds_divide_over_the_cores(child_environment):
    code = """
import os, jax, envs.cores
from jaxrl_suite.runner import cpu_devices
envs.cores.usable_cores = lambda: 4
expected = int(os.environ["EXPECTED"])
asked = cpu_devices.configure(6)
assert (asked or 1, len(jax.devices())) == (expected, expected), jax.devices()
assert cpu_devices.configure(8) == 0  # JAX runs already
"""
    clean = {k: v for k, v in child_environment.items() if k not in ("XLA_FLAGS",)}
    one = {"XLA_FLAGS": f"{FLAG}=1"}
    for environment, expected in (({}, 3), (one, 1)):
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            env={**clean, **environment, "EXPECTED": str(expected)},
            timeout=120,
        )
