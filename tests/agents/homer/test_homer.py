"""HOMER's parts against closed forms, NumPy and scikit-learn; the whole on locks of a few steps."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

import envs
from envs import lock
from jaxrl_suite.agents import homer
from jaxrl_suite.agents.homer import abstraction, policies
from jaxrl_suite.agents.homer.algorithm import covering
from jaxrl_suite.experiment import ConfigError

TINY = homer.HomerConfig(samples=200, classifier_steps=(100, 200), batch_size=64, eval_episodes=50)


def small_lock(name="DiabolicalLock-H3?observation=gaussian&num_actions=3"):
    return envs.make(name, auto_reset="none", log=False)


@pytest.mark.parametrize("seed", range(4))
def test_agreement_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(4, size=50)
    classes = np.where(rng.random(50) < 0.3 * seed, codes % 3, rng.integers(3, size=50))
    got = abstraction.agreement(jnp.asarray(codes), jnp.asarray(classes), (4, 3))
    np.testing.assert_allclose(got, normalized_mutual_info_score(classes, codes), atol=1e-5)
    same = jnp.zeros(5, int)
    assert abstraction.agreement(same, same, (2, 2)) == 1.0


def test_impostors_are_other_transitions():
    rows = jnp.arange(20.0)[:, None]
    data = abstraction.Transitions(rows, jnp.arange(20), rows)
    contrast = jax.jit(lambda key: abstraction.contrast(key, data, 3000, jnp.int32(15)))
    batch, labels = contrast(jax.random.key(0))
    same = np.asarray(batch.x == batch.following)[:, 0]
    np.testing.assert_array_equal(same, np.asarray(labels) == 1)
    np.testing.assert_array_equal(batch.x[:, 0], batch.action)
    assert set(np.unique(batch.following)) == set(range(15))  # none of the held-out ones
    pairs = {
        (int(a), int(b)) for a, b in zip(batch.x[3000:, 0], batch.following[3000:, 0], strict=True)
    }
    assert len(pairs) == 15 * 14


def test_the_bottleneck_finds_what_is_inseparable():
    """Four kinds of x': action 0 leads to either of two, action 1 to the other two.

    P / rho is 2 for the two kinds of the action and 0 otherwise, so the optimum P / (P + rho) is 2/3
    or 0 and the loss (log 3/2 + log(3) / 2) / 2.
    """
    action_key, kind_key, noise_key, fit_key = jax.random.split(jax.random.key(0), 4)
    n = 2000
    action = jax.random.randint(action_key, (n,), 0, 2)
    kind = 2 * action + jax.random.randint(kind_key, (n,), 0, 2)
    noise = 0.1 * jax.random.normal(noise_key, (2, n, 4))
    data = abstraction.Transitions(noise[0], action, jax.nn.one_hot(kind, 4) + noise[1])
    fit = jax.jit(
        lambda key, steps: abstraction.fit(
            key, data, abstraction.Classifier(2, 2), steps, learning_rate=1e-2, decay=0.1
        )
    )
    decoder, loss = fit(fit_key, jnp.asarray([300, 300]))
    codes = decoder.codes(data.following)
    assert abstraction.agreement(codes, kind // 2, (2, 2)) > 0.99
    np.testing.assert_allclose(loss, (np.log(1.5) + np.log(3) / 2) / 2, atol=0.03)
    assert fit(fit_key, jnp.asarray([0, 0]))[1] > 0.6  # the steps are what did it


@pytest.mark.parametrize(
    ("losses", "tries", "kept", "made"),
    [
        ([0.5, 0.1], 10, 0, 1),  # the first will do
        ([0.7, 0.69, 0.6, 0.1], 10, 2, 3),
        ([0.7, 0.69, 0.71], 3, 1, 3),  # none will: the best of them
        ([0.7, 0.1], 1, 0, 1),
    ],
)
def test_a_classifier_at_chance_is_fitted_again(losses, tries, kept, made):
    key = jax.random.key(4)
    keys = [key, *(jax.random.fold_in(key, i) for i in range(1, len(losses)))]
    known = jnp.stack([jax.random.key_data(k) for k in keys])

    def once(key):
        which = jnp.argmax((known == jax.random.key_data(key)).all(1))
        decoder = abstraction.Decoder(jnp.full((2, 2), 1.0 + which), jnp.zeros(2))
        return decoder, jnp.asarray(losses)[which]

    decoder, loss, count = jax.jit(lambda n: abstraction.first_accepted(key, once, n))(tries)
    assert (float(decoder.kernel[0, 0]), int(count)) == (1.0 + kept, made)
    np.testing.assert_allclose(loss, losses[kept])


def test_ridge_regression_is_numpys():
    rng = np.random.default_rng(0)
    x, action, target = rng.normal(size=(60, 5)), rng.integers(3, size=60), rng.normal(size=(60, 2))
    got = policies.ridge_regression(*map(jnp.asarray, (x, action, target)), actions=3, ridge=0.1)
    features = np.concatenate([x, np.ones((60, 1))], 1)
    penalty = 0.1 * np.mean(features**2) * np.eye(6)
    for a in range(3):
        own, y = features[action == a], target[action == a]
        want = np.linalg.inv(own.T @ own + penalty) @ own.T @ y
        np.testing.assert_allclose(got[:, :, a], want.T, rtol=1e-3, atol=1e-4)


def test_best_prefix_is_the_most_hopeful():
    rng = np.random.default_rng(1)
    weights, x = rng.normal(size=(4, 4, 3)), rng.normal(size=(50, 3))
    policy = rng.integers(3, size=50)
    fields = dict.fromkeys(policies.Sample._fields, jnp.zeros(50))
    sample = policies.Sample(**fields)._replace(x=jnp.asarray(x), policy=jnp.asarray(policy))
    got = policies.best_prefix(jnp.asarray(weights), sample, 3)
    for k in range(4):
        hope = (x @ weights[k, :3] + weights[k, 3]).max(1)
        assert got[k] == np.argmax([hope[policy == j].mean() for j in range(3)])


def test_episodes_are_those_of_the_tables():
    """Roll-in by a path through the bank, one uniform action, roll-out: exact visits and values."""
    env, params = envs.make("DiabolicalLock-H5?observation=none", auto_reset="none", log=False)
    params = env.refresh(jax.random.key(5), params)
    model = env.model(params)
    q = lock.optimal(model)[1]
    best = jnp.zeros((5, 10, 10)).at[:, :3].set(q)  # [H, D + 1, A]: by the code of the place
    # policy 0 stays alive; policy 1 falls in step 1, by the regressor in slot 1
    bank = jnp.stack([best, -best], 1)
    path = jnp.zeros((5, 2, 5), jnp.int32).at[:, 1, 1].set(1)
    number, level = 4000, 3
    run = jax.jit(
        lambda key: policies.gather(
            key, env, params, policies.Cover(bank, path), level, lambda t: best[t], 5, number
        )
    )
    sample = jax.tree.map(np.asarray, run(jax.random.key(0)))
    assert abs(sample.policy.mean() - 0.5) < 0.04
    where = [np.bincount(sample.place[sample.policy == i], minlength=3) for i in range(2)]
    share = [w / w.sum() for w in where]
    np.testing.assert_allclose(share[0], [0.5, 0.5, 0.0], atol=0.05)
    np.testing.assert_array_equal(share[1], [0.0, 0.0, 1.0])
    np.testing.assert_allclose(np.bincount(sample.action) / number, 0.1, atol=0.03)
    mean = np.mean(share, 0) @ np.asarray(q[level]).mean(-1)
    error = sample.episode_return.std() / np.sqrt(number)
    assert abs(sample.episode_return.mean() - mean) < 5 * error
    lived = sample.next_place < 2
    np.testing.assert_allclose(sample.episode_return[lived], 5.0, rtol=1e-5)
    np.testing.assert_array_equal(sample.end_place[lived] < 2, True)
    assert (sample.episode_return[~lived] <= 0.1 + 1e-6).all()


def train(experiment, seeds):
    """All updates and an evaluation, seeds under vmap."""

    def one(key):
        run_key, look_key = jax.random.split(key)
        state, metrics = jax.lax.scan(
            lambda s, _: experiment.update(s),
            experiment.init(run_key),
            None,
            experiment.num_updates,
        )
        return state, metrics, experiment.evaluate(look_key, state)

    keys = jax.vmap(jax.random.key)(jnp.asarray(seeds))
    return jax.jit(jax.vmap(one))(keys)


@pytest.mark.slow
def test_homer_opens_a_lock():
    env, params = small_lock("DiabolicalLock-H4?observation=gaussian&num_actions=3")
    config = dataclasses.replace(TINY, samples=300, classifier_steps=(300, 600), learning_rate=3e-3)
    experiment = homer.make(env, params, config)
    state, metrics, found = train(experiment, [0, 1])
    np.testing.assert_allclose(found["return"], 5.0)
    np.testing.assert_array_equal(found["success"], 1.0)
    np.testing.assert_array_equal(found["episodes"], 300 * 7)
    np.testing.assert_array_equal(metrics["level"][0], [0, 1, 2, 3, 2, 1, 0])
    explored = metrics["agreement"].count[0] > 0
    np.testing.assert_array_equal(explored, np.arange(7) < 3)
    assert (metrics["agreement"].total[:, :3] > 0.95).all()
    assert not np.array_equal(*np.asarray(state.env_params.combination))  # a lock for each seed
    # seeds do not depend on those beside them
    alone = train(experiment, [1])
    np.testing.assert_allclose(
        alone[1]["classifier_loss"].total[0], metrics["classifier_loss"].total[1], rtol=1e-3
    )
    np.testing.assert_allclose(alone[2]["return"], found["return"][1:])
    # the cover: every live state at least a quarter, the dead one a half, up to chance
    sample = jax.jit(lambda s: covering(jax.random.key(1), env, s, jnp.int32(3), 2000))(
        jax.tree.map(lambda x: x[0], state)
    )
    share = np.bincount(np.asarray(sample.place), minlength=3) / 2000
    np.testing.assert_allclose(share, [0.25, 0.25, 0.5], atol=0.05)


@pytest.mark.parametrize("homing", ["gps", pytest.param("psdp", marks=pytest.mark.slow)])
def test_oracle_opens_a_lock_and_a_random_abstraction_does_not(homing):
    # a random half-space has all states of a step on one side half of the time: seven steps in a row
    # without that are rare
    env, params = small_lock("DiabolicalLock-H8?observation=gaussian")
    returns = {}
    for kind in ("oracle", "random"):
        config = dataclasses.replace(TINY, samples=500, abstraction=kind, homing=homing)
        found = train(homer.make(env, params, config), [0, 1])[2]
        returns[kind] = found["return"]
        if homing == "psdp":
            # n a level, N n for each earlier step of it, n for each step of the plan
            np.testing.assert_array_equal(found["episodes"], 500 * (7 + 2 * 21 + 8))
    np.testing.assert_allclose(returns["oracle"], 5.0)
    assert (returns["random"] < 2.5).all()


def test_the_oracle_knows_more_locks():
    """PC-PG's lock has seven states, and its two ways are both covered."""
    env, params = small_lock("BidirectionalLock-H4?num_actions=4")
    config = dataclasses.replace(TINY, samples=600, abstraction="oracle", codes=5)
    _, _, found = train(homer.make(env, params, config), [0, 1])
    np.testing.assert_allclose(found["return"], 4.0, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"samples": 5}, "samples"),
        ({"codes": 1}, "codes"),
        ({"abstraction": "true"}, "abstraction"),
        ({"homing": "fqi"}, "homing"),
        ({"classifier_steps": (1, -1)}, "classifier_steps"),
        ({"batch_size": 0}, "batch_size"),
        ({"ridge": 0.0}, "ridge"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"decay": float("nan")}, "decay"),
    ],
)
def test_bad_settings_are_named(changes, field):
    with pytest.raises(ConfigError, match=f"^{field}="):
        homer.make(*small_lock(), dataclasses.replace(TINY, **changes))


def test_unsuitable_environments_are_named():
    for name in ("Pendulum-v1", "Empty-5x5"):
        with pytest.raises(ConfigError, match="^env="):
            homer.make(*small_lock(name), TINY)
    with pytest.raises(
        ConfigError, match="^env='CartPole-v1': one whose episodes all have one length"
    ):
        homer.make(*small_lock("CartPole-v1"), TINY)
    with pytest.raises(ConfigError, match="^codes=2"):
        oracle = dataclasses.replace(TINY, abstraction="oracle")
        homer.make(*small_lock("DiabolicalLock-H3?swap=0.1"), oracle)
    with pytest.raises(ConfigError, match="^abstraction="):
        homer.make(*small_lock("CartPole-v1"), dataclasses.replace(TINY, abstraction="oracle"))
