"""Classic control scaled to [0, 1] beside gymnax's own form."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import envs


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("MountainCar-v0", [-1.2, -0.07], [0.6, 0.07]),
        (
            "Acrobot-v1",
            [-1, -1, -1, -1, -4 * np.pi, -9 * np.pi],
            [1, 1, 1, 1, 4 * np.pi, 9 * np.pi],
        ),
    ],
)
def test_states_are_scaled_and_rewards_are_minus_one(name, low, high):
    plain, params = envs.make(name, auto_reset="none", log=False)
    scaled, _ = envs.make(f"{name}?scaled=True", auto_reset="none", log=False)
    key = jax.random.key(0)
    (a, state), (b, same) = plain.reset(key, params), scaled.reset(key, params)
    low, high = np.array(low), np.array(high)
    for t in range(30):
        np.testing.assert_allclose(b, (np.asarray(a) - low) / (high - low), atol=1e-5)
        assert scaled.observation_space(params).contains(b)
        action = jnp.int32(t % 3)
        a, state, _, _, _, _ = plain.step(key, state, action, params)
        b, same, reward, terminated, _, _ = scaled.step(key, same, action, params)
        assert float(reward) == -1 and not terminated


def test_the_goal_pays_nothing_and_ends():
    env, params = envs.make("MountainCar-v0?scaled=True", auto_reset="none", log=False)
    _, state = env.reset(jax.random.key(0), params)
    state = type(state)(position=jnp.float32(0.49), velocity=jnp.float32(0.05), time=state.time)
    _, _, reward, terminated, _, _ = env.step(jax.random.key(0), state, jnp.int32(2), params)
    assert float(reward) == 0 and terminated


def test_only_where_it_is_defined():
    with pytest.raises(ValueError, match="scaled"):
        envs.make("CartPole-v1?scaled=True")
