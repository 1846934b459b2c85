"""Wrappers: what they add, and that they change nothing else."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import envs
from envs import wrappers
from jaxrl_suite import evaluation

LEVEL = "Empty-Random-5x5"


def rollout(env, params, num_envs, steps, seed, refresh_every=0):
    """Random actions: `info` and outcomes, `[steps, num_envs, ...]`."""
    vmapped = jax.vmap(env.step, in_axes=(0, 0, 0, None))

    def step(carry, t):
        key, state, params = carry
        key, act_key, step_key, fresh_key = jax.random.split(key, 4)
        if refresh_every:
            fresh = env.refresh(fresh_key, params)
            now = t % refresh_every == 0
            params = jax.tree.map(lambda a, b: jnp.where(now, a, b), fresh, params)
        actions = jax.random.randint(act_key, (num_envs,), 0, 3)
        keys = jax.random.split(step_key, num_envs)
        observation, state, reward, terminated, truncated, info = vmapped(
            keys, state, actions, params
        )
        return (key, state, params), (observation, state, reward, terminated, truncated, info)

    key, reset_key = jax.random.split(jax.random.key(seed))
    keys = jax.random.split(reset_key, num_envs)
    first, state = jax.vmap(env.reset, in_axes=(0, None))(keys, params)
    _, out = jax.lax.scan(step, (key, state, params), jnp.arange(steps))
    return first, out


def test_exact_and_bank_give_the_same_episodes():
    lengths, returns = {}, {}
    for mode in ("exact", "bank"):
        env, params = envs.make(LEVEL, auto_reset=mode, bank_size=64, max_steps=20)
        run = jax.jit(lambda e=env, p=params: rollout(e, p, 96, 200, 1, refresh_every=20))
        *_, info = run()[1]
        done = np.asarray(info["episode_done"])
        lengths[mode] = np.asarray(info["episode_length"])[done]
        returns[mode] = np.asarray(info["episode_return"])[done]
        assert done.sum() > 900
    assert stats.ks_2samp(lengths["exact"], lengths["bank"]).pvalue > 1e-3
    assert stats.ks_2samp(returns["exact"], returns["bank"]).pvalue > 1e-3
    solved = {mode: np.mean(r > 0) for mode, r in returns.items()}
    assert 0.05 < solved["exact"] < 0.95
    # what the comparison would notice: another start
    env, params = envs.make("Empty-5x5", auto_reset="exact", max_steps=20)
    *_, info = jax.jit(lambda: rollout(env, params, 96, 200, 1))()[1]
    other = np.asarray(info["episode_length"])[np.asarray(info["episode_done"])]
    assert stats.ks_2samp(lengths["exact"], other).pvalue < 1e-3


@pytest.mark.parametrize("mode", ["exact", "bank"])
def test_final_observation_and_fresh_start(mode):
    inner, _ = envs.make(LEVEL, auto_reset="none", log=False)
    env, params = envs.make(LEVEL, auto_reset=mode, bank_size=16, log=False)
    step, inner_step = jax.jit(env.step), jax.jit(inner.step)
    key = jax.random.key(0)
    observation, state = env.reset(key, params)
    ended = 0
    for t in range(400):
        key = jax.random.fold_in(key, t)
        action = jax.random.randint(key, (), 0, 3)
        plain = inner_step(key, state, action)
        observation, state, reward, terminated, truncated, info = step(key, state, action, params)
        for mine, theirs in zip(
            jax.tree.leaves(info["final_observation"]), jax.tree.leaves(plain[0]), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)
        assert float(reward) == pytest.approx(float(plain[2]), abs=1e-6)
        assert bool(terminated) == bool(plain[3])
        done = bool(terminated | truncated)
        ended += done
        assert int(state.time) == (0 if done else int(plain[1].time))
        expected = inner.observe(state)
        for mine, theirs in zip(
            jax.tree.leaves(observation), jax.tree.leaves(expected), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)
    assert ended >= 3


def test_a_bank_serves_its_levels_and_refresh_replaces_them():
    env, params = envs.make("FourRooms", auto_reset="bank", bank_size=3, log=False)
    keys = jax.random.split(jax.random.key(1), 60)
    grids = np.asarray(jax.vmap(env.reset, in_axes=(0, None))(keys, params)[1].grid)
    served = {g.tobytes() for g in grids}
    assert served == {g.tobytes() for g in np.asarray(params.bank[1].grid)}
    fresh = jax.jit(env.refresh)(jax.random.key(2), params)
    assert not served & {g.tobytes() for g in np.asarray(fresh.bank[1].grid)}
    assert jax.tree.structure(fresh) == jax.tree.structure(params)


def test_episode_log_adds_up():
    env, params = envs.make(LEVEL, auto_reset="exact", max_steps=15)
    _, (_, _, reward, terminated, truncated, info) = jax.jit(
        lambda: rollout(env, params, 8, 90, 2)
    )()
    total, length = np.zeros(8), np.zeros(8, int)
    for t in range(90):
        total, length = total + np.asarray(reward[t]), length + 1
        np.testing.assert_allclose(info["episode_return"][t], total, atol=1e-6)
        np.testing.assert_array_equal(info["episode_length"][t], length)
        done = np.asarray(terminated[t] | truncated[t])
        np.testing.assert_array_equal(info["episode_done"][t], done)
        total, length = np.where(done, 0, total), np.where(done, 0, length)
    assert np.asarray(terminated).any() and np.asarray(truncated).any()


def test_time_limit():
    env, params = envs.make("Empty-8x8", max_steps=4)
    _, (_, _, _, terminated, truncated, info) = rollout(env, params, 2, 12, 0)
    assert not np.any(terminated)
    np.testing.assert_array_equal(truncated[:, 0], [False, False, False, True] * 3)
    assert int(np.max(info["episode_length"])) == 4
    with pytest.raises(ValueError, match="max_steps=0"):
        envs.make("Empty-8x8", max_steps=0)


@pytest.mark.parametrize("name", ["Empty-5x5", "RaycastMaze-3x3?goal=False", "MountainCar-v0"])
def test_time_limit_beyond_the_environments_own(name):
    own = evaluation.horizon(envs.make(name)[0])
    env, params = envs.make(name, max_steps=own + 30, auto_reset="none")
    assert evaluation.horizon(env) == own + 30
    for given in (params, None):
        _, state = env.reset(jax.random.key(0), given)

        def step(state, key, given=given):
            _, state, _, terminated, truncated, _ = env.step(key, state, jnp.int32(0), given)
            return state, (terminated, truncated)

        keys = jax.random.split(jax.random.key(1), own + 30)
        _, (terminated, truncated) = jax.lax.scan(step, state, keys)
        assert not terminated.any() and np.flatnonzero(truncated).tolist() == [own + 29]


def test_a_lock_s_horizon_is_its_task():
    assert envs.make("DiabolicalLock-H10", max_steps=10)
    with pytest.raises(envs.UnknownOption, match="max_steps=11: at most DiabolicalLock-H10's 10"):
        envs.make("DiabolicalLock-H10", max_steps=11)


def test_fixed_contexts():
    def levels(num, seed):
        env, params = envs.make(
            "FourRooms", auto_reset="none", log=False, num_contexts=num, context_seed=seed
        )
        keys = jax.random.split(jax.random.key(5), 120)
        state = jax.jit(jax.vmap(env.reset, in_axes=(0, None)))(keys, params)[1]
        rows = [np.asarray(x).reshape(120, -1) for x in (state.grid, state.position)]
        return {r.tobytes() for r in np.concatenate(rows, axis=1)}

    five = levels(5, 0)
    assert len(five) == 5
    assert levels(5, 0) == five
    assert not levels(5, 1) & five
    assert levels(2, 0) < five  # the first of them: fewer contexts are a part of more
    with pytest.raises(ValueError, match="num_contexts=0"):
        levels(0, 0)


def test_noise_and_time_counter():
    env, params = envs.make(LEVEL, auto_reset="exact", max_steps=10, noise=64, time_counter=True)
    first, (seen, _, _, terminated, truncated, info) = jax.jit(
        lambda: rollout(env, params, 4, 60, 3)
    )()
    assert set(first) == {"image", "direction", "mission", "noise", "time"}
    noise = np.asarray(seen["noise"])
    assert noise.shape == (60, 4, 64) and set(np.unique(noise)) == {0.0, 1.0}
    assert abs(noise.mean() - 0.5) < 0.02
    flat = noise.reshape(240, 64)
    assert len({row.tobytes() for row in flat}) == 240  # no observation repeats
    done = np.asarray(terminated | truncated)
    length = np.asarray(info["episode_length"])
    np.testing.assert_allclose(seen["time"][..., 0], np.where(done, 0, length) / 100)
    np.testing.assert_allclose(info["final_observation"]["time"][..., 0], length / 100)
    final = np.asarray(info["final_observation"]["noise"])
    same = np.all(final == noise, axis=-1)
    np.testing.assert_array_equal(same, ~done)
    with pytest.raises(ValueError, match="noise=-1"):
        envs.make(LEVEL, noise=-1)


def test_bad_auto_reset():
    with pytest.raises(ValueError, match="'exact', 'bank' or 'none'"):
        envs.make(LEVEL, auto_reset="never")
    with pytest.raises(ValueError, match="bank_size=0"):
        envs.make(LEVEL, auto_reset="bank", bank_size=0)


def test_unwrapped_and_attributes_pass_through():
    env, _ = envs.make(LEVEL, max_steps=4, noise=1, time_counter=True)
    assert isinstance(env, wrappers.Wrapper)
    assert env.name == LEVEL and env.unwrapped.level.name == LEVEL and env.level.width == 5
    assert env.action_space().n == env.num_actions == 7
    with pytest.raises(AttributeError):
        _ = env.no_such_thing
