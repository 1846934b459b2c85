"""Host games through `envs.make`: episodes, seeds side by side, faults and errors under jit."""

from __future__ import annotations

import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import envs

N, ACTIONS = 4, 8


@pytest.fixture(scope="module")
def made():
    env, params = envs.make("NetHackScore-v0", max_steps=50, workers=2, deadline=5.0)
    yield env, params
    env.unwrapped.close()


def rollout(env, params, state, key, steps):
    """Random play; the state and everything that each step returned."""

    def step(state, key):
        action_key, key = jax.random.split(key)
        action = jax.random.randint(action_key, (N,), 0, ACTIONS)
        keys = jax.random.split(key, N)
        observation, state, *rest = jax.vmap(env.step, (0, 0, 0, None))(keys, state, action, params)
        return state, (observation, *rest)

    return jax.lax.scan(step, state, jax.random.split(key, steps))


def start(env, params, seed=0, count=N):
    keys = jax.random.split(jax.random.key(seed), count)
    return jax.vmap(env.reset, (0, None))(keys, params)


def test_vmapped_seeds_equal_single_ones(made):
    env, params = made

    def train(key):
        _, state = jax.vmap(env.reset, (0, None))(jax.random.split(key, N), params)
        return rollout(env, params, state, key, 60)[1]

    keys = jax.random.split(jax.random.key(1), 2)
    many = jax.jit(jax.vmap(train))(keys)
    for i in range(2):
        one = jax.jit(train)(keys[i])
        jax.tree.map(lambda a, b, i=i: np.testing.assert_array_equal(a[i], b), many, one)


def test_a_single_environment_without_vmap(made):
    env, params = made
    observation, state = jax.jit(env.reset)(jax.random.key(2), params)
    step = jax.jit(env.step)
    for t in range(3):
        observation, state, *rest = step(jax.random.key(t), state, jnp.int32(1), params)
    *numbers, info = rest
    assert all(x.shape == () for x in numbers)
    assert int(info["episode_length"]) == 3 and int(state.env_state.time) == 3
    assert bool(env.observation_space(params).contains(observation))


def test_episodes_end_and_log(made):
    env, params = made
    _, state = start(env, params)
    play = jax.jit(lambda state, key: rollout(env, params, state, key, 60))
    _, (observation, reward, terminated, truncated, info) = play(state, jax.random.key(0))
    ended = np.asarray(terminated | truncated)
    assert np.asarray(truncated)[49].any() and not np.asarray(truncated)[:49].any()
    np.testing.assert_array_equal(ended, info["episode_done"])
    final, shown = info["final_observation"]["blstats"], observation["blstats"]
    changed = np.any(np.asarray(final != shown), axis=-1)
    assert not changed[~ended].any() and changed[ended].any()
    returns, first = np.cumsum(np.asarray(reward), 0), ended.argmax(0)
    logged = np.asarray(info["episode_return"])[first, np.arange(N)]
    np.testing.assert_allclose(logged, returns[first, np.arange(N)], rtol=1e-5)


def test_a_killed_worker_shows_as_lost_episodes(made):
    env, params = made
    _, state = start(env, params, 6)
    play = jax.jit(lambda state, key: rollout(env, params, state, key, 10))
    state, _ = jax.block_until_ready(play(state, jax.random.key(0)))
    os.kill(env.unwrapped.pool.processes[0].pid, signal.SIGKILL)
    with pytest.warns(UserWarning, match="restarting it"):
        _, (_, _, terminated, truncated, info) = jax.block_until_ready(
            play(state, jax.random.key(1))
        )
    lost = np.asarray(info["lost"])
    assert lost.sum() == N // 2 and lost[0].sum() == N // 2
    assert np.asarray(truncated)[lost].all() and not np.asarray(terminated)[lost].any()


def test_errors_of_games_reach_the_user_and_later_calls_work(made):
    env, params = made
    _, state = start(env, params, 7)
    step = jax.jit(jax.vmap(env.step, (0, 0, 0, None)))
    keys = jax.random.split(jax.random.key(0), N)
    with pytest.raises(Exception, match="IndexError"):
        jax.block_until_ready(step(keys, state, jnp.full(N, 99), params))
    out = jax.block_until_ready(step(keys, start(env, params, 7)[1], jnp.full(N, 1), params))
    assert np.isfinite(out[2]).all()


def test_a_state_is_stepped_from_where_it_stands_after_a_game_has_raised(made):
    """The other games of that step were played on by then."""
    env, params = made
    step = jax.jit(jax.vmap(env.step, (0, 0, 0, None)))
    keys = jax.random.split(jax.random.key(0), N)
    right = jnp.asarray([1, 2, 1, 2])
    expected = jax.device_get(step(keys, start(env, params, 9)[1], right, params))
    for wrong in (0, N - 1):  # a game of the first worker, and one of the second
        _, state = start(env, params, 9)
        with pytest.raises(Exception, match="IndexError"):
            jax.block_until_ready(step(keys, state, right.at[wrong].set(99), params))
        again = jax.device_get(step(keys, state, right, params))
        for name, value in expected[0].items():
            np.testing.assert_array_equal(again[0][name], value)
        np.testing.assert_array_equal(again[1].env_state.time, expected[1].env_state.time)


def test_contexts_are_a_fixed_set_of_games():
    env, params = envs.make("NetHackScore-v0", num_contexts=2, max_steps=5, workers=1)
    observation, _ = start(env, params, 0, count=12)
    maps = {np.asarray(glyphs).tobytes() for glyphs in observation["glyphs"]}
    assert len(maps) == 2
    env.unwrapped.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key": ("glyphs",)}, "did you mean keys"),
        ({"keys": ("glyph",)}, "'glyph' is none of"),
        ({"auto_reset": "bank"}, "resets itself"),
        ({"max_steps": 0}, "max_steps=0"),
        ({"distractors": 2}, "not a grid level"),
        ({"workers": 0}, "workers=0"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        envs.make("NetHackScore-v0", **options)
