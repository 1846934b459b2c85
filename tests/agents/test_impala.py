"""IMPALA and APPO: values where episodes end, memory, seeds by vmap, settings refused by name."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import toy

import envs
from experiments import impala as script
from jaxrl_suite.agents import impala, networks
from jaxrl_suite.experiment import ConfigError

SMALL = impala.IMPALAConfig(
    total_steps=256, num_envs=4, rollout_length=16, minibatches=2, widths=(16,)
)
LEARN = impala.IMPALAConfig(
    total_steps=20_000,
    num_envs=16,
    rollout_length=16,
    learning_rate=3e-3,
    entropy=0.0,
    widths=(16,),
    core_features=16,
)


def run(experiment, key, updates):
    state = experiment.init(key)
    return jax.lax.scan(lambda s, _: experiment.update(s), state, None, length=updates)


def trained(env, params, config):
    experiment = impala.make(env, params, config)
    state, _ = jax.jit(lambda k: run(experiment, k, experiment.num_updates))(jax.random.key(0))
    return state, experiment.evaluate(jax.random.key(1), state)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"clip": None, "epochs": 1, "normalize_advantages": False},
        {"clip": None, "optimizer": "rmsprop", "learning_rate": 1e-2},
    ],
)
def test_memory_solves_what_a_feed_forward_policy_cannot(options):
    for core, solved in (("none", False), ("gru", True)):
        config = dataclasses.replace(LEARN, core=core, total_steps=40_000, **options)
        _, result = trained(*toy(length=3), config)
        assert (result["return"] > 0.9) == solved, (core, result)


@pytest.mark.parametrize("core", ["none", "gru"])
@pytest.mark.parametrize("cut", [True, False])
def test_value_at_a_truncation_and_at_a_termination(core, cut):
    """Reward 1, then the end: worth 1 if terminated, 1 + gamma V(final observation) if truncated."""
    env, params = toy(length=1, cut=cut, pay_always=True)
    config = dataclasses.replace(LEARN, discount=0.5, core=core, total_steps=10_000)
    state, _ = trained(env, params, config)
    network = networks.build(env.observation_space(), env.action_space(), config)

    def value(observation, memory, reset):
        observation, reset = jnp.array(observation)[None, None], jnp.full((1, 1), reset)
        memory, _, value = network.apply(state.params, memory, observation, reset)
        return memory, float(value[0, 0])

    blank = jax.tree.map(lambda c: c[:1] * 0, state.acting.carry)
    memory, first = value([1.0, 0.0, 0.0], blank, True)
    _, final = value([0.0, 0.0, 1.0], memory, False)
    assert abs(final) > 0.1  # never trained on, so it tells the two cases apart
    np.testing.assert_allclose(first, 1.0 + 0.5 * final * cut, atol=0.1)


@pytest.mark.parametrize(("name", "core"), [("CartPole-v1", "none"), ("Empty-5x5", "lstm")])
def test_seeds_by_vmap_equal_single_runs(name, core):
    env, params = envs.make(name, bank_size=4)
    experiment = impala.make(env, params, dataclasses.replace(SMALL, core=core))
    keys = jax.random.split(jax.random.key(0), 2)
    together = jax.jit(jax.vmap(lambda k: run(experiment, k, 2)))(keys)
    alone = jax.jit(lambda k: run(experiment, k, 2))(keys[1])
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
        if not jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            np.testing.assert_allclose(a[1], b, rtol=2e-3, atol=2e-4)
    assert all(np.all(np.isfinite(m)) for m in jax.tree.leaves(together[1]))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("minibatches", 3),
        ("core", "rnn"),
        ("discount", 1.5),
        ("num_envs", 0),
        ("optimizer", "sgd"),
        ("rho_clip", 0.0),
    ],
)
def test_bad_settings_are_refused_by_name(field, value):
    env, params = envs.make("CartPole-v1")
    with pytest.raises(ConfigError, match=field):
        impala.make(env, params, dataclasses.replace(SMALL, **{field: value}))


def test_the_script_trains_with_a_bonus():
    config = script.Config(
        env="Empty-5x5",
        bonus="e3b",
        total_steps=128,
        num_envs=4,
        rollout_length=16,
        minibatches=2,
        widths=(16,),
        features=8,
    )
    _, metrics = jax.jit(lambda k: run(script.build(config), k, 2))(jax.random.key(0))
    assert all(np.all(np.isfinite(m)) for m in jax.tree.leaves(metrics))
    assert float(metrics["bonus_mean"].mean()) > 0


@pytest.mark.parametrize(("epsilon", "inside"), [(None, 0.01), (1e-2, None)])
def test_rmsprop_has_epsilon_under_the_root_as_the_paper_or_beside_it_as_torchbeast(
    epsilon, inside
):
    config = dataclasses.replace(
        LEARN, optimizer="rmsprop", learning_rate=1.0, max_grad_norm=1e9, epsilon=epsilon
    )
    optimizer = impala._optimizer(config, 10)
    gradients = np.random.default_rng(0).normal(size=(3, 4)) * 0.01
    state, mean = optimizer.init(jnp.zeros(4)), np.zeros(4)
    for gradient in gradients:
        change, state = optimizer.update(jnp.asarray(gradient), state)
        mean = 0.99 * mean + 0.01 * gradient**2
        root = np.sqrt(mean + inside) if inside else np.sqrt(mean) + epsilon
        np.testing.assert_allclose(change, -gradient / root, rtol=1e-5)
