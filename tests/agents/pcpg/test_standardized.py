"""Observations standardised by random play, once."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import envs
from jaxrl_suite.agents.pcpg.standardized import Standardized

STEPS, EPISODES = 20, 32
inside, _ = envs.make("MountainCarContinuous-v0", auto_reset="none", log=False, max_steps=STEPS)
env = Standardized(inside, STEPS, EPISODES)
refresh = jax.jit(env.refresh)


def test_moments_are_those_of_random_play_and_taken_once():
    params = refresh(jax.random.key(0), env.default_params)
    # the car starts at rest between -0.6 and -0.4, and does not get far by chance
    assert -0.6 < params.mean[0] < -0.4
    assert 0.02 < params.deviation[0] < 0.15
    assert abs(params.mean[1]) < 0.005
    assert 0.001 < params.deviation[1] < 0.02
    again = refresh(jax.random.key(1), params)
    np.testing.assert_array_equal(again.mean, params.mean)
    np.testing.assert_array_equal(again.deviation, params.deviation)
    other = refresh(jax.random.key(1), env.default_params)
    assert (np.asarray(other.mean) != params.mean).all()


def test_the_task_is_the_same():
    params = refresh(jax.random.key(0), env.default_params)
    key, action = jax.random.key(2), jnp.ones(1)
    shown, state = env.reset(key, params)
    plain, plain_state = inside.reset(key, params.env)
    for _ in range(2):
        expected = (np.asarray(plain) - params.mean) / params.deviation
        np.testing.assert_allclose(shown, expected, rtol=1e-5)
        shown, state, *rest, _ = env.step(key, state, action, params)
        plain, plain_state, *plain_rest, _ = inside.step(key, plain_state, action, params.env)
        np.testing.assert_array_equal(rest, plain_rest)
    jax.tree.map(np.testing.assert_array_equal, state, plain_state)
    assert env.observation_space(params).sample(key).shape == (2,)
    assert env.action_space(params) == inside.action_space(params.env)
