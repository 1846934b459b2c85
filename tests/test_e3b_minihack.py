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
    [{}, {"bonus": "noveld@first_message"}, {"agent": "impala"}, {"agent": "appo"}],
    ids=["e3b", "noveld", "impala", "appo"],
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
        {"agent": "impala", "extrinsic": 0.0},
        {"agent": "appo", "bootstrap_truncation": False},
        {"agent": "impala", "clip": 0.2},
        {"optimizer": "rmsprop"},
        {"rho_clip": 2.0},
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
    with pytest.raises(ConfigError, match="^env='freze-horn'.*did you mean freeze-horn"):
        script.build(dataclasses.replace(TINY, env="freze-horn"))
    with pytest.raises(ConfigError, match="agent"):
        script.build(dataclasses.replace(TINY, agent="a3c"))
    with pytest.raises(
        ConfigError, match="^env=.*an environment with NetHack's glyphs and blstats"
    ):
        script.build(dataclasses.replace(TINY, env="NetHackScore-v0?keys=('glyphs','message')"))
    with pytest.raises(ConfigError, match="^env='Empty-5x5': an environment with NetHack's glyphs"):
        script.build(dataclasses.replace(TINY, env="Empty-5x5", workers=None))


SMALL = {"num_envs": 2, "rollout_length": 4, "minibatches": 1, "bonus_minibatches": 1, "workers": 1}


def shapes(tree):
    return [leaf.shape for leaf in jax.tree.leaves(tree)]


@pytest.mark.parametrize(
    ("agent", "numbers"),
    [
        ("ppo", (800, 128, 25, "adam", 2.5e-4, 0.1, 0.03, 0.95, 0.01, 256, (256,), 5e7)),
        ("appo", (800, 128, 25, "adam", 2.5e-4, 0.1, 0.03, 0.95, 0.01, 256, (256,), 5e7)),
        ("impala", (256, 80, 32, "rmsprop", 1e-4, None, 0.005, 1.0, 1.0, 1024, (1024,), 5e7)),
    ],
)
def test_published_is_everything_and_what_is_given_goes_first(agent, numbers):
    names = (
        "num_envs", "rollout_length", "minibatches", "optimizer", "learning_rate", "clip", "entropy",
        "gae_lambda", "coefficient", "features", "bonus_widths", "total_steps",
    )  # fmt: skip
    config = script.Config(published=True, agent=agent)
    found = script.settings(config)
    assert tuple(getattr(found, name) for name in names) == numbers
    usual = script.settings(script.Config(agent=agent))
    for name, value in dataclasses.asdict(usual).items():  # the defaults too, where they are given
        if value is not None and name != "published":
            chosen = script.settings(dataclasses.replace(config, **{name: value}))
            assert getattr(chosen, name) == value


def test_without_published_nothing_has_changed():
    found = script.settings(script.Config())
    assert (found.num_envs, found.rollout_length, found.clip, found.core) == (32, 64, 0.2, "gru")
    assert (found.entropy, found.coefficient, found.bonus_widths) == (0.01, 0.02, (64,))


@pytest.mark.parametrize("agent", ["ppo", "impala"])
def test_published_networks(agent):
    config = script.Config(env="MiniHack-Room-5x5-v0", published=True, agent=agent, **SMALL)
    state = jax.eval_shape(script.build(config).init, jax.random.key(0))
    policy, bonus = shapes(state.params), shapes(state.bonus_state)
    width, core, trunk = {"ppo": (256, 128, (9 * 64, 16)), "impala": (1024, 1024, (9 * 16, 16))}[
        agent
    ]
    assert trunk in policy and trunk in bonus
    assert (width, width) in policy and (width, width) in bonus  # embeddings of full rank
    assert (core, core) in policy and (2 * width, 256) in bonus
    whole_map = any(shape[0] > 21 * 79 * 8 for shape in policy if len(shape) == 2)
    assert whole_map == (agent == "impala")
