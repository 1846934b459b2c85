"""Neural-E3 on locks: planning against enumeration, losses against NumPy, end to end when tiny."""

from __future__ import annotations

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments import neural_e3 as script
from jaxrl_suite import runner
from jaxrl_suite.agents.neural_e3 import ensemble, playouts
from jaxrl_suite.agents.neural_e3.planning import disagreement
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.runner.curves import Curves

TINY = script.Config(
    env="StochasticLock-H3",
    episodes=8,
    together=2,
    capacity=8,
    random_episodes=2,
    playouts=6,
    particles=2,
    kept=2,
    members=2,
    width=8,
    model_updates=3,
    q_updates=2,
    q_widths=(8,),
    eval_episodes=4,
)
HORIZON, ACTIONS, MEMBERS = 4, 3, 3
QUICK = {"xla_backend_optimization_level": 0}  # compiling is most of the time of a tiny run


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_disagreement_is_the_largest_distance_of_two(distance):
    x = np.random.default_rng(0).normal(size=(2, 4, 5))
    power = {"l1": 1, "l2": 2}[distance]
    expected = [
        max((np.abs(a - b) ** power).mean() for a, b in itertools.combinations(row, 2)) for row in x
    ]
    np.testing.assert_allclose(disagreement(jnp.asarray(x), distance), expected, rtol=1e-5)


def tree():
    """Deterministic models of a task whose two bits count actions 1 modulo 4; rewards by table."""
    rng = np.random.default_rng(1)
    reward = rng.normal(size=(MEMBERS, HORIZON, 4, ACTIONS))

    def simulate(bits, action, time):
        state = (bits @ jnp.array([1.0, 2.0])).astype(jnp.int32)  # [E, P, K]
        after = (state + (action == 1)) % 4
        chance = jnp.stack([after % 2, after // 2], -1).astype(jnp.float32)
        member = jnp.arange(MEMBERS)[:, None, None]
        return chance, jnp.asarray(reward)[member, time, state, action]

    def value(sequence, start, explore):
        state, total = 0, 0.0
        for t in range(start, HORIZON):
            now = reward[:, t, state, sequence[t]]
            gaps = [(a - b) ** 2 / 3 for a, b in itertools.combinations(now, 2)]
            total += max(gaps) if explore else now.mean()
            state = (state + (sequence[t] == 1)) % 4
        return total

    return simulate, value


@pytest.mark.parametrize("explore", [True, False])
def test_values_of_sequences_are_those_of_enumeration(explore):
    simulate, value = tree()
    sequences = np.array(list(itertools.product(range(ACTIONS), repeat=HORIZON)))
    config = playouts.PlayoutConfig(particles=2)
    for start in (0, 2):
        got = playouts.values(
            jax.random.key(0),
            simulate,
            jnp.zeros(2),
            jnp.asarray(sequences),
            jnp.int32(start),
            config,
            MEMBERS,
            explore,
        )
        expected = [value(sequence, start, explore) for sequence in sequences]
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("explore", [True, False])
def test_search_finds_the_best_of_all(explore):
    simulate, value = tree()
    best = max(value(s, 0, explore) for s in itertools.product(range(ACTIONS), repeat=HORIZON))
    config = playouts.PlayoutConfig(playouts=40, rounds=8, particles=1, kept=8)
    plan = playouts.search(
        jax.random.key(0),
        config,
        simulate,
        playouts.blank(8, HORIZON),
        jnp.zeros(2),
        jnp.int32(0),
        MEMBERS,
        ACTIONS,
        explore,
    )
    np.testing.assert_allclose(plan.value[0], best, rtol=1e-4)
    assert value(np.asarray(plan.actions[0]), 0, explore) == pytest.approx(best, rel=1e-4)
    assert np.all(np.diff(plan.value) <= 0)


def test_first_round_spreads_its_first_actions_and_keeps_the_old_plan():
    config = playouts.PlayoutConfig(playouts=20, kept=2)
    plan = playouts.blank(2, HORIZON)
    drawn = np.asarray(playouts.first_round(jax.random.key(0), config, plan, jnp.int32(1), ACTIONS))
    pairs = {(int(a), int(b)) for a, b in drawn[:, 1:3]}
    assert drawn.shape == (20, HORIZON) and len(pairs) == ACTIONS**2
    old = playouts.Plan(jnp.full((2, HORIZON), 2), jnp.array([1.0, -jnp.inf]))
    kept = playouts.first_round(jax.random.key(0), config, old, jnp.int32(1), ACTIONS)
    assert (kept[-2] == 2).all() and np.array_equal(kept[-1], drawn[-1])


def test_later_rounds_change_endings_only():
    config = playouts.PlayoutConfig(playouts=50, kept=1)
    plan = playouts.Plan(jnp.full((1, HORIZON), 1), jnp.zeros(1))
    drawn = playouts.next_round(jax.random.key(0), config, plan, jnp.int32(2), ACTIONS)
    assert (drawn[:, :2] == 1).all() and (drawn[:, 2:] != 1).any(0).all()


def test_members_are_models_of_their_own():
    network = ensemble.BitsModel(bits=4, actions=3, horizon=2, width=8)
    now = jnp.int32(0)
    params = ensemble.start(network, jax.random.key(0), 3, jnp.zeros(4), now, now)
    x = jnp.ones((3, 5, 4))
    steps = jnp.zeros((3, 5), jnp.int32)
    logits, reward = ensemble.predict(network, params, x, steps, steps)
    assert logits.shape == (3, 5, 4) and reward.shape == (3, 5)
    one = jax.tree.map(lambda p: p[1], params)
    np.testing.assert_allclose(
        network.apply(one, x[1], steps[1], steps[1])[0], logits[1], rtol=1e-4, atol=1e-5
    )
    assert np.ptp(np.asarray(reward)[:, 0]) > 0


def test_seeds_by_vmap_equal_single_runs_and_play_locks_of_their_own():
    made = script.build(dataclasses.replace(TINY, member_share=0.5))

    def run(over_seeds, key):
        init, update = (
            jax.jit(over_seeds(f), compiler_options=QUICK) for f in (made.init, made.update)
        )
        state = init(key)
        for _ in range(2):  # at random, then planned
            state, _ = update(state)
        return state

    keys = jax.random.split(jax.random.key(0), 2)
    together, alone = run(jax.vmap, keys), run(lambda f: f, keys[1])
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
        if not jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            np.testing.assert_allclose(a[1], b, rtol=2e-3, atol=2e-4)
    locks = np.asarray(together.env_params.combination)
    assert not np.array_equal(locks[0], locks[1])
    assert int(alone.data.size) == 4


@pytest.mark.parametrize(
    "more",
    [
        {},
        pytest.param({"explore": "uniform"}, marks=pytest.mark.slow),
        pytest.param({"exploit": "plan", "distance": "l1"}, marks=pytest.mark.slow),
    ],
)
def test_runs_through_the_runner(tmp_path, more):
    options = runner.Options(
        out=tmp_path, seeds=2, log_every=1, plots=False, video=False, tensorboard=False
    )
    runner.run(script.EXPERIMENT, dataclasses.replace(TINY, **more), options)
    curves = Curves.read(tmp_path)
    assert {"episode_return", "best_return", "q_loss", "eval/return"} <= set(curves.metrics)
    assert ("disagreement" in curves.metrics) == ("explore" not in more)


def test_models_that_plan_are_trained_whatever_explores():
    made = script.build(dataclasses.replace(TINY, explore="uniform", exploit="plan"))
    before = jax.jit(made.init)(jax.random.key(0))
    _, metrics = jax.eval_shape(made.update, before)
    assert "model_loss" in metrics


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("members", 1),
        ("kept", 7),
        ("explore", "ucb"),
        ("exploit", "ppo"),
        ("distance", "l3"),
        ("capacity", 1),
        ("member_share", 0.0),
        ("model_rate", -1.0),
        ("env", "CartPole-v1"),
        ("env", "StochasticLock-H7"),
    ],
)
def test_bad_settings_are_refused_by_name(field, value):
    with pytest.raises(ConfigError, match=f"^{field}="):
        script.build(dataclasses.replace(TINY, **{field: value}))


@pytest.mark.slow
def test_opens_a_lock_of_five():
    made = script.build(script.Config(env="StochasticLock-H5", episodes=200, capacity=200))
    state = jax.jit(made.init)(jax.random.key(0))
    state, metrics = jax.jit(
        lambda s: jax.lax.scan(lambda s, _: made.update(s), s, None, length=made.num_updates)
    )(state)
    assert metrics["best_return"].max() > 4
    assert made.evaluate(jax.random.key(1), state)["return"] > 4


def test_each_member_is_clipped_alone():
    gradient = {"w": jnp.asarray([[300.0, 400.0], [0.3, 0.4]])}
    both = ensemble.each(optax.chain(optax.clip_by_global_norm(10.0), optax.sgd(1.0)))
    change, _ = both.update(gradient, both.init(gradient), gradient)
    np.testing.assert_allclose(change["w"], [[-6.0, -8.0], [-0.3, -0.4]], rtol=1e-6)
    state = jax.eval_shape(script.build(TINY).init, jax.random.key(0))
    (count,) = {x.shape for x in jax.tree.leaves(state.opt_state) if x.dtype == jnp.int32}
    assert count == (TINY.members,)  # the agent's optimiser is one a member
