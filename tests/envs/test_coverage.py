"""Coverage: returns are shares of the map, counted by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

import envs
from envs.grid import cells


@pytest.mark.parametrize(
    "name", ["MultiRoom-N2-S4", "RaycastMaze-3x3?goal=False", "LavaCrossingS9N1"]
)
def test_returns_are_shares_of_the_places_visited(name):
    env, params = envs.make(name, coverage=True, auto_reset="none", max_steps=80)
    reset, step = jax.jit(env.reset), jax.jit(env.step)
    _, state = reset(jax.random.key(1), params)
    inside = state.env_state.env_state.env_state  # of the log, the time limit, the coverage
    if hasattr(inside, "blocks"):
        free = np.asarray(inside.blocks).T == 0
    else:
        kind = np.asarray(cells.kind(inside.columns))
        labels, _ = ndimage.label((kind != cells.WALL) & (kind != cells.LAVA))
        free = labels == labels[tuple(np.asarray(inside.position))]
    visited, rng = set(), np.random.default_rng(0)
    for _ in range(80):
        action = jnp.int32(rng.choice(3, p=[0.2, 0.2, 0.6]))
        _, state, reward, terminated, truncated, info = step(
            jax.random.key(0), state, action, params
        )
        place = tuple(np.asarray(info["position"]).tolist())
        np.testing.assert_allclose(reward, (place not in visited) / free.sum(), rtol=1e-6)
        visited.add(place)
        np.testing.assert_allclose(info["episode_return"], len(visited) / free.sum(), rtol=1e-5)
        if terminated or truncated:
            break
    assert len(visited) > 3


def test_distractors_are_looked_through_and_resets_forget():
    env, params = envs.make("Empty-5x5", coverage=True, distractors=2, max_steps=3)
    _, state = env.reset(jax.random.key(0), params)
    total = []
    for _ in range(4):
        _, state, reward, *_ = env.step(jax.random.key(0), state, jnp.int32(0), params)
        total.append(float(reward))
    np.testing.assert_allclose(total, [1 / 9, 0, 0, 1 / 9], rtol=1e-6)


def test_environments_without_a_map_are_refused():
    with pytest.raises(ValueError, match="CartPole-v1 has no map|has no map of places"):
        envs.make("CartPole-v1", coverage=True)
