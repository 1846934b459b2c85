"""`update` and `update_block` against direct float64 inverses of the covariance."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrl_suite.exploration import e3b, factor

RIDGE = 0.1


def reference(embeddings, resets, ridge=RIDGE, covariance=None):
    """Bonuses and final inverse in float64, an inverse from scratch at every step."""
    dim = embeddings.shape[1]
    c = np.eye(dim) * ridge if covariance is None else covariance.copy()
    bonuses = []
    for phi, starts in zip(embeddings.astype(np.float64), resets, strict=True):
        if starts:
            c = np.eye(dim) * ridge
        bonuses.append(phi @ np.linalg.inv(c) @ phi)
        c += np.outer(phi, phi)
    return np.array(bonuses), np.linalg.inv(c)


@functools.cache
def blocks(method, size=None):
    def run(state, embeddings, resets):
        return e3b.update_block(state, embeddings, resets, method=method, block_size=size)

    return jax.jit(run)


def normal(rng, *shape):
    return (rng.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    steps=st.sampled_from([1, 5, 37]),
    dim=st.sampled_from([1, 40]),
    reset_rate=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    size=st.sampled_from([None, 4]),
    ridge=st.sampled_from([0.01, 0.1, 1.0]),
)
def test_block_equals_direct_inverses(seed, steps, dim, reset_rate, size, ridge):
    rng = np.random.default_rng(seed)
    before = normal(rng, 3, dim)  # the state does not start empty
    embeddings, resets = normal(rng, steps, dim), rng.random(steps) < reset_rate
    state = e3b.init(dim, ridge)
    _, state = blocks("scan")(state, before, np.zeros(3, bool))
    c = np.eye(dim) * ridge + before.T.astype(np.float64) @ before
    bonuses, inverse = reference(embeddings, resets, ridge, c)
    for method in ("block", "scan"):
        got, after = blocks(method, size)(state, embeddings, resets)
        scale = np.sum(embeddings**2, axis=1) / ridge
        np.testing.assert_allclose(got, bonuses, rtol=2e-5, atol=1e-6 * scale.max())
        np.testing.assert_allclose(after.inverse_covariance, inverse, rtol=1e-4, atol=2e-5 / ridge)


@pytest.mark.parametrize("method", ["block", "scan"])
@pytest.mark.parametrize("reset_rate", [0.05, 0.5, 1.0])
def test_first_states_are_in_the_covariance_from_the_start(method, reset_rate):
    rng = np.random.default_rng(4)
    embeddings, first = normal(rng, 37, 20), normal(rng, 37, 20)
    resets = rng.random(37) < reset_rate
    c, bonuses = np.eye(20) * RIDGE, []
    for t, phi in enumerate(embeddings.astype(np.float64)):
        if resets[t]:
            c = np.eye(20) * RIDGE + np.outer(first[t], first[t].astype(np.float64))
        bonuses.append(phi @ np.linalg.inv(c) @ phi)
        c += np.outer(phi, phi)
    run = jax.jit(functools.partial(e3b.update_block, method=method, block_size=16))
    got, after = run(e3b.init(20, RIDGE), embeddings, resets, first=first)
    np.testing.assert_allclose(got, bonuses, rtol=5e-5, atol=1e-4)
    np.testing.assert_allclose(after.inverse_covariance, np.linalg.inv(c), rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match="first"):
        e3b.update_block(e3b.init(20, RIDGE), embeddings, resets, first=first[:3])


def test_update_is_one_step_of_the_paper():
    rng = np.random.default_rng(0)
    embeddings = normal(rng, 50, 12)
    bonuses, inverse = reference(embeddings, np.zeros(50, bool))
    state, got, step = e3b.init(12, RIDGE), [], jax.jit(e3b.update)
    for phi in embeddings:
        bonus, state = step(state, phi)
        got.append(bonus)
    np.testing.assert_allclose(got, bonuses, rtol=1e-5)
    np.testing.assert_allclose(state.inverse_covariance, inverse, rtol=1e-4, atol=1e-5)
    assert state.inverse_covariance.dtype == jnp.float32


@pytest.mark.parametrize("method", ["block", "scan"])
def test_one_hot_embeddings_count_visits(method):
    rng = np.random.default_rng(1)
    states = rng.integers(6, size=200)
    resets = rng.random(200) < 0.05
    counts, expected = np.zeros(6), []
    for s, starts in zip(states, resets, strict=True):
        counts = np.zeros(6) if starts else counts
        expected.append(1 / (counts[s] + RIDGE))
        counts[s] += 1
    embeddings = np.eye(6, dtype=np.float32)[states]
    got, _ = blocks(method, 16)(e3b.init(6, RIDGE), embeddings, resets)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def long_run(method, embeddings, resets, steps=128):
    run, state, bonuses = blocks(method), e3b.init(embeddings.shape[1], RIDGE), []
    for start in range(0, len(embeddings), steps):
        got, state = run(state, embeddings[start : start + steps], resets[start : start + steps])
        bonuses.append(got)
    return np.concatenate(bonuses), np.asarray(state.inverse_covariance)


def exact(embeddings, resets, every=8, start=None):
    """As `reference`, with a fresh inverse only every few steps: fast, and still float64."""
    dim = embeddings.shape[1]
    c, bonuses = np.eye(dim) * RIDGE if start is None else start, []
    for t, phi in enumerate(embeddings.astype(np.float64)):
        if resets[t]:
            c = np.eye(dim) * RIDGE
        if t % every == 0 or resets[t]:
            inverse = np.linalg.inv(c)
        u = inverse @ phi
        bonuses.append(phi @ u)
        inverse = inverse - np.outer(u, u) / (1 + phi @ u)
        c += np.outer(phi, phi)
    return np.array(bonuses), np.linalg.inv(c)


@pytest.mark.parametrize("dim", [64, 256])
@pytest.mark.parametrize("kind", ["normal", "relu", "repeated"])
@pytest.mark.parametrize("reset_rate", [0.0, 0.005])
def test_thousands_of_steps_in_float32(dim, kind, reset_rate):
    rng = np.random.default_rng(2)
    embeddings = normal(rng, 3072, dim)
    if kind == "relu":
        embeddings = np.maximum(embeddings, 0)
    if kind == "repeated":  # 20 states of unit length, visited again and again
        few = embeddings[:20] / np.linalg.norm(embeddings[:20], axis=1, keepdims=True)
        embeddings = few[rng.integers(20, size=len(embeddings))]
    resets = rng.random(len(embeddings)) < reset_rate
    bonuses, inverse = exact(embeddings, resets)
    got, after = long_run("block", embeddings, resets)
    assert np.max(np.abs(got - bonuses) / bonuses) < 2e-4
    assert np.max(np.abs(after - inverse)) < 1e-5 / RIDGE
    assert np.array_equal(after, after.T) or np.max(np.abs(after - after.T)) < 1e-5


@pytest.mark.parametrize("method", ["block", "scan"])
def test_lifelong_ellipses_stay_positive_definite(method):
    """LayerNorm leaves a direction that is never seen: its rounding must not spoil the others'."""
    rng = np.random.default_rng(6)
    states = normal(rng, 500, 32)
    states -= states.mean(1, keepdims=True)
    states /= states.std(1, keepdims=True)
    visits = rng.integers(500, size=(100, 1024))

    @jax.jit
    def run(state, visits):
        def rollout(state, visits):
            bonuses, state = e3b.update_block(
                state, jnp.asarray(states)[visits], jnp.zeros(1024, bool), method=method
            )
            return state, bonuses

        return jax.lax.scan(rollout, state, visits)

    state, bonuses = run(e3b.init(32, RIDGE), visits)
    before = np.bincount(visits[:-1].reshape(-1), minlength=500)
    covariance = np.eye(32) * RIDGE + (states.T * before) @ states.astype(np.float64)
    last = exact(states[visits[-1]], np.zeros(1024, bool), start=covariance)[0]
    np.testing.assert_allclose(bonuses[-1], last, rtol=5e-3)
    assert np.linalg.eigvalsh(np.asarray(state.inverse_covariance, np.float64)).min() > 0


def test_accelerators_factorise_by_their_library():
    root = np.random.default_rng(0).normal(size=(16, 16))
    matrix = np.eye(16) + root @ root.T / 16
    lower = np.linalg.cholesky(matrix)
    added = np.linspace(1, 2, 16)
    for factorise in (factor.by_halves, factor.by_library):
        got = factorise(jnp.asarray(matrix, jnp.float32), jnp.asarray(added, jnp.float32))
        sums = np.linalg.inv(np.diag(added) + lower)
        for mine, right in zip(got, (lower, np.linalg.inv(lower), sums), strict=True):
            np.testing.assert_allclose(mine, right, atol=1e-6)
    arguments = e3b.init(64, RIDGE), jnp.zeros((16, 64)), jnp.zeros(16, bool)
    for platform, calls in (("cpu", False), ("cuda", True)):
        traced = jax.jit(e3b.update_block).trace(*arguments)
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert ("cholesky" in text or "potrf" in text) == calls, platform


@pytest.mark.parametrize("scale", [1e-6, 300.0])
def test_extreme_embeddings_stay_finite_and_positive(scale):
    rng = np.random.default_rng(3)
    embeddings = np.repeat(normal(rng, 4, 40), 64, axis=0) * np.float32(scale)
    for method in ("block", "scan"):
        got, state = blocks(method)(e3b.init(40, RIDGE), embeddings, np.zeros(256, bool))
        assert np.all(np.isfinite(got)) and np.all(np.asarray(got) >= 0)
        assert np.all(np.isfinite(state.inverse_covariance))


def test_a_reset_clears_a_damaged_state():
    state = e3b.init(32, RIDGE)
    state = state._replace(root=state.root * jnp.nan)
    embeddings = normal(np.random.default_rng(4), 20, 32)
    resets = np.zeros(20, bool)
    resets[0] = True
    for method in ("block", "scan"):
        got, after = blocks(method)(state, embeddings, resets)
        np.testing.assert_allclose(got, reference(embeddings, resets)[0], rtol=1e-5)
        assert np.all(np.isfinite(after.inverse_covariance))


@pytest.mark.parametrize("method", ["block", "scan"])
def test_vmap_over_environments_and_seeds(method):
    rng = np.random.default_rng(5)
    embeddings, resets = normal(rng, 2, 3, 40, 32), rng.random((2, 3, 40)) < 0.1
    states = jax.vmap(jax.vmap(lambda _: e3b.init(32, RIDGE)))(jnp.zeros((2, 3)))
    run = jax.jit(jax.vmap(jax.vmap(blocks(method))))
    got, after = run(states, embeddings, resets)
    for s in range(2):
        for n in range(3):
            bonuses, inverse = reference(embeddings[s, n], resets[s, n])
            np.testing.assert_allclose(got[s, n], bonuses, rtol=2e-5)
            np.testing.assert_allclose(after.inverse_covariance[s, n], inverse, atol=2e-4)


def test_two_halves_equal_the_whole():
    rng = np.random.default_rng(6)
    embeddings, resets = normal(rng, 48, 32), rng.random(48) < 0.1
    whole, end = blocks("block")(e3b.init(32, RIDGE), embeddings, resets)
    first, state = blocks("block")(e3b.init(32, RIDGE), embeddings[:21], resets[:21])
    second, state = blocks("block")(state, embeddings[21:], resets[21:])
    np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=2e-5)
    np.testing.assert_allclose(state.inverse_covariance, end.inverse_covariance, atol=2e-4)


def test_bad_arguments_are_named():
    state = e3b.init(4, RIDGE)
    with pytest.raises(ValueError, match="dim=0"):
        e3b.init(0, RIDGE)
    with pytest.raises(ValueError, match="ridge=-1"):
        e3b.init(4, -1.0)
    with pytest.raises(ValueError, match=r"embeddings of shape \(3, 5\): must be \[T, 4\]"):
        e3b.update_block(state, jnp.zeros((3, 5)), jnp.zeros(3, bool))
    with pytest.raises(ValueError, match="resets of shape"):
        e3b.update_block(state, jnp.zeros((3, 4)), jnp.zeros(2, bool))
    with pytest.raises(ValueError, match="method='fast'"):
        e3b.update_block(state, jnp.zeros((3, 4)), jnp.zeros(3, bool), method="fast")
    with pytest.raises(ValueError, match=r"embedding of shape \(5,\): must be \[4\]"):
        e3b.update(state, jnp.zeros(5))
    with pytest.raises(ValueError, match=r"embedding of shape \(3, 4\): must be \[4\]; vmap"):
        e3b.update(state, jnp.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"first of shape \(5,\): must be \[4\]"):
        e3b.reset(state, True, jnp.zeros(5))
    with pytest.raises(ValueError, match=r"where of shape \(3,\): must be \[\]; vmap"):
        e3b.reset(state, jnp.ones(3, bool))
    many = jax.tree.map(lambda x: jnp.stack([x, x]), state)
    with pytest.raises(
        ValueError, match=r"state.root of shape \(2, 4, 4\): must be \[D, D\]; vmap"
    ):
        e3b.update(many, jnp.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"state.root of shape \(2, 4, 4\)"):
        e3b.update_block(many, jnp.zeros((3, 2, 4)), jnp.zeros((3, 2), bool))


def test_lists_are_taken_for_arrays():
    state = e3b.init(2, 0.1)
    bonus, after = e3b.update(state, [1.0, 2.0])
    bonuses, block = e3b.update_block(state, [[1.0, 2.0]], [0], first=[[0.0, 0.0]])
    np.testing.assert_allclose(bonuses, [bonus], rtol=1e-5)
    np.testing.assert_allclose(block.root, after.root, rtol=1e-4)
    with pytest.raises(ValueError, match="resets"):
        e3b.update_block(state, [[1.0, 2.0]], [0, 1])


def test_no_steps_change_nothing():
    state = e3b.init(4, RIDGE)
    bonuses, after = e3b.update_block(state, jnp.zeros((0, 4)), jnp.zeros(0, bool))
    assert bonuses.shape == (0,)
    np.testing.assert_array_equal(after.inverse_covariance, state.inverse_covariance)
