"""MiniHack in the pool against MiniHack's own classes; its levels; its bank."""

from __future__ import annotations

import importlib.util

import jax
import numpy as np
import pytest

if not importlib.util.find_spec("minihack"):
    pytest.skip("needs minihack", allow_module_level=True)

import envs
from envs.host import catalogue
from envs.host.games import minihack as games
from envs.host.seeds import Contexts, Seeds, episode_seeds, mix

KEYS = ("glyphs", "chars", "glyphs_crop", "chars_crop", "tty_chars_crop", "blstats", "message")
TASKS = [  # one of every family of levels, and both ways of playing
    "MiniHack-Room-Ultimate-5x5-v0",
    "MiniHack-Corridor-R3-v0",
    "MiniHack-MazeWalk-9x9-v0",
    "MiniHack-River-Monster-v0",
    "MiniHack-HideNSeek-v0",
    "MiniHack-Labyrinth-Small-v0",
    "MiniHack-CorridorBattle-v0",
    "MiniHack-Memento-Short-F2-v0",
    "MiniHack-ExploreMaze-Easy-v0",
    "MiniHack-KeyRoom-S5-v0",
    "MiniHack-Eat-v0",
    "MiniHack-WoD-Easy-Full-v0",
    "MiniHack-Freeze-Horn-Restricted-v0",
    "MiniHack-LavaCross-Full-v0",
    "MiniHack-Levitate-Boots-Restricted-v0",
    "MiniHack-Quest-Easy-v0",
    "MiniHack-Sokoban1a-v1",
    "MiniHack-MultiRoom-N2-v0",
    "MiniHack-MultiRoom-N4-Locked-v0",
    "MiniHack-MultiRoom-N6-Lava-v0",
    "MiniHack-LavaCrossingS9N2-v0",
]

# MiniHack always asks for descriptions of the screen, and describing an object makes it known, which
# decides whether it stacks with another
LOOKS = ("MiniHack-CorridorBattle-v0",)


def arrays(family):
    return {key: np.zeros(shape, dtype) for key, (shape, dtype) in family.staging().items()}


def start(theirs, family, seeds: Seeds):
    """MiniHack's own reset, on the map that the bank has for these seeds."""
    if hasattr(theirs, "minigrid_env"):
        bank_seed = mix(mix(seeds.core) % family.levels.bank + 1)
        theirs.minigrid_env.unwrapped.np_random = np.random.default_rng(bank_seed)
        theirs.nethack.set_initial_seeds(seeds.core, seeds.disp, False, None)
    else:
        theirs.seed(seeds.core, seeds.disp, False)
    return theirs.reset()[0]


@pytest.mark.parametrize("name", TASKS)
def test_equals_minihack_step_for_step(name):
    keys = (*KEYS, "screen_descriptions") if name in LOOKS else KEYS
    family = games.family(name, {"keys": keys})
    theirs, rows = family.make(), arrays(family)
    ours = family.game(rows)
    rng = np.random.default_rng(0)
    ended = 0
    for episode in range(4):
        seeds = episode_seeds((3, 4), episode, Contexts())
        ours.reset(seeds)
        same(rows, start(theirs, family, seeds))
        theirs._frozen_steps = 0
        for step in range(120):
            action = int(rng.integers(family.description.action))
            observation, reward, done, _, info = theirs.step(action)
            got = ours.step(action)
            assert got[0] == pytest.approx(reward, abs=1e-6), step
            assert (got[1] or got[2]) == done
            assert got[2] == (int(info["end_status"]) == -1)
            if done:
                ended += 1
                break
            same(rows, observation)
    if name == "MiniHack-MultiRoom-N6-Lava-v0":
        assert ended >= 3  # lava, soon
    ours.close()
    theirs.close()


def same(rows, observation):
    for key in KEYS:
        np.testing.assert_array_equal(rows[key], observation[key], err_msg=key)


def test_levels_follow_from_the_seed_and_the_bank_repeats_them():
    family = games.family("MiniHack-MultiRoom-N4-v0", {"bank": 3})
    other = games.family("MiniHack-MultiRoom-N4-v0", {"bank": 3})
    seen = {family.levels.level(core) for core in range(40)}
    assert len(seen) == 3 and seen == {other.levels.level(core) for core in range(40)}
    endless = games.family("MiniHack-MultiRoom-N4-v0", {"bank": None})
    assert len({endless.levels.level(core) for core in range(12)}) == 12
    assert endless.levels.level(5) == endless.levels.level(5) and not endless.levels.compiled


def test_maps_are_drawn_as_minihack_draws_them():
    """The number of walkable squares, of MiniHack's own draws and of the bank's: the same mean."""
    family = games.family("MiniHack-MultiRoom-N4-v0", {})
    count = 150
    ours = [family.levels.text(seed).count(".") for seed in range(count)]
    theirs = []
    for seed in range(count):
        family.template.minigrid_env.reset(seed=10_000 + seed)
        theirs.append(family.template.get_env_desc().count("."))
    error = np.sqrt((np.var(ours) + np.var(theirs)) / count)
    assert abs(np.mean(ours) - np.mean(theirs)) < 4 * error
    assert np.std(ours) == pytest.approx(np.std(theirs), rel=0.35) and np.std(ours) > 1


def test_the_sixteen_tasks_of_e3b_and_many_more_have_names():
    names = catalogue.minihack_names()
    for task in ("MultiRoom-N10-Lava-OpenDoor", "LavaCrossingS19N17", "Labyrinth-Big"):
        assert f"MiniHack-{task}-v0" in names
    assert len(names) > 140
    assert {name for name in names if "Boxoban" not in name} <= set(envs.registered())


def test_make_and_play_under_jit():
    env, params = envs.make(
        "MiniHack-MultiRoom-N2-Lava-v0", workers=1, crop=5, keys=("glyphs_crop", "blstats")
    )
    keys = jax.random.split(jax.random.key(0), 4)
    observation, state = jax.vmap(env.reset, (0, None))(keys, params)
    assert observation["glyphs_crop"].shape == (4, 5, 5)

    @jax.jit
    def play(state):
        def body(state, key):
            action = jax.random.randint(key, (4,), 0, 8)
            out = jax.vmap(env.step, (None, 0, 0, None))(key, state, action, params)
            return out[1], out[3] | out[4]

        return jax.lax.scan(body, state, jax.random.split(jax.random.key(1), 60))[1]

    assert play(state).sum() > 4
    env.unwrapped.close()


def test_bad_values_are_told():
    for options, message in (
        ({"crop": 4}, "crop=4: an odd number"),
        ({"bank": 0}, "bank=0"),
        ({"keys": ("pixel",)}, "keys: 'pixel'"),
        ({"crops": 3}, "did you mean crop"),
        ({"des_file": "mine.des"}, "a module registers, gym:MODULE:NAME"),
        ({"reward_manager": "mine"}, "a module registers, gym:MODULE:NAME"),
        ({"reward_win": "much"}, "reward_win='much': .* takes a number"),
        ({"penalty_mode": "harsh"}, "penalty_mode='harsh': one of constant"),
        ({"actions": "full"}, "actions='full': a list of key codes"),
    ):
        with pytest.raises(envs.UnknownOption, match=message):
            envs.make("MiniHack-Room-5x5-v0", workers=1, **options)
    with pytest.raises(envs.UnknownEnvironment, match="MiniHack-MultiRoom-N4-Locked-v0"):
        envs.make("MiniHack-MultiRoom-N4-Loked-v0")


@pytest.mark.parametrize(
    ("name", "slow"),
    [
        ("MiniHack-MultiRoom-N2-v0", True),  # a map is drawn and compiled
        ("MiniHack-LavaCrossingS9N2-v0", True),
        ("MiniHack-Room-5x5-v0", False),
        ("MiniHack-Freeze-Horn-Restricted-v0", False),  # MiniHack's own class, one level
    ],
)
def test_episodes_start_ahead_where_starting_is_slow(name, slow):
    assert games.family(name, {}).description.slow_reset == slow


def test_boxoban_is_listed_where_its_levels_are(monkeypatch, tmp_path):
    name = "MiniHack-Boxoban-Medium-v0"
    assert name in catalogue.minihack_names()
    monkeypatch.setattr(catalogue, "_minihack", lambda: tmp_path)
    assert name not in catalogue.names()
    folder = tmp_path / "dat" / "boxoban-levels-master" / "medium" / "train"
    with pytest.raises(catalogue.MissingExtra, match=f"needs Boxoban's levels, .*{folder}: python"):
        envs.make(name)
    folder.mkdir(parents=True)
    (folder / "000.txt").write_text("")
    assert name in catalogue.names() and "MiniHack-Boxoban-Hard-v0" not in catalogue.names()
