"""Dynamic obstacles: MiniGrid plays with our balls' moves; the moves are tested apart."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from minigrid_play import source, world
from scipy import stats

from envs.grid import cells
from envs.grid.minigrid import import_level


@functools.cache
def stepper(name):
    return jax.jit(world(name).step)


def careful(env, rng):
    """Mostly forward where that is safe; 3 to 6 are no actions of this level and count as 0."""
    if rng.random() < 0.15:
        return int(rng.integers(0, 7))
    ahead = env.grid.get(*env.front_pos)
    return 2 if ahead is None or ahead.type == "goal" else 1


def play(name, seed, choose, steps=100):
    """Steps ours, makes MiniGrid's balls go where ours went, and compares all that is returned."""
    env, ours = source(name), world(name)
    env.reset(seed=seed)
    state = import_level(env, ours)
    moves = iter(())

    def place_obj(ball, top, size, max_tries):
        new = tuple(next(moves))
        if new == tuple(ball.cur_pos):
            # ours stayed: only where nothing is free
            around = [(x, y) for x in range(top[0], top[0] + 3) for y in range(top[1], top[1] + 3)]
            free = [c for c in around if env.grid.get(*c) is None and c != tuple(env.agent_pos)]
            assert not free
            raise RecursionError
        assert env.grid.get(*new) is None and new != tuple(env.agent_pos)
        assert max(abs(new[0] - ball.cur_pos[0]), abs(new[1] - ball.cur_pos[1])) == 1
        env.grid.set(*new, ball)
        ball.cur_pos = new

    env.place_obj = place_obj
    rewards = []
    try:
        for t in range(steps):
            action = choose(env, t)
            key = jax.random.fold_in(jax.random.key(seed), t)
            mine = stepper(name)(key, state, jnp.int32(action))
            state = mine[1]
            moves = iter([tuple(map(int, at)) for at in state.extra])
            theirs = env.step(action)
            np.testing.assert_array_equal(mine[0]["image"], theirs[0]["image"])
            assert int(mine[0]["direction"]) == theirs[0]["direction"]
            assert float(mine[2]) == pytest.approx(theirs[1], abs=1e-6)
            assert (bool(mine[3]), bool(mine[4])) == theirs[2:4]
            rewards.append(theirs[1])
            if theirs[2] or theirs[3]:
                break
    finally:
        del env.place_obj
    return rewards


@pytest.mark.parametrize("name", ["Dynamic-Obstacles-Random-5x5", "Dynamic-Obstacles-6x6"])
def test_equals_minigrid_with_our_moves(name):
    last = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        last.append(play(name, seed, lambda env, t, rng=rng: careful(env, rng))[-1])
    assert -1 in last and max(last) > 0  # both ends were reached


def test_touching_the_wall_costs_one():
    assert play("Dynamic-Obstacles-6x6", 0, lambda env, t: (0, 2)[t]) == [0, -1]


def test_balls_move_uniformly():
    ours = world("Dynamic-Obstacles-Random-5x5")
    state = jax.jit(ours.reset)(jax.random.key(0))[1]
    grid = np.full((5, 5), cells.WALL_CELL)
    grid[1:4, 1:4] = cells.EMPTY_CELL
    ball = np.uint8(cells.code(cells.BALL, cells.BLUE))
    grid[2, 2], grid[1, 1] = ball, ball
    state = state.replace(
        columns=jnp.asarray(grid).T,
        position=jnp.array([1, 3], jnp.int32),
        extra=jnp.array([[2, 2], [1, 1]], jnp.int32),
    )
    keys = jax.random.split(jax.random.key(1), 6000)
    after = jax.jit(jax.vmap(ours.level.before_step, in_axes=(0, None, None)))(keys, state, 0)
    places = np.asarray(after.extra)
    # six free cells for the first ball: not its own, not the agent's, not the other ball's
    first = places[:, 0, 1] * 5 + places[:, 0, 0]
    values, counts = np.unique(first, return_counts=True)
    assert len(values) == 6
    assert stats.chisquare(counts).pvalue > 1e-4
    # the second moves when the first has moved: into what is free around its corner by then
    corner = {5 + 2, 10 + 1, 10 + 2}
    for cell in (5 + 2, 10 + 1, 15 + 3):
        second = (places[:, 1, 1] * 5 + places[:, 1, 0])[first == cell]
        values, counts = np.unique(second, return_counts=True)
        assert set(values) == corner - {cell}
        assert stats.chisquare(counts).pvalue > 1e-4
    assert np.all(np.sum(np.asarray(after.grid) == ball, axis=(1, 2)) == 2)


def test_a_ball_that_is_hemmed_in_stays():
    ours = world("Dynamic-Obstacles-Random-5x5")
    state = jax.jit(ours.reset)(jax.random.key(0))[1]
    grid = np.full((5, 5), cells.WALL_CELL)
    ball = np.uint8(cells.code(cells.BALL, cells.BLUE))
    grid[2, 2], grid[2, 3], grid[2, 1] = ball, ball, cells.EMPTY_CELL
    state = state.with_grid(jnp.asarray(grid)).replace(
        position=jnp.array([1, 2], jnp.int32),
        extra=jnp.array([[2, 2], [3, 2]], jnp.int32),
    )
    after = ours.level.before_step(jax.random.key(0), state, jnp.int32(0))
    np.testing.assert_array_equal(after.extra, state.extra)
    np.testing.assert_array_equal(after.grid, state.grid)
