"""Rollouts: what they hold, and the values of the states they reached."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import Toy, toy

import envs
from envs import wrappers
from jaxrl_suite.agents import acting, dqn, impala, networks, ppo
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.exploration import scale
from jaxrl_suite.exploration.bonus import Bonus
from jaxrl_suite.networks.recurrent import initial_carry


def gathered(env, params, core, length, width, seed=0):
    options = networks.Options(widths=(8,), core=core, core_features=8)
    network = networks.build(env.observation_space(params), env.action_space(params), options)
    keys = jax.random.split(jax.random.key(seed), 4)
    carry = initial_carry(core, 8, width)
    first = acting.start(keys[0], keys[1], env, params, width, carry)
    example = jax.tree.map(lambda x: x[None], (first.observation, first.reset))
    weights = network.init(keys[2], carry, *example)

    def policy(weights):
        def forward(carry, observation, reset):
            return network.apply(weights, carry, observation, reset)

        return acting.policy_of(forward, env.action_space(params), core != "none")

    pi = policy(weights)
    found = acting.rollout(keys[3], env, env.action_space(params), pi, first, length)
    return pi, first, found, acting.next_values(pi, *found)


@pytest.mark.parametrize("core", ["none", "lstm"])
@pytest.mark.parametrize(("length", "cut"), [(1, True), (3, True), (3, False)])
def test_next_values_by_asking_the_network_at_every_step(core, length, cut):
    """Truncation at every step, at some; terminations instead."""
    env, params = toy(length=length, cut=cut)
    width = 4
    pi, first, (_, steps, choices), values = gathered(env, params, core, 7, width)
    memory = first.carry
    for t in range(7):
        see = jax.tree.map(lambda x, t=t: x[t], steps.observation)
        memory, distribution, value = pi(memory, see, steps.reset[t])
        np.testing.assert_allclose(choices.value[t], value, rtol=1e-5, atol=1e-6)
        log_prob = distribution.log_prob(steps.action[t])
        np.testing.assert_allclose(choices.log_prob[t], log_prob, rtol=1e-5, atol=1e-6)
        reached = jax.tree.map(lambda x, t=t: x[t], steps.next_observation)
        there = pi(memory, reached, jnp.zeros(width, bool))[2]
        expected = np.where(steps.terminated[t], 0.0, there)
        np.testing.assert_allclose(values[t], expected, rtol=1e-5, atol=1e-6)


def test_next_values_under_vmap_where_seeds_are_truncated_unequally():
    env, params = envs.make("CartPole-v1", max_steps=12)

    def values(seed):
        _, _, (_, steps, _), values = gathered(env, params, "gru", 24, 4, seed)
        return values, steps.truncated & ~steps.terminated

    together, cuts = jax.jit(jax.vmap(values))(jnp.arange(6))
    alone = jax.jit(values)
    assert len(set(np.asarray(cuts.sum((1, 2))).tolist())) > 1
    for seed in range(4):
        np.testing.assert_allclose(together[seed], alone(seed)[0], rtol=1e-4, atol=1e-5)


class Measured(Toy):
    """A toy whose `info` has numbers of every kind."""

    def step(self, key, state, action, params=None):
        *rest, info = super().step(key, state, action, params)
        last = rest[3] | rest[4]
        own = {
            "distance": 2.5,
            "at_end": jnp.where(last, 7.0, jnp.nan),
            "label": 3,
            "pair": jnp.ones(2),
        }
        return *rest, info | own


def measured():
    env = wrappers.EpisodeLog(wrappers.AutoReset(Measured(length=3)))
    return env, env.default_params


@pytest.mark.parametrize(
    ("agent", "config"),
    [
        (ppo, ppo.PPOConfig(num_envs=2, rollout_length=4, minibatches=1)),
        (impala, impala.IMPALAConfig(num_envs=2, rollout_length=4, minibatches=1)),
        (dqn, dqn.DQNConfig(num_envs=2, rollout_length=4, warmup=4)),
    ],
)
def test_numbers_in_info_become_metrics(agent, config):
    experiment = agent.make(*measured(), config)
    _, metrics = jax.jit(lambda k: experiment.update(experiment.init(k)))(jax.random.key(0))
    assert {n for n in metrics if n.startswith("env/")} == {"env/distance", "env/at_end"}
    assert [float(x) for x in metrics["env/distance"]] == [20.0, 8.0]
    assert [float(x) for x in metrics["env/at_end"]] == [
        14.0,
        2.0,
    ]  # an episode's end in each of two


@pytest.mark.parametrize(
    ("name", "owner"),
    [("entropy", "PPO"), ("env/distance", "an episode"), ("bonus_mean", "its scale")],
)
def test_two_metrics_of_one_name_are_refused(name, owner):
    def update(key, state, transitions, features):
        return jnp.zeros_like(transitions.reward), state, {name: jnp.float32(0)}

    bonus = scale.scaled(Bonus(lambda *_: (), update, "mine"))
    config = ppo.PPOConfig(num_envs=2, rollout_length=4, minibatches=1)
    experiment = ppo.make(*measured(), config, bonus)
    with pytest.raises(ConfigError, match=f"metric='{name}'.*both report it") as error:
        jax.eval_shape(lambda k: experiment.update(experiment.init(k)), jax.random.key(0))
    assert "the bonus" in str(error.value) and owner in str(error.value)
