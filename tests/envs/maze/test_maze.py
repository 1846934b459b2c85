"""Mazes: a tree by an independent search, the generator's rule beside a NumPy one, rewards by hand."""

from __future__ import annotations

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import envs
from envs.maze import Maze
from envs.maze.dig import dig

MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))


def neighbours(cell):
    return [(cell[0] + y, cell[1] + x) for y, x in MOVES]


def flood(opened, start):
    """Breadth-first distances from `start`."""
    distance, queue = {start: 0}, collections.deque([start])
    while queue:
        here = queue.popleft()
        for there in neighbours(here):
            if there in opened and there not in distance:
                distance[there] = distance[here] + 1
                queue.append(there)
    return distance


def cells(grid):
    return {(int(y), int(x)) for y, x in np.argwhere(np.asarray(grid))}


def reference(rng, side):
    """The rule, by recursion over cells in random order."""
    start = tuple(int(x) for x in rng.integers(side, size=2))
    opened, path = {start}, [(start, 0)]
    while path:
        here, way = path[-1]
        ways = [way] if len(path) > 2 and way != path[-2][1] else range(4)
        free = []
        for i in ways:
            there = neighbours(here)[i]
            inside = min(there) >= 0 and max(there) < side
            joined = sum(cell in opened for cell in neighbours(there))
            if inside and there not in opened and joined == 1:
                free.append((there, i))
        if free:
            path.append(free[rng.integers(len(free))])
            opened.add(path[-1][0])
        else:
            path.pop()
    return opened


def test_open_cells_are_a_tree_for_every_size():
    for side in (1, 2, 3, 8, 18):
        grids = jax.jit(jax.vmap(lambda k, s=side: dig(k, s)))(
            jax.random.split(jax.random.key(side), 20)
        )
        for grid in np.asarray(grids):
            opened = cells(grid)
            edges = sum(n in opened for cell in opened for n in neighbours(cell)) // 2
            assert edges == len(opened) - 1  # no loop ...
            assert len(flood(opened, next(iter(opened)))) == len(opened)  # ... and connected
        assert side < 3 or len({grid.tobytes() for grid in np.asarray(grids)}) > 10


def test_mazes_have_the_rules_distribution():
    """Numbers of open cells and of dead ends beside the reference's, to four standard errors."""
    rng, side, count = np.random.default_rng(0), 8, 1_000
    grids = jax.jit(jax.vmap(lambda k: dig(k, side)))(jax.random.split(jax.random.key(1), count))

    def features(opened):
        ends = sum(sum(n in opened for n in neighbours(c)) == 1 for c in opened)
        return len(opened), ends

    ours = np.array([features(cells(grid)) for grid in grids])
    theirs = np.array([features(reference(rng, side)) for _ in range(count)])
    error = np.sqrt(ours.var(0) / count + theirs.var(0) / count)
    assert (np.abs(ours.mean(0) - theirs.mean(0)) < 4 * error).all(), (ours.mean(0), theirs.mean(0))


def test_the_shortest_way_is_worth_what_it_should():
    env = Maze(10)
    step = jax.jit(env.step)
    for seed in range(5):
        observation, state = jax.jit(env.reset)(jax.random.key(seed))
        observation = np.asarray(observation)
        assert observation.shape == (10, 10, 3) and observation[..., 1:].sum() == 2
        assert observation[0].all(-1).sum() == 0 and observation[[0, -1], :, 0].all()
        opened = cells(observation[..., 0] == 0)
        start, goal = (next(iter(cells(observation[..., plane]))) for plane in (1, 2))
        assert start != goal and {start, goal} <= opened
        distance = flood(opened, goal)
        here, total, over = start, 0.0, False
        while not over:
            way = min(range(4), key=lambda i: distance.get(neighbours(here)[i], 999))
            here = neighbours(here)[way]
            observation, state, reward, over, cut, info = step(
                jax.random.key(0), state, jnp.int32(way)
            )
            total += float(reward)
            assert tuple(np.asarray(info["position"])[::-1]) == here and not cut
            assert np.asarray(observation)[..., 1].sum() == np.asarray(observation)[here][1] == 1
        assert here == goal and np.asarray(observation)[..., 2].sum() == 0
        np.testing.assert_allclose(total, 2 - 0.2 * (distance[start] - 1), rtol=1e-5)


def test_walls_stop_and_cost():
    env = Maze(5)
    observation, state = env.reset(jax.random.key(3))
    walls = np.asarray(observation)[..., 0]
    here = tuple(np.asarray(state.position))
    for way in range(4):
        blocked = walls[neighbours(here)[way]] == 1
        _, after, reward, _, _, _ = env.step(jax.random.key(0), state, jnp.int32(way))
        assert (tuple(np.asarray(after.position)) == here) == blocked
        if blocked:
            assert float(reward) == -0.5


def test_time_limit_and_reward_free_form():
    env = Maze(5, goal=False, steps=3)
    observation, state = env.reset(jax.random.key(0))
    assert np.asarray(observation)[..., 2].sum() == 0
    for t in range(3):
        _, state, reward, over, cut, _ = env.step(jax.random.key(t), state, jnp.int32(t))
        assert float(reward) == 0 and not over and bool(cut) == (t == 2)


def test_fixed_mazes_are_the_seeds_own():
    env, params = envs.make("Maze-10?fixed=True")
    keys = jax.random.split(jax.random.key(0), 3)
    own = jax.vmap(env.refresh, (0, None))(keys, params)
    again = jax.vmap(env.refresh)(keys[::-1], own)
    first = jax.vmap(env.reset)(keys, own)[0]
    assert np.array_equal(first, jax.vmap(env.reset)(keys[::-1], again)[0])
    assert len({np.asarray(maze).tobytes() for maze in first}) == 3
    other = envs.make("Maze-10", auto_reset="none")[0]
    drawn = [np.asarray(other.reset(key)[0]).tobytes() for key in keys]
    assert len(set(drawn)) == 3


def test_episodes_go_on_and_are_drawn():
    env, params = envs.make("Maze-5", bank_size=4)
    observation, state = env.reset(jax.random.key(0), params)
    step = jax.jit(env.step)
    ended = 0
    for t in range(150):
        key = jax.random.key(t)
        action = jax.random.randint(key, (), 0, 4)
        observation, state, _, terminated, truncated, info = step(key, state, action, params)
        ended += int(terminated | truncated)
        assert env.observation_space(params).contains(observation)
        assert np.array_equal(info["final_observation"], observation) or ended
    assert ended >= 1
    picture = env.render(state, params)
    assert picture.dtype == np.uint8 and picture.shape == (320, 320, 3)


def test_coverage_pays_new_places():
    env, params = envs.make("Maze-5", auto_reset="none", coverage=True, log=False)
    _, state = env.reset(jax.random.key(0), params)
    total = 0.0
    for t in range(60):
        key = jax.random.key(t)
        _, state, reward, *_ = env.step(key, state, jax.random.randint(key, (), 0, 4), params)
        total += float(reward)
    assert total == pytest.approx(float(state.visited.sum() / state.places.sum())) and total > 0.3


@pytest.mark.parametrize(("options", "message"), [({"size": 3}, "size=3"), ({"steps": 0}, "steps")])
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        envs.make("Maze-5", **options)
