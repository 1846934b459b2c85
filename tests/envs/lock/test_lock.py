"""The locks against plain NumPy, their tables against play, their best value against closed forms."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import hadamard

import envs
from envs import lock
from jaxrl_suite import evaluation
from jaxrl_suite.agents import acting

_spec = importlib.util.spec_from_file_location(
    "numpy_locks", Path(__file__).with_name("numpy_locks.py")
)
numpy_locks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(numpy_locks)

KINDS = ("DiabolicalLock", "BidirectionalLock", "StochasticLock")
H, EPISODES = 5, 512


def play(name, key, policy, **options):
    """Places `[N, H + 1]`, observations, actions, rewards, ends of N episodes, and the lock."""
    env, params = envs.make(name, auto_reset="none", log=False, **options)
    params = jax.jit(env.refresh)(jax.random.key(7), params)
    q = jax.jit(lambda p: lock.optimal(env.model(p))[1])(params)

    def episode(key):
        reset_key, key = jax.random.split(key)
        observation, state = env.reset(reset_key, params)

        def step(state, key):
            action_key, step_key = jax.random.split(key)
            action = policy(action_key, q[state.time, state.place])
            after = env.step(step_key, state, action, params)
            return after[1], (after[1].place, after[0], action, *after[2:5])

        _, (place, seen, *rest) = jax.lax.scan(step, state, jax.random.split(key, env.horizon))
        places = jnp.concatenate([state.place[None], place])
        return places, jnp.concatenate([observation[None], seen]), *rest

    out = jax.jit(jax.vmap(episode))(jax.random.split(key, EPISODES))
    return env, params, *map(np.asarray, out)


def mostly_right(key, q):
    """A best action with probability 0.9, any of them, else a random one."""
    explore_key, random_key, key = jax.random.split(key, 3)
    best = jnp.argmax(q + 1e-3 * jax.random.uniform(key, q.shape))
    anything = jax.random.randint(random_key, (), 0, q.shape[0])
    return jnp.where(jax.random.bernoulli(explore_key, 0.1), anything, best)


def rights(combination):
    return {"a": combination[0], "b": combination[1]}


def numpy_lock(env, params, place):
    combination = np.asarray(params.combination)
    if env.kind == "BidirectionalLock":
        return numpy_locks.Bidirectional([rights(c) for c in combination], np.asarray(params.prize))
    kind = numpy_locks.Diabolical if env.kind == "DiabolicalLock" else numpy_locks.Stochastic
    return kind(rights(combination[0]), place)


@pytest.mark.parametrize("kind", KINDS)
def test_every_step_is_numpys(kind):
    """Some outcome of chance explains each step, and chance is as often either way as it should."""
    options = {"bits": 0} if kind == "StochasticLock" else {"observation": "none"}
    env, params, places, seen, actions, rewards, ends, cuts = play(
        f"{kind}-H5", jax.random.key(0), mostly_right, **options
    )
    flips, coins, solved = [], [], 0
    for n in range(200):
        mine = numpy_lock(env, params, places[n, 0])
        for t in range(H):
            assert mine.index() == places[n, t]
            np.testing.assert_allclose(mine.code(), seen[n, t], atol=1e-6)
            before, outcomes = dict(vars(mine)), []
            for flip in (False, True):
                for coin in (False, True):
                    trial = numpy_lock(env, params, max(places[n, 0] % 3, 0) % 2)
                    vars(trial).update(before)
                    if kind == "BidirectionalLock" and mine.inside is not None:
                        trial.inside = numpy_locks.Diabolical(mine.inside.right, 0)
                        vars(trial.inside).update(vars(mine.inside))
                    _, reward, over = trial.step(actions[n, t], flip, coin)
                    same = trial.index() == places[n, t + 1] and abs(reward - rewards[n, t]) < 1e-6
                    if same and over == ends[n, t]:
                        outcomes.append((flip, coin, trial))
            assert outcomes, (n, t)
            if len({flip for flip, *_ in outcomes}) == 1:
                flips.append(outcomes[0][0])
            if len({coin for _, coin, _ in outcomes}) == 1:
                coins.append(outcomes[0][1])
            mine = outcomes[0][2]
        np.testing.assert_allclose(mine.code(), seen[n, H], atol=1e-6)
        solved += rewards[n, -1] >= 2
    assert not cuts.any() and solved > 50
    expected = 0.1 if kind == "StochasticLock" else 0.5
    assert abs(np.mean(flips) - expected) < 4 * np.sqrt(0.25 / len(flips))
    if kind == "DiabolicalLock":
        assert abs(np.mean(coins) - 0.5) < 4 * np.sqrt(0.25 / len(coins))


@pytest.mark.parametrize(
    ("kind", "best"), [("DiabolicalLock", 5.0), ("BidirectionalLock", 4.0), ("StochasticLock", 4.2)]
)
def test_tables_say_what_happens(kind, best):
    def sometimes(key, q):
        explore_key, key = jax.random.split(key)
        random = jax.random.randint(key, (), 0, q.shape[0])
        return jnp.where(jax.random.bernoulli(explore_key, 0.3), random, jnp.argmax(q))

    env, params, places, _, _, rewards, *_ = play(f"{kind}-H5", jax.random.key(1), sometimes)
    model = jax.jit(env.model)(params)
    value, q = jax.jit(lock.optimal)(model)
    np.testing.assert_allclose(value, best, rtol=1e-6)
    np.testing.assert_allclose(model.transition.sum(-1), 1.0, rtol=1e-6)
    greedy = jax.nn.one_hot(jnp.argmax(q, -1), env.num_actions)
    policy = 0.7 * greedy + 0.3 / env.num_actions
    expected = np.asarray(lock.visits(model, policy))
    counted = np.stack([np.bincount(p, minlength=env.num_places) for p in places.T]) / EPISODES
    np.testing.assert_allclose(counted, expected, atol=4 * np.sqrt(0.25 / EPISODES))
    mean = np.sum(expected[:-1, :, None] * np.asarray(policy) * np.asarray(model.reward))
    error = rewards.sum(1).std() / np.sqrt(EPISODES)
    assert abs(rewards.sum(1).mean() - mean) < 4 * error


@pytest.mark.parametrize("horizon", [3, 300])
def test_any_horizon(horizon):
    values = {"DiabolicalLock": 5.0, "BidirectionalLock": 4.0, "StochasticLock": 4.0 + 1 / horizon}
    for kind, value in values.items():
        env, params = envs.make(f"{kind}-H10?horizon={horizon}", auto_reset="none", log=False)
        assert env.name == f"{kind}-H{horizon}"
        np.testing.assert_allclose(jax.jit(env.optimal_value)(params), value, rtol=1e-4)
        observation, state = jax.jit(env.reset)(jax.random.key(0), params)
        assert env.observation_space(params).contains(observation)
        assert env.render(state, params).ndim == 3


def test_observations():
    """Each kind of noise is taken off again, by other means, to find the code below."""
    key, code = jax.random.key(0), np.zeros(14)
    code[[1, 5]] = 1.0

    def seen(kind, number=4096, **more):
        env, params = envs.make(
            "DiabolicalLock-H10", auto_reset="none", log=False, observation=kind, **more
        )
        state = lock.LockState(jnp.int32(1), jnp.int32(2))
        keys = jax.random.split(key, number)
        out = jax.jit(jax.vmap(env.observe, (0, None)))(keys, state)
        assert env.observation_space(params).shape == out.shape[1:]
        return np.asarray(out)

    np.testing.assert_array_equal(seen("none", 1)[0], code)
    bits = seen("bernoulli")
    np.testing.assert_array_equal(bits[:, :14], np.broadcast_to(code, (4096, 14)))
    assert set(np.unique(bits[:, 14:])) == {0.0, 1.0} and bits.shape == (4096, 24)
    np.testing.assert_allclose(bits[:, 14:].mean(0), 0.5, atol=0.04)
    assert abs(np.corrcoef(bits[:, 14:].T)[0, 1:]).max() < 0.08
    noise = seen("gaussian") - code
    np.testing.assert_allclose(noise.mean(0), 0.0, atol=0.01)
    np.testing.assert_allclose(noise.std(0), 0.1, atol=0.01)
    matrix = hadamard(16)
    np.testing.assert_allclose(seen("hadamard", 1)[0], matrix[:, 1] + matrix[:, 5])
    back = seen("hadamard_gaussian", deviation=0.3) @ matrix / 16
    np.testing.assert_allclose(back[:, :14].mean(0), code, atol=0.03)
    np.testing.assert_allclose(back[:, :14].std(0), 0.3, atol=0.03)
    np.testing.assert_allclose(back[:, 14:], 0.0, atol=1e-5)  # two columns nothing uses


def test_every_seed_has_its_own_lock():
    """The first refresh draws it, the next ones keep it, and a seed in the name settles it."""
    env, params = envs.make("BidirectionalLock-H6")
    keys = jax.random.split(jax.random.key(0), 64)
    drawn = jax.jit(jax.vmap(env.refresh, (0, None)))(keys, params)
    combinations = np.asarray(drawn.env.combination).reshape(64, -1)
    assert len(np.unique(combinations, axis=0)) == 64
    better = np.asarray(drawn.env.prize)[:, 0] == 5.0
    assert 16 < better.sum() < 48 and set(np.unique(drawn.env.prize)) == {2.0, 5.0}
    again = jax.jit(jax.vmap(env.refresh))(keys[::-1], drawn)
    np.testing.assert_array_equal(again.env.combination, drawn.env.combination)
    np.testing.assert_array_equal(again.env.prize, drawn.env.prize)

    env, params = envs.make("BidirectionalLock-H6?seed=3")
    kept = env.refresh(keys[0], params)
    np.testing.assert_array_equal(kept.env.combination, params.env.combination)
    other = envs.make("BidirectionalLock-H6?seed=4")[1]
    assert not np.array_equal(other.env.combination, params.env.combination)
    assert len(np.unique(np.asarray(drawn.env.combination))) == 10


def test_time_is_shown_where_asked_for():
    env, _ = envs.make("StochasticLock-H5?time=True&bits=2", auto_reset="none", log=False)
    seen = env.observe(jax.random.key(0), lock.LockState(jnp.int32(2), jnp.int32(4)))
    np.testing.assert_array_equal(seen[:9], [0, 0, 1, 0, 0, 0, 0, 1, 0])
    assert seen.shape == (11,)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("DiabolicalLock-H10?observation=fog", "observation='fog': one of none, bernoulli"),
        ("DiabolicalLock-H10?horizon=0", "horizon=0: at least 1"),
        ("BidirectionalLock-H6?horizon=2", "horizon=2: at least 3"),
        ("DiabolicalLock-H10?swap=1.5", "swap=1.5: from 0 to 1"),
        ("StochasticLock-H10?num_actions=1", "num_actions=1: at least 2"),
        ("StochasticLock-H10?deviation=-1", "deviation=-1: at least 0"),
        ("DiabolicalLock-H10?sead=1", "seed"),
    ],
)
def test_bad_options_are_named(name, problem):
    with pytest.raises(ValueError, match=problem):
        envs.make(name)


def greedy(env, params):
    """The best action at every step and place of a lock, and of the worse one of two."""
    right = np.asarray(params.combination)
    worse = int(np.argmin(np.asarray(params.prize)))

    def act(place, t, aim):
        if env.kind != "BidirectionalLock":
            return right[0, min(place, 1), t]
        lock = 1 - worse if aim == "best" else worse
        if t == 0:
            return 0 if lock == 0 else env.num_actions - 1
        return right[lock, min(place - 3 * lock, 1), t - 1]

    return act


@pytest.mark.parametrize(
    ("name", "aim", "opens"),
    [
        ("DiabolicalLock-H3", "best", True),
        ("DiabolicalLock-H3", "fall", False),  # its return may be 0.1
        ("StochasticLock-H3", "best", True),
        ("StochasticLock-H3", "fall", False),
        ("BidirectionalLock-H4", "best", True),
        ("BidirectionalLock-H4", "worse", False),  # its return is 1
    ],
)
def test_success_is_the_best_locks_end_and_not_a_reward_for_falling(name, aim, opens):
    env, params = envs.make(name, auto_reset="none", log=False)
    act, returns, last = greedy(env, params), [], None
    for seed in range(6):
        _, state = env.reset(jax.random.key(seed), params)
        total = 0.0
        for t in range(env.horizon):
            action = act(int(state.place), t, aim)
            if aim == "fall":
                action = (action + 2) % env.num_actions
            _, state, reward, over, _, info = env.step(
                jax.random.key(100 * seed + t), state, jnp.int32(action), params
            )
            assert not info["success"] or over
            total, last = total + float(reward), bool(info["success"])
        assert last == opens
        returns.append(total)
    assert max(returns) > 0  # so that a positive return alone says nothing


def test_evaluation_and_training_take_success_from_the_lock():
    env, params = envs.make("DiabolicalLock-H3", horizon=2, auto_reset="none", log=False)
    wrong = next(a for a in range(10) if a not in params.combination[0, :, 0].tolist())

    def fall(key, memory, observation, reset):
        return memory, jnp.full(reset.shape, wrong)

    params = params.replace(drawn=jnp.asarray(True), fall_chance=1.0)
    result = evaluation.episodes(jax.random.key(0), env, params, fall, (), 16)
    assert result["return"] > 0 and result["solved"] == 0
    assert "solved" in evaluation.headline(env)
    info = {
        "episode_done": jnp.asarray([[True, True]]),
        "episode_return": jnp.asarray([[0.1, 5.0]]),
        "episode_length": jnp.asarray([[2, 2]]),
    }
    share = {
        kind: float(acting.episode_metrics(info | more)["solved"].total) / 2
        for kind, more in (("return", {}), ("told", {"success": jnp.asarray([[0.0, 1.0]])}))
    }
    assert share == {"return": 1.0, "told": 0.5}
