"""Host games under jit, scan and vmap: one callback a batch step, order, resume, what JAX keeps."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import envs
from envs.host import bridge
from envs.host.bridge import HostEnvironment

LIMIT = 40  # steps an episode may take
FEW = 4  # environments


@pytest.fixture(scope="module")
def made():
    env, params = envs.make("NetHackScore-v0", max_steps=LIMIT, workers=2)
    yield env, params
    env.unwrapped.close()


def start(env, params, seed=0, count=FEW):
    return jax.vmap(env.reset, (0, None))(jax.random.split(jax.random.key(seed), count), params)


def rollout(env, params, steps):
    """Random play of `steps` steps, as a jitted scan."""

    @jax.jit
    def run(state, key):
        def body(state, key):
            action = jax.random.randint(key, state.episode_length.shape, 0, 8)
            out = jax.vmap(env.step, (None, 0, 0, None))(key, state, action, params)
            observation, state, reward, terminated, truncated, info = out
            return state, (observation, reward, terminated, truncated, info["final_observation"])

        return jax.lax.scan(body, state, jax.random.split(key, steps))

    return run


def same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_scan_equals_steps_one_by_one_and_the_pool_itself(made):
    env, params = made
    first, state = start(env, params)
    _, scanned = rollout(env, params, 60)(state, jax.random.key(1))
    observation, _, terminated, truncated, final = scanned
    assert (terminated | truncated).sum() >= FEW  # a limit of 40 in 60 steps
    # the pool by hand, with the same seeds and actions
    group = env.unwrapped.pool.group(FEW)
    group.reset(np.asarray(state.env_state.base))
    for t, key in enumerate(jax.random.split(jax.random.key(1), 60)):
        group.send(np.asarray(jax.random.randint(key, (FEW,), 0, 8)))
        batch = group.recv()
        for name in observation:
            np.testing.assert_array_equal(observation[name][t], batch.observation[name])
            np.testing.assert_array_equal(final[name][t], batch.final_observation()[name])
        np.testing.assert_array_equal(truncated[t], batch.truncated)
    group.close()
    # one by one; the state was used up, so this also plays games forward to an old state
    step = jax.jit(jax.vmap(env.step, (None, 0, 0, None)))
    for t, key in enumerate(jax.random.split(jax.random.key(1), 60)):
        action = jax.random.randint(key, (FEW,), 0, 8)
        seen, state, *_ = step(key, state, action, params)
        same(seen, jax.tree.map(lambda x, t=t: x[t], observation))
    assert env.observation_space(params).contains(jax.tree.map(lambda x: x[0], first))


def test_a_state_can_be_resumed_exactly(made):
    env, params = made
    run = rollout(env, params, 30)
    _, state = start(env, params, 2)
    middle, _ = run(state, jax.random.key(5))
    saved = jax.tree.map(np.asarray, middle)
    went_on, expected = jax.block_until_ready(run(middle, jax.random.key(6)))
    assert np.asarray(middle.env_state.time).any()
    for group in list(env.unwrapped.running.groups.values()):  # as after a restart of the program
        group.close()
    env.unwrapped.running.groups.clear()
    resumed, got = run(jax.tree.map(jnp.asarray, saved), jax.random.key(6))
    same(expected, got)
    for name in ("base", "episode", "time", "log"):
        same(getattr(went_on.env_state, name), getattr(resumed.env_state, name))


def test_an_episode_too_long_to_be_played_again_is_cut(made, monkeypatch):
    monkeypatch.setattr(bridge, "MOST_LOGGED", 10)
    env = HostEnvironment(made[0].unwrapped.pool)
    _, state = jax.vmap(env.reset)(jax.random.split(jax.random.key(8), FEW))
    step = jax.jit(jax.vmap(env.step))
    for t in range(12):
        keys = jax.random.split(jax.random.key(t), FEW)
        _, state, *_ = step(keys, state, jnp.zeros(FEW, int))
        if t == 8:
            early = state  # 9 steps: the log holds them
    env.running.groups.clear()
    *_, truncated, info = step(keys, early, jnp.zeros(FEW, int))
    assert not truncated.any() and not info["lost"].any()
    _, after, _, _, truncated, info = step(keys, state, jnp.zeros(FEW, int))
    assert truncated.all() and info["lost"].all()
    assert (np.asarray(after.episode) == np.asarray(state.episode)).all()


def test_one_callback_a_step_under_nested_vmap(made, monkeypatch):
    env, _ = made
    calls = []
    inner = HostEnvironment(env.unwrapped.pool)
    play = inner.running.step
    monkeypatch.setattr(inner.running, "step", lambda *a: calls.append(len(a[0])) or play(*a))
    keys = jax.random.split(jax.random.key(3), (2, 3))  # seeds, environments

    def train(keys):
        _, state = jax.vmap(inner.reset)(keys)

        def body(state, _):
            out = jax.vmap(inner.step)(keys, state, jnp.zeros(3, int))
            return out[1], out[0]["blstats"]

        return jax.lax.scan(body, state, length=7)[1]

    both = jax.jit(jax.vmap(train))(keys)
    jax.block_until_ready(both)
    assert calls == [6] * 7
    np.testing.assert_array_equal(both[1], jax.jit(train)(keys[1]))


def test_gradients_pass_by(made):
    env, params = made
    _, state = start(env, params, 4)

    def loss(weight):
        def body(state, _):
            out = jax.vmap(env.step, (None, 0, 0, None))(
                jax.random.key(0), state, jnp.zeros(FEW, int), params
            )
            seen = jax.lax.stop_gradient(out[0]["blstats"].astype(jnp.float32))
            return out[1], (weight * seen).sum()

        return jax.lax.scan(body, state, length=3)[1].sum()

    value, slope = jax.jit(jax.value_and_grad(loss))(2.0)
    assert slope != 0 and value == pytest.approx(2 * slope)


def test_what_jax_holds_does_not_change_later(made):
    """Shared memory is written in place by the workers: arrays given to JAX must be its own."""
    env, params = made
    _, state = start(env, params, 5, 16)
    step = jax.jit(jax.vmap(env.step, (None, 0, 0, None)))
    kept, copies = [], []
    for t in range(12):
        observation, state, *_, info = step(jax.random.key(t), state, jnp.full(16, t % 8), params)
        kept.append((observation, info))
        copies.append(jax.tree.map(lambda x: np.array(x, copy=True), (observation, info)))
    same(jax.tree.map(np.asarray, kept), copies)


def test_games_no_longer_used_are_ended(made):
    env, params = made
    most, others = env.unwrapped.running.most_groups, set(env.unwrapped.pool.groups)
    for seed in range(most + 3):
        start(env, params, seed, 2)
    assert len(env.unwrapped.running.groups) == most
    assert len(set(env.unwrapped.pool.groups) - others) == most  # 3 more were begun, and ended


def test_names_and_options_are_told():
    with pytest.raises(envs.UnknownEnvironment, match="NetHackScore-v0"):
        envs.make("NetHackScor-v0")
    with pytest.raises(envs.UnknownOption, match="did you mean character"):
        envs.make("NetHackScore-v0", charakter="mon-hum-neu-mal")
    with pytest.raises(envs.UnknownOption, match="penalty_mode='sqare'"):
        envs.make("NetHackScore-v0", penalty_mode="sqare")
    with pytest.raises(envs.UnknownOption, match="workers=0"):
        envs.make("NetHackScore-v0", workers=0)
