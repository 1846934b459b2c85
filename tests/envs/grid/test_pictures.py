"""Pictures against MiniGrid's own, and distractors."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from minigrid_play import import_level, source, world

import envs
from envs.grid import cells, render
from envs.grid.level import GridState


@pytest.mark.parametrize(
    "name", ["ObstructedMaze-1Dlh", "LavaGapS6", "PutNear-8x8-N3", "LockedRoom"]
)
def test_looks_like_minigrid(name):
    env, ours = source(name), world(name)
    env.reset(seed=1)
    for action in (0, 2, 2, 5):
        env.step(action)
    mine = ours.render(import_level(env, ours), tile_size=16)
    theirs = env.get_frame(tile_size=16)
    assert mine.shape == theirs.shape and mine.dtype == np.uint8
    assert np.abs(mine.astype(int) - theirs).max() <= 2


@pytest.mark.parametrize("direction", range(4))
def test_agent_points_where_it_looks(direction):
    red = render.tile(int(cells.EMPTY_CELL), direction, False, 20)[..., 0].astype(float)
    tip = [red[:, 10:], red[10:, :], red[:, :10], red[:10, :]]
    # the triangle is thinner on the side of its tip
    assert np.argmin([part.sum() for part in tip]) == direction


def test_bad_arguments():
    ours = world("LavaGapS6")
    _, states = jax.vmap(ours.reset)(jax.random.split(jax.random.key(0), 2))
    with pytest.raises(ValueError, match="without a batch axis"):
        ours.render(states)
    one = jax.tree.map(lambda x: x[0], states)
    with pytest.raises(ValueError, match="tile_size=0"):
        ours.render(one, tile_size=0)


def episode(env, params, steps):
    def step(carry, key):
        state = carry
        action = jax.random.randint(key, (), 0, 7)
        observation, state, reward, terminated, truncated, _ = env.step(key, state, action, params)
        return state, (observation, state, reward, terminated, truncated)

    first, state = env.reset(jax.random.key(3), params)
    return first, jax.lax.scan(step, state, jax.random.split(jax.random.key(4), steps))[1]


def test_distractors_are_seen_and_never_touched():
    plain, params = envs.make("FourRooms", auto_reset="none", log=False, view="full")
    drawn, _ = envs.make("FourRooms", auto_reset="none", log=False, view="full", distractors=6)
    _, (seen, states, *outcome) = jax.jit(lambda: episode(drawn, params, 80))()

    # the level underneath runs as if they were not there
    state = drawn.reset(jax.random.key(3), params)[1].env_state
    assert isinstance(state, GridState)
    keys = jax.random.split(jax.random.key(4), 80)
    step = jax.jit(plain.step)
    for t in range(80):
        action = jax.random.randint(keys[t], (), 0, 7)
        _, state, reward, terminated, truncated, _ = step(keys[t], state, action, params)
        assert (float(outcome[0][t]), bool(outcome[1][t])) == (float(reward), bool(terminated))
        assert bool(outcome[2][t]) == bool(truncated)
        np.testing.assert_array_equal(states.env_state.grid[t], state.grid)

    balls = np.sum(np.asarray(seen["image"])[..., 0] == cells.BALL, axis=(1, 2))
    assert balls.max() <= 6 and balls.min() >= 1
    places = np.asarray(states.places)
    jumps = np.abs(np.diff(places, axis=0)).sum(-1)
    assert jumps.max() == 1 and 0.3 < (jumps == 1).mean() < 0.9
    grids = np.asarray(states.env_state.grid)
    on = grids[np.arange(80)[:, None], places[..., 1], places[..., 0]]
    assert np.all(on == cells.EMPTY_CELL)  # FourRooms has nothing that could be dropped on a ball


@pytest.mark.parametrize("mode", ["exact", "bank"])
def test_distractors_with_auto_reset(mode):
    env, params = envs.make("Empty-5x5", distractors=2, auto_reset=mode, bank_size=4, max_steps=5)
    keys = jax.random.split(jax.random.key(0), 3)
    observation, state = jax.vmap(env.reset, in_axes=(0, None))(keys, params)
    step = jax.jit(jax.vmap(env.step, in_axes=(0, 0, 0, None)))
    for _ in range(7):
        after, state, _, _, _, info = step(keys, state, np.zeros(3, np.int32), params)
        assert jax.tree.map(np.shape, after) == jax.tree.map(np.shape, observation)
        assert info["position"].shape == (3, 2)
    assert np.all(np.asarray(state.episode_length) == 2)
    picture = env.render(jax.tree.map(lambda x: x[0], state), params)
    assert picture.shape == (80, 80, 3)


def test_distractors_need_a_grid_and_a_number():
    with pytest.raises(ValueError, match="distractors=-1"):
        envs.make("Empty-5x5", distractors=-1)
