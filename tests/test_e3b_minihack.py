"""The `e3b_minihack` script on real games, small."""

from __future__ import annotations

import dataclasses
import importlib.util

import jax
import numpy as np
import pytest

import envs
from experiments import e3b_minihack as script
from jaxrl_suite.experiment import ConfigError

if not importlib.util.find_spec("minihack"):
    pytest.skip("needs minihack", allow_module_level=True)
TINY = script.Config(
    env="MiniHack-Room-5x5-v0",
    total_steps=96,
    num_envs=4,
    rollout_length=8,
    minibatches=2,
    bonus_minibatches=2,
    epochs=1,
    widths=(16, 16),
    core_features=16,
    features=8,
    eval_episodes=2,
    workers=1,
    max_steps=20,
)


@pytest.mark.parametrize(
    "options",
    [{}, {"bonus": "noveld@first_message"}, {"agent": "impala", "clip": None}],
    ids=["e3b", "noveld", "impala"],
)
def test_trains_and_evaluates(options):
    experiment = script.build(dataclasses.replace(TINY, **options))

    @jax.jit
    def train(key):
        def update(state, _):
            return experiment.update(state)

        state, metrics = jax.lax.scan(update, experiment.init(key), None, length=3)
        return state, metrics

    state, metrics = train(jax.random.key(0))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(metrics))
    assert float(metrics["bonus_mean"].mean()) > 0
    result = jax.jit(experiment.evaluate)(jax.random.key(1), state)
    assert np.isfinite(float(result["return"].total if hasattr(result["return"], "total")
                             else result["return"]))  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        {"use_mission": True},
        {"agent": "impala", "clip": None, "extrinsic": 0.0},
        {"normalize_observations": True},
    ],
)
def test_options_without_an_effect_are_refused(options):
    with pytest.raises(ConfigError, match=f"^{list(options)[-1]}="):
        script.build(dataclasses.replace(TINY, **options))


def test_the_papers_tasks_exist():
    assert len(script.TASKS) == 16 and set(script.TASKS.values()) <= set(envs.registered())


def test_bad_environments_are_refused():
    with pytest.raises(ConfigError, match="did you mean"):
        script.build(dataclasses.replace(TINY, env="MiniHack-Rom-5x5-v0"))
    with pytest.raises(ConfigError, match="agent"):
        script.build(dataclasses.replace(TINY, agent="a3c"))
    with pytest.raises(ConfigError, match="clip"):
        script.build(dataclasses.replace(TINY, clip=None))
    with pytest.raises(
        ConfigError, match="^env=.*an environment with NetHack's glyphs and blstats"
    ):
        script.build(dataclasses.replace(TINY, env="NetHackScore-v0?keys=('glyphs','message')"))
    with pytest.raises(ConfigError, match="^env='Empty-5x5': an environment with NetHack's glyphs"):
        script.build(dataclasses.replace(TINY, env="Empty-5x5", workers=None))
