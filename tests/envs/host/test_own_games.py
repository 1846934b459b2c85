"""Gymnasium environments of one's own over the pool, from a module that worker processes import."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import envs
from envs.host import catalogue
from jaxrl_suite.runner.cli import main

has_minihack = pytest.mark.skipif(not importlib.util.find_spec("minihack"), reason="needs minihack")


class Odd(gymnasium.Env):
    """Raises in its third step; says something else than it sends."""

    observation_space = gymnasium.spaces.Dict(
        {"a": gymnasium.spaces.Dict({"b": gymnasium.spaces.Discrete(3)}),
         "c": gymnasium.spaces.Box(0.0, 1.0, (2,), np.float64)}
    )  # fmt: skip
    action_space = gymnasium.spaces.Discrete(2, start=5)

    def reset(self, seed=None, options=None):
        self.steps = 0
        return {"a": {"b": 2}, "c": np.array([0.25, 0.5])}, {}

    def step(self, action):
        assert action in (5, 6)
        self.steps += 1
        if self.steps == 3:
            raise KeyError("broken on purpose")
        return {"a": {"b": 1}, "c": np.array([0.0, 1.0])}, 1, False, False, {}


class Strict(gymnasium.Env):
    """Refuses actions that are no numbers; its reward is the action, at 1.5 NaN."""

    observation_space = gymnasium.spaces.Box(-2.0, 2.0, (1,), np.float32)
    action_space = gymnasium.spaces.Box(-2.0, 2.0, (1,), np.float32)

    def reset(self, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        assert np.isfinite(action).all()
        return action, np.nan if action[0] == 1.5 else float(action[0]), False, False, {}


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Puts a class into a module of its own, which registers it; returns its name for `envs.make`."""

    def make(kind, **options):
        name, module = kind.__name__, f"{kind.__name__.lower()}_game"
        given = "".join(f", {option}={value!r}" for option, value in options.items())
        (tmp_path / f"{module}.py").write_text(
            "import gymnasium\nimport numpy as np\n"
            + inspect.getsource(kind)
            + f"\ngymnasium.register('{name}-v0', {name}{given})\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        return f"gym:{module}:{name}-v0"

    return make


def test_nested_observations_and_errors_in_a_step(made):
    env, params = envs.make(made(Odd), workers=1)
    space = env.observation_space(params)
    assert set(space.spaces) == {"a/b", "c"} and space["c"].dtype == jnp.float32
    observation, state = env.reset(jax.random.key(0))
    assert int(observation["a/b"]) == 2 and observation["c"].tolist() == [0.25, 0.5]
    for _ in range(2):
        observation, state, *_ = env.step(jax.random.key(0), state, jnp.int32(1), params)
    assert int(observation["a/b"]) == 1
    with pytest.raises(Exception, match="broken on purpose") as error:
        jax.block_until_ready(env.step(jax.random.key(0), state, jnp.int32(0), params))
    assert "in step 2 of its episode; environment 0, episode 0" in str(error.value)
    env.unwrapped.close()


def test_rewards_and_actions_that_are_no_numbers(made):
    name = made(Strict, disable_env_checker=True, max_episode_steps=9)
    env, params = envs.make(name, workers=1)
    key = jax.random.key(0)
    _, state = jax.vmap(env.reset)(jax.random.split(key, 2))
    step = jax.vmap(env.step, (None, 0, 0, None))
    # a policy that has diverged, in one of two rows: its game goes on, its reward says so
    observation, state, reward, *_ = step(key, state, jnp.array([[0.5], [jnp.nan]]), params)
    assert reward[0] == 0.5 and np.isnan(reward[1])
    assert observation.tolist() == [[0.5], [0.0]]
    with pytest.raises(
        Exception, match="the game's reward is nan: must be a finite number"
    ) as error:
        jax.block_until_ready(step(key, state, jnp.array([[0.5], [1.5]]), params))
    assert "in step 1 of its episode; environment 1, episode 0" in str(error.value)
    env.unwrapped.close()


def test_a_policy_that_diverges_ends_its_run_and_says_so(made, tmp_path, capsys):
    name = made(Strict, disable_env_checker=True, max_episode_steps=9)
    small = "--num-envs 2 --rollout-length 4 --minibatches 1 --epochs 1 --widths 4"
    small += " --total-steps 64 --log-every 8"
    rest = [
        "--learning-rate",
        "1e30",
        "--env",
        f"{name}?workers=1",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main(["run", "ppo", *small.split(), "--no-normalize-observations", *rest]) == 1
    shown = capsys.readouterr().err
    assert "seed 0 is not finite at update" in shown


def of_the_guide(name, folder, monkeypatch):
    guide = Path(__file__).parents[3] / "docs/guides/nethack.md"
    code = next(b for b in guide.read_text().split("```") if f"# {name}" in b)
    (folder / name).write_text(code.removeprefix("python"))
    monkeypatch.syspath_prepend(folder)


def test_the_guides_environment_plays(tmp_path, monkeypatch):
    of_the_guide("corridor.py", tmp_path, monkeypatch)
    env, params = envs.make("gym:corridor:Corridor-v0", workers=1)
    _, state = env.reset(jax.random.key(0))
    observation, *_ = env.step(jax.random.key(0), state, jnp.int32(1), params)
    assert observation.tolist() == [1.0]
    env.unwrapped.close()


@has_minihack
def test_the_guides_level_is_the_same_from_the_same_seeds(tmp_path, monkeypatch):
    """NLE's classes ignore `reset(seed=)`: their seeds reach the game another way."""
    of_the_guide("newt.py", tmp_path, monkeypatch)

    def play(name, steps=120):
        pool = catalogue.pool(f"gym:newt:{name}", workers=1)
        group = pool.group(3)
        batch = group.reset(np.arange(6, dtype=np.uint32).reshape(3, 2))
        rng, out = np.random.default_rng(0), []
        assert set(batch.observation) == {"glyphs", "blstats", "message"}
        for _ in range(steps):
            group.send(rng.integers(8, size=3))
            batch = group.recv()
            glyphs = batch.observation["glyphs"].astype(int).sum((1, 2))
            out.append(np.stack([batch.reward, batch.terminated, batch.truncated, glyphs]))
        pool.close()
        return np.array(out), pool.description.max_steps

    once, limit = play("Newt-v0")
    np.testing.assert_array_equal(once, play("Newt-v0")[0])
    rewards, terminated = once[:, 0], once[:, 1].astype(bool)
    assert limit == 100 and terminated.sum() > 3
    assert rewards[terminated].max() > 0.9 and rewards[~terminated].max() <= 0
    twice, limit = play("NewtTwice-v0", steps=60)
    assert limit == 50 and (twice[:, 3] != once[:60, 3]).any()


@has_minihack
def test_games_of_nle_s_classes_are_replayed(tmp_path, monkeypatch):
    of_the_guide("newt.py", tmp_path, monkeypatch)
    env, params = envs.make("gym:newt:Newt-v0", workers=1)
    _, state = env.reset(jax.random.key(0), params)
    for action in (0, 1, 2, 3, 1, 2):
        before, state = state, env.step(jax.random.key(0), state, jnp.int32(action), params)[1]
    one = env.step(jax.random.key(0), before, jnp.int32(2), params)[0]
    env.unwrapped.running.groups.clear()
    two = env.step(jax.random.key(0), before, jnp.int32(2), params)[0]
    jax.tree.map(np.testing.assert_array_equal, one, two)
    env.unwrapped.close()
