"""The script `pcpg` through the runner, at a tiny scale."""

from __future__ import annotations

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import envs
from envs import lock
from experiments import pcpg
from jaxrl_suite import experiment, runner
from jaxrl_suite.agents import networks
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.runner import watch
from jaxrl_suite.runner.curves import Curves

HORIZON, ACTIONS, SEEDS, RIDGE = 3, 10, 2, 0.01
TINY = pcpg.Config(
    env=f"BidirectionalLock-H{HORIZON}",
    explore_epochs=2,
    exploit_epochs=2,
    loops=3,
    episodes=80,
    groups=4,
    density_episodes=50,
    passes=2,
    minibatch_size=16,
    widths=(16,),
    learning_rate=1e-2,
    eval_episodes=4000,
)


def test_bad_settings_are_named():
    with pytest.raises(ConfigError, match="^env='BidirectionalLok-H6'"):
        pcpg.build(pcpg.Config(env="BidirectionalLok-H6"))
    with pytest.raises(ConfigError, match="^standardize=True"):
        pcpg.build(pcpg.Config(env="Maze-5", standardize=True))
    with pytest.raises(ConfigError, match=r"^roll_in=0\.01: 0, or at least 0\.05"):
        pcpg.build(pcpg.Config(roll_in=0.01, groups=10))
    assert experiment.get("pcpg") is pcpg.EXPERIMENT


def test_npg_has_a_critic_of_its_own_on_grids():
    config = dataclasses.replace(TINY, env="Empty-5x5", features="random", feature_dim=8)
    for learner, apart in (("npg", True), ("ppo", False)):
        made = pcpg.build(dataclasses.replace(config, learner=learner))
        state = jax.eval_shape(made.init, jax.random.key(0))
        paths = [
            jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(state)
        ]
        assert any("critic_encoder" in path for path in paths) == apart, learner


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run: its summary, curves, and the state of each seed."""
    out = tmp_path_factory.mktemp("pcpg") / "run"
    options = runner.Options(
        out=out, seeds=SEEDS, log_every=1, plots=False, video=False, tensorboard=False
    )
    summary = runner.run(pcpg.EXPERIMENT, TINY, options)
    return summary, Curves.read(out), [watch.load(out, seed)[1] for seed in range(SEEDS)]


def second_moments(cover):
    roots = np.asarray(cover.roots, np.float64)
    return np.einsum("ikj,ikl->ijl", roots, roots)


def test_the_cover_counts_what_its_policies_have_seen(finished):
    for state in finished[2]:
        cover = state.cover
        assert int(cover.count) == TINY.explore_epochs + 1
        moments = second_moments(cover)
        # every episode is at every step once, and in one place at a time; its first state is all zero
        time = np.diagonal(moments, axis1=1, axis2=2)[:, 3 : 3 + HORIZON]
        np.testing.assert_allclose(time[:, : HORIZON - 1], TINY.density_episodes, rtol=1e-5)
        assert (time[:, HORIZON - 1 :] < 1e-6).all()
        places = np.diagonal(moments, axis1=1, axis2=2)[:, :3].sum(1)
        np.testing.assert_allclose(places, TINY.density_episodes * (HORIZON - 1), rtol=1e-5)


def test_weights_are_a_mixture_that_beats_the_equal_one(finished):
    for state in finished[2]:
        cover = state.cover
        weights = np.asarray(cover.weights, np.float64)
        assert weights.min() >= 0
        np.testing.assert_allclose(weights.sum(), 1, rtol=1e-5)
        moments = second_moments(cover)
        ridged = moments + RIDGE * np.eye(moments.shape[1])

        def spread(w, ridged=ridged):
            return np.linalg.slogdet(np.einsum("i,ijk->jk", w, ridged))[1]

        assert spread(weights) >= spread(np.full(3, 1 / 3)) - 0.011
        assert float(state.design.gap) <= 0.011


def test_coverage_grows_with_every_policy_and_stays_with_the_cover(finished):
    _, curves, states = finished
    coverage = curves.metrics["coverage"]
    assert (np.diff(coverage[:, : TINY.explore_epochs]) > 0).all()
    after = coverage[:, TINY.explore_epochs - 1 :]
    np.testing.assert_array_equal(after, np.broadcast_to(after[:, :1], after.shape))
    for seed, state in enumerate(states):
        moments = second_moments(state.cover)
        eye = np.eye(moments.shape[1])
        exact = np.linalg.slogdet(moments.sum(0) / RIDGE + eye)[1]
        np.testing.assert_allclose(coverage[seed, -1], exact, rtol=1e-4)


def test_the_evaluated_return_is_the_policy_s_value_in_the_lock(finished):
    """Its value by dynamic programming over the true states, within four standard errors."""
    summary, _, states = finished
    env, params = envs.make(TINY.env, auto_reset="none", log=False)
    network = networks.build(env.observation_space(params), env.action_space(params), TINY)
    for seed, state in enumerate(states):
        model = env.model(state.env_params)
        places, times = jnp.meshgrid(jnp.arange(7), jnp.arange(HORIZON))  # [H, 7]
        see = jax.vmap(jax.vmap(lambda p, t: env.observe(jax.random.key(0), lock.LockState(p, t))))
        logits = network.apply(state.best_params, (), see(places, times), None)[1]
        policy = jax.nn.softmax(logits)
        where = lock.visits(model, policy)[:-1]
        value = jnp.einsum("hs,hsa,hsa->", where, policy, model.reward)
        optimum = env.optimal_value(state.env_params)
        assert value <= optimum + 1e-4
        error = 4 * 2.5 / np.sqrt(TINY.eval_episodes)  # returns are from -1 to 4
        found = summary["evaluation"]["eval/return"]["seeds"][str(seed)]
        np.testing.assert_allclose(found, value, atol=error)


def test_the_exploiting_policy_s_minibatches_are_its_own():
    """Epochs of each kind equal those of a run whose minibatches all have that size, seed for seed."""
    quick = dataclasses.replace(TINY, explore_epochs=1, exploit_epochs=1, loops=1, eval_episodes=1)
    sizes = {"small": (16, None), "large": (40, None), "both": (16, 40)}
    made = {
        name: pcpg.build(dataclasses.replace(quick, minibatch_size=a, exploit_minibatch_size=b))
        for name, (a, b) in sizes.items()
    }
    update = {name: jax.vmap(made[name].update) for name in made}
    start = jax.jit(jax.vmap(made["small"].init))(jax.random.split(jax.random.key(0), SEEDS))
    branches = {name: str(jax.make_jaxpr(update[name])(start)).count("cond[") for name in made}
    assert branches["both"] == branches["small"] + 1  # one of the two is run, not both
    update = {name: jax.jit(f) for name, f in update.items()}
    explored = update["both"](start)[0]
    chex.assert_trees_all_close(explored.params, update["small"](start)[0].params, rtol=1e-5)
    both, large = update["both"](explored)[0], update["large"](explored)[0]
    chex.assert_trees_all_close(both.params, large.params, rtol=1e-5)
    apart = jax.tree.map(
        lambda x, y: jnp.abs(x - y).max(), both.params, update["small"](explored)[0].params
    )
    assert max(jax.tree.leaves(apart)) > 1e-4
    with pytest.raises(ConfigError, match="^exploit_minibatch_size=0"):
        pcpg.build(dataclasses.replace(quick, exploit_minibatch_size=0))
    with pytest.raises(ConfigError, match="^exploit_minibatch_size=40"):
        pcpg.build(dataclasses.replace(quick, exploit_minibatch_size=40, mode="reward"))
