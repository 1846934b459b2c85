"""Any Gymnasium environment over the pool: equal to Gymnasium's own loop; spaces; what is refused."""

from __future__ import annotations

import importlib.util

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import envs
from envs import spaces
from envs.host.games import MissingExtra
from envs.host.games import gymnasium as games
from envs.host.pool import Pool
from envs.host.seeds import Contexts, episode_seeds
from experiments import impala


def has(package):
    return pytest.mark.skipif(not importlib.util.find_spec(package), reason=f"needs {package}")


def sample(space, rng):
    if isinstance(space, gymnasium.spaces.Discrete):
        return int(rng.integers(space.n)) + int(space.start)
    return rng.uniform(space.low, space.high).astype(space.dtype)


def flat(observation):
    if not isinstance(observation, dict):
        return {"_": observation}
    return {k: v for k, v in observation.items() if not isinstance(v, str)}


@pytest.mark.parametrize(
    "name",
    [
        "CartPole-v1",
        "Pendulum-v1",
        "Acrobot-v1",
        "Taxi-v3",
        pytest.param("MiniGrid-DoorKey-5x5-v0", marks=has("minigrid")),
        pytest.param("ALE/MontezumaRevenge-v5", marks=has("ale_py")),
        pytest.param("VizdoomMyWayHome-v1", marks=has("vizdoom")),
    ],
)
def test_equals_gymnasium_step_for_step(name, tmp_path, monkeypatch):
    """Two environments of one group, against two loops, ends of episodes included."""
    monkeypatch.chdir(tmp_path)  # VizDoom leaves files where it runs
    count, limit = 2, 30
    pool = Pool("gymnasium", f"gym:{name}", {"max_steps": limit}, workers=1)
    base = np.arange(2 * count, dtype=np.uint32).reshape(count, 2)
    group = pool.group(count)
    batch = group.reset(base)
    theirs = [games.make(name, {"max_steps": limit}) for _ in range(count)]
    rng, episode = np.random.default_rng(0), np.zeros(count, int)

    def seed(i):
        return episode_seeds(base[i], episode[i], Contexts()).core % 2**31

    def same(got, i, observation):
        for key, value in flat(observation).items():
            np.testing.assert_allclose(got[key][i], np.asarray(value, got[key].dtype))

    for i, env in enumerate(theirs):
        same(batch.observation, i, env.reset(seed=seed(i))[0])
    ended = 0
    for _ in range(70):
        actions = [sample(env.action_space, rng) for env in theirs]
        group.send(np.array(actions))
        batch = group.recv()
        for i, env in enumerate(theirs):
            observation, reward, terminated, truncated, _ = env.step(actions[i])
            assert batch.reward[i] == pytest.approx(reward, rel=1e-6)
            assert (batch.terminated[i], batch.truncated[i]) == (terminated, truncated)
            same(batch.final_observation(), i, observation)
            if terminated or truncated:
                ended += 1
                episode[i] += 1
                observation = env.reset(seed=seed(i))[0]
            same(batch.observation, i, observation)
    assert ended >= 4
    pool.close()
    assert name.startswith("Vizdoom") or not list(tmp_path.iterdir())
    for env in theirs:
        env.close()


def test_make_and_train_under_jit():
    env, params = envs.make("gym:Pendulum-v1", workers=1, max_steps=20)
    assert env.observation_space(params) == spaces.Box(-8.0, 8.0, (3,), jnp.dtype("float32"))
    assert env.action_space(params) == spaces.Box(-2.0, 2.0, (1,), jnp.dtype("float32"))
    observation, state = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), 3))
    np.testing.assert_allclose((observation[:, :2] ** 2).sum(1), 1, rtol=1e-5)

    @jax.jit
    def play(state, key):
        def body(state, key):
            action = jax.random.uniform(key, (3, 1), minval=-2, maxval=2)
            out = jax.vmap(env.step, (None, 0, 0, None))(key, state, action, params)
            return out[1], out

        return jax.lax.scan(body, state, jax.random.split(key, 45))

    after, out = play(state, jax.random.key(1))
    assert out[4].sum() == 6 and (out[5]["episode_length"][out[4]] == 20).all()
    again, _ = play(state, jax.random.key(1))  # replays continuous actions too
    jax.tree.map(np.testing.assert_array_equal, after.env_state.log, again.env_state.log)
    _, one = play(after, jax.random.key(2))
    env.unwrapped.running.groups.clear()
    _, two = play(after, jax.random.key(2))
    np.testing.assert_array_equal(one[0], two[0])
    env.unwrapped.close()


def test_a_fraction_is_no_choice():
    env, params = envs.make("gym:CartPole-v1", workers=1)
    key = jax.random.key(0)
    _, state = env.reset(key, params)
    for play in (env.step, env.unwrapped.send):
        inner = state if play == env.step else state.env_state
        with pytest.raises(ValueError, match="action of type float32: .* takes whole numbers"):
            play(key, inner, jnp.float32(1.5), params)
    env.unwrapped.close()


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        pytest.param("ALE/MontezumaRevenge-v5?", (4, 84, 84), marks=has("ale_py")),
        pytest.param(
            "ALE/MontezumaRevenge-v5?preprocess=False&", (210, 160, 3), marks=has("ale_py")
        ),
        pytest.param("VizdoomMyWayHome-v1?", (42, 42, 3), marks=has("vizdoom")),
        pytest.param("VizdoomMyWayHome-v1?picture_size=60&", (60, 60, 3), marks=has("vizdoom")),
    ],
)
def test_pictures_are_made_ready(name, shape):
    env, params = envs.make(f"{name}workers=1&max_steps=3")
    space = env.observation_space(params)
    space = space if isinstance(space, spaces.Box) else space["screen"]
    assert space.shape == shape
    observation, state = env.reset(jax.random.key(0), params)
    for step in range(3):
        key = jax.random.key(step)
        observation, state, _, _, truncated, _ = env.step(key, state, jnp.int32(1), params)
        assert bool(truncated) == (step == 2)
    picture = observation["screen"] if isinstance(observation, dict) else observation
    assert picture.shape == shape and picture.dtype == jnp.uint8 and picture.max() > 0
    env.unwrapped.close()


@has("ale_py")
def test_an_agent_learns_from_pictures():
    config = impala.Config(
        env="ALE/MontezumaRevenge-v5?workers=1",
        total_steps=16,
        num_envs=2,
        rollout_length=4,
        minibatches=1,
        epochs=1,
        widths=(8,),
    )
    experiment = impala.build(config)
    state, metrics = jax.jit(lambda k: experiment.update(experiment.init(k)))(jax.random.key(0))
    assert np.isfinite(metrics["loss"]) and int(state.count) == 1


def test_pictures_where_there_are_none():
    with pytest.raises(envs.UnknownOption, match="picture_size=40"):
        envs.make("gym:CartPole-v1?picture_size=40", workers=1)


def test_unknown_names_are_told():
    with pytest.raises(envs.UnknownOption, match="CartPole"):
        envs.make("gym:CartPole-v9", workers=1)
    with pytest.raises(envs.UnknownOption, match="CartPole"):
        envs.make("gym:CartPol-v1", workers=1)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gym:", "^gym:NAME names"),
        ("gym:?workers=1", "^gym:NAME names"),
        ("gym:CartPole-v1?foo=3", "^foo=3: CartPole-v1 refuses it"),
        ("gym:FrozenLake-v1?map_name=9x9", "^map_name='9x9': FrozenLake-v1 refuses it: '9x9'"),
        ("gym:CartPole-v1?frame_stack=abc", "^frame_stack='abc': .* takes a whole number"),
        ("gym:CartPole-v1?frame_stack=0", "^frame_stack=0: at least 1"),
        ("gym:CartPole-v1?preprocess=no", "^preprocess='no': .* takes true or false"),
    ],
)
def test_what_cannot_be_made_is_told(name, words):
    with pytest.raises(envs.UnknownOption, match=words):
        envs.make(name)


def test_a_package_that_an_environment_lacks_is_named(tmp_path, monkeypatch):
    """Whether the environment says so in Gymnasium's way or just imports it."""
    (tmp_path / "lacking.py").write_text(
        "import gymnasium\n"
        "def one():\n"
        "    raise gymnasium.error.DependencyNotInstalled('Lead is not installed')\n"
        "def other():\n"
        "    import no_such_package\n"
        "gymnasium.register('Lead-v0', one)\n"
        "gymnasium.register('Zinc-v0', other)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name, lacks in (("Lead", "Lead is not installed"), ("Zinc", "no_such_package")):
        with pytest.raises(MissingExtra, match=f"needs a package that is missing: .*{lacks}"):
            envs.make(f"gym:lacking:{name}-v0", workers=1)


def test_how_to_name_ones_own_is_told(tmp_path, monkeypatch):
    with pytest.raises(envs.UnknownOption, match="gym:MODULE:NAME.*PYTHONPATH"):
        envs.make("gym:Mine-v0", workers=1)
    for name in ("nowhere", "nowhere.deeper"):
        with pytest.raises(envs.UnknownOption, match="no module 'nowhere.*gym:MODULE:NAME"):
            envs.make(f"gym:{name}:Mine-v0", workers=1)
    (tmp_path / "needy.py").write_text("import not_installed_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Exception, match="not_installed_at_all") as error:
        envs.make("gym:needy:Mine-v0", workers=1)
    assert "no module 'needy'" not in str(error.value)
