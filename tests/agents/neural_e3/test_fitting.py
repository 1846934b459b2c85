"""Losses of Neural-E3's models against NumPy in float64, values and slopes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl_suite.agents.neural_e3 import ensemble, fitting, segments, transition
from jaxrl_suite.q_learning import Item

E, B, T, D, A, H = 3, 5, 4, 4, 3, 6


def dense(p, x):
    return x @ p["kernel"] + p["bias"]


def bits_model(p, x, action, time):
    h = dense(p["Dense_0"], x) + p["Embed_0"]["embedding"][action] + p["Embed_1"]["embedding"][time]
    h = np.maximum(dense(p["Dense_1"], np.maximum(h, 0)), 0)
    out = dense(p["Dense_2"], h)
    return out[..., :-1], out[..., -1]


def vector_model(p, x, action):
    def leaky(x):
        return np.where(x > 0, x, 0.01 * x)

    def norm(p, x):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
        return x * p["scale"] + p["bias"]

    h = norm(p["LayerNorm_0"], dense(p["Dense_0"], x))
    h = norm(p["LayerNorm_1"], dense(p["Dense_1"], leaky(h)))
    h = leaky(dense(p["Dense_2"], h * p["Embed_0"]["embedding"][action]))
    out = dense(p["Dense_4"], leaky(dense(p["Dense_3"], h)))
    return x + out[..., :-1], out[..., -1]


def member(params, e):
    return jax.tree.map(lambda x: np.asarray(x[e], np.float64), params)["params"]


def check(loss, reference, models, seed):
    """The value, and the slope along a random direction by a central difference of the reference."""
    rng = np.random.default_rng(seed)
    np.testing.assert_allclose(loss(models), reference(models), rtol=1e-5)
    exact = jax.tree.map(lambda x: np.asarray(x, np.float64), models)
    along = jax.tree.map(lambda x: rng.normal(size=x.shape), exact)
    ends = [
        reference(jax.tree.map(lambda x, d, s=s: x + s * 1e-6 * d, exact, along)) for s in (1, -1)
    ]
    _, slope = jax.jvp(loss, (models,), (jax.tree.map(jnp.float32, along),))
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 2e-6, rtol=1e-3)


def test_bits_and_reward_of_a_step():
    rng = np.random.default_rng(0)
    network, now = ensemble.BitsModel(D, A, H, width=7), jnp.int32(0)
    models = ensemble.start(network, jax.random.key(1), E, jnp.zeros(D), now, now)
    bits, following = rng.integers(2, size=(2, E, B, D))
    time, action = rng.integers(H, size=(E, B)), rng.integers(A, size=(E, B))
    reward, weight = rng.normal(size=(E, B)), rng.integers(2, size=(E, B))
    assert 0 < weight.mean() < 1

    def loss(models):
        seen, after = (
            (jnp.asarray(x, jnp.float32), t) for x, t in ((bits, time), (following, time + 1))
        )
        item = Item(seen, jnp.asarray(action), jnp.float32(reward), after, jnp.zeros((E, B), bool))
        return fitting.bits_loss(network, models, item, jnp.asarray(weight))

    def reference(models):
        total = 0.0
        for e in range(E):
            logits, guess = bits_model(member(models, e), bits[e], action[e], time[e])
            p = 1 / (1 + np.exp(-logits))
            cross = -(following[e] * np.log(p) + (1 - following[e]) * np.log(1 - p)).mean(-1)
            total += ((cross + (guess - reward[e]) ** 2) * weight[e]).sum() / B
        return total

    check(loss, reference, models, 2)


def test_segments_feed_the_models_own_states_back():
    rng = np.random.default_rng(3)
    network = transition.VectorModel(D, A, width=6)
    models = ensemble.start(network, jax.random.key(4), E, jnp.zeros(D), jnp.int32(0))
    first, after = rng.normal(size=(E, B, D)), rng.normal(size=(E, B, T, D))
    action, reward = rng.integers(A, size=(E, B, T)), rng.normal(size=(E, B, T))
    weight = (np.arange(T) < rng.integers(1, T + 1, size=(E, B, 1))).astype(float)  # ends early
    weight[1] = 0.0  # nothing to learn from is no error

    def loss(models):
        values = (jnp.asarray(x, jnp.float32) for x in (reward, after, weight))
        batch = segments.Segment(jnp.float32(first), jnp.asarray(action), *values)
        return fitting.ahead_loss(network, models, batch, 0.3)

    def reference(models):
        total = 0.0
        for e in range(E):
            state, errors = first[e], 0.0
            for t in range(T):
                state, guess = vector_model(member(models, e), state, action[e, :, t])
                error = ((state - after[e, :, t]) ** 2).sum(-1)
                error = error + 0.3 * (guess - reward[e, :, t]) ** 2
                errors += (error * weight[e, :, t]).sum()
            total += errors / max(weight[e].sum(), 1.0)
        return total

    check(loss, reference, models, 5)
