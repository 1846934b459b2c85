"""RND, NovelD, ICM and RIDE against NumPy in float64, and what training does to them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs import spaces
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.exploration import counts, dynamics, icm, noveld, ride, rnd
from jaxrl_suite.exploration.bonus import Transitions

STATES, ACTIONS, T, N = 6, 3, 12, 4
BOX, CHOICES = spaces.Box(0.0, 1.0, (STATES,)), spaces.Discrete(ACTIONS)
KEY = jax.random.key(0)


def transitions(seed=0, states=STATES, boxes=False):
    """Random moves among the first `states` one-hot states, every episode one step long."""
    rng = np.random.default_rng(seed)
    eye = np.eye(STATES, dtype=np.float32)
    now, then = (jnp.asarray(eye[rng.integers(states, size=(T, N))]) for _ in range(2))
    action = jnp.asarray(rng.integers(ACTIONS, size=(T, N)))
    if boxes:
        action = jnp.asarray(rng.normal(size=(T, N, 2)), jnp.float32)
    ended, zeros = jnp.ones((T, N), bool), jnp.zeros((T, N), bool)
    return Transitions(now, then, action, jnp.zeros((T, N)), ended, zeros, ended, {})


def layers(params):
    """Kernels and biases of an MLP in the order they are applied, as float64."""
    found = []

    def collect(tree):
        if "kernel" in tree:
            found.append([np.asarray(tree[k], np.float64) for k in ("kernel", "bias")])
            return
        names = sorted(tree, key=lambda name: ("encoder" not in name, name))
        for name in names:
            collect(tree[name])

    collect(params["params"])
    return found


def mlp(params, x, activation):
    """All layers but the last followed by the activation."""
    *hidden, (kernel, bias) = layers(params)
    for k, b in hidden:
        x = activation(x @ k + b)
    return x @ kernel + bias


def relu(x):
    return np.maximum(x, 0)


def error(state, x):
    """Distance of predictor and target."""
    return np.linalg.norm(mlp(state.predictor, x, relu) - mlp(state.target, x, relu), axis=-1)


@pytest.mark.parametrize("squared", [True, False])
def test_rnd_is_the_distance_of_two_networks(squared):
    config = rnd.RNDConfig(squared=squared, normalize_observations=False)
    bonus, data = rnd.make(config, BOX), transitions()
    state = bonus.init(KEY, BOX, CHOICES, N)
    want = error(state, np.asarray(data.next_observation, np.float64))
    got, after, _ = bonus.update(KEY, state, data, None)
    np.testing.assert_allclose(got, want**2 / 2 if squared else want, rtol=1e-4)
    for a, b in zip(jax.tree.leaves(state.target), jax.tree.leaves(after.target), strict=True):
        np.testing.assert_array_equal(a, b)


def test_rnd_falls_where_it_has_been():
    config = rnd.RNDConfig(learning_rate=1e-3, epochs=4, normalize_observations=False)
    model = rnd.make_model(config, BOX)
    state = model.init(KEY, BOX)
    everything = jnp.eye(STATES)
    before = model.error(state, everything)
    update = jax.jit(model.update)
    for i in range(60):
        state, _ = update(jax.random.key(i), state, transitions(i, states=3))
    ratio = model.error(state, everything) / before
    assert ratio[:3].max() < 0.05 and ratio[3:].min() > 5 * ratio[:3].max()


@pytest.mark.parametrize("shape", [(STATES,), (STATES, 1, 1)])
def test_rnd_sees_vectors_and_boards_at_their_own_scale(shape):
    """Units do not matter: the running moments take them out."""
    box = spaces.Box(0.0, 1.0, shape)
    bonus, data = rnd.make(rnd.RNDConfig(), box), transitions()
    data = data._replace(next_observation=data.next_observation.reshape(T, N, *shape))
    state = bonus.init(KEY, box, CHOICES, N)
    plain = bonus.update(KEY, state, data, None)[0]
    larger = data._replace(next_observation=1000.0 * data.next_observation - 50.0)
    np.testing.assert_allclose(bonus.update(KEY, state, larger, None)[0], plain, rtol=1e-2)
    raw = rnd.make(rnd.RNDConfig(normalize_observations=False), box)
    state = raw.init(KEY, box, CHOICES, N)
    assert raw.update(KEY, state, larger, None)[0].min() > 100 * plain.max()


@pytest.mark.parametrize("alpha", [0.0, 0.1, 1.0])
def test_noveld_is_the_gain_of_novelty(alpha):
    config = noveld.NovelDConfig(alpha=alpha, normalize_observations=False)
    bonus, data = noveld.make(config, BOX), transitions()
    state = bonus.init(KEY, BOX, CHOICES, N)
    before, after = (
        error(state, np.asarray(x, np.float64)) for x in (data.observation, data.next_observation)
    )
    want = np.maximum(after - alpha * before, 0)
    got = bonus.update(KEY, state, data, None)[0]
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5)
    assert (want == 0).any() == (alpha == 1.0)


def embedding(params, x):
    return mlp(params["phi"], x, np.tanh)


def test_icm_is_half_the_squared_error_of_the_forward_model():
    config = dynamics.DynamicsConfig(widths=(16, 8), hidden=16, segment=1)
    bonus, data = icm.make(config, BOX, CHOICES), transitions()
    state = bonus.init(KEY, BOX, CHOICES, N)
    x, y = (np.asarray(v, np.float64) for v in (data.observation, data.next_observation))
    now, then = (
        np.tanh(embedding(state.params, v)) for v in (x, y)
    )  # a vector encoder ends in tanh
    joined = np.concatenate([now, np.eye(ACTIONS)[np.asarray(data.action)]], -1)
    want = ((mlp(state.params["forward"], joined, relu) - then) ** 2).sum(-1) / 2
    got, after, metrics = bonus.update(KEY, state, data, None)
    np.testing.assert_allclose(got, want, rtol=1e-4)
    assert set(metrics) == {"inverse_loss", "forward_loss", "inverse_accuracy"}
    again = jax.jit(bonus.update)
    for i in range(200):
        got, after, _ = again(jax.random.key(i), after, data, None)
    assert got.mean() < 0.9 * want.mean()  # random moves: the best guess is their mean


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_beta_weighs_the_two_losses(beta):
    """With no weight on it, a head gets no gradient."""
    model = dynamics.make_model(dynamics.DynamicsConfig(widths=(8, 4), beta=beta), BOX, CHOICES)
    state = model.init(KEY, BOX)
    after, _ = model.update(KEY, state, transitions())

    def moved(part):
        pairs = zip(*map(jax.tree.leaves, (state.params[part], after.params[part])), strict=True)
        return any(not np.array_equal(a, b) for a, b in pairs)

    assert moved("phi") and moved("forward") == (beta == 1) and moved("inverse") == (beta == 0)


def test_ride_is_impact_over_the_root_of_the_count():
    config = dynamics.DynamicsConfig(widths=(16, 8), hidden=16)
    data = transitions()
    whole = jnp.zeros((T, N), bool)  # one long episode
    now = jnp.concatenate([data.observation[:1], data.next_observation[:-1]])
    data = data._replace(observation=now, terminated=whole, reset=whole.at[0].set(True))
    bonus = ride.make(config, counts.CountConfig(log2_slots=6), BOX, CHOICES)
    state = bonus.init(KEY, BOX, CHOICES, N)
    got = bonus.update(KEY, state, data, None)[0]
    x, y = (np.asarray(v, np.float64) for v in (data.observation, data.next_observation))
    now, then = (np.tanh(embedding(state[0].params, v)) for v in (x, y))
    visits = np.zeros((T, N))
    for n in range(N):
        seen = np.zeros(STATES)
        seen[x[0, n].argmax()] = 1
        for t in range(T):
            seen[y[t, n].argmax()] += 1
            visits[t, n] = seen[y[t, n].argmax()]
    want = np.linalg.norm(then - now, axis=-1) / np.sqrt(visits)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_continuous_actions_and_seeds():
    box = spaces.Box(-1.0, 1.0, (2,))
    bonus = icm.make(dynamics.DynamicsConfig(widths=(8, 4), hidden=8), BOX, box)
    data = transitions(boxes=True)

    def twice(key):
        state = bonus.init(key, BOX, box, N)
        _, state, _ = bonus.update(key, state, data, None)
        return bonus.update(key, state, data, None)[0]

    keys = jax.random.split(KEY, 2)
    many = jax.jit(jax.vmap(twice))(keys)
    for i in range(2):
        np.testing.assert_allclose(many[i], jax.jit(twice)(keys[i]), rtol=1e-3, atol=1e-5)


def test_bad_options_are_named():
    for field, value in (("target", ()), ("minibatches", 0), ("learning_rate", 0.0)):
        with pytest.raises(ConfigError, match=field):
            rnd.make(rnd.RNDConfig(**{field: value}), BOX)
    with pytest.raises(ConfigError, match=r"alpha=-1"):
        noveld.make(noveld.NovelDConfig(alpha=-1), BOX)
    for field, value in (("beta", 1.5), ("widths", (0,)), ("epochs", 0)):
        with pytest.raises(ConfigError, match=field):
            icm.make(dynamics.DynamicsConfig(**{field: value}), BOX, CHOICES)


def mixed(seed=0, ending=0.3):
    """Episodes that begin and end at different steps of the environments, inside the unroll too."""
    rng = np.random.default_rng(seed)
    ended = rng.random((T, N)) < ending
    reset = np.concatenate([rng.random((1, N)) < 0.5, ended[:-1]])
    then, fresh = rng.integers(STATES, size=(2, T, N))
    now = np.where(reset, fresh, np.concatenate([fresh[:1], then[:-1]]))
    eye = np.eye(STATES, dtype=np.float32)
    return Transitions(
        jnp.asarray(eye[now]),
        jnp.asarray(eye[then]),
        jnp.asarray(rng.integers(ACTIONS, size=(T, N))),
        jnp.zeros((T, N)),
        jnp.asarray(ended & (rng.random((T, N)) < 0.5)),
        jnp.asarray(ended),
        jnp.asarray(reset),
        {},
    )


DYNAMICS = dynamics.DynamicsConfig(widths=(8, 4), hidden=8)
MADE = {
    "rnd": lambda: rnd.make(rnd.RNDConfig(), BOX),
    "noveld": lambda: noveld.make(noveld.NovelDConfig(), BOX),
    "icm": lambda: icm.make(DYNAMICS, BOX, CHOICES),
    "ride": lambda: ride.make(DYNAMICS, counts.CountConfig(log2_slots=6), BOX, CHOICES),
}


@pytest.mark.parametrize("name", MADE)
def test_seeds_by_vmap_equal_single_runs_with_resets_inside_the_unroll(name):
    bonus = MADE[name]()
    rollouts = [[mixed(10 * seed + i) for i in range(3)] for seed in range(3)]
    assert any(0 < r.reset[1:].mean(1).max() < 1 for seed in rollouts for r in seed)

    def run(key, rollouts):
        state, paid = bonus.init(key, BOX, CHOICES, N), []
        for i, rollout in enumerate(rollouts):
            extra, state, _ = bonus.update(jax.random.fold_in(key, i), state, rollout, None)
            paid.append(extra)
        return jnp.stack(paid), state

    keys = jax.random.split(KEY, 3)
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *rollouts)
    together = jax.jit(jax.vmap(run))(keys, stacked)
    single = jax.jit(run)
    for i in range(3):
        alone = single(keys[i], rollouts[i])
        for a, b in zip(*map(jax.tree.leaves, (together, alone)), strict=True):
            np.testing.assert_allclose(a[i], b, rtol=2e-3, atol=2e-5)
    assert not np.allclose(together[0][0], together[0][1])


def test_noveld_icm_and_ride_with_resets_inside_the_unroll_against_numpy():
    data = mixed(1)
    x, y = (np.asarray(v, np.float64) for v in (data.observation, data.next_observation))
    crossing = np.asarray(data.reset[1:]) & (x[1:] != y[:-1]).any(-1)
    assert crossing.any()  # so that s' of an episode is not s of the next one

    bonus = noveld.make(noveld.NovelDConfig(alpha=0.5, normalize_observations=False), BOX)
    state = bonus.init(KEY, BOX, CHOICES, N)
    want = np.maximum(error(state, y) - 0.5 * error(state, x), 0)
    np.testing.assert_allclose(bonus.update(KEY, state, data, None)[0], want, rtol=1e-3, atol=1e-5)

    bonus = icm.make(DYNAMICS, BOX, CHOICES)
    state = bonus.init(KEY, BOX, CHOICES, N)
    now, then = (np.tanh(embedding(state.params, v)) for v in (x, y))
    joined = np.concatenate([now, np.eye(ACTIONS)[np.asarray(data.action)]], -1)
    want = ((mlp(state.params["forward"], joined, relu) - then) ** 2).sum(-1) / 2
    np.testing.assert_allclose(bonus.update(KEY, state, data, None)[0], want, rtol=1e-3, atol=1e-6)

    bonus = MADE["ride"]()
    state = bonus.init(KEY, BOX, CHOICES, N)
    now, then = (np.tanh(embedding(state[0].params, v)) for v in (x, y))
    visits = np.zeros((T, N))
    for n in range(N):
        seen = np.zeros(STATES)
        for t in range(T):
            if data.reset[t, n]:
                seen[:] = 0
                seen[x[t, n].argmax()] = 1
            seen[y[t, n].argmax()] += 1
            visits[t, n] = seen[y[t, n].argmax()]
    want = np.linalg.norm(then - now, axis=-1) / np.sqrt(visits)
    np.testing.assert_allclose(bonus.update(KEY, state, data, None)[0], want, rtol=1e-3, atol=1e-5)
