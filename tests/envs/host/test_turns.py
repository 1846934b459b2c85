"""Steps in two parts: the same as whole ones, in whatever order, and halves that take turns."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import envs
from envs import wrappers
from jaxrl_suite import distributions
from jaxrl_suite.agents import acting
from jaxrl_suite.experiment import ConfigError

FEW = 4


@pytest.fixture(scope="module")
def made():
    env, params = envs.make("NetHackScore-v0", max_steps=12, workers=2)
    yield env, params
    env.unwrapped.close()


def same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(np.testing.assert_array_equal, a, b)


def start(env, params, seed=0):
    return jax.vmap(env.reset, (0, None))(jax.random.split(jax.random.key(seed), FEW), params)


def test_sent_and_received_is_stepped(made):
    env, params = made
    keys = jax.random.split(jax.random.key(0), FEW)
    step = jax.jit(jax.vmap(env.step, (0, 0, 0, None)))
    send = jax.jit(jax.vmap(env.send, (0, 0, 0, None)))
    recv = jax.jit(jax.vmap(env.recv, (0, None)))
    _, whole = start(env, params)
    _, parts = start(env, params)
    for t in range(15):  # past the end of an episode
        action = jax.random.randint(jax.random.key(t), (FEW,), 0, 8)
        *a, whole_info = step(keys, whole, action, params)
        *b, parts_info = recv(send(keys, parts, action, params), params)
        whole, parts = a.pop(1), b.pop(1)
        same((a, whole_info), (b, parts_info))
    # sent twice, with other actions: each receives its own
    first, second = (send(keys, parts, jnp.full(FEW, a), params) for a in (1, 2))
    for sent, a in ((second, 2), (first, 1), (first, 1)):
        same(recv(sent, params)[0], step(keys, whole, jnp.full(FEW, a), params)[0])


def test_a_step_under_way_is_taken_up_after_a_restart(made):
    env, params = made
    keys = jax.random.split(jax.random.key(0), FEW)
    _, state = start(env, params, 1)
    sent = jax.vmap(env.send, (0, 0, 0, None))(keys, state, jnp.ones(FEW, int), params)
    saved = jax.tree.map(np.asarray, sent)
    expected = jax.vmap(env.recv, (0, None))(sent, params)
    env.unwrapped.running.groups.clear()
    got = jax.vmap(env.recv, (0, None))(jax.tree.map(jnp.asarray, saved), params)
    same(expected[0], got[0])


def policy_on(env, params):
    """What to do follows from where the agent stands, so it is the same however games are played."""

    def policy(carry, observation, reset):
        at = observation["blstats"][:, :2].sum(1)
        logits = 1e6 * jax.nn.one_hot((at + carry) % 8, env.action_space(params).n)
        return carry + 1, distributions.policy(env.action_space(params), logits), at / 1.0

    return policy


@pytest.mark.parametrize("seeds", [None, 2])
@pytest.mark.parametrize("length", [1, 2, 9])
def test_halves_in_turns_gather_the_same_rollout(made, length, seeds):
    env, params = made
    policy = policy_on(env, params)

    def gather(key, take_turns):
        carry = jnp.zeros(FEW, jnp.int32)
        first = acting.start(key, key, env, params, FEW, carry, take_turns)
        rolled = []
        for _ in range(2):
            first, steps, choices = acting.rollout(
                key, env, env.action_space(params), policy, first, length, take_turns
            )
            rolled.append((steps, choices))
        return first, rolled

    def run(take_turns):
        key = jax.random.key(3)
        if seeds is None:
            return jax.jit(lambda key: gather(key, take_turns))(key)
        keys = jax.random.split(key, seeds)
        return jax.jit(jax.vmap(lambda key: gather(key, take_turns)))(keys)

    (a, rolled_a), (b, rolled_b) = run(False), run(True)
    same(rolled_a, rolled_b)
    for name in ("base", "episode", "time", "log"):
        same(getattr(a.env_state.env_state, name), getattr(b.env_state.env_state, name))
    same((a.observation, a.reset, a.carry), (b.observation, b.reset, b.carry))


def test_one_half_is_on_its_way_while_the_policy_looks_at_the_other(made, monkeypatch):
    env, params = made
    running, order = env.unwrapped.running, []
    for name in ("send", "recv"):
        play = getattr(running, name)

        def noted(where, action, name=name, play=play):
            order.append((name, int(np.asarray(where)[0, 0])))
            return play(where, action)

        monkeypatch.setattr(running, name, noted)
    first = acting.start(
        jax.random.key(0), jax.random.key(0), env, params, FEW, jnp.zeros(FEW, jnp.int32), True
    )
    jax.block_until_ready(first)
    gather = jax.jit(
        lambda first: acting.rollout(
            jax.random.key(1), env, env.action_space(params), policy_on(env, params), first, 5, True
        )
    )
    jax.block_until_ready(gather(first))
    left, right = np.unique(np.asarray(first.env_state.env_state.group))
    if order[0][1] != right:  # either half may have got the smaller number
        left, right = right, left
    turn = [("send", left), ("recv", right), ("send", right), ("recv", left)]
    assert order[:-2] == [("send", right), *turn * 4, turn[0]]
    assert set(order[-2:]) == {("recv", right), ("recv", left)}


def test_turns_are_for_even_numbers_of_host_games(made):
    env, _ = made
    grid, _ = envs.make("Empty-5x5")
    noisy = wrappers.NoiseChannel(env, 4)
    assert acting.turns(env, 4, True) and not acting.turns(env, 4, False)
    assert not acting.turns(env, 3, False) and not acting.turns(grid, 4, False)
    assert not wrappers.sends(noisy)  # that wrapper knows whole steps only
    with pytest.raises(ConfigError, match="take_turns=True: False, as num_envs is odd"):
        acting.turns(env, 3, True)
    for other in (grid, noisy):
        with pytest.raises(ConfigError, match="is not played on the host"):
            acting.turns(other, 4, True)
