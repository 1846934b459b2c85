"""What agents have learnt, in other runs (`--init-from`) and environments (`jaxrl eval`)."""

from __future__ import annotations

import json

import jax
import numpy as np
import pytest
import yaml

from jaxrl_suite.runner import saved
from jaxrl_suite.runner.cli import main

QUICK = ["--no-plots", "--no-video", "--no-tensorboard", "--eval-episodes", "2"]
TINY = {
    "ppo": "--num-envs 2 --rollout-length 8 --minibatches 2 --epochs 1 --widths 4",
    "impala": "--num-envs 2 --rollout-length 8 --minibatches 1 --epochs 1 --widths 4",
    "dqn": "--num-envs 2 --rollout-length 8 --widths 4 --warmup 8 --batch-size 4 --capacity 64",
}


def train(agent, out, *more, env="Empty-5x5?max_steps=9", code=0):
    given = ["--env", env, "--total-steps", "32", "--out", str(out), *TINY[agent].split(), *QUICK]
    assert main(["run", agent, *given, *more]) == code


def learnt(agents):
    return agents.experiment.learnt.of(agents.states)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "ppo"
    train("ppo", out, "--seeds", "2", "--seed", "5")
    return out


@pytest.mark.parametrize("agent", ["ppo", "impala", "dqn"])
def test_a_run_starts_from_another_s_parameters(agent, tmp_path, capsys):
    train(agent, tmp_path / "a", "--seeds", "2", "--seed", "5")
    still = ["--learning-rate", "1e-30"]  # so that what it ends with is what it began with
    more = ["--seeds", "3", "--init-from", str(tmp_path / "a"), *still]
    train(agent, tmp_path / "b", *more, env="Empty-6x6?max_steps=9")
    assert f"starting from {tmp_path / 'a'} at update 2, seeds 5, 6\n" in capsys.readouterr().out
    given, taken = (learnt(saved.load_all(tmp_path / out)) for out in "ab")
    for a, b in zip(jax.tree.leaves(given), jax.tree.leaves(taken), strict=True):
        np.testing.assert_allclose(np.asarray(a)[[0, 1, 0]], b, atol=1e-20)
    assert saved.load_all(tmp_path / "b").update == 2
    stored = yaml.safe_load((tmp_path / "b" / "config.yaml").read_text())
    summary = json.loads((tmp_path / "b" / "summary.json").read_text())
    assert stored["runner"]["init_from"] == summary["runner"]["init_from"] == str(tmp_path / "a")
    if agent == "dqn":
        learner = saved.load_all(tmp_path / "b").states.learner
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-20), *learner[:2])


def test_observation_moments_come_along_and_a_run_goes_on_without_its_source(tmp_path, capsys):
    given = ["--normalize-observations"]
    train("ppo", tmp_path / "a", *given, env="CartPole-v1")
    before = saved.load_all(tmp_path / "a").states.observation_moments.count
    train("ppo", tmp_path / "b", *given, "--init-from", str(tmp_path / "a"), env="CartPole-v1")
    after = saved.load_all(tmp_path / "b").states.observation_moments.count
    np.testing.assert_allclose(after, 2 * np.asarray(before), rtol=1e-3)
    (tmp_path / "a").rename(tmp_path / "gone")
    longer = ["--out", str(tmp_path / "b"), "--resume", "--total-steps", "48", *QUICK]
    assert main(["run", "ppo", *longer]) == 0
    assert "resuming" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("agent", "more", "text"),
    [
        (
            "ppo",
            ["--widths", "8"],
            "here; widths, core and spaces must be the same",
        ),
        ("ppo", ["--core", "gru"], "its network does not fit"),
        ("dqn", [], "a run of 'ppo'; must be one of 'dqn'"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    run, agent, more, text, tmp_path, capsys
):
    train(agent, tmp_path / "b", *more, "--init-from", str(run), code=2)
    message = capsys.readouterr().err
    assert f"init_from={str(run)!r}: " in message and text in message, message
    assert not (tmp_path / "b" / "config.yaml").exists()


def test_refusals(run, tmp_path, capsys):
    walked = str(tmp_path / "walk")
    quick = [word for word in QUICK if word not in ("--eval-episodes", "2")]
    assert main(["run", "walk", "--total-steps", "80", "--out", walked, *quick], "walks") == 0
    assert main(["eval", walked], "walks") == 0
    assert "eval" not in capsys.readouterr().err
    for arguments, text in (
        (["run", "walk", "--init-from", walked], "walk with this config: parameters cannot be"),
        (["eval", walked, "--env", "Circle"], "walk with this config: parameters cannot be"),
        (["eval", walked, "--episodes", "3"], "episodes=3: walk has no eval_episodes to set"),
        (["eval", walked, "--seed", "3"], "seed=3: the run has 0 to 0"),
        (["eval", walked, "--episodes", "0"], "episodes=0: 1 or more"),
        (["eval"], "eval: name one run directory"),
        (["eval", "nowhere"], "'nowhere' holds no run"),
        (
            ["sweep", "walk", "--grid", "learning_rate=1,2", "--init-from", walked],
            "leave it out of a sweep",
        ),
    ):
        out = ["--out", str(tmp_path / "other")] if arguments[0] in ("run", "sweep") else []
        assert main([*arguments, *out], "walks") == 2
        assert text in capsys.readouterr().err


def test_all_seeds_are_evaluated(run, tmp_path, capsys):
    before = sorted((p, p.stat().st_mtime_ns) for p in run.rglob("*"))
    path = tmp_path / "found.json"
    assert main(["eval", str(run), "--episodes", "3", "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "at update 2 in Empty-5x5?max_steps=9, 3 episodes a seed" in printed
    assert "return" in printed and "solved" in printed
    found = json.loads(path.read_text())
    assert set(found["evaluation"]["length"]["seeds"]) == {"5", "6"}
    assert found["evaluation"]["length"]["mean"] <= 9
    assert sorted((p, p.stat().st_mtime_ns) for p in run.rglob("*")) == before
    assert main(["eval", str(run), "--episodes", "3", "--seed", "6", "--json", str(path)]) == 0
    alone = json.loads(path.read_text())["evaluation"]
    assert alone["length"]["seeds"] == {"6": found["evaluation"]["length"]["seeds"]["6"]}


def test_another_environment_evaluates_the_same_network(run, tmp_path, capsys):
    path = tmp_path / "found.json"
    own = ["--env", "Empty-5x5?max_steps=9", "--json", str(path)]
    assert main(["eval", str(run), *own]) == 0
    named = json.loads(path.read_text())["evaluation"]
    assert main(["eval", str(run), "--json", str(path)]) == 0
    # the bank of levels may be another one, the only level of Empty-5x5 is not
    assert json.loads(path.read_text())["evaluation"] == named
    assert main(["eval", str(run), "--env", "Empty-8x8?max_steps=30", "--json", str(path)]) == 0
    found = json.loads(path.read_text())
    assert found["env"] == "Empty-8x8?max_steps=30" and found["episodes"] == 2
    # CartPole has a preset of other widths: the run's own stay
    assert main(["eval", str(run), "--env", "CartPole-v1"]) == 2
    message = capsys.readouterr().err
    assert "env='CartPole-v1': its network does not fit: " in message
    assert main(["eval", str(run), "--env", "Empty-8x9"]) == 2
    assert "env='Empty-8x9'" in capsys.readouterr().err


def test_a_cell_of_a_sweep_is_evaluated_and_started_from(tmp_path, capsys):
    out = tmp_path / "sweep"
    given = [
        "--env",
        "Empty-5x5?max_steps=9",
        "--total-steps",
        "32",
        "--out",
        str(out),
        "--seeds",
        "2",
    ]
    grid = ["--grid", "learning_rate=1e-3,1e-2"]
    assert main(["sweep", "ppo", *given, *grid, *TINY["ppo"].split(), *QUICK]) == 0
    capsys.readouterr()
    assert main(["eval", str(out)]) == 2
    assert "choose one by --cell" in capsys.readouterr().err
    assert main(["eval", str(out), "--cell", "1", "--env", "Empty-6x6?max_steps=9"]) == 0
    cell = out / "cells" / "learning_rate=0.01"
    train("ppo", tmp_path / "b", "--init-from", str(cell), "--learning-rate", "1e-30")
    given, taken = learnt(saved.load_all(cell)), learnt(saved.load_all(tmp_path / "b"))
    for a, b in zip(jax.tree.leaves(given), jax.tree.leaves(taken), strict=True):
        np.testing.assert_allclose(np.asarray(a)[:1], b, atol=1e-20)
