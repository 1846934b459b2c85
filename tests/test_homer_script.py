"""The script `homer` through the runner at a tiny scale, and the figures made of its runs."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from benchmarks import homer as figures
from experiments import homer
from jaxrl_suite import runner
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.runner.curves import Curves

TINY = homer.Config(
    env="DiabolicalLock-H3?num_actions=3",
    samples=60,
    classifier_steps=(20, 20),
    batch_size=16,
    eval_episodes=20,
)


def options(out, seeds=2):
    return runner.Options(
        out=out, seeds=seeds, log_every=1, plots=False, video=False, tensorboard=False
    )


def test_runs_and_their_figures(tmp_path, monkeypatch):
    summary = runner.run(homer.EXPERIMENT, TINY, options(tmp_path / "runs" / "tiny"))
    assert json.loads((tmp_path / "runs" / "tiny" / "summary.json").read_text()) == summary
    curves = Curves.read(tmp_path / "runs" / "tiny")
    assert curves.metrics["level"].tolist() == [[0, 1, 2, 1, 0]] * 2
    assert (curves.metrics["eval/episodes"][:, -1] == 60 * 5).all()
    monkeypatch.setattr(figures, "EVALUATED", 50)
    out = tmp_path / "figures"
    figures.main([str(tmp_path / "runs"), "--out", str(out), "--picture", "3"])
    data = json.loads((out / "homer.json").read_text())
    assert [row["arm"] for row in data["arms"]] == ["HOMER"]
    assert (out / "episodes.png").exists() and (out / "abstraction.png").exists()
    with pytest.raises(SystemExit) as status:
        figures.main(["--solved", str(tmp_path / "runs" / "tiny")])
    assert status.value.code == int(not figures.solved(curves).all())


def test_the_best_setting_of_a_baseline_is_taken(tmp_path, monkeypatch):
    returns = {
        "0": [[0.0, 0.0], [0.0, 3.0]],
        "1": [[0.0, 3.0], [3.0, 3.0]],
        "2": [[5.0, 5.0], [0, 0]],
    }
    for name in returns:
        (tmp_path / "ppo-H3" / "cells" / name).mkdir(parents=True)
        (tmp_path / "ppo-H3" / "cells" / name / "config.yaml").touch()

    def read(path):
        config = {"env": "DiabolicalLock-H3", "entropy": float(path.name)}
        metrics = {"episode_return": np.array(returns[path.name])}
        return Curves("ppo", config, np.arange(2), np.array([30, 60]), metrics)

    monkeypatch.setattr(figures.Curves, "read", read)
    needed, chosen = figures.baselines(tmp_path)
    np.testing.assert_array_equal(needed["ppo"][3], [20, 10])
    assert chosen["ppo"][3]["setting"] == {"entropy": 1.0} and chosen["ppo"][3]["settings"] == 3


def test_episodes_to_success(tmp_path):
    """All tries up to the first success count, with their evaluations."""

    def tried(returns, episodes):
        metrics = {"eval/return": np.array(returns)[:, None]}
        metrics["eval/episodes"] = np.full((len(returns), 1), float(episodes))
        config = {"env": "DiabolicalLock-H3", "eval_episodes": 10}
        return tmp_path, Curves("homer", config, np.arange(3), np.array([1]), metrics)

    runs = {250: tried([5.0, 2.6, 2.4], 1000), 125: tried([5.0, 0.1, 0.0], 500)}
    np.testing.assert_array_equal(figures.by_doubling(runs), [510, 1520, np.inf])
    # tries that were left out cost what they would have
    runs = {500: tried([5.0, 0.0, 0.0], 2000)}
    np.testing.assert_array_equal(figures.by_doubling(runs), [510 + 1010 + 2010, np.inf, np.inf])
    metrics = {"episode_return": np.array([[np.nan, 2.5, 0.0], [0.0, 0.0, 2.4]])}
    config = {"env": "DiabolicalLock-H3"}
    curves = Curves("ppo", config, np.arange(2), np.array([30, 60, 90]), metrics)
    np.testing.assert_array_equal(figures.by_training(curves, 3), [20, np.inf])
    # what is evaluated on the way counts instead; once, at the end, it is no curve
    end = {"eval/return": np.array([[np.nan, np.nan, 5.0], [np.nan, np.nan, 5.0]])}
    once = dataclasses.replace(curves, metrics=metrics | end)
    np.testing.assert_array_equal(figures.by_training(once, 3), [20, np.inf])
    seen = {"eval/return": np.array([[np.nan, 0.0, 5.0], [2.6, np.nan, 0.0]])}
    greedy = dataclasses.replace(curves, metrics=metrics | seen)
    np.testing.assert_array_equal(figures.by_training(greedy, 3), [30, 10])
    needed = {h: np.full(3, 7.0 * h**1.5) for h in (3, 10, 50)}
    np.testing.assert_allclose(figures.exponent(needed)[0], 1.5)


def test_bad_settings_are_named():
    with pytest.raises(ConfigError, match="^env='DiabolicalLok-H3'"):
        homer.build(homer.Config(env="DiabolicalLok-H3"))
    with pytest.raises(ConfigError, match="^env="):
        homer.build(homer.Config(env="DiabolicalLock-H3?observation=fog"))
