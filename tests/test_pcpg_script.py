"""The script `pcpg` through the runner, at a tiny scale."""

from __future__ import annotations

import pytest

from experiments import pcpg
from jaxrl_suite import experiment, runner
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.runner.curves import Curves


def test_bad_settings_are_named():
    with pytest.raises(ConfigError, match="^env='BidirectionalLok-H6'"):
        pcpg.build(pcpg.Config(env="BidirectionalLok-H6"))
    assert experiment.get("pcpg") is pcpg.EXPERIMENT


def test_a_tiny_run(tmp_path):
    config = pcpg.Config(
        env="BidirectionalLock-H3",
        explore_epochs=1,
        exploit_epochs=1,
        loops=1,
        episodes=8,
        groups=4,
        density_episodes=8,
        passes=1,
        minibatch_size=8,
        widths=(8,),
        eval_episodes=4,
    )
    options = runner.Options(
        out=tmp_path / "run", seeds=2, log_every=1, plots=False, video=False, tensorboard=False
    )
    summary = runner.run(pcpg.EXPERIMENT, config, options)
    curves = Curves.read(tmp_path / "run")
    assert curves.metrics[next(iter(curves.metrics))].shape[0] == 2
    assert summary["final"]
