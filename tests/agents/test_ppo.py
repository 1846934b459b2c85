"""PPO: seeds by vmap, recurrent and continuous forms, and toy problems with known answers."""

from __future__ import annotations

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import Choice, ToyState, toy

import envs
from envs import core, spaces, wrappers
from jaxrl_suite.agents import networks, ppo, ppo_settings
from jaxrl_suite.experiment import ConfigError

SMALL = ppo.PPOConfig(
    total_steps=256, num_envs=4, rollout_length=16, epochs=2, minibatches=2, widths=(16,)
)


def run(experiment, key, updates):
    state = experiment.init(key)
    return jax.lax.scan(lambda s, _: experiment.update(s), state, None, length=updates)


@pytest.mark.parametrize(
    ("name", "core_kind"),
    [("CartPole-v1", "none"), ("Pendulum-v1", "lstm"), ("Empty-5x5", "gru")],
)
def test_seeds_by_vmap_equal_single_runs(name, core_kind):
    env, params = envs.make(name, bank_size=4)
    config = dataclasses.replace(
        SMALL,
        core=core_kind,
        normalize_observations=core_kind != "gru",  # of vectors only
        normalize_rewards=True,
    )
    experiment = ppo.make(env, params, config)
    keys = jax.random.split(jax.random.key(0), 2)
    together = jax.jit(jax.vmap(lambda k: run(experiment, k, 2)))(keys)
    alone = jax.jit(lambda k: run(experiment, k, 2))(keys[1])
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
        if not jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            np.testing.assert_allclose(a[1], b, rtol=2e-3, atol=2e-4)
    assert all(np.all(np.isfinite(m)) for m in jax.tree.leaves(together[1]))


def test_update_is_traced_once():
    env, params = envs.make("CartPole-v1")
    experiment = ppo.make(env, params, SMALL)
    chex.clear_trace_counter()
    update = jax.jit(chex.assert_max_traces(experiment.update, n=1))
    state = jax.jit(experiment.init)(jax.random.key(0))
    for _ in range(3):
        state, _ = update(state)
    assert int(state.count) == 3


LEARN = ppo.PPOConfig(
    total_steps=20_000,
    num_envs=16,
    rollout_length=16,
    learning_rate=3e-3,
    entropy=0.0,
    widths=(16,),
    core_features=16,
)


def final_return(env, params, config):
    experiment = ppo.make(env, params, config)
    state, _ = jax.jit(lambda k: run(experiment, k, experiment.num_updates))(jax.random.key(0))
    return experiment, state, experiment.evaluate(jax.random.key(1), state)


def test_learns_a_contextual_bandit():
    _, _, result = final_return(*toy(), LEARN)
    assert result["return"] > 0.95


def test_learns_from_discrete_observations():
    _, _, result = final_return(*toy(Choice), LEARN)
    assert result["return"] > 0.95
    with pytest.raises(ConfigError, match="normalize_observations"):
        ppo.make(*toy(Choice), dataclasses.replace(SMALL, normalize_observations=True))


def test_memory_solves_what_a_feed_forward_policy_cannot():
    for kind in ("none", "gru", "lstm", "expm", "entities"):
        config = dataclasses.replace(LEARN, core=kind, total_steps=30_000)
        _, _, result = final_return(*toy(length=3), config)
        assert (result["return"] > 0.9) == (kind != "none"), (kind, result)


@pytest.mark.parametrize("core_kind", ["none", "gru"])
def test_value_at_a_truncation_and_at_a_termination(core_kind):
    """Reward 1, then the end: worth 1 if terminated, 1 + gamma V(final observation) if truncated."""
    for cut, bootstrap in ((True, True), (False, True), (True, False)):
        env, params = toy(length=1, cut=cut, pay_always=True)
        config = dataclasses.replace(LEARN, discount=0.5, core=core_kind, total_steps=10_000)
        config = dataclasses.replace(config, bootstrap_truncation=bootstrap)
        _, state, _ = final_return(env, params, config)
        network = networks.build(env.observation_space(), env.action_space(), config)

        def value(observation, memory, reset, network=network, state=state):
            observation, reset = observation[None, None], jnp.full((1, 1), reset)
            memory, _, value = network.apply(state.params, memory, observation, reset)
            return memory, float(value[0, 0])

        blank = jax.tree.map(lambda c: c[:1] * 0, state.acting.carry)
        memory, first = value(jnp.array([1.0, 0.0, 0.0]), blank, True)
        _, final = value(jnp.array([0.0, 0.0, 1.0]), memory, False)
        assert abs(final) > 0.2  # never trained on, so it tells the two cases apart
        np.testing.assert_allclose(first, 1.0 + 0.5 * final * (cut and bootstrap), atol=0.1)


@pytest.mark.parametrize("extrinsic", [0.0, 1.0])
def test_the_environments_own_reward_counts_by_its_weight(extrinsic):
    config = dataclasses.replace(LEARN, extrinsic=extrinsic)
    learned = []
    for pay_always in (True, False):
        experiment = ppo.make(*toy(length=1, pay_always=pay_always), config)
        state, metrics = jax.jit(experiment.update)(experiment.init(jax.random.key(0)))
        learned.append(jax.tree.leaves(state.params))
        assert float(metrics["episode_return"].total) > 0  # logged all the same
    same = all(np.array_equal(a, b) for a, b in zip(*learned, strict=True))
    assert same == (extrinsic == 0)


def test_evaluation_counts_only_first_episodes():
    env, params = envs.make("CartPole-v1")
    experiment = ppo.make(env, params, SMALL)
    result = experiment.evaluate(jax.random.key(0), experiment.init(jax.random.key(0)))
    assert result["return"] == result["length"] < 100


def test_play_goes_through_an_episode():
    env, params = envs.make("Empty-5x5", max_steps=6)
    experiment = ppo.make(env, params, SMALL)
    moments = list(experiment.play(jax.random.key(0), experiment.init(jax.random.key(0))))
    assert [moment.step for moment in moments] == list(range(len(moments)))
    assert 2 <= len(moments) <= 7 and moments[0].action is None
    assert [moment.over for moment in moments] == [False] * (len(moments) - 1) + [True]
    assert moments[-1].total == sum(moment.reward for moment in moments)
    picture = moments[0].picture()
    assert picture.dtype == np.uint8 and picture.shape[-1] == 3 and moments[0].screen() is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("minibatches", 3), ("core", "rnn"), ("discount", 1.5), ("num_envs", 0)],
)
def test_bad_settings_are_refused_by_name(field, value):
    env, params = envs.make("CartPole-v1")
    with pytest.raises(ConfigError, match=field):
        ppo.make(env, params, dataclasses.replace(SMALL, **{field: value}))


def test_settings_that_would_do_something_else_are_refused():
    grid = envs.make("Empty-5x5")
    with pytest.raises(ConfigError, match="^normalize_observations=True: must be False, as "):
        ppo.make(*grid, dataclasses.replace(SMALL, normalize_observations=True))
    with pytest.raises(ConfigError, match="^separate_critic=True"):
        ppo.make(*grid, dataclasses.replace(SMALL, core="gru", separate_critic=True))


def test_a_large_critic_gradient_leaves_a_separate_actor_alone():
    """Actor and critic are clipped apart where they share nothing, under one norm where they do."""
    config = dataclasses.replace(SMALL, max_grad_norm=1.0)
    params = {"params": {k: jnp.zeros(1) for k in ("encoder", "actor", "critic_encoder", "critic")}}
    change = {}
    for scale in (1.0, 1e9):
        gradient = {
            "params": {k: jnp.full(1, scale if "critic" in k else 1e-3) for k in params["params"]}
        }
        for separate in (True, False):
            optimizer = ppo_settings.optimizer(config, 1, separate)
            step, _ = optimizer.update(gradient, optimizer.init(params), params)
            change[separate, scale] = float(step["params"]["actor"][0])
    np.testing.assert_allclose(change[True, 1.0], change[True, 1e9], rtol=1e-6)
    assert abs(change[False, 1e9]) < 0.01 * abs(change[True, 1e9])


class Target(core.Environment):
    """One step; pays minus the squared distance of the action to 25, within 10 to 30."""

    default_params = core.EnvParams(max_steps_in_episode=1)

    def reset(self, key, params=None):
        return jnp.zeros(1), ToyState(jnp.int32(0), jnp.int32(0))

    def step(self, key, state, action, params=None):
        reward = -((action[0] - 25.0) ** 2) / 100.0
        inside = (action[0] >= 10.0) & (action[0] <= 30.0)
        true, false = jnp.asarray(True), jnp.asarray(False)
        return jnp.zeros(1), state, reward, true, false, {"inside": inside, "action": action[0]}

    def observation_space(self, params=None):
        return spaces.Box(0.0, 1.0, (1,))

    def action_space(self, params=None):
        return spaces.Box(10.0, 30.0, (1,))


def test_actions_are_in_units_of_the_bounds():
    env = wrappers.EpisodeLog(wrappers.AutoReset(Target(), "exact"))
    config = ppo.PPOConfig(
        total_steps=64 * 16 * 80, num_envs=64, rollout_length=16, learning_rate=3e-3, entropy=0.0
    )
    experiment = ppo.make(env, env.default_params, config)
    _, metrics = jax.jit(lambda key: run(experiment, key, experiment.num_updates))(
        jax.random.key(0)
    )
    # a deviation of 1 is half the width of the bounds: 10 here
    first = float(metrics["episode_return"].total[0] / metrics["episode_return"].count[0])
    spread = np.clip(np.random.default_rng(0).normal(20, 10, 100_000), 10, 30)
    assert abs(first + np.mean((spread - 25) ** 2) / 100) < 0.1
    last = metrics["episode_return"].total[-1] / metrics["episode_return"].count[-1]
    assert last > -0.05
