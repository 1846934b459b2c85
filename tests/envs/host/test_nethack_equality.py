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


@pytest.mark.parametrize("name", [n for n in catalogue.NETHACK if "Challenge" not in n])
@pytest.mark.parametrize("seed", [1, 7])
def test_equals_nle_step_for_step(name, seed):
    theirs = gymnasium.make(
        name, observation_keys=KEYS, penalty_time=0.125, fix_moon_phase=True
    ).unwrapped
    ours, rows = own_game(name, penalty_time=0.125)
    seeds = episode_seeds((seed, 5), 0, Contexts())
    theirs.seed(seeds.core, seeds.disp, reseed=False)
    observation, _ = theirs.reset()
    ours.reset(seeds)
    rng = np.random.default_rng(seed)
    same(rows, observation)
    moves = [
        i for i, a in enumerate(theirs.actions) if int(a) in map(int, nethack.CompassDirection)
    ]
    for step in range(400):
        # mostly walking, so that games get somewhere, and every other action now and then
        action = rng.choice(moves) if rng.random() < 0.7 else rng.integers(len(theirs.actions))
        observation, reward, terminated, truncated, _ = theirs.step(int(action))
        got = ours.step(int(action))
        assert got[0] == pytest.approx(reward, abs=1e-6), step
        assert (got[1] or got[2]) == (terminated or truncated), step
        if got[1] or got[2]:
            break
        same(rows, observation)
    assert step > 20 or got[1]
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
