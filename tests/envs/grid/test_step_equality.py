"""Our engine against Farama MiniGrid, step for step, from the same level with the same actions."""

from __future__ import annotations

import subprocess
import sys

import gymnasium
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from level_scripts import (
    blue_first,
    clear_unlock_and_pick_up,
    done_at_once,
    done_at_target,
    fetch_key_and_open,
    fetch_right,
    fetch_wrong,
    put_far,
    put_near,
    reach_goal,
    red_then_blue,
    solve_maze,
    step_into_lava,
    take_other,
    to_match,
    to_other,
    toggle_at_once,
    unlock_and_pick_up,
    unlock_and_reach_goal,
    wait_for_the_end,
)
from minigrid.wrappers import FullyObsWrapper
from minigrid_play import (
    CHUNK,
    FORWARD,
    LEFT,
    OURS_ALONE,
    RIGHT,
    Player,
    assert_equal,
    compare,
    help_along,
    replay,
    source,
    world,
)

from envs.grid.levels import LEVELS
from envs.grid.minigrid import import_level

# one level of every family, two where the rules differ within one
FAMILIES = (
    "BlockedUnlockPickup",
    "DistShift2",
    "DoorKey-6x6",
    "Empty-Random-6x6",
    "Fetch-5x5-N2",
    "FourRooms",
    "GoToDoor-6x6",
    "GoToObject-6x6-N2",
    "KeyCorridorS3R2",
    "LavaCrossingS9N2",
    "LavaGapS6",
    "LockedRoom",
    "MemoryS9",
    "MultiRoom-N2-S4",
    "ObstructedMaze-1Dlh",
    "ObstructedMaze-2Dlhb-v1",
    "Playground",
    "PutNear-6x6-N2",
    "RedBlueDoors-6x6",
    "SimpleCrossingS9N3",
    "Unlock",
    "UnlockPickup",
)
DYNAMIC = {name for name in LEVELS if name.startswith("Dynamic")}  # a file of their own
REST = sorted(set(LEVELS) - set(FAMILIES) - OURS_ALONE - DYNAMIC)

VALUES = st.lists(st.integers(0, 19), min_size=CHUNK, max_size=CHUNK)


def play_values(values):
    def play(player):
        for value in values:
            player.act(help_along(player, value))

    return play


@pytest.mark.parametrize("name", FAMILIES)
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 10**6), values=VALUES)
def test_any_actions(name, seed, values):
    compare(name, seed, play_values(values))


@pytest.mark.slow
@pytest.mark.parametrize("name", REST)
def test_any_actions_in_every_other_level(name):
    for seed in range(4):
        compare(name, seed, play_values(np.random.default_rng(seed).integers(0, 20, 2 * CHUNK)))


SUCCESSES = (
    ("Empty-Random-6x6", reach_goal),
    ("FourRooms", reach_goal),
    ("DistShift2", reach_goal),
    ("LavaGapS6", reach_goal),
    ("LavaCrossingS9N2", reach_goal),
    ("SimpleCrossingS9N3", reach_goal),
    ("MultiRoom-N2-S4", reach_goal),
    ("DoorKey-6x6", unlock_and_reach_goal),
    ("LockedRoom", unlock_and_reach_goal),
    ("Unlock", fetch_key_and_open),
    ("UnlockPickup", unlock_and_pick_up),
    ("BlockedUnlockPickup", clear_unlock_and_pick_up),
    ("KeyCorridorS3R2", unlock_and_pick_up),
    ("ObstructedMaze-1Dlh", solve_maze),
    ("ObstructedMaze-2Dlhb-v1", solve_maze),
    ("MemoryS9", to_match),
    ("RedBlueDoors-6x6", red_then_blue),
    ("GoToDoor-6x6", done_at_target),
    ("GoToObject-6x6-N2", done_at_target),
    ("Fetch-5x5-N2", fetch_right),
    ("PutNear-6x6-N2", put_near),
)


@pytest.mark.parametrize(("name", "script"), SUCCESSES)
def test_scripted_success(name, script):
    rewards = []
    for seed in range(4):
        try:
            rewards += compare(name, seed, script).rewards[-1:]
        except LookupError:  # something stands in the way that the script does not move
            continue
    assert len(rewards) >= 2 and min(rewards) > 0


FAILURES = (
    ("DistShift2", step_into_lava),
    ("LavaGapS6", step_into_lava),
    ("LavaCrossingS9N2", step_into_lava),
    ("MemoryS9", to_other),
    ("RedBlueDoors-6x6", blue_first),
    ("GoToDoor-6x6", toggle_at_once),
    ("GoToDoor-6x6", done_at_once),
    ("GoToObject-6x6-N2", toggle_at_once),
    ("GoToObject-6x6-N2", done_at_once),
    ("PutNear-6x6-N2", take_other),
    ("PutNear-6x6-N2", put_far),
    ("Fetch-5x5-N2", fetch_wrong),
)


@pytest.mark.parametrize(("name", "script"), FAILURES)
def test_scripted_failure(name, script):
    ended = 0
    for seed in range(4):
        try:
            player = compare(name, seed, script)
        except (LookupError, StopIteration):
            continue
        ended += player.flags[-1][0] and player.rewards[-1] == 0
    assert ended >= 2


@pytest.mark.parametrize("name", ["FourRooms", "PutNear-6x6-N2", "GoToDoor-6x6"])
def test_time_runs_out(name):
    player = compare(name, 3, wait_for_the_end)
    assert player.flags[-1] == (False, True)
    assert len(player.flags) == player.env.max_steps == world(name).level.max_steps


def test_all_lengths_and_wordings_agree():
    for name in sorted(set(LEVELS) - OURS_ALONE):
        theirs, ours = source(name), world(name)
        assert theirs.max_steps == ours.level.max_steps, name
        assert theirs.see_through_walls == ours.level.see_through_walls, name
        assert theirs.action_space.n == ours.num_actions, name
        theirs.reset(seed=0)
        state = import_level(theirs, ours)
        assert ours.level.mission(np.asarray(state.mission)) == theirs.mission, name


def test_every_level_of_minigrid_is_here():
    # in a process of its own: MiniHack, where it is imported, registers MiniGrid levels too
    code = "import gymnasium, minigrid; print(*gymnasium.registry)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    every = printed.decode().split()
    ids = {i for i in every if i.startswith("MiniGrid-") and "-WFC-" not in i}
    names = {i.removeprefix("MiniGrid-").removesuffix("-v0") for i in ids}
    assert names == set(LEVELS) - OURS_ALONE


@pytest.mark.parametrize("name", ["KeyCorridorS3R2", "LavaGapS6"])
def test_full_view(name):
    env, ours = FullyObsWrapper(source(name)), world(name, view="full")
    for seed in range(3):
        env.reset(seed=seed)
        player = Player(env.unwrapped, seed)
        state = import_level(env, ours)
        player.images = [env.observation({})["image"]]
        rng = np.random.default_rng(seed)
        for value in rng.integers(0, 20, 40):
            count = len(player.actions)
            player.act(help_along(player, int(value)))
            if len(player.actions) > count:
                player.images[-1] = env.observation({})["image"]
        assert_equal(player.trace(), replay(ours, state, player.actions))


@pytest.mark.parametrize("size", [3, 5, 9])
def test_other_view_sizes(size):
    env = gymnasium.make(
        "MiniGrid-MultiRoom-N2-S4-v0", agent_view_size=size, disable_env_checker=True
    ).unwrapped
    ours = world("MultiRoom-N2-S4", view_size=size)
    player = Player(env, size)
    state = import_level(env, ours)
    play_values(np.random.default_rng(size).integers(0, 20, 40))(player)
    assert_equal(player.trace(), replay(ours, state, player.actions))


def test_wrong_level_is_refused():
    env = source("Empty-Random-6x6")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="6 x 6"):
        import_level(env, world("FourRooms"))


def test_turning_is_not_all_these_scripts_do():
    # the helper must walk, or equality would be about standing still
    player = compare("FourRooms", 0, play_values([9, 10, 9] * 20))
    assert LEFT in player.actions or RIGHT in player.actions
    assert player.actions.count(FORWARD) > 5
