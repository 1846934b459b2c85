"""The `ppo` script: presets, options that override them, and no drift from PPO's own settings."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest

import envs
from experiments import e3b
from experiments import ppo as script
from experiments._task import make_env
from jaxrl_suite import runner
from jaxrl_suite.agents import ppo
from jaxrl_suite.experiment import ConfigError


def test_every_setting_of_ppo_is_an_option():
    options = {field.name: field.default for field in dataclasses.fields(script.Config)}
    for field in dataclasses.fields(ppo.PPOConfig):
        assert field.name in options and options[field.name] is None, field.name


@pytest.mark.parametrize("name", sorted(script.PRESETS))
def test_presets_are_usable(name):
    assert name in envs.registered()
    experiment = script.build(script.Config(env=name))
    chosen = script.settings(script.Config(env=name))
    assert experiment.num_updates * experiment.steps_per_update <= chosen.total_steps


def test_options_come_before_the_preset_and_the_preset_before_the_defaults():
    default, preset = ppo.PPOConfig(), script.PRESETS["Pendulum-v1"]
    assert preset["discount"] != default.discount
    chosen = script.settings(script.Config(env="Pendulum-v1"))
    assert chosen.discount == preset["discount"] and chosen.clip == default.clip
    given = script.Config(env="Pendulum-v1", discount=default.discount, anneal_learning_rate=False)
    chosen = script.settings(given)
    assert chosen.discount == default.discount and chosen.anneal_learning_rate is False
    assert script.settings(script.Config(env="Empty-5x5")) == dataclasses.replace(
        default, **script.PRESETS.get("Empty-5x5", {})
    )


def test_presets_know_an_environment_by_all_its_names():
    for name in ("MiniGrid-Empty-16x16-v0", "Empty-16x16?view=full"):
        found = script.settings(script.Config(env=name))
        assert found == script.settings(script.Config(env="Empty-16x16"))


def test_a_preset_that_has_changed_does_not_resume_a_run(tmp_path, monkeypatch):
    small = {"num_envs": 4, "rollout_length": 8, "minibatches": 2, "eval_episodes": 2}
    monkeypatch.setitem(script.PRESETS, "Empty-5x5", small | {"learning_rate": 1e-3})
    options = runner.Options(
        out=tmp_path / "run", plots=False, video=False, tensorboard=False, log_every=1
    )
    config = script.Config(env="Empty-5x5", total_steps=64)
    runner.run(script.EXPERIMENT, config, options)
    summary = json.loads((options.out / "summary.json").read_text())
    assert summary["settings"]["learning_rate"] == 1e-3 and summary["settings"]["num_envs"] == 4
    again = dataclasses.replace(options, resume=True)
    longer = dataclasses.replace(config, total_steps=128)
    runner.run(script.EXPERIMENT, longer, again)
    monkeypatch.setitem(script.PRESETS, "Empty-5x5", small | {"learning_rate": 0.1})
    with pytest.raises(runner.RunError, match="learning_rate: 0.001 there, 0.1 now"):
        runner.run(script.EXPERIMENT, dataclasses.replace(config, total_steps=192), again)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"num_envs": 0}, "num_envs"),
        ({"auto_reset": "none"}, "auto_reset"),
        ({"widths": (), "bonus": "e3b"}, "widths"),
        ({"intrinsic_discount": 1.5, "bonus": "rnd"}, "intrinsic_discount"),
    ],
)
def test_bad_options_are_refused_by_name(options, field):
    with pytest.raises(ConfigError, match=f"^{field}="):
        script.build(script.Config(env="Empty-5x5", **options))
    if field != "intrinsic_discount":
        with pytest.raises(ConfigError, match=f"^{field}="):
            e3b.build(e3b.Config(**options))


def test_a_misspelt_environment_is_refused_with_a_hint():
    with pytest.raises(ConfigError, match="CartPole-v1"):
        script.build(script.Config(env="Cartpole-v1"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("CartPole-v1?auto_reset=none", "auto_reset='none': 'exact' or 'bank'"),
        ("gym:CartPole-v1?auto_reset=none", "auto_reset='none': gym:CartPole-v1 resets itself"),
        ("Empty-5x5?log=false", "log=False: leave it out"),
        ("DoorKey-5x5?size=100000", "smaller numbers: 32 bits cannot hold"),
        ("Empty-5x5?max_steps=7", "max_steps=7 in the name and max_steps=9 beside it"),
    ],
)
def test_names_that_leave_agents_without_episodes(name, words):
    with pytest.raises(ConfigError, match=rf"^env='{re.escape(name)}': {words}"):
        script.build(script.Config(env=name, max_steps=None if "size" in name else 9))


def test_the_bank_size_of_a_name_goes_first():
    env, _ = make_env(script.Config(env="FourRooms?bank_size=7", num_envs=4))
    assert env.bank_size == 7


def test_the_evaluation_is_shown_where_no_episode_ended_in_training(tmp_path, capsys):
    config = script.Config(
        env="Empty-16x16",
        total_steps=64,
        num_envs=4,
        rollout_length=8,
        minibatches=2,
        eval_episodes=2,
    )
    options = runner.Options(out=tmp_path / "run", plots=False, video=False, tensorboard=False)
    runner.run(script.EXPERIMENT, config, options)
    shown = capsys.readouterr().out
    assert "eval/return" in shown and "episode_return, solved: nothing to average" in shown
