"""Two values, against discounted sums in float64."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import toy

from jaxrl_suite.agents import networks, ppo, targets
from jaxrl_suite.exploration.bonus import Bonus, Transitions

T, N = 9, 3
CONFIG = ppo.PPOConfig(discount=0.9, gae_lambda=1.0, intrinsic_discount=0.7)


def rollout(rng):
    ends = rng.integers(0, 4, (T, N))
    nothing = jnp.zeros((T, N))
    steps = Transitions(
        nothing, nothing, nothing, nothing, ends == 1, ends == 2, nothing.astype(bool), {}
    )
    reward, bonus = rng.normal(size=(2, T, N)).astype(np.float32)
    value, after = rng.normal(size=(2, T, N, 2)).astype(np.float32)
    last = rng.normal(size=(N, 2)).astype(np.float32)
    inside = np.concatenate([value[1:], last[None]])
    after = np.where(steps.done[..., None], after, inside)
    after = np.where(steps.terminated[..., None], 0.0, after).astype(np.float32)
    return steps, reward, bonus, value, after, last


def returns(reward, discount, end, ends, after):
    """Of `[T]` rewards, `end` beyond the last; where `ends` holds with `after` for what follows."""
    found, following = np.zeros(T), np.float64(end)
    for t in reversed(range(T)):
        found[t] = following = reward[t] + discount * (after[t] if ends[t] else following)
    return found


@pytest.mark.parametrize("episodic", [False, True])
def test_targets_are_discounted_sums(episodic):
    config = dataclasses.replace(CONFIG, intrinsic_episodic=episodic)
    for seed in range(5):
        steps, reward, bonus, value, after, last = rollout(np.random.default_rng(seed))
        found = targets.apart(config, reward, bonus, value, after, last, steps)
        for n in range(N):
            done = np.asarray(steps.done)[:, n]
            own = returns(reward[:, n], 0.9, last[n, 0], done, after[:, n, 0])
            ends = done if episodic else np.zeros(T, bool)
            extra = returns(bonus[:, n], 0.7, last[n, 1], ends, after[:, n, 1])
            expected = np.stack([own, extra], -1)
            np.testing.assert_allclose(found.target[:, n], expected, rtol=1e-4, atol=1e-5)
            gained = (expected - value[:, n]).sum(-1)
            np.testing.assert_allclose(found.advantage[:, n], gained, rtol=1e-4, atol=1e-5)


def paying_one() -> Bonus:
    """1 for every step."""

    def update(key, state, transitions, policy_features):
        return jnp.ones_like(transitions.reward), state, {}

    return Bonus(lambda *_: (), update)


@pytest.mark.parametrize(("episodic", "worth"), [(False, 2.0), (True, 1.0)])
@pytest.mark.parametrize("core", ["none", "gru"])
def test_ppo_learns_both_values(core, episodic, worth):
    """Episodes of one step that pay 1 and a bonus of 1: the reward's value ends there."""
    env, params = toy(length=1, pay_always=True)
    config = ppo.PPOConfig(
        total_steps=10_000,
        num_envs=16,
        rollout_length=16,
        learning_rate=3e-3,
        discount=0.5,
        widths=(16,),
        core=core,
        core_features=16,
        intrinsic_discount=0.5,
        intrinsic_episodic=episodic,
    )
    experiment = ppo.make(env, params, config, paying_one())
    updates = {"length": experiment.num_updates}

    @jax.jit
    def train(state):
        return jax.lax.scan(lambda s, _: (experiment.update(s)[0], None), state, None, **updates)[0]

    state = train(experiment.init(jax.random.key(0)))
    network = networks.build(env.observation_space(), env.action_space(), config, values=2)
    seen, reset = jnp.array([[[1.0, 0.0, 0.0]]]), jnp.ones((1, 1), bool)
    memory = jnp.zeros((1, 16)) if core == "gru" else ()
    value = network.apply(state.params, memory, seen, reset)[2][0, 0]
    np.testing.assert_allclose(value, [1.0, worth], atol=0.05)


def test_a_bonus_is_needed():
    with pytest.raises(ValueError, match="intrinsic_discount=0.7: None without a bonus"):
        ppo.make(*toy(), CONFIG)
    with pytest.raises(ValueError, match="intrinsic_episodic=True: False without intrinsic"):
        ppo.make(*toy(), ppo.PPOConfig(intrinsic_episodic=True), paying_one())
