"""The maze, the camera and the walk against slow and independent ones."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

import envs
from envs.raycast import maze, view
from envs.raycast.world import BODY, FORWARD, LEFT, RIGHT, RaycastMaze


def joined(right, below):
    """Number of edges and of connected parts."""
    n = right.shape[0]
    at = np.arange(n * n).reshape(n, n)
    a = np.concatenate([at[:, :-1][right], at[:-1][below]])
    b = np.concatenate([at[:, 1:][right], at[1:][below]])
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(n * n, n * n))
    return len(a), connected_components(graph, directed=False)[0]


@pytest.mark.parametrize("rooms", [2, 3, 6])
def test_mazes_are_spanning_trees(rooms):
    draw = jax.jit(jax.vmap(lambda key: maze.openings(key, rooms, 0.0)))
    right, below = map(np.asarray, draw(jax.random.split(jax.random.key(0), 50)))
    for pair in zip(right, below, strict=True):
        assert joined(*pair) == (rooms**2 - 1, 1)
    if rooms == 2:  # each of the four trees, equally likely by symmetry
        codes = np.unique(np.concatenate([right.reshape(50, -1), below.reshape(50, -1)], 1), axis=0)
        assert len(codes) == 4


def test_loops_open_more_walls():
    right, below = maze.openings(jax.random.key(0), 5, 1.0)
    assert right.all() and below.all()
    free = ~np.asarray(maze.walls(right, below))
    assert free[1:-1, 1:-1].sum() == 25 + 40 and not free[0].any() and not free[:, -1].any()


def a_map(key, side=9):
    """Random blocks in a closed border, and a free place in them."""
    blocks = np.array(jax.random.randint(key, (side, side), 0, 2 * view.COLORS))
    blocks[blocks > view.COLORS] = 0
    blocks[[0, -1]] = blocks[:, [0, -1]] = 1
    blocks[4, 4] = 0
    return blocks.astype(np.uint8)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), angle=st.floats(0, 6.28), x=st.floats(0.1, 0.9))
def test_rays_meet_what_a_march_in_small_steps_meets(seed, angle, x):
    blocks = a_map(jax.random.key(seed))
    position = np.array([4 + x, 4 + (seed % 100) / 125 + 0.1])
    rays = np.asarray(view.camera(jnp.float32(angle), 7, np.pi / 2), np.float64)
    hit = view.cast(jnp.asarray(blocks), jnp.asarray(position, jnp.float32), jnp.asarray(rays))
    step = 1e-3
    for i, ray in enumerate(rays):
        t = np.arange(0, 14, step)
        column, row = np.floor(position[:, None] + t * ray[:, None]).astype(int).clip(0, 8)
        first = np.argmax(blocks[row, column] > 0)
        # a ray through a corner may slip past it in either
        if abs(t[first] - hit.depth[i]) > 2 * step:
            corner = position + min(t[first], float(hit.depth[i])) * ray
            assert np.abs(corner - np.round(corner)).max() < 5e-3
        elif (
            np.abs(position + hit.depth[i] * ray - np.round(position + hit.depth[i] * ray)).max()
            > 5e-3
        ):
            assert hit.color[i] == blocks[row[first], column[first]]


def test_camera_spans_its_field_of_view_with_depth_one_ahead():
    rays = np.asarray(view.camera(jnp.float32(0.3), 400, np.pi / 3), np.float64)
    ahead = np.array([np.cos(0.3), np.sin(0.3)])
    np.testing.assert_allclose(rays @ ahead, 1, atol=1e-6)
    angles = np.arctan2(rays[:, 1], rays[:, 0]) - 0.3
    np.testing.assert_allclose([angles[0], angles[-1]], [-np.pi / 6, np.pi / 6], atol=5e-3)


def test_a_wall_straight_ahead_has_the_height_of_its_depth():
    blocks = np.ones((9, 9), np.uint8)
    blocks[4, 1:8] = 0
    nowhere = jnp.full(2, jnp.inf)
    for depth in (0.75, 1.5, 3.0):
        place = jnp.array([8 - depth, 4.5])
        image = view.picture(jnp.asarray(blocks), place, jnp.float32(0), nowhere, (200, 200))
        red = view.PALETTE[1] / (1 + view.FOG * depth)
        rows = np.abs(np.asarray(image[:, 100]) - red).max(1) < 1.5
        assert abs(rows.sum() - min(200, 100 / depth)) <= 2  # 90 degrees: 2 cells high at depth 1


def test_the_goal_is_seen_in_front_of_walls_and_not_through_them():
    blocks = np.ones((9, 9), np.uint8)
    blocks[4, 1:8] = 0
    at, east = jnp.array([1.5, 4.5]), jnp.float32(0)

    def green(goal, heading=east):
        image = view.picture(jnp.asarray(blocks), at, heading, jnp.asarray(goal), (60, 60))
        image = np.asarray(image, int)
        return np.argwhere((image[..., 1] > 1.5 * image[..., 0]) & (image[..., 1] > 60))

    middle = green([4.5, 4.5])
    assert len(middle) > 20 and abs(middle[:, 1].mean() - 29.5) < 1
    to_the_right = green([3.5, 5.0])  # y grows to the right of someone who looks along x
    assert len(to_the_right) > 5 and to_the_right[:, 1].mean() > 33
    assert len(green([8.6, 4.5])) == 0  # behind the wall
    assert len(green([4.5, 4.5], jnp.float32(np.pi))) == 0  # behind the camera
    assert len(green([np.inf, np.inf])) == 0


@pytest.fixture(scope="module")
def walker():
    env = RaycastMaze(rooms=3)
    return env, jax.jit(env.reset), jax.jit(env.step)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31 - 1))
def test_nobody_walks_through_walls(walker, seed):
    env, reset, step = walker
    _, state = reset(jax.random.key(seed))
    rng = np.random.default_rng(seed)
    blocks = np.asarray(state.blocks)
    for action in rng.choice(3, 60, p=[0.2, 0.2, 0.6]):
        before = np.asarray(state.position)
        _, state, _, _, _, info = step(jax.random.key(0), state, jnp.int32(action))
        x, y = np.asarray(state.position)
        assert blocks[int(y), int(x)] == 0
        assert np.linalg.norm(np.asarray(state.position) - before) <= env.stride + 1e-5
        assert tuple(np.asarray(info["position"])) == (int(x), int(y))
        if action != FORWARD:
            np.testing.assert_array_equal(before, state.position)


def test_turning_round_comes_back_and_walking_into_a_wall_stops_before_it(walker):
    env, reset, step = walker
    first, state = reset(jax.random.key(3))
    for turn in (LEFT, RIGHT):
        now = state
        for _ in range(env.turns):
            image, now, *_ = step(jax.random.key(0), now, jnp.int32(turn))
        np.testing.assert_array_equal(image, first)
    blocks = jnp.ones((7, 7), jnp.uint8).at[1, 1:6].set(0)
    now = state.replace(blocks=blocks, position=jnp.array([1.5, 1.5]), heading=jnp.int32(0))
    now = now.replace(goal=jnp.full(2, 50.0))
    for _ in range(20):
        _, now, *_ = step(jax.random.key(0), now, jnp.int32(FORWARD))
    assert 6 - BODY - env.stride <= float(now.position[0]) <= 6 - BODY
    assert float(now.position[1]) == 1.5


def test_the_goal_pays_and_ends_the_episode_and_time_cuts_it(walker):
    env, reset, step = walker
    _, state = reset(jax.random.key(4))
    near = state.replace(goal=state.position + 0.1)
    _, _, reward, terminated, truncated, _ = step(jax.random.key(0), near, jnp.int32(LEFT))
    assert (float(reward), bool(terminated), bool(truncated)) == (1.0, True, False)
    late = state.replace(time=jnp.int32(env.default_params.max_steps_in_episode - 1))
    _, _, reward, terminated, truncated, _ = step(jax.random.key(0), late, jnp.int32(LEFT))
    assert (float(reward), bool(terminated), bool(truncated)) == (0.0, False, True)
    env = RaycastMaze(rooms=3, goal=False)
    _, state = env.reset(jax.random.key(0))
    _, _, reward, terminated, _, _ = env.step(jax.random.key(0), state, jnp.int32(FORWARD))
    assert float(reward) == 0 and not terminated


def test_starts_and_goals_are_rooms_apart_from_each_other(walker):
    _, reset, _ = walker
    _, states = jax.vmap(reset)(jax.random.split(jax.random.key(5), 200))
    place, goal = np.asarray(states.position), np.asarray(states.goal)
    assert (np.abs(place - goal).max(1) >= 2).all()
    assert len(np.unique(place, axis=0)) == len(np.unique(goal, axis=0)) == 9


def test_a_picture_for_people(walker):
    env, reset, _ = walker
    _, state = reset(jax.random.key(6))
    picture = env.render(state, size=70)
    assert picture.shape == (70, 140, 3) and picture.dtype == np.uint8
    assert (picture[:, 70:] == view.GOAL).all(-1).any()


@pytest.mark.parametrize(
    "options, said",
    [
        ({"rooms": 1}, "rooms=1: from 2 to 32"),
        ({"loops": 2.0}, "loops=2.0: from 0 to 1"),
        ({"stride": 0.9}, "stride=0.9: above 0"),
        ({"turns": 3}, "turns=3: at least 4"),
        ({"picture": (42,)}, "picture=(42,): height and width"),
    ],
)
def test_bad_arguments_are_named(options, said):
    with pytest.raises(ValueError, match=said.replace("(", r"\(").replace(")", r"\)")):
        RaycastMaze(**options)


def test_made_by_name_it_resets_itself_and_vmaps():
    env, params = envs.make("RaycastMaze-3x3", max_steps=5, bank_size=4)
    keys = jax.random.split(jax.random.key(0), 8)
    observation, state = jax.vmap(env.reset, (0, None))(keys, params)
    assert observation.shape == (8, 42, 42, 3) and observation.dtype == jnp.uint8
    step = jax.jit(jax.vmap(env.step, (0, 0, 0, None)))
    for at in range(1, 7):
        observation, state, *_, info = step(keys, state, jnp.zeros(8, jnp.int32), params)
        assert bool(info["episode_done"].all()) == (at == 5)
