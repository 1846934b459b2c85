"""Normaliser, product, sum, gate, and expressions of bonuses."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import envs
from envs import spaces
from jaxrl_suite.agents import ppo
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.exploration import catalog, combine, scale
from jaxrl_suite.exploration.bonus import Bonus, Transitions

T, N = 6, 4
COUNTS = ["episodic_observation", "first_observation", "global_observation"]


def transitions(seed=0):
    rng = np.random.default_rng(seed)
    zeros = jnp.zeros((T, N), bool)
    states = jnp.asarray(rng.normal(size=(T + 1, N, 3)), jnp.float32)
    reward = jnp.asarray(rng.normal(size=(T, N)), jnp.float32)
    action = jnp.asarray(rng.integers(2, size=(T, N)))
    return Transitions(states[:-1], states[1:], action, reward, zeros, zeros, zeros, {})


def coordinate(index):
    """Pays one coordinate of the state reached; its state counts rollouts."""

    def update(key, state, transitions, policy_features):
        return transitions.next_observation[..., index], state + 1, {"rollouts": state}

    return Bonus(lambda *_: jnp.float32(0), update, f"x{index}")


def paid(bonus, data, rollouts=1):
    state = bonus.init(jax.random.key(0), None, None, N)
    for i in range(rollouts):
        extra, state, metrics = bonus.update(jax.random.key(i), state, data, None)
    return np.asarray(extra), state, metrics


def test_product_sum_gate():
    data = transitions()
    x, y, z = np.moveaxis(np.asarray(data.next_observation), -1, 0)
    a, b, c = map(coordinate, range(3))
    np.testing.assert_allclose(paid(combine.product(a, b, c), data)[0], x * y * z, rtol=1e-6)
    np.testing.assert_allclose(paid(combine.total(a, b), data)[0], x + y, rtol=1e-6)
    weighted = combine.total(a, b, weights=(2.0, -0.5))
    np.testing.assert_allclose(paid(weighted, data)[0], 2 * x - 0.5 * y, rtol=1e-5)
    np.testing.assert_array_equal(paid(combine.gated(a, b), data)[0], np.where(y > 0, x, 0))
    nested = combine.product(combine.total(a, b), c)
    extra, state, metrics = paid(nested, data, rollouts=3)
    np.testing.assert_allclose(extra, (x + y) * z, rtol=1e-5)
    assert jax.tree.leaves(state) == [3, 3, 3]
    assert metrics["x0+x1/x0/rollouts"] == 2 and metrics["x2/rollouts"] == 2
    with pytest.raises(ValueError, match="weights"):
        combine.total(a, b, weights=(1.0,))
    with pytest.raises(ValueError, match="at least one"):
        combine.product()


def test_a_bonus_of_another_shape_is_not_broadcast():
    narrow = Bonus(lambda *_: (), lambda key, state, steps, f: (steps.reward[0], state, {}), "mine")
    right = rf"bonus='mine': .*\[{T}, {N}\], .* not \[{N}\]"
    for bonus in (combine.product(coordinate(0), narrow), scale.scaled(narrow, 1.0, "std")):
        with pytest.raises(ConfigError, match=right):
            paid(bonus, transitions())


def test_members_with_one_name_are_told_apart():
    metrics = paid(combine.product(coordinate(0), coordinate(0)), transitions())[2]
    assert {"x0_1/rollouts", "x0_2/rollouts"} <= set(metrics)


def test_a_constant_bonus_is_not_blown_up():
    ones = jnp.ones((T, N))
    moments = scale.init()
    for _ in range(3):
        extra, moments = scale.apply(moments, ones, "std")
    np.testing.assert_allclose(extra, 10.0, rtol=1e-5)


def test_a_product_is_normalised_as_a_whole():
    data = transitions()
    x, y, _ = np.moveaxis(np.asarray(data.next_observation), -1, 0)
    bonus = scale.scaled(combine.product(coordinate(0), coordinate(1)), 0.3)
    extra, _, metrics = paid(bonus, data, rollouts=2)
    np.testing.assert_allclose(extra, 0.3 * x * y / (x * y).std(), rtol=1e-4)
    np.testing.assert_allclose(metrics["bonus_mean"], (x * y).mean(), rtol=1e-4)
    plain = scale.scaled(coordinate(0), 2.0, "none")
    np.testing.assert_allclose(paid(plain, data)[0], 2 * x, rtol=1e-6)
    with pytest.raises(ConfigError, match="normalize='mean'"):
        scale.scaled(coordinate(0), normalize="mean")


def test_running_std():
    rng = np.random.default_rng(0)
    parts = rng.exponential(3.0, size=(5, 7, 4)).astype(np.float32)
    moments = scale.init()
    for part in parts:
        _, moments = scale.apply(moments, jnp.asarray(part), "std")
    np.testing.assert_allclose(scale.std(moments), parts.std(), rtol=1e-5)
    np.testing.assert_allclose(moments.mean, parts.mean(), rtol=1e-5)


def test_release_std_follows_its_formula():
    rng = np.random.default_rng(1)
    envs, moments = 8, scale.init()
    for _ in range(50):
        part = jnp.asarray(rng.exponential(1.0, size=(80, envs)), jnp.float32)
        _, moments = scale.apply(moments, part, "release")
    want = np.sqrt(envs * (1 + (envs - 1) ** 2))  # sigma = mu = 1
    assert abs(float(scale.std(moments)) / want - 1) < 0.02


BOX, CHOICES = spaces.Box(-1.0, 1.0, (3,)), spaces.Discrete(2)


def build(expression, **options):
    options = {"features": 4, "log2_slots": 6, "normalize": "none", "coefficient": 1.0, **options}
    return catalog.build(catalog.Options(expression, **options), BOX, CHOICES, policy_widths=(5, 3))


def test_expressions_mean_what_they_say():
    data = transitions()._replace(info={"position": jnp.arange(T * N * 2).reshape(T, N, 2) // 16})

    def value(expression):
        bonus = build(expression)
        state = bonus.init(jax.random.key(0), BOX, CHOICES, N)
        return np.asarray(bonus.update(jax.random.key(1), state, data, lambda x: x)[0])

    first, count, everywhere = (
        value(f"{name}_position") for name in ("first", "episodic", "global")
    )
    assert 0 < first.mean() < 1
    np.testing.assert_allclose(value("first_position*global_position"), first * everywhere)
    np.testing.assert_allclose(
        value("episodic_position + 0.5*global_position"), count + 0.5 * everywhere, rtol=1e-6
    )
    np.testing.assert_allclose(
        value("(episodic_position + global_position) * (2 * 2) * first_position"),
        4 * first * (count + everywhere),
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        value("global_position@first_position"), np.where(first > 0, everywhere, 0)
    )


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("e3d", "did you mean e3b"),
        ("e3b*novelty", "did you mean noveld"),
        ("xyz", "one of e3b"),
        ("e3b*", "not an expression"),
        ("e3b-rnd", "multiplied, added, or gated"),
        ("e3b+1", "numbers are weights"),
        ("2", "a number alone"),
        ("max(e3b, rnd)", "write names, numbers"),
        ("True*e3b", "write names, numbers"),
    ],
)
def test_bad_expressions_are_refused(expression, words):
    with pytest.raises(ConfigError, match="bonus=") as error:
        build(expression)
    assert words in str(error.value)


def test_errors_of_a_bonus_name_the_option_behind_it():
    env, params = envs.make("CartPole-v1")
    small = {"num_envs": 1, "rollout_length": 1, "minibatches": 1}
    for options, words in (
        ({"bonus": "first_message"}, "bonus='first_message': this environment has no messages"),
        ({"bonus": "rnd"}, "bonus_minibatches=4: at most 1, the steps of a rollout"),
    ):
        given = catalog.Options(**options)
        bonus = catalog.build(given, env.observation_space(params), env.action_space(params))
        experiment = ppo.make(env, params, ppo.PPOConfig(**small), bonus)
        with pytest.raises(ConfigError) as error:
            jax.eval_shape(lambda key, e=experiment: e.update(e.init(key)), jax.random.key(0))
        assert words in str(error.value)


def test_none_is_no_bonus():
    assert build("none") is None


def test_every_name_works_on_a_grid_world():
    env, params = envs.make("DoorKey-5x5")
    space, actions = env.observation_space(params), env.action_space(params)
    keys = jax.random.split(jax.random.key(0), T * N).reshape(T, N)
    observation, state = jax.vmap(jax.vmap(env.reset, (0, None)), (0, None))(keys, params)
    action = jnp.zeros((T, N), jnp.int32)
    reached, _, reward, ended, cut, info = jax.vmap(
        jax.vmap(env.step, (0, 0, 0, None)), (0, 0, 0, None)
    )(keys, state, action, params)
    info = {"position": info["position"]}
    data = Transitions(observation, reached, action, reward, ended, cut, ended, info)
    everything = " + ".join(catalog.names())
    bonus = catalog.build(catalog.Options(everything, log2_slots=6, features=8), space, actions)

    seeds = jax.random.split(jax.random.key(1), 2)
    states = jax.vmap(lambda key: bonus.init(key, space, actions, N))(seeds)
    update = jax.jit(jax.vmap(lambda key, state: bonus.update(key, state, data, None)))
    for _ in range(2):
        extra, states, metrics = update(seeds, states)
    assert extra.shape == (2, T, N) and all(value.shape == (2,) for value in metrics.values())
    assert all(np.isfinite(value).all() for value in [extra, *metrics.values()])
    means = [metrics[name] for name in metrics if name.count("/") and name.endswith("/mean")]
    assert len(means) >= len(catalog.names()) and all((mean >= 0).all() for mean in means)


@pytest.mark.parametrize("name", ["e3b", "rnd", "noveld", "icm", "ride", "impact", *COUNTS])
def test_rollouts_of_the_wrong_shape_are_refused_by_every_bonus(name):
    space, actions = spaces.Box(-1.0, 1.0, (3,)), spaces.Discrete(2)
    bonus = catalog.build(catalog.Options(name, log2_slots=4, features=8), space, actions)
    state = bonus.init(jax.random.key(0), space, actions, N)
    good = transitions()
    one = jax.tree.map(lambda x: x[:, 0], good)
    wrong = [
        (one, rf"reward of shape \({T},\): must be \[T, N\]"),
        (
            good._replace(action=good.action.T),
            rf"action of shape \({N}, {T}\): must be \[{T}, {N}, ...\]",
        ),
        (good._replace(reset=good.reset[0]), rf"reset of shape \({N},\): must be \[{T}, {N}\]"),
        (good._replace(observation=good.observation[0]), "observation of shape"),
        (good._replace(info={"position": jnp.zeros((N, 2))}), "info.'position'. of shape"),
    ]
    for data, words in wrong:
        with pytest.raises(ValueError, match=words):
            bonus.update(jax.random.key(1), state, data, None)


def test_as_many_environments_as_init_was_told():
    space, actions = spaces.Box(-1.0, 1.0, (3,)), spaces.Discrete(2)
    for name in ("e3b", "episodic_observation"):
        bonus = catalog.build(catalog.Options(name, log2_slots=4, features=8), space, actions)
        state = bonus.init(jax.random.key(0), space, actions, N + 1)
        with pytest.raises(ValueError, match=rf"must be \[T, {N + 1}\], as init was told"):
            bonus.update(jax.random.key(1), state, transitions(), None)


def test_options_are_documented():
    described = catalog.Options.__doc__ or ""
    assert all(f"{field.name}" in described for field in dataclasses.fields(catalog.Options))


@pytest.mark.parametrize("bonus", ["none", "rnd"])
@pytest.mark.parametrize(
    "option",
    [
        {"encoder": "foo"},
        {"normalize": "mean"},
        {"ridge": -1.0},
        {"log2_slots": 99},
        {"novelty_decay": -1.0},
        {"bonus_share": 2.0},
    ],
)
def test_bad_options_of_bonuses_that_are_not_used(bonus, option):
    (name,) = option
    with pytest.raises(ConfigError, match=f"^{name}={option[name]!r}: "):
        catalog.build(
            catalog.Options(bonus=bonus, **option), spaces.Box(0, 1, (3,)), spaces.Discrete(2)
        )


def test_how_to_have_no_bonus_is_said():
    with pytest.raises(ConfigError, match="^bonus='None': without a bonus it is 'none'"):
        catalog.build(catalog.Options(bonus="None"), spaces.Box(0, 1, (3,)), spaces.Discrete(2))
