"""Orthogonal matrices against SciPy, unrolls against a loop, and the solutions written by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from jaxrl_suite.data import long_memory
from jaxrl_suite.networks import long_memory_solutions as solutions
from jaxrl_suite.networks import orthogonal_matrix as om
from jaxrl_suite.networks.orthogonal_rnn import (
    KINDS,
    OrthogonalRNN,
    matrix_of,
    unroll,
    with_lengths,
)
from jaxrl_suite.networks.recurrent import Recurrent, initial_carry


def skew(n, scale, seed=0):
    a = np.random.default_rng(seed).normal(size=(n, n)) * scale
    return np.triu(a, 1) - np.triu(a, 1).T


@pytest.mark.parametrize("n", [1, 2, 7, 40])
@pytest.mark.parametrize("scale", [0.01, 0.3, 2.0])
def test_cayley_and_expm_are_scipy_s(n, scale):
    a = skew(n, scale)
    eye = np.eye(n)
    with jax.enable_x64(True):
        got = jax.jit(om.cayley)(jnp.asarray(a))
        np.testing.assert_allclose(got, np.linalg.solve(eye + a, eye - a), atol=1e-9)
    # exp keeps seven digits while |A| is below some hundred
    got = jax.jit(om.expm)(jnp.asarray(a, jnp.float32))
    np.testing.assert_allclose(got, scipy.linalg.expm(a), atol=3e-4)


def test_cayley_s_derivative_is_that_of_a_solve():
    a, da = skew(6, 0.5), skew(6, 1.0, 1)

    def solved(a):
        return jnp.linalg.solve(jnp.eye(6) + a, jnp.eye(6) - a)

    with jax.enable_x64(True):
        got, want = (
            jax.jvp(f, (jnp.asarray(a),), (jnp.asarray(da),))[1] for f in (om.cayley, solved)
        )
        np.testing.assert_allclose(got, want, atol=1e-10)
        weight = np.random.default_rng(2).normal(size=(6, 6))
        pulls = [jax.grad(lambda a, f=f: jnp.sum(f(a) * weight))(a) for f in (om.cayley, solved)]
        np.testing.assert_allclose(*pulls, atol=1e-10)


def test_householder_is_the_product_of_reflections():
    rows = np.random.default_rng(0).normal(size=(5, 8))
    want = np.eye(8)
    for v in rows:
        want = want @ (np.eye(8) - 2 * np.outer(v, v) / (v @ v))
    np.testing.assert_allclose(om.householder(jnp.asarray(rows, jnp.float32)), want, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(om.PARAMETRISATIONS))
def test_parametrised_matrices_stay_orthogonal_and_have_spread_out_eigenvalues(kind):
    init, matrix = om.PARAMETRISATIONS[kind]
    keys = jax.random.split(jax.random.key(0), 3)
    draw = jax.jit(jax.vmap(lambda k: matrix(init(k, 32))))
    moved = jax.jit(jax.vmap(lambda k: matrix(init(k, 32) + jax.random.normal(k, (32, 32)))))
    for found in (*draw(keys), *moved(keys)):
        assert om.distance(found) < 1e-5
    angles = np.angle(np.linalg.eigvals(np.asarray(draw(keys)[0])))
    assert np.histogram(angles, 4, (-np.pi, np.pi))[0].min() >= 3
    assert "custom_call" not in draw.lower(keys).as_text()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_starts_orthogonal_and_forgets_at_resets(kind):
    module = Recurrent(kind, 6)
    x = jax.random.normal(jax.random.key(0), (9, 2, 3))
    reset = np.zeros((9, 2), bool)
    reset[0], reset[4, 0] = True, True
    carry = initial_carry(kind, 6, 2)
    params = module.init(jax.random.key(1), carry, x, reset)
    inner = params["params"]["OrthogonalRNN_0"]
    v, weights = np.asarray(matrix_of(kind, inner["recurrent"])), inner["input"]
    assert om.distance(v) < 1e-4
    want, h = [], np.zeros((2, 6))
    for t in range(9):
        h = np.where(reset[t][:, None], 0, h) @ v.T
        h = h + np.maximum(np.asarray(x[t]) @ weights["kernel"] + weights["bias"], 0)
        want.append(h)
    end, got = module.apply(params, carry + 5.0, x, reset)
    np.testing.assert_allclose(got, want, atol=1e-4)
    np.testing.assert_array_equal(end, got[-1])


def test_lengths_do_not_see_rotations():
    h = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    blocks = om.rotations(jnp.asarray([0.3, 2.0, -1.0, 0.7]), 8)
    turn = scipy.linalg.expm(np.asarray(om.skew(blocks)))
    before, after = with_lengths(h), with_lengths(h @ turn.T)
    assert before.shape == (3, 12)
    np.testing.assert_allclose(before[:, 8:], after[:, 8:], atol=1e-5)
    np.testing.assert_allclose(before[:, 8], np.hypot(h[:, 0], h[:, 1]), atol=1e-5)
    assert np.isfinite(jax.grad(lambda h: with_lengths(h).sum())(jnp.zeros(4))).all()


def test_addition_by_hand_is_exact_for_any_length():
    weights = solutions.addition()
    for length in (2, 10, 750, 3000):
        batch = long_memory.addition(jax.random.key(length), 64, length)
        out = solutions.run(weights, batch.x)[-1, :, 0]
        np.testing.assert_allclose(out, batch.y, atol=1e-6)


@pytest.mark.parametrize("delay", [1, 7, 100, 501, 2000])
def test_copy_by_hand_is_exact_for_any_delay(delay):
    weights = solutions.copy_by_registers(delay)
    np.testing.assert_array_equal(weights.v.T @ weights.v, np.eye(len(weights.v)))
    batch = long_memory.copy(jax.random.key(delay), 64, delay)
    out = np.asarray(solutions.run(weights, batch.x))
    np.testing.assert_array_equal(out.argmax(-1), batch.y)
    runner_up = np.sort(out, -1)[..., -2]
    assert (out.max(-1) - runner_up).min() == 1.0  # no rounding at all


def test_clocks_copy_the_better_the_more_there_are_and_the_delay_does_not_matter():
    def recalled(features, delay):
        keys = jax.random.split(jax.random.key(3), 4)
        rate = []
        for key in keys:
            weights = solutions.copy_by_clocks(key, features, delay)
            batch = long_memory.copy(key, 100, delay)
            out = jax.jit(lambda x, w: solutions.run(w, x, lambda x: x))(batch.x, weights)
            wrong = (np.argmax(out, -1) != batch.y) & ~batch.recall
            assert not wrong.any()  # blanks are never taken for symbols
            rate.append(((np.argmax(out, -1) == batch.y) | ~batch.recall).all(0).mean())
        return np.mean(rate)

    rates = [recalled(d, 100) for d in (16, 64, 512)]
    assert rates[0] < 0.1 and rates[0] < rates[1] < rates[2] and rates[2] > 0.98
    assert abs(recalled(128, 100) - recalled(128, 700)) < 0.15


def test_copy_sequences_are_as_specified():
    batch = long_memory.copy(jax.random.key(0), 50, delay=7, symbols=3, length=4)
    x = np.argmax(batch.x, -1)
    assert x.shape == (15, 50)
    assert (x[:4] < 3).all() and (x[4:10] == 3).all() and (x[10] == 4).all() and (x[11:] == 3).all()
    np.testing.assert_array_equal(batch.y[11:], x[:4])
    assert (np.asarray(batch.y)[:11] == 3).all()
    np.testing.assert_array_equal(batch.recall, np.asarray(batch.y) < 3)
    # the best a model without memory can do, by counting
    share = np.log(3) * np.asarray(batch.recall).mean()
    assert long_memory.copy_baseline(7, 3, 4) == pytest.approx(share)


def test_delays_vary_and_symbols_follow_their_own_flag():
    batch = long_memory.copy(jax.random.key(0), 400, delay=9, symbols=3, length=2, shortest=4)
    x = np.argmax(batch.x, -1)
    flags = np.asarray(x.argmax(0))
    assert sorted(set(flags)) == list(range(2 + 3, 2 + 9))
    for n, flag in enumerate(flags):
        np.testing.assert_array_equal(batch.y[flag + 1 : flag + 3, n], x[:2, n])
        assert np.asarray(batch.recall)[:, n].sum() == 2


@pytest.mark.parametrize("length", [2, 3, 50])
def test_addition_has_a_mark_in_each_half(length):
    batch = long_memory.addition(jax.random.key(0), 200, length)
    marks = np.asarray(batch.x[..., 1])
    assert (marks[: length // 2].sum(0) == 1).all() and (marks[length // 2 :].sum(0) == 1).all()
    want = (np.asarray(batch.x[..., 0]) * marks).sum(0)
    np.testing.assert_allclose(batch.y, want, atol=1e-6)


def test_baseline_of_addition():
    y = long_memory.addition(jax.random.key(0), 100_000, 2).y
    assert float(jnp.mean((y - 1.0) ** 2)) == pytest.approx(long_memory.ADDITION_BASELINE, rel=0.02)


def test_bad_arguments_are_named():
    x, carry = jnp.zeros((2, 1, 3)), jnp.zeros((1, 5))
    with pytest.raises(ValueError, match="kind='cayly'"):
        OrthogonalRNN("cayly", 5).init(jax.random.key(0), carry, x)
    with pytest.raises(ValueError, match="features=5"):
        OrthogonalRNN("identity", 5, pool=True).init(jax.random.key(0), carry, x)
    with pytest.raises(ValueError, match="features=7"):
        solutions.copy_by_clocks(jax.random.key(0), 7, 10)


def test_the_unroll_is_differentiated_like_matrix_powers():
    rng = np.random.default_rng(0)
    v, d = rng.normal(size=(4, 4)) / 2, rng.normal(size=(5, 1, 4))
    with jax.enable_x64(True):
        slow = jax.grad(
            lambda v: sum(jnp.sum(jnp.linalg.matrix_power(v, 4 - s) @ d[s, 0]) for s in range(5))
        )(jnp.asarray(v))
        fast = jax.grad(lambda v: unroll(v, jnp.asarray(d), jnp.zeros((1, 4)))[-1].sum())(
            jnp.asarray(v)
        )
        np.testing.assert_allclose(fast, slow, atol=1e-10)
