"""DQN: targets and loss against NumPy, a chain with known values, truncation, seeds by vmap."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from toys import Choice, toy

import envs
from experiments import dqn as script
from jaxrl_suite import q_learning, runner
from jaxrl_suite.agents import dqn
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.q_learning import Item
from jaxrl_suite.runner.curves import Curves

SMALL = dqn.DQNConfig(
    total_steps=256, num_envs=4, capacity=64, warmup=32, batch_size=8, widths=(8,), eval_episodes=4
)
LEARN = dataclasses.replace(
    SMALL, total_steps=12_000, capacity=4_000, batch_size=32, learning_rate=3e-3, target_every=50
)
QUICK = {"xla_backend_optimization_level": 0}  # compiling is most of the time of a tiny run


def run(experiment, key, updates):
    state = experiment.init(key)
    return jax.lax.scan(lambda s, _: experiment.update(s), state, None, length=updates)


def table(params, observation):
    return params[observation]


@pytest.mark.parametrize("double", [False, True])
def test_targets_and_loss_are_the_papers(double):
    rng = np.random.default_rng(0)
    params, target = rng.normal(size=(2, 5, 3)) * 3
    index, after = rng.integers(5, size=(2, 40))
    action, reward = rng.integers(3, size=40), rng.normal(size=40)
    ended = rng.random(40) < 0.3
    chooser = params if double else target
    best = chooser[after].argmax(-1)
    y = reward + 0.9 * ~ended * target[after, best]
    error = np.abs(y - params[index, action])
    expected = np.where(error < 0.5, error**2 / 2, 0.5 * (error - 0.25))
    batch = Item(*map(jnp.asarray, (index, action, reward, after, ended)))
    got = q_learning.targets(table, *map(jnp.asarray, (params, target)), batch, 0.9, double)
    np.testing.assert_allclose(got, y, rtol=1e-5, atol=1e-6)
    value, _ = q_learning.loss(
        table, jnp.asarray(params), jnp.asarray(target), batch, 0.9, double, 0.5
    )
    np.testing.assert_allclose(value, expected.mean(), rtol=1e-5)
    assert (got != q_learning.targets(table, params, target, batch, 0.9, not double)).any()


def test_learning_on_all_transitions_is_value_iteration():
    """A random MDP of 4 states and 2 actions: the fixed point of the gradient steps is Q*."""
    rng = np.random.default_rng(1)
    following = rng.integers(4, size=(4, 2))
    reward = rng.normal(size=(4, 2))
    ended = rng.random((4, 2)) < 0.2
    q = np.zeros((4, 2))
    for _ in range(500):
        q = reward + 0.8 * ~ended * q.max(-1)[following]
    states, actions = np.indices((4, 2)).reshape(2, -1)
    batch = Item(
        jnp.asarray(states),
        jnp.asarray(actions),
        jnp.asarray(reward.reshape(-1), jnp.float32),
        jnp.asarray(following.reshape(-1)),
        jnp.asarray(ended.reshape(-1)),
    )
    optimizer = optax.adam(0.05)

    def step(learner, _):
        gradient = jax.grad(
            lambda p: q_learning.loss(table, p, learner.target, batch, 0.8, huber=100.0)[0]
        )(learner.params)
        return q_learning.learn(learner, gradient, optimizer, 50), None

    first = q_learning.begin(jnp.zeros((4, 2)), optimizer)
    learner, _ = jax.lax.scan(step, first, None, length=3_000)
    np.testing.assert_allclose(learner.params, q, atol=0.02)
    assert int(learner.steps) == 3_000


def test_target_is_renewed_when_due():
    optimizer = optax.sgd(1.0)
    learner = q_learning.begin(jnp.zeros(()), optimizer)
    seen = []
    for _ in range(7):
        learner = q_learning.learn(learner, jnp.float32(-1.0), optimizer, 3)
        seen.append(float(learner.target))
    assert seen == [0, 0, 3, 3, 3, 6, 6]


def test_seeds_by_vmap_equal_single_runs():
    config = script.Config(**dataclasses.asdict(SMALL) | {"env": "CartPole-v1", "bonus": "rnd"})
    experiment = script.build(config)

    def several(over_seeds, key):
        init, update = (
            jax.jit(over_seeds(f), compiler_options=QUICK)
            for f in (experiment.init, experiment.update)
        )
        state = init(key)
        for _ in range(3):  # the last two learn
            state, _ = update(state)
        return state

    keys = jax.random.split(jax.random.key(0), 2)
    together, alone = several(jax.vmap, keys), several(lambda f: f, keys[1])
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
        if not jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            np.testing.assert_allclose(a[1], b, rtol=2e-3, atol=2e-4)


def test_nothing_is_learnt_before_the_warm_up_is_over():
    experiment = dqn.make(*envs.make("CartPole-v1"), SMALL)
    first = experiment.init(jax.random.key(0))
    update, state, changed = jax.jit(experiment.update), first, []
    for _ in range(3):  # 16 steps each
        state, metrics = update(state)
        same = jax.tree.map(np.array_equal, first.learner.params, state.learner.params)
        changed.append(not all(jax.tree.leaves(same)))
    assert changed == [False, True, True] and float(metrics["epsilon"]) < 1


def test_learns_a_contextual_bandit():
    experiment = dqn.make(*toy(), LEARN)
    state, _ = jax.jit(lambda k: run(experiment, k, experiment.num_updates))(jax.random.key(0))
    assert experiment.evaluate(jax.random.key(1), state)["return"] > 0.99


@pytest.mark.parametrize(
    ("cut", "bootstrap", "ends"), [(True, True, 0), (True, False, 1), (False, True, 1)]
)
def test_only_a_truncation_is_bootstrapped(cut, bootstrap, ends):
    """And from the final observation, which the next episode's first one is not."""
    config = dataclasses.replace(SMALL, bootstrap_truncation=bootstrap)
    experiment = dqn.make(*toy(length=2, cut=cut), config)
    state, _ = jax.jit(lambda k: run(experiment, k, 2))(jax.random.key(0))
    items = jax.tree.map(lambda x: np.asarray(x)[: int(state.replay.size)], state.replay.data)
    last = items.observation[:, 2] == 1  # the second of two steps
    assert 0 < last.sum() < len(last)
    assert (items.ended == (last & bool(ends))).all()
    assert (items.next_observation[:, 2] == 1).all()


def test_runs_through_the_runner(tmp_path):
    options = runner.Options(out=tmp_path, seeds=2, plots=False, video=False, tensorboard=False)
    config = script.Config(**dataclasses.asdict(SMALL) | {"double": False})
    runner.run(script.EXPERIMENT, config, options)
    assert {"episode_return", "loss", "eval/return"} <= set(Curves.read(tmp_path).metrics)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("capacity", 8),
        ("epsilon", 1.5),
        ("num_envs", 0),
        ("huber", 0.0),
        ("warmup", -1),
        ("warmup", 256),
    ],
)
def test_bad_settings_are_refused_by_name(field, value):
    with pytest.raises(ConfigError, match=f"^{field}="):
        dqn.make(*envs.make("CartPole-v1"), dataclasses.replace(SMALL, **{field: value}))


def test_continuous_actions_are_refused():
    with pytest.raises(ConfigError, match="env='Pendulum-v1'.*choice"):
        dqn.make(*envs.make("Pendulum-v1"), SMALL)


def test_learns_from_discrete_observations():
    experiment = dqn.make(*toy(Choice), dataclasses.replace(LEARN, total_steps=4_000))
    state, _ = jax.jit(lambda k: run(experiment, k, experiment.num_updates))(jax.random.key(0))
    assert experiment.evaluate(jax.random.key(1), state)["return"] > 0.95
