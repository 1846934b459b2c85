"""What people are shown is what the game showed, wherever an episode stands; looking changes nothing."""

from __future__ import annotations

import importlib.util

import jax
import numpy as np
import pytest

import envs
from envs import screen as screens
from envs.host.viewer import SCREEN


def walk(env, params, steps, look):
    """Random steps, `look(observation, state)` after each."""
    observation, state = jax.jit(env.reset)(jax.random.key(1), params)
    step, count = jax.jit(env.step), env.action_space(params).n
    look(observation, state)
    for number in range(steps):
        key = jax.random.fold_in(jax.random.key(2), number)
        action = jax.random.randint(key, (), 0, count)
        observation, state, _, terminated, truncated, _ = step(key, state, action, params)
        look(observation, state)
        yield state, bool(terminated | truncated)


@pytest.mark.parametrize(
    "name",
    [
        "NetHackScore-v0",
        pytest.param(
            "MiniHack-MultiRoom-N2-v0",
            marks=pytest.mark.skipif(not importlib.util.find_spec("minihack"), reason="minihack"),
        ),
        pytest.param(  # played by MiniHack's own class
            "MiniHack-KeyRoom-Fixed-S5-v0",
            marks=pytest.mark.skipif(not importlib.util.find_spec("minihack"), reason="minihack"),
        ),
    ],
)
def test_the_screen_is_the_one_of_the_state(name):
    env, params = envs.make(name, keys=("blstats", *SCREEN), max_steps=25, workers=1)
    seen = []

    def look(observation, state):
        screen = env.screen(state, params)
        for key, array in zip(SCREEN, screen, strict=True):
            np.testing.assert_array_equal(array, observation[key], err_msg=key)
        seen.append((state, screen))

    ends = sum(over for _, over in walk(env, params, 60, look))
    assert ends >= 2
    for state, screen in seen[::-7]:  # backwards, so that games are played again
        for array, other in zip(env.screen(state, params), screen, strict=True):
            np.testing.assert_array_equal(array, other)
    drawn = env.render(seen[-1][0], params)
    np.testing.assert_array_equal(drawn, screens.picture(seen[-1][1]))
    env.unwrapped.close()


def test_looking_changes_nothing():
    name = "NetHackScore-v0"
    results = []
    for looking in (False, True):
        env, params = envs.make(name, workers=1, deadline=61 + looking)
        rows = []

        def look(observation, state, env=env, rows=rows, looking=looking):
            rows.append(np.asarray(observation["glyphs"]))
            if looking and len(rows) % 3 == 0:
                env.screen(state)

        for _ in walk(env, params, 40, look):
            pass
        results.append(np.stack(rows))
        env.unwrapped.close()
    np.testing.assert_array_equal(*results)


@pytest.mark.skipif(not importlib.util.find_spec("ale_py"), reason="needs ale_py")
def test_pictures_of_gymnasium_environments():
    env, params = envs.make(
        "ALE/Pong-v5", preprocess=False, repeat_action_probability=0.0, workers=1
    )

    def look(observation, state):
        assert env.screen(state, params) is None
        np.testing.assert_array_equal(env.render(state, params), np.asarray(observation))

    assert len(list(walk(env, params, 6, look))) == 6
    env.unwrapped.close()


UNSEEN = """
import gymnasium, numpy as np

class Unseen(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.zeros(2, np.float32), {}

gymnasium.register("Unseen-v0", Unseen)
"""


def test_what_cannot_be_shown_says_so(tmp_path, monkeypatch):
    (tmp_path / "unseen.py").write_text(UNSEEN)
    monkeypatch.syspath_prepend(tmp_path)
    env, params = envs.make("gym:unseen:Unseen-v0", workers=1)
    _, state = env.reset(jax.random.key(0), params)
    with pytest.raises(NotImplementedError, match="cannot be shown.*rgb_array"):
        env.render(state, params)
    keys = jax.random.split(jax.random.key(0), 3)
    _, states = jax.vmap(env.reset, (0, None))(keys, params)
    with pytest.raises(ValueError, match="one is shown at a time"):
        env.render(states, params)
    env.unwrapped.close()
