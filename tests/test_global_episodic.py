"""The contexts of `global_episodic`: as many as asked for, each seed its own, swept as one program."""

from __future__ import annotations

import dataclasses
import json

import jax
import numpy as np
import pytest

from benchmarks import global_episodic as figures
from experiments import global_episodic
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.runner import cli, sweep
from jaxrl_suite.runner.errors import RunError

TINY = global_episodic.Config(
    env="LavaGapS7",
    total_steps=64,
    num_envs=8,
    rollout_length=4,
    minibatches=2,
    epochs=1,
    eval_episodes=2,
    widths=(8, 8),
)


def levels(env_state):
    """Distinct grids among the running episodes."""
    found = [leaf for leaf in jax.tree.leaves(env_state) if leaf.ndim == 3 and leaf.shape[-1] > 4]
    grids = np.asarray(found[0])
    return {grid.tobytes() for grid in grids}


@pytest.mark.parametrize(("contexts", "most"), [(1, 1), (3, 3)])
def test_episodes_draw_from_the_contexts(contexts, most):
    config = dataclasses.replace(TINY, num_contexts=contexts)
    experiment = global_episodic.build(config)
    seeds = [jax.jit(experiment.init)(jax.random.key(seed)) for seed in (0, 1)]
    drawn = [levels(state.acting.env_state) for _, state in seeds]
    assert all(1 <= len(found) <= most for found in drawn)
    assert drawn[0] != drawn[1]  # each seed has contexts of its own
    assert len(levels(global_episodic.build(TINY).init(jax.random.key(0)).acting.env_state)) > most


def test_swept_numbers_are_those_of_single_runs():
    configs = [
        dataclasses.replace(TINY, num_contexts=n, coefficient=c) for n, c in ((1, 0.1), (5, 1.0))
    ]
    both = sweep.batched(global_episodic.EXPERIMENT, configs)
    key = jax.random.key(3)

    def train(cell):
        state, metrics = both.update(both.init(key, cell))
        return metrics, both.evaluate(key, state)

    got = jax.jit(jax.vmap(train))(both.cells)
    for i, config in enumerate(configs):
        alone = global_episodic.build(config)

        @jax.jit
        def single(key, alone=alone):
            state, metrics = alone.update(alone.init(key))
            return metrics, alone.evaluate(key, state)

        want = single(key)
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
            np.testing.assert_allclose(a[i], b, rtol=1e-3, atol=1e-5)


def test_bad_input_is_named():
    with pytest.raises(ConfigError, match="env="):
        global_episodic.build(dataclasses.replace(TINY, env="MultiRom-N6"))
    with pytest.raises(ConfigError, match="num_contexts=0"):
        global_episodic.build(dataclasses.replace(TINY, num_contexts=0))


def test_an_endless_set_varies_at_least_as_much_as_a_hundred_contexts():
    env = "MultiRoom-N2-S4"
    shares = [figures.variance_share(env, c, 512) for c in (1, 10, 100, float("inf"))]
    assert shares == sorted(shares) and shares[0] < 1e-6 and shares[-1] > shares[-2]
    # a locked door is not the end of the world: it was 2e-12
    assert 0.1 < figures.variance_share("DoorKey-8x8", 256) < 0.4


def test_points_are_made_anew_from_written_results(tmp_path):
    solved = {"first_message": {"3": [1.0, 0.5]}, "global_message": {"3": [0.5, 0.5], "1": [0.0]}}
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"points": [], "solved": {"DoorKey-5x5": solved}, "commit": "a"}))
    names = ["--episodic", "first_message", "--global-bonus", "global_message"]
    figures.main([str(path), *names, "--out", str(tmp_path)])
    record = json.loads(path.read_text())
    (point,) = record["points"]
    assert (point["contexts"], point["gap"], record["commit"]) == ("3", 0.25, "a")
    assert 0 < point["share"] < 1 and (tmp_path / "variance.png").exists()


def test_more_contexts_go_beside_earlier_results(tmp_path):
    sweep_of = (
        "sweep global_episodic --env Empty-5x5 --seeds 2 --bonus first_position --num-contexts 3 "
        "--grid coefficient=0.1,1 --total-steps 64 --num-envs 8 --rollout-length 4 --minibatches 2 "
        "--epochs 1 --widths 8 --eval-episodes 2 --no-video --no-plots --no-tensorboard"
    )
    assert cli.main(f"{sweep_of} --out {tmp_path / 'more'}".split()) == 0
    point = {"env": "Empty-5x5", "contexts": "1", "share": 0.0, "gap": 0.5}
    solved = {"first_position": {"1": [1.0, 0.5]}, "global_position": {"1": [0.5, 0.5]}}
    chosen = {"first_position": 1.0, "global_position": 0.1}
    record = {"points": [point], "solved": {"Empty-5x5": solved}, "sweeps": ["before"]}
    first, other = tmp_path / "first.json", tmp_path / "other.json"
    first.write_text(json.dumps({**record, "coefficients": {"Empty-5x5": chosen}}))
    another = {"Empty-5x5": {**chosen, "first_position": 5.0}}
    other.write_text(json.dumps({**record, "coefficients": another}))

    names = ["--episodic", "none"]  # no points: they take a while
    both = [str(tmp_path / "more"), *names, "--out", str(tmp_path / "both")]
    figures.main([*both, "--beside", str(first)])
    new = json.loads((tmp_path / "both" / "global_episodic.json").read_text())
    assert new["coefficients"]["Empty-5x5"] == chosen and new["sweeps"][0] == "before"
    assert len(new["sweeps"]) == 2
    found = new["solved"]["Empty-5x5"]
    assert found["global_position"] == solved["global_position"]
    assert found["first_position"]["1"] == [1.0, 0.5] and len(found["first_position"]["3"]) == 2
    with pytest.raises(RunError, match="has it with 5, these have not"):
        figures.main([*both, "--beside", str(other)])

    figures.main(["--joint", str(first), str(first), "--out", str(tmp_path / "joint")])
    assert (tmp_path / "joint" / "joint.png").stat().st_size > 5_000
