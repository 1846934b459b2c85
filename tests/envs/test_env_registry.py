"""`envs.make`: every registered environment keeps its protocol, and mistakes get clear errors."""

from __future__ import annotations

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import envs
from envs import spaces, wrappers
from envs.grid.engine import GridWorld
from envs.host.catalogue import on_host

SOME = ("Corridors-N4-L6", "DistShift1", "LavaGapS5", "MemoryS7", "Empty-5x5")


def shapes(tree):
    return jax.tree.map(lambda x: (jnp.shape(x), jnp.result_type(x)), tree)


def members(space):
    return space.spaces if isinstance(space, spaces.Dict) else {"": space}


@pytest.mark.parametrize("name", [n for n in envs.registered() if not on_host(n)])
def test_reset_and_step_agree(name):
    env, params = envs.make(name, auto_reset="none")
    key, action = jax.random.key(0), jnp.int32(0)
    observation, state = jax.eval_shape(env.reset, key, params)
    out = jax.eval_shape(env.step, key, state, action, params)
    assert shapes(out[0]) == shapes(observation)
    assert shapes(out[1]) == shapes(state)
    assert [(x.shape, x.dtype) for x in out[2:5]] == [
        ((), jnp.float32),
        ((), jnp.bool_),
        ((), jnp.bool_),
    ]
    seen = observation if isinstance(observation, dict) else {"": observation}
    for field, space in members(env.observation_space(params)).items():
        assert (seen[field].shape, seen[field].dtype) == (space.shape, space.dtype), field
    assert env.name == name


@pytest.mark.parametrize("name", SOME)
def test_observations_are_in_their_space(name):
    env, params = envs.make(name, noise=3, time_counter=True)
    space = env.observation_space(params)
    keys = jax.random.split(jax.random.key(0), 8)
    observation, state = jax.vmap(env.reset, in_axes=(0, None))(keys, params)
    step = jax.jit(jax.vmap(env.step, in_axes=(0, 0, 0, None)))
    for t in range(20):
        assert np.all(jax.vmap(space.contains)(observation))
        actions = jax.vmap(env.action_space(params).sample)(jax.random.split(jax.random.key(t), 8))
        observation, state, *_ = step(keys, state, actions, params)
    wrong = {**observation, "direction": observation["direction"] + 4}
    assert not np.any(jax.vmap(space.contains)(wrong))
    assert not space.contains({"image": observation["image"][0]})


def test_spaces_sample_what_they_contain():
    space = spaces.Dict.of(
        {
            "a": spaces.Discrete(3),
            "b": spaces.Box(0, 10, (4,), jnp.uint8),
            "c": spaces.Box(-1.0, 1.0, (2,)),
            "d": spaces.Box(-np.inf, np.inf, (2,)),
        }
    )
    draws = jax.vmap(space.sample)(jax.random.split(jax.random.key(0), 200))
    assert np.all(jax.vmap(space.contains)(draws))
    assert set(np.unique(draws["a"])) == {0, 1, 2}
    assert draws["b"].dtype == jnp.uint8 and draws["b"].max() == 10
    assert {space: 1}[spaces.Dict.of(space.spaces)] == 1  # hashable, whatever the order


def test_seeds_times_environments():
    env, params = envs.make("LavaGapS5", max_steps=6)

    def run(seed_key):
        keys = jax.random.split(seed_key, 5)
        _, state = jax.vmap(env.reset, in_axes=(0, None))(keys, params)

        def step(state, key):
            actions = jax.random.randint(key, (5,), 0, 7)
            out = jax.vmap(env.step, in_axes=(0, 0, 0, None))(keys, state, actions, params)
            return out[1], (out[0]["image"], out[2])

        return jax.lax.scan(step, state, jax.random.split(seed_key, 9))[1]

    seeds = jax.random.split(jax.random.key(0), 3)
    images, rewards = jax.jit(jax.vmap(run))(seeds)
    assert images.shape == (3, 9, 5, 7, 7, 3) and rewards.shape == (3, 9, 5)
    alone = jax.jit(run)(seeds[1])
    np.testing.assert_array_equal(images[1], alone[0])


def test_parameters_may_differ_between_members():
    env, params = envs.make("Empty-5x5", auto_reset="none", log=False)
    limits = jax.tree.map(lambda _: jnp.array([1, 2]), params)
    keys = jax.random.split(jax.random.key(0), 2)
    _, state = jax.vmap(env.reset)(keys, limits)
    truncated = jax.vmap(env.step)(keys, state, jnp.zeros(2, jnp.int32), limits)[4]
    np.testing.assert_array_equal(truncated, [True, False])


def loop(env, params, steps):
    """Written for gymnax 1.0's environments; ours must need nothing else."""
    key = jax.random.key(0)
    observation, state = env.reset(key, params)
    rewards = []
    step = jax.jit(env.step)
    for t in range(steps):
        act_key, step_key = jax.random.split(jax.random.fold_in(key, t))
        action = env.action_space(params).sample(act_key)
        observation, state, reward, terminated, truncated, _ = step(step_key, state, action, params)
        assert jnp.shape(terminated) == jnp.shape(truncated) == ()
        rewards.append(float(reward))
    return observation, rewards


def test_one_loop_drives_gymnax_and_ours():
    theirs, rewards = loop(*gymnax.make("CartPole-v1"), 30)
    assert theirs.shape == (4,) and sum(rewards) == 30
    ours, rewards = loop(*envs.make("Empty-5x5", max_steps=10), 30)
    assert ours["image"].shape == (7, 7, 3) and len(rewards) == 30


def test_full_ids_of_minigrid_work():
    assert envs.make("MiniGrid-LavaGapS5-v0")[0].name == "LavaGapS5"
    assert (
        envs.make("MiniGrid-MultiRoom-N4-S5-v1", auto_reset="none")[0].name == "MultiRoom-N4-S5-v1"
    )


def test_unknown_names_get_close_matches():
    with pytest.raises(envs.UnknownEnvironment, match="KeyCorridorS3R3"):
        envs.make("keycoridorS3R3")
    with pytest.raises(envs.UnknownEnvironment, match="one of"):
        envs.make("zzzzzzzz")


def test_environments_of_gymnasium_alone_are_pointed_to():
    with pytest.raises(envs.UnknownEnvironment, match="Gymnasium has it: gym:FrozenLake-v1$"):
        envs.make("FrozenLake-v1")
    with pytest.raises(envs.UnknownOption, match="auto_reset='foo': 'exact', 'bank' or 'none'"):
        envs.make("Empty-5x5", auto_reset="foo")


def test_unknown_options_get_close_matches():
    with pytest.raises(envs.UnknownOption, match="view_size"):
        envs.make("LavaGapS5", viewsize=5)
    with pytest.raises(envs.UnknownOption, match="max_steps"):
        envs.make("LavaGapS5", max_step=5)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("LavaGapS5", {"size": 4}, "size=4"),
        ("LavaGapS5", {"view": "top"}, "view='top'"),
        ("LavaGapS5", {"view_size": 4}, "view_size=4"),
        ("SimpleCrossingS9N1", {"num_crossings": 7}, "num_crossings=7"),
        ("SimpleCrossingS9N1", {"obstacle": "water"}, "obstacle='water'"),
        ("SimpleCrossingS9N1", {"size": 8}, "size=8"),
        ("MemoryS7", {"size": 8}, "size=8"),
        ("DistShift1", {"strip2_row": 9}, "strip2_row=9"),
        ("Dynamic-Obstacles-5x5", {"num_obstacles": 0}, "num_obstacles=0"),
        ("PutNear-6x6-N2", {"num_objects": 3}, "num_objects=3"),
        ("Fetch-5x5-N2", {"num_objects": 9}, "num_objects=9"),
        ("GoToObject-6x6-N2", {"num_objects": 0}, "num_objects=0"),
        ("GoToDoor-5x5", {"size": 4}, "size=4"),
        ("LockedRoom", {"size": 18}, "size=18"),
        ("RedBlueDoors-6x6", {"size": 3}, "size=3"),
        ("KeyCorridorS3R1", {"room_size": 2}, "room_size=2"),
        ("ObstructedMaze-Full", {"num_quarters": 5}, "num_quarters=5"),
        ("Corridors-N4-L10", {"arms": 5}, "arms=5"),
        ("Corridors-N4-L10", {"length": 3}, "length=3"),
        ("Corridors-N2-L10", {"goal_arm": 2}, "goal_arm=2"),
    ],
)
def test_bad_values_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        envs.make(name, **options)


def test_taken_names_are_refused():
    with pytest.raises(ValueError, match="registered already"):
        envs.register("LavaGapS5", lambda: None)  # type: ignore[arg-type,return-value]


def test_default_reset_modes():
    # a constant level costs nothing to draw, a drawn one more than a look into a bank
    assert envs.make("DistShift1")[0].mode == "exact"
    assert envs.make("KeyCorridorS3R1")[0].mode == "bank"
    grids = [
        n
        for n in envs.registered()
        if not on_host(n) and isinstance(envs.make(n, auto_reset="none")[0].unwrapped, GridWorld)
    ]
    assert len(grids) >= 75


@pytest.mark.parametrize("name", ["Pendulum-v1", "CartPole-v1"])
def test_environments_can_be_made_while_tracing(name):
    """A sweep builds its experiments inside the program."""

    @jax.jit
    def first(key):
        env, params = envs.make(name)
        assert env.observation_space(params) == outside.observation_space(outside_params)
        assert env.action_space(params) == outside.action_space(outside_params)
        return env.reset(key, params)[0]

    outside, outside_params = envs.make(name)
    key = jax.random.key(0)
    np.testing.assert_allclose(first(key), outside.reset(key, outside_params)[0], rtol=1e-5)


def test_options_in_a_name():
    env, params = envs.make("Empty-8x8?view_size=5&max_steps=7&auto_reset=none")
    assert env.observation_space(params)["image"].shape == (5, 5, 3)
    assert isinstance(env, wrappers.EpisodeLog)
    assert not isinstance(env.env, wrappers.AutoReset) and env.env.steps == 7
    assert wrappers.NoiseChannel is type(envs.make("MiniGrid-Empty-8x8-v0?noise=3")[0])
    for wrong in ("Empty-8x8?view_size", "Empty-8x8?", "Empty-8x8?view-size=3"):
        with pytest.raises(envs.UnknownOption, match="OPTION=VALUE"):
            envs.make(wrong)
    with pytest.raises(envs.UnknownOption, match="view_size"):
        envs.make("Empty-8x8?viewsize=5")
    assert not envs.make("Empty-8x8?coordinates=FALSE&auto_reset=none&log=false")[0].coordinates
    for name, option in (
        ("Empty-8x8?coordinates=no", "coordinates='no'"),
        ("Empty-8x8?view_size=9.5", "view_size=9.5"),
        ("MultiRoom-N6?view_size=abc", "view_size='abc'"),
        ("Maze-5?fixed=maybe", "fixed='maybe'"),
        ("DiabolicalLock-H10?horizon=abc", "horizon='abc'"),
        ("Empty-8x8?max_steps=abc", "max_steps='abc'"),
    ):
        with pytest.raises(envs.UnknownOption, match=f"^{option}: {name.partition('?')[0]} takes"):
            envs.make(name)


@pytest.mark.parametrize("option", ["scale=True", "size=3"])
def test_unknown_options_of_classic_control(option):
    with pytest.raises(envs.UnknownOption, match="MountainCar-v0 has no option"):
        envs.make(f"MountainCar-v0?{option}")


def test_a_missing_package_is_told_by_its_extra(monkeypatch):
    from envs.host import catalogue

    monkeypatch.setattr(catalogue, "minihack_names", lambda: ())
    monkeypatch.setattr(catalogue.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install 'jaxrl-suite.minihack.'"):
        envs.make("MiniHack-Room-5x5-v0")
    with pytest.raises(ValueError, match="needs minihack"):
        envs.make("MiniHack-Room-5x5-v0")


def test_coordinates_are_one_hot_columns_and_rows_through_resets():
    env, params = envs.make("Empty-5x5", coordinates=True, max_steps=3)
    observation, state = env.reset(jax.random.key(0), params)
    assert env.observation_space(params).spaces["coordinates"].shape == (10,)
    np.testing.assert_array_equal(np.flatnonzero(observation["coordinates"]), [1, 5 + 1])
    for step in range(1, 7):  # forward along the first row; the third step ends an episode
        observation, state, _, _, truncated, info = env.step(
            jax.random.key(step), state, jnp.int32(2), params
        )
        final = info["final_observation"]["coordinates"]
        np.testing.assert_array_equal(np.flatnonzero(final), info["position"] + np.array([0, 5]))
        begun = step % 3 == 0
        assert bool(truncated) == begun
        if begun:
            np.testing.assert_array_equal(np.flatnonzero(observation["coordinates"]), [1, 6])
    plain, _ = envs.make("Empty-5x5")
    assert "coordinates" not in plain.observation_space().spaces


def test_names_are_in_the_order_of_their_numbers():
    names = envs.registered()
    assert names.index("DiabolicalLock-H3") < names.index("DiabolicalLock-H10")
    assert names.index("Empty-8x8") < names.index("Empty-16x16")


@pytest.mark.parametrize(
    "name",
    [
        "Acrobot-v1?scaled=true",
        "BidirectionalLock-H3",
        "CartPole-v1",
        "Corridors-N2-L10?moves=compass",
        "DiabolicalLock-H3",
        "Empty-5x5?coordinates=true&noise=2&time_counter=true",
        "KeyCorridorS3R1",
        "Maze-5",
        "MultiRoom-N2-S4",
        "RaycastMaze-3x3",
        "StochasticLock-H3?observation=bernoulli",
    ],
)
def test_environments_have_32_bits_where_jax_has_64(name):
    with jax.enable_x64(True):
        env, params = envs.make(name, bank_size=2)
        key = jax.random.key(0)
        observation, state = jax.eval_shape(env.reset, key, params)
        action = jax.eval_shape(env.action_space(params).sample, key)
        after = jax.eval_shape(env.step, key, state, action, params)
    kinds = jax.tree.map(lambda x: x.dtype, (observation, state))
    assert kinds == jax.tree.map(lambda x: x.dtype, after[:2])
    assert after[2].dtype == "float32" and action.dtype in ("int32", "float32")
    space = env.observation_space(params)
    parts = getattr(space, "spaces", {"": space})
    for key, part in parts.items():
        seen = observation[key] if key else observation
        assert seen.dtype == part.dtype, key


def test_levels_are_the_same_where_jax_has_64_bits():
    def level():
        env, params = envs.make("KeyCorridorS3R1", auto_reset="none", log=False)
        return env.reset(jax.random.key(3), params)[1].columns

    narrow = level()
    with jax.enable_x64(True):
        np.testing.assert_array_equal(level(), narrow)


@pytest.mark.parametrize("name", ["Breakout-v5", "Breakout"])
def test_ataris_games_are_found_without_their_family(name):
    pytest.importorskip("ale_py")
    with pytest.raises(envs.UnknownEnvironment, match=r"did you mean ALE/Breakout-v5\?"):
        envs.make(name)
