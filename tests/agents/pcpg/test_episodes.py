"""Roll-in: who acts when, what is recorded, and what the learner is shown."""

from __future__ import annotations

import distrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import envs
from envs import spaces
from jaxrl_suite.agents.pcpg import episodes
from jaxrl_suite.exploration.bonus import Transitions

H, N = 6, 8


def constant(action, actions=10):
    """A policy that nearly always takes one action; its value is the number of steps it has seen."""

    def act(observation):
        logits = jnp.full((N, actions), -20.0).at[:, action].set(0.0)
        return distrax.Categorical(logits=logits), observation[:, 3:].argmax(-1).astype(jnp.float32)

    return act


def gathered(roll_in):
    env, params = envs.make("BidirectionalLock-H6", auto_reset="none", log=False)
    arguments = (env, params, spaces.Discrete(10), constant(3), N, H)
    return episodes.gather(jax.random.key(0), *arguments, roll_in)


def test_the_cover_acts_before_the_learner():
    start = jnp.asarray([0, 1, 2, 3, 4, 5, 5, 0])
    roll_in = episodes.RollIn(lambda key, seen: jnp.full(N, 7), start, jnp.zeros(N))
    found = gathered(roll_in)
    own = np.arange(H)[:, None] >= np.asarray(start)
    np.testing.assert_array_equal(found.own, own)
    np.testing.assert_array_equal(found.steps.action, np.where(own, 3, 7))
    assert found.steps.terminated[-1].all()
    assert not found.steps.done[:-1].any()
    np.testing.assert_allclose(np.asarray(found.log_prob)[own], 0.0, atol=1e-4)
    np.testing.assert_array_equal(found.next_value[:-1], found.value[1:])
    # observations follow from the actions: the first action's half picks the lock
    np.testing.assert_array_equal(found.steps.observation[1, :, -1], found.steps.action[0] >= 5)


def test_the_first_own_action_is_mixed_and_its_probability_the_mixture():
    eps = 0.5
    start = jnp.full(N, 2)
    found = gathered(episodes.RollIn(lambda key, seen: jnp.full(N, 7), start, jnp.full(N, eps)))
    actions, log_prob = np.asarray(found.steps.action), np.asarray(found.log_prob)
    assert (actions[3:] == 3).all()
    assert (actions[2] != 3).any()
    pi = np.where(actions[2] == 3, 1.0, np.exp(-20.0))
    np.testing.assert_allclose(log_prob[2], np.log((1 - eps) * pi + eps / 10), rtol=1e-4)


@settings(deadline=None, max_examples=20)
@given(groups=st.integers(1, 5), half=st.integers(1, 4), horizon=st.integers(1, 9), data=st.data())
def test_the_learner_gets_as_many_steps_whatever_the_lengths(groups, half, horizon, data):
    rolled = data.draw(st.integers(0, groups))
    seed = data.draw(st.integers(0, 1000))
    start = np.asarray(
        episodes.starts(jax.random.key(seed), groups, 2 * half, horizon, rolled)
    ).reshape(groups, 2 * half)
    assert start.min() >= 0
    assert start.max() < horizon
    assert (start[rolled:] == 0).all()
    steps = (horizon - start).sum()
    assert steps == episodes.own_steps(groups, 2 * half, horizon, rolled)


def test_lengths_are_uniform():
    start = episodes.starts(jax.random.key(1), 100, 60, 5, 100)
    share = np.bincount(np.asarray(start), minlength=5) / start.size
    np.testing.assert_allclose(share, 0.2, atol=0.02)


def test_what_follows_an_end_is_not_valid():
    env, params = envs.make("Empty-5x5", auto_reset="none", log=False, max_steps=12)
    forwards = jnp.full((N, 7), -9.0).at[:, 1].set(0.0).at[:, 2].set(0.5)  # turn right and walk

    def act(observation):
        return distrax.Categorical(logits=forwards), jnp.zeros(N)

    found = episodes.gather(jax.random.key(2), env, params, spaces.Discrete(7), act, N, 12)
    done = np.asarray(found.steps.done)
    assert found.steps.terminated.any()
    first = np.where(done.any(0), done.argmax(0), 11)
    np.testing.assert_array_equal(found.valid, np.arange(12)[:, None] <= first)
    reward = np.asarray(found.steps.reward)
    expected = [reward[: first[i] + 1, i].sum() for i in range(N)]
    np.testing.assert_allclose(episodes.returns(found), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("space", "density"),
    [(spaces.Discrete(4), 0.25), (spaces.Box(-3.0, 3.0, (2,)), 0.25)],
)
def test_uniform_actions_and_their_density(space, density):
    assert episodes.uniform_density(space) == density
    actions = episodes.uniform_actions(jax.random.key(0), space, 500)
    assert actions.shape == (500, *space.shape)
    if isinstance(space, spaces.Box):
        np.testing.assert_allclose(np.histogram(actions, 4, (-1, 1))[0] / 1000, 0.25, atol=0.05)


@pytest.mark.parametrize(("told", "expected"), [(True, [0, 1, 0]), (False, [1, 1, 0])])
def test_success_is_that_of_the_last_valid_step(told, expected):
    """What follows an end is another episode's; without `info["success"]` the return decides."""
    reward = jnp.asarray([[0.1, 0.0, 0.0], [0.0, 5.0, -1.0], [0.0, 9.0, 9.0]])
    valid = jnp.asarray([[True, True, True], [True, True, True], [True, False, False]])
    success = jnp.asarray([[False, False, False], [False, True, False], [False, False, True]])
    nothing = jnp.zeros((3, 3))
    info = {"success": success, "place": nothing} if told else {"place": nothing}
    steps = Transitions(nothing, nothing, nothing, reward, nothing, nothing, nothing, info)
    found = episodes.Episodes(steps, nothing, nothing, nothing, valid, valid)
    np.testing.assert_array_equal(episodes.successes(found), expected)
