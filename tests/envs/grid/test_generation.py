"""Levels we draw against levels MiniGrid draws: the same distribution, and all can be solved."""

from __future__ import annotations

import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from minigrid_play import source, world
from scipy import ndimage, stats

import envs
from envs.grid import cells

THEIRS, OURS = 250, 1024
DOORS = (cells.OPEN_DOOR, cells.CLOSED_DOOR, cells.LOCKED_DOOR)
THINGS = (*DOORS, cells.KEY, cells.BALL, cells.BOX, cells.KEY_BOX, cells.GOAL)

FAMILIES = (
    "BlockedUnlockPickup",
    "DoorKey-6x6",
    "Dynamic-Obstacles-Random-5x5",
    "Empty-Random-6x6",
    "Fetch-5x5-N2",
    "FourRooms",
    "GoToDoor-6x6",
    "GoToObject-6x6-N2",
    "KeyCorridorS3R3",
    "KeyCorridorS4R3",
    "LavaCrossingS9N2",
    "LavaGapS6",
    "LockedRoom",
    "MemoryS13Random",
    "MultiRoom-N4-S5",
    "ObstructedMaze-1Dlh",
    "ObstructedMaze-2Dlhb",
    "ObstructedMaze-Full-v1",
    "Playground",
    "PutNear-6x6-N2",
    "RedBlueDoors-6x6",
    "SimpleCrossingS9N3",
    "UnlockPickup",
)
SLOW = (
    "DoorKey-8x8",
    "Dynamic-Obstacles-16x16",
    "Fetch-8x8-N3",
    "KeyCorridorS3R1",
    "KeyCorridorS6R3",
    "LavaCrossingS11N5",
    "MemoryS7",
    "MultiRoom-N6",
    "ObstructedMaze-2Dl",
    "ObstructedMaze-Full",
    "ObstructedMaze-2Q",
    "PutNear-8x8-N3",
    "Unlock",
)


@functools.cache
def ours(name):
    """`(grid, position, direction, mission text)` of many of our levels."""
    level = world(name).level
    layouts = jax.jit(jax.vmap(level.generate))(jax.random.split(jax.random.key(1), OURS))
    missions = np.broadcast_to(np.asarray(layouts.mission), (OURS, 4))
    texts = [level.mission(m) for m in missions]
    return (
        np.asarray(layouts.grid),
        np.asarray(layouts.position),
        np.asarray(layouts.direction),
        texts,
    )


@functools.cache
def theirs(name):
    """The same from MiniGrid's own generator."""
    env, rows = source(name), []
    for seed in range(THEIRS):
        env.reset(seed=seed)
        grid = cells.from_triples(env.grid.encode()).T.copy()
        for i, thing in enumerate(env.grid.grid):
            if thing is not None and thing.contains is not None:
                color = cells.COLORS.index(thing.contains.color)
                grid[i // env.width, i % env.width] = cells.code(cells.KEY_BOX, color)
        rows.append((grid, np.asarray(env.agent_pos), env.agent_dir, env.mission))
    grids, positions, directions, texts = zip(*rows, strict=True)
    return np.array(grids), np.array(positions), np.array(directions), list(texts)


def features(grids, positions, directions, texts):
    """Categories of every level by name: where things are, their colours, counts, distances."""
    kinds, colors = grids & 15, grids >> 4
    n = len(grids)
    out = {"x": positions[:, 0], "y": positions[:, 1], "direction": directions, "mission": texts}
    ahead = positions + np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])[directions]
    out["ahead"] = kinds[np.arange(n), ahead[:, 1], ahead[:, 0]]
    out["walls"] = np.sum(kinds == cells.WALL, axis=(1, 2))
    first_color = {}
    for kind in (cells.LAVA, *THINGS):
        where = (kinds == kind).reshape(n, -1)
        if not where.any():
            continue
        index = where.argmax(1)
        x, y = index % grids.shape[2], index // grids.shape[2]
        last = where.shape[1] - 1 - where[:, ::-1].argmax(1)
        out[f"count {kind}"] = where.sum(1)
        out[f"x {kind}"], out[f"y {kind}"] = x, y
        out[f"last {kind}"] = last
        out[f"distance {kind}"] = np.abs(x - positions[:, 0]) + np.abs(y - positions[:, 1])
        first_color[kind] = colors.reshape(n, -1)[np.arange(n), index]
        last_color = colors.reshape(n, -1)[np.arange(n), last]
        out[f"color {kind}"] = first_color[kind]
        out[f"color pair {kind}"] = first_color[kind] * 6 + last_color
    for a in first_color:
        for b in first_color:
            if a < b:
                out[f"colors {a} {b}"] = first_color[a] == first_color[b]
    return out


def p_value(a, b):
    """Two-sample chi-square over categories, rare ones taken together."""
    values, codes = np.unique(np.concatenate([np.asarray(a), np.asarray(b)]), return_inverse=True)
    table = np.stack(
        [
            np.bincount(codes[: len(a)], minlength=len(values)),
            np.bincount(codes[len(a) :], minlength=len(values)),
        ]
    )
    rare = table.sum(0) < 40
    table = np.concatenate([table[:, ~rare], table[:, rare].sum(1, keepdims=True)], axis=1)
    table = table[:, table.sum(0) > 0]
    return 1.0 if table.shape[1] < 2 else stats.chi2_contingency(table).pvalue


def check_distribution(name):
    a, b = features(*theirs(name)), features(*ours(name))
    assert set(a) == set(b)
    found = {feature: p_value(a[feature], b[feature]) for feature in a}
    assert min(found.values()) > 1e-5, {k: v for k, v in found.items() if v < 1e-3}
    grids, mine = theirs(name)[0] & 15, ours(name)[0] & 15
    assert grids.shape[1:] == mine.shape[1:]
    varies = np.any(grids != grids[:1], axis=0) | np.any(mine != mine[:1], axis=0)
    for y, x in np.argwhere(varies):
        p = p_value(grids[:, y, x], mine[:, y, x])
        assert p > 1e-6, (int(x), int(y), p)


@pytest.mark.parametrize("name", FAMILIES)
def test_same_distribution_as_minigrid(name):
    check_distribution(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_same_distribution_as_minigrid_in_more_levels(name):
    check_distribution(name)


def test_the_comparison_notices_a_difference():
    # what the tests above rest on: a uniform agent and one that keeps to the left differ
    a = features(*ours("Empty-Random-6x6"))["x"]
    assert p_value(a[:THEIRS], a[THEIRS:]) > 1e-3
    assert p_value(np.minimum(a[:THEIRS], 3), a[THEIRS:]) < 1e-5


def reached(grid, position):
    """Cells that can be walked to when objects are moved aside and keys are used."""
    kinds, colors = grid & 15, grid >> 4
    start = np.zeros(grid.shape, bool)
    start[position[1], position[0]] = True
    keys: set[int] = set()
    while True:
        locked = (kinds == cells.LOCKED_DOOR) & ~np.isin(colors, list(keys))
        open_floor = ~np.isin(kinds, (cells.WALL, cells.LAVA)) & ~locked
        reach = ndimage.binary_propagation(start, mask=open_floor)
        holds_key = np.isin(kinds, (cells.KEY, cells.KEY_BOX)) & reach
        found = set(np.unique(colors[holds_key]).tolist())
        if found == keys:
            return reach
        keys = found


def unsolvable_share(grids, positions):
    bad = [
        np.any(np.isin(grid & 15, THINGS) & ~reached(grid, position))
        for grid, position in zip(grids, positions, strict=True)
    ]
    return np.mean(bad)


# MiniGrid's own v0 mazes may bury a key under a ball
@pytest.mark.parametrize("name", [n for n in FAMILIES if n != "ObstructedMaze-2Dlhb"])
def test_everything_can_be_reached(name):
    grids, positions, _, _ = ours(name)
    assert unsolvable_share(grids[:200], positions[:200]) == 0


def test_buried_keys_are_as_frequent_as_in_minigrid():
    mine, other = ours("ObstructedMaze-2Dlhb"), theirs("ObstructedMaze-2Dlhb")
    share, expected = unsolvable_share(*mine[:2]), unsolvable_share(*other[:2])
    assert 0 < share < 0.2
    assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / THEIRS) + 0.01


def steps_to_goal(grid, position, direction):
    """Actions of the shortest way: breadth first over poses."""
    frontier, seen, steps = {(*map(int, position), int(direction))}, set(), 0
    while frontier:
        seen |= frontier
        if any(grid[y, x] == cells.GOAL_CELL for x, y, _ in frontier):
            return steps
        after = set()
        for x, y, d in frontier:
            fx, fy = x + (d == 0) - (d == 2), y + (d == 1) - (d == 3)
            after |= {(x, y, (d + 1) % 4), (x, y, (d + 3) % 4)}
            if grid[fy, fx] != cells.WALL_CELL:
                after.add((fx, fy, d))
        frontier, steps = after - seen, steps + 1
    raise AssertionError("no way")


@pytest.mark.parametrize("bent", [True, False])
@pytest.mark.parametrize("length", [6, 7])
@pytest.mark.parametrize("arms", [2, 4])
def test_corridors_leave_time_for_one_arm(arms, length, bent):
    slowest = 0
    for arm in range(arms):
        level = world("Corridors-N4-L10", arms=arms, length=length, bent=bent, goal_arm=arm).level
        layout = level.generate(jax.random.key(0))
        grid = np.asarray(layout.grid)
        assert np.sum(grid != cells.WALL_CELL) == arms * length + 1
        steps = steps_to_goal(grid, layout.position, layout.direction)
        assert length <= steps <= level.max_steps
        slowest = max(slowest, steps)
        # into a wrong arm and back costs more than is left, as soon as half an arm is walked
        assert level.max_steps < steps + length
    assert slowest == level.max_steps or arms == 2


def test_corridors_draw_their_goal_when_asked():
    level = world("Corridors-N4-L6", random_goal=True).level
    grids = jax.vmap(level.generate)(jax.random.split(jax.random.key(0), 200)).grid
    places = {tuple(np.argwhere(g == cells.GOAL_CELL)[0]) for g in np.asarray(grids)}
    assert len(places) == 4


@pytest.mark.parametrize("arm", range(4))
def test_compass_moves_walk_one_arm_in_time(arm):
    env, params = envs.make(
        "Corridors-N4-L6", moves="compass", goal_arm=1, auto_reset="none", log=False
    )
    assert env.action_space(params).n == 4
    _, state = env.reset(jax.random.key(0), params)
    centre = np.asarray(state.position)
    steps = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])
    walk = [arm] * 3 + [(arm + 1) % 4] * 3
    for at, action in enumerate(walk):
        found = env.step(jax.random.key(at), state, jnp.int32(action), params)
        _, state, reward, terminated, truncated, info = found
        last = at == len(walk) - 1
        assert float(reward) == (last and arm == 1) and bool(terminated) == (last and arm == 1)
        assert bool(truncated) == last
        np.testing.assert_array_equal(info["position"], centre + steps[walk[: at + 1]].sum(0))
        assert int(info["direction"]) == action


def test_corridors_refuse_unknown_moves():
    with pytest.raises(ValueError, match="moves='fly': 'turn' or 'compass'"):
        envs.make("Corridors-N4-L6", moves="fly")


warnings.filterwarnings("ignore", module="gymnasium")
