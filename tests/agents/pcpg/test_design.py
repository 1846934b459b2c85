"""The mixture of a cover: its objective, certificate and solvers against float64 references."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from jaxrl_suite.agents.pcpg import cover, design

ROWS, DIM = 6, 5


def moments(seed, rows=ROWS, filled=4, unseen=False):
    """Second moments of policies that see different, overlapping directions."""
    rng = np.random.default_rng(seed)
    spread = rng.exponential(size=(rows, DIM)) ** 2
    if unseen:
        spread[:, -1] = 0.0
    x = rng.normal(size=(rows, 30, DIM)) * np.sqrt(spread)[:, None]
    return np.einsum("ipj,ipk->ijk", x, x), np.arange(rows) < filled


def exact(matrices, filled):
    """The maximum, by SciPy in float64 on the simplex."""
    rows = np.flatnonzero(filled)

    def minus(w):
        s = np.einsum("i,ijk->jk", w, matrices[rows])
        return -np.linalg.slogdet(s)[1], -np.einsum("jk,ijk->i", np.linalg.inv(s), matrices[rows])

    found = optimize.minimize(
        minus,
        np.full(len(rows), 1 / len(rows)),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * len(rows),
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-12, "maxiter": 500},
    )
    return -found.fun


def objective(weights, matrices):
    return np.linalg.slogdet(np.einsum("i,ijk->jk", np.asarray(weights, float), matrices))[1]


def prepared(seed, **how):
    sums, filled = moments(seed, **how)
    scaled = (sums + 0.01 * np.eye(DIM)) / (sums + 0.01 * np.eye(DIM))[filled].max()
    mine = design.normalized(jnp.asarray(sums), 0.01, jnp.asarray(filled))
    np.testing.assert_allclose(mine, scaled, rtol=1e-4)
    return scaled, filled


vertex_exchange = jax.jit(design.vertex_exchange)
adam = jax.jit(design.adam)
certificate = jax.jit(design.certificate)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("unseen", [False, True])
def test_vertex_exchange_reaches_the_maximum(seed, unseen):
    matrices, filled = prepared(seed, unseen=unseen)
    found = vertex_exchange(jnp.asarray(matrices, jnp.float32), jnp.asarray(filled))
    weights = np.asarray(found.weights)
    assert weights[~filled].max() == 0
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(), 1, rtol=1e-5)
    missing = exact(matrices, filled) - objective(weights, matrices)
    assert -1e-4 < missing < 0.011
    assert found.gap <= 0.0101


@pytest.mark.parametrize("seed", range(4))
def test_the_certificate_is_a_bound(seed):
    matrices, filled = prepared(seed)
    weights = np.zeros(ROWS)
    weights[filled] = np.random.default_rng(seed).dirichlet(np.ones(filled.sum()))
    bound = certificate(jnp.asarray(weights, jnp.float32), jnp.asarray(matrices), filled)
    slope = np.einsum(
        "jk,ijk->i", np.linalg.inv(np.einsum("i,ijk->jk", weights, matrices)), matrices
    )
    np.testing.assert_allclose(bound, slope[filled].max() - DIM, rtol=1e-3, atol=1e-3)
    assert exact(matrices, filled) - objective(weights, matrices) <= float(bound) + 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_adam_is_no_better(seed):
    matrices, filled = prepared(seed)
    arguments = jnp.asarray(matrices, jnp.float32), jnp.asarray(filled)
    ours = objective(vertex_exchange(*arguments).weights, matrices)
    released = adam(jax.random.key(seed), *arguments)
    assert objective(released.weights, matrices) <= ours + 0.011
    np.testing.assert_allclose(released.weights.sum(), 1, rtol=1e-5)


def test_a_policy_that_adds_nothing_gets_no_weight():
    wide, narrow = np.diag([1.0, 1.0, 1.0, 1.0, 1.0]), np.diag([0.5, 0.5, 0.5, 0.5, 0.4])
    matrices = jnp.asarray(np.stack([narrow, wide] + [np.eye(DIM)] * 4), jnp.float32)
    found = vertex_exchange(matrices, jnp.arange(ROWS) < 2)
    np.testing.assert_allclose(found.weights[:2], [0, 1], atol=0.02)


def test_disjoint_policies_are_weighted_by_what_they_see():
    """One-hot directions, policy i alone sees n_i of them: w_i = n_i / d maximises the product."""
    tiny = 1e-4
    first, second = np.full(DIM, tiny), np.full(DIM, tiny)
    first[:2], second[2:] = 1.0, 1.0
    matrices = jnp.asarray(np.stack([np.diag(first), np.diag(second)] * 3), jnp.float32)
    found = vertex_exchange(matrices, jnp.arange(ROWS) < 2)
    np.testing.assert_allclose(found.weights[:2], [2 / DIM, 3 / DIM], atol=0.02)


def test_cover_against_numpy():
    rng = np.random.default_rng(0)
    phi, mask = rng.normal(size=(7, 4, DIM)), rng.random((7, 4)) < 0.7
    empty = cover.init({"w": jnp.zeros(2)}, 3, DIM)
    moment = cover.second_moment(jnp.asarray(phi, jnp.float32), jnp.asarray(mask))
    kept = phi[mask]
    np.testing.assert_allclose(moment, kept.T @ kept, rtol=1e-4, atol=1e-4)
    one = cover.append(empty, {"w": jnp.ones(2)}, moment)
    two = cover.append(one, {"w": 2 * jnp.ones(2)}, moment, jnp.asarray(False))
    assert int(two.count) == 1
    np.testing.assert_array_equal(two.params["w"], one.params["w"])
    three = cover.append(two, {"w": 2 * jnp.ones(2)}, moment)
    np.testing.assert_array_equal(three.params["w"], [[1, 1], [2, 2], [0, 0]])
    inverse = cover.inverse_covariance(three, 0.1)
    reference = np.linalg.inv(2 * kept.T @ kept + 0.1 * np.eye(DIM))
    np.testing.assert_allclose(inverse, reference, rtol=1e-3, atol=1e-4)
    bonus = cover.bonus(inverse, jnp.asarray(phi, jnp.float32))
    wanted = np.sqrt(np.einsum("tnj,jk,tnk->tn", phi, reference, phi))
    np.testing.assert_allclose(bonus, wanted, rtol=1e-3)


def test_policies_are_drawn_by_weight():
    full = cover.init({"w": jnp.zeros(())}, 4, 1)
    for i in range(3):
        full = cover.append(full, {"w": jnp.float32(i)}, jnp.eye(1))
    full = full._replace(weights=jnp.asarray([0.5, 0.0, 0.5, 0.0]))
    for seed in range(5):
        rows, params = cover.draw(jax.random.key(seed), full, 10)
        assert np.bincount(rows, minlength=3).tolist() == [5, 0, 5]
        np.testing.assert_array_equal(params["w"], rows.astype(jnp.float32))
