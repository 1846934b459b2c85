"""Reward-free exploration: the map's reward is logged and never learned from."""

from __future__ import annotations

import dataclasses

import jax
import pytest

from experiments import reward_free
from jaxrl_suite.evaluation import horizon
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.runner.cli import main

TINY = reward_free.Config(
    env="Empty-5x5",
    bonus="none",
    total_steps=64,
    num_envs=8,
    rollout_length=8,
    minibatches=2,
    epochs=1,
    eval_episodes=2,
    max_steps=8,
    widths=(8, 8),
)


def test_the_return_is_the_share_of_the_map():
    experiment = reward_free.build(TINY)
    _, metrics = jax.jit(experiment.update)(experiment.init(jax.random.key(0)))
    share = metrics["episode_return"]
    visited = 9 * float(share.total / share.count)
    assert 1 <= visited <= 8
    assert TINY.extrinsic == 0


def test_environments_without_a_map_are_refused():
    with pytest.raises(ConfigError, match="no map of places"):
        reward_free.build(dataclasses.replace(TINY, env="CartPole-v1"))


def test_the_length_in_the_name_goes_before_the_default():
    default = dataclasses.replace(TINY, max_steps=reward_free.Config.max_steps)
    for config, steps in (
        (dataclasses.replace(default, env="Empty-5x5?max_steps=9"), 9),
        (default, 300),
        (TINY, 8),
    ):
        made = []
        keep = reward_free.ppo.make
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                reward_free.ppo,
                "make",
                lambda env, *rest, made=made, keep=keep: (
                    made.append(horizon(env)) or keep(env, *rest)
                ),
            )
            reward_free.build(config)
        assert made == [steps]
    with pytest.raises(ConfigError, match="max_steps=9 in the name and max_steps=8 beside it"):
        reward_free.build(dataclasses.replace(TINY, env="Empty-5x5?max_steps=9"))


def test_a_run_on_pictures_leaves_a_gif(tmp_path):
    arguments = ["run", "reward_free", "--env", "RaycastMaze-3x3?goal=False", "--max-steps", "8"]
    small = {"total-steps": 64, "num-envs": 4, "rollout-length": 8, "epochs": 1, "eval-episodes": 2}
    small |= {"seeds": 2, "features": 8, "out": tmp_path / "run"}
    for name, value in small.items():
        arguments += [f"--{name}", str(value)]
    assert main([*arguments, "--widths", "8", "8"]) in (0, None)
    assert list((tmp_path / "run" / "video").glob("*.gif"))
