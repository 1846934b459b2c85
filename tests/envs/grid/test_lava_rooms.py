"""MultiRoom bounded by lava: the same rooms, and death in their bounds."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

import envs
from envs.grid import cells


def test_rooms_are_those_of_multiroom_with_lava_for_walls():
    keys = jax.random.split(jax.random.key(0), 6)
    plain, lava = (
        jax.vmap(envs.make(name, auto_reset="none", log=False)[0].reset)(keys)[1]
        for name in ("MultiRoom-N6", "MultiRoom-N6-Lava")
    )
    walls, now = cells.kind(plain.grid) == cells.WALL, cells.kind(lava.grid)
    np.testing.assert_array_equal(now == cells.LAVA, walls)
    np.testing.assert_array_equal(now[~walls], cells.kind(plain.grid)[~walls])
    np.testing.assert_array_equal(plain.position, lava.position)


def test_walking_on_ends_in_lava():
    env, params = envs.make("MultiRoom-N4-S5-v1", auto_reset="none", log=False, lava=True)
    step = jax.jit(jax.vmap(env.step, (0, 0, 0, None)))
    keys = jax.random.split(jax.random.key(1), 16)
    _, state = jax.vmap(env.reset, (0, None))(keys, params)
    died = np.zeros(16, bool)
    for _ in range(6):  # a room's sides are 5 at most; only a closed door can be in the way
        _, state, reward, terminated, truncated, _ = step(keys, state, jnp.full(16, 2), params)
        assert not truncated.any() and not np.asarray(reward)[np.asarray(terminated)].any()
        died |= np.asarray(terminated)
    assert died.sum() > 8
