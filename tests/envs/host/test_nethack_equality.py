"""Games of the pool against NLE's own Gymnasium classes: same seeds, same actions, same numbers."""

from __future__ import annotations

import gymnasium
import nle  # noqa: F401 - registers the environments
import numpy as np
import pytest
from nle import nethack

from envs.host import catalogue
from envs.host.games import nethack as games
from envs.host.seeds import Contexts, episode_seeds

KEYS = ("glyphs", "blstats", "message", "inv_letters", "tty_chars")


def own_game(name, **options):
    """A game without a pool around it, and the arrays it writes to."""
    family = games.family(name, {"keys": KEYS, **options})
    rows = {key: np.zeros(shape, dtype) for key, (shape, dtype) in family.staging().items()}
    return family.game(rows), rows


def begin(theirs, ours, rows, seeds):
    """Both at the start of an episode with these seeds."""
    # not `seed`: the Challenge allows none
    vars(theirs.nethack).pop("set_initial_seeds", None)
    theirs.nethack.set_initial_seeds(seeds.core, seeds.disp, False, None)
    observation, _ = theirs.reset()
    ours.reset(seeds)
    same(rows, observation)


@pytest.mark.filterwarnings("ignore:.*smooth quitting of game failed")
@pytest.mark.parametrize("name", catalogue.NETHACK)
@pytest.mark.parametrize("seed", [1, 7])
def test_equals_nle_step_for_step(name, seed):
    limit = 250
    theirs = gymnasium.make(
        name, observation_keys=KEYS, penalty_time=0.125, fix_moon_phase=True
    ).unwrapped
    theirs._max_episode_steps = limit  # `make` keeps the option for Gymnasium's own wrapper
    ours, rows = own_game(name, penalty_time=0.125, max_steps=limit)
    begin(theirs, ours, rows, episode_seeds((seed, 5), 0, Contexts()))
    rng = np.random.default_rng(seed)
    moves = [
        i for i, a in enumerate(theirs.actions) if int(a) in map(int, nethack.CompassDirection)
    ]
    episodes = 0
    for step in range(1000):
        # mostly walking, so that games get somewhere, and every other action now and then
        action = rng.choice(moves) if rng.random() < 0.7 else rng.integers(len(theirs.actions))
        observation, reward, terminated, truncated, _ = theirs.step(int(action))
        got = ours.step(int(action))
        assert got[0] == pytest.approx(reward, abs=1e-6), step
        assert (got[1] or got[2]) == (terminated or truncated), step
        if got[1] or got[2]:
            episodes += 1
            begin(theirs, ours, rows, episode_seeds((seed, 5), episodes, Contexts()))
        else:
            same(rows, observation)
    assert episodes >= 4
    ours.close()


def same(rows, observation):
    for key in KEYS:
        np.testing.assert_array_equal(rows[key], observation[key], err_msg=key)


def test_an_episode_cut_by_its_length_is_truncated():
    game, _ = own_game("NetHackScore-v0", max_steps=7)
    game.reset(episode_seeds((0, 0), 0, Contexts()))
    ends = [game.step(0)[1:] for _ in range(7)]
    assert ends == [(False, False)] * 6 + [(False, True)]
    game.close()
