"""Features of PC-PG: Fourier's against NumPy and SciPy, and what learned ones are taught."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import pdist

from envs import spaces
from experiments import pcpg
from jaxrl_suite.agents.pcpg import features
from jaxrl_suite.exploration.bonus import Transitions

BOX = spaces.Box(-5.0, 5.0, (3,))


def steps_of(rng, length, width, discrete):
    action = (
        rng.integers(4, size=(length, width)) if discrete else rng.normal(size=(length, width, 2))
    )
    empty = jnp.zeros((length, width))
    seen = jnp.asarray(rng.normal(size=(length, width, 3)), jnp.float32)
    return Transitions(seen, seen, jnp.asarray(action), empty, empty, empty, empty, {})


def test_median_distance_is_scipys():
    rng = np.random.default_rng(0)
    points, mask = rng.normal(size=(31, 4)), rng.random(31) < 0.6
    got = features.median_distance(jnp.asarray(points, jnp.float32), jnp.asarray(mask))
    np.testing.assert_allclose(got, np.median(pdist(points[mask])), rtol=1e-5)
    assert not np.isclose(got, np.median(pdist(points)), rtol=1e-3)  # the mask matters
    assert np.isnan(features.median_distance(jnp.ones((3, 2)), jnp.asarray([True, False, False])))


@pytest.mark.parametrize("discrete", [True, False])
def test_fourier_features_against_numpy(discrete):
    rng = np.random.default_rng(1)
    action_space = spaces.Discrete(4) if discrete else spaces.Box(-1.0, 1.0, (2,))
    phi = features.make("fourier", 6, BOX, action_space)
    state = phi.init(jax.random.key(0))._replace(gamma=jnp.float32(0.3))
    steps = steps_of(rng, 5, 4, discrete)
    got = phi.apply(state, steps.observation, steps.action)
    acted = np.eye(4)[steps.action] if discrete else np.clip(steps.action, -1, 1)
    x = np.concatenate([steps.observation, acted], -1).astype(np.float64)
    angle = x @ (np.sqrt(2 * 0.3) * np.asarray(state.frequencies, np.float64)).T + state.phases
    np.testing.assert_allclose(got, np.sqrt(2 / 6) * np.cos(angle), atol=2e-6)


def test_fouriers_inner_products_are_the_gaussian_kernel():
    rng = np.random.default_rng(2)
    phi = features.make("fourier", 40_000, BOX, spaces.Discrete(4))
    state = phi.init(jax.random.key(3))._replace(gamma=jnp.float32(0.2))
    points = jnp.asarray(rng.normal(size=(6, 3)), jnp.float32)
    seen = np.asarray(phi.apply(state, points, jnp.zeros(6, jnp.int32)))
    square = ((np.asarray(points)[:, None] - np.asarray(points)) ** 2).sum(-1)
    np.testing.assert_allclose(seen @ seen.T, np.exp(-0.2 * square), atol=0.03)


def test_gamma_is_one_over_the_first_policys_squared_median_distance():
    phi = features.make("fourier", 4, BOX, spaces.Discrete(4))
    steps = steps_of(np.random.default_rng(3), 20, 20, True)
    valid = jnp.ones((20, 20), bool).at[:, 10:].set(False)
    x = np.concatenate([steps.observation, np.eye(4)[steps.action]], -1)[:, :10].reshape(-1, 7)
    start = phi.init(jax.random.key(0))
    state = phi.fit(jax.random.key(1), start, steps, valid, jnp.asarray(True))
    # of 512 steps drawn with replacement
    np.testing.assert_allclose(state.gamma, np.median(pdist(x)) ** -2, rtol=0.1)
    later = phi.fit(jax.random.key(2), state, steps, ~valid, jnp.asarray(False))
    assert later.gamma == state.gamma


def test_centred_features_are_the_random_ones_around_the_first_policys_mean():
    phi = features.make("centred", 8, BOX, spaces.Discrete(4))
    steps = steps_of(np.random.default_rng(4), 6, 5, True)
    valid = jnp.ones((6, 5), bool).at[2:, 3:].set(False)
    start = phi.init(jax.random.key(0))
    state = phi.fit(jax.random.key(1), start, steps, valid, jnp.asarray(True))
    network = features._encoder(BOX, (8, 8), "centred")
    raw = np.asarray(network.apply(start.params, steps.observation), np.float64)
    want = raw - raw[np.asarray(valid)].mean(0)
    want /= np.linalg.norm(want, axis=-1, keepdims=True)
    np.testing.assert_allclose(
        phi.apply(state, steps.observation, steps.action), want, rtol=1e-4, atol=1e-5
    )
    later = phi.fit(jax.random.key(2), state, steps, ~valid, jnp.asarray(False))
    assert (later.centre == state.centre).all()


def test_learned_features_are_taught_by_all_policies_of_the_cover(monkeypatch):
    def fit(key, state, steps, valid, first):
        del key, state, steps, first
        return jnp.sum(valid)

    def apply(state, observation, action):
        del state, action
        return jnp.ones((*observation.shape[:-1], 2))

    counting = features.Features(2, lambda key: jnp.int32(0), apply, fit, learned=True)
    monkeypatch.setattr(features, "make", lambda *_: counting)
    config = pcpg.Config(
        env="BidirectionalLock-H3",
        explore_epochs=2,
        exploit_epochs=1,
        loops=1,
        episodes=8,
        groups=2,
        density_episodes=6,
        passes=1,
        minibatch_size=8,
        widths=(4,),
    )
    made = pcpg.build(dataclasses.replace(config, features="inverse"))
    state, update = jax.jit(made.init)(jax.random.key(0)), jax.jit(made.update)
    taught = [int(state.features)]
    for _ in range(3):
        state, _ = update(state)
        taught.append(int(state.features))
    assert taught == [18, 36, 54, 54]  # nothing joins the cover while it is exploited


def test_episodes_side_by_side():
    kept = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    together = features.side_by_side(jnp.asarray(kept))
    np.testing.assert_array_equal(together[1, :4], kept[0, 1])
    np.testing.assert_array_equal(together[2, 4:], kept[1, 2])
