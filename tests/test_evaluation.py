"""Evaluated episodes: against a plain loop on the host, under vmap, and without a limit of steps."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import envs
from jaxrl_suite import evaluation


def uniform(actions: int) -> evaluation.Act:
    def act(key: jax.Array, memory: Any, observation: Any, reset: jax.Array) -> Any:
        return memory, jax.random.randint(key, reset.shape, 0, actions)

    return act


def by_hand(key: jax.Array, env: Any, params: Any, act: Any, number: int) -> dict[str, float]:
    """The same episodes one step at a time, with the same keys, each on to its own end."""
    refresh_key, reset_key, key = jax.random.split(key, 3)
    params = env.refresh(refresh_key, params)
    most = min(evaluation.horizon(env), evaluation.LONGEST)
    keys = jax.random.split(key, most)
    observation, state = jax.vmap(env.reset, (0, None))(
        evaluation.batch_keys(reset_key, number), params
    )
    step_env = jax.jit(jax.vmap(env.step, (0, 0, 0, None)))
    total, length, over = np.zeros(number), np.zeros(number), np.zeros(number, bool)
    reset = jnp.ones(number, bool)
    for key in keys:
        action_key, step_key = jax.random.split(key)
        _, action = act(action_key, (), observation, reset)
        batch = evaluation.batch_keys(step_key, number)
        observation, state, reward, terminated, truncated, _ = step_env(
            batch, state, action, params
        )
        reset = terminated | truncated
        total, length = total + ~over * np.asarray(reward), length + ~over
        over = over | np.asarray(reset)
    return {"return": total.mean(), "length": length.mean(), "solved": (total > 0).mean()}


def test_the_same_as_step_by_step_and_every_seed_by_itself() -> None:
    env, params = envs.make("CartPole-v1", max_steps=40)
    keys = jax.random.split(jax.random.key(0), 3)
    act = uniform(2)
    batched = jax.jit(jax.vmap(lambda key: evaluation.episodes(key, env, params, act, (), 5)))(keys)
    for index, key in enumerate(keys):
        expected = by_hand(key, env, params, act, 5)
        for name, value in expected.items():
            np.testing.assert_allclose(batched[name][index], value, rtol=1e-6)
    assert len(set(batched["length"].tolist())) == 3  # the seeds end at different steps


@dataclasses.dataclass
class Counted:
    """Counts what the host does for one environment's games."""

    step: int = 0
    restore: int = 0


def test_host_games_stop_with_the_last_episode_and_are_never_played_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    env, params = envs.make("gym:CartPole-v1?max_steps=1000000&workers=1")
    assert evaluation.horizon(env) == 1_000_000
    counted, running = (
        Counted(),
        env.unwrapped.running if hasattr(env, "unwrapped") else env.running,
    )
    for name, own in (("step", running.step), ("restore", running.restore)):

        def counting(*args: Any, name: str = name, own: Any = own) -> Any:
            setattr(counted, name, getattr(counted, name) + 1)
            return own(*args)

        monkeypatch.setattr(running, name, counting)
    keys = jax.random.split(jax.random.key(1), 2)
    function = jax.vmap(lambda key: evaluation.episodes(key, env, params, uniform(2), (), 3))
    result = jax.device_get(jax.jit(function)(keys))
    assert (result["length"] > 8).all()
    assert (result["length"] < 100).all()
    assert counted.restore == 0
    assert result["length"].max() <= counted.step < 200


def test_an_episode_without_an_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "LONGEST", 30)
    env, params = envs.make("Pendulum-v1", max_steps=500)
    result = evaluation.episodes(
        jax.random.key(0), env, params, lambda key, memory, o, r: (memory, jnp.zeros((2, 1))), (), 2
    )
    assert float(result["length"]) == 30


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Empty-5x5?max_steps=9&noise=2", True),
        ("RaycastMaze-3x3", True),
        ("Empty-5x5?coverage=true", False),
        ("CartPole-v1", False),
        ("Pendulum-v1", False),
        ("NetHackScore-v0?workers=1", False),
        ("NetHackStaircase-v0?workers=1", True),
        ("MiniHack-Room-5x5-v0?workers=1", True),
        ("gym:CartPole-v1?workers=1", False),
    ],
)
def test_solved_is_shown_where_it_means_something(name, shown):
    env, _ = envs.make(name)
    assert ("solved" in evaluation.headline(env, "loss")) == shown
    assert evaluation.headline(env, "loss")[0] == "episode_return"
