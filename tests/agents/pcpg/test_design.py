"""The mixture of a cover: its objective, certificate and solvers against float64 references."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from jaxrl_suite.agents.pcpg import cover, design

ROWS, DIM = 6, 5


def observed(seed, filled=4, unseen=False):
    """Features of policies that see different, overlapping directions, `[C, 30, D]`."""
    rng = np.random.default_rng(seed)
    spread = rng.exponential(size=(ROWS, DIM)) ** 2
    if unseen:
        spread[:, -1] = 0.0
    x = rng.normal(size=(ROWS, 30, DIM)) * np.sqrt(spread)[:, None]
    return x, np.arange(ROWS) < filled


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


def prepared(seed, ridge=0.01, scale=1.0, **how):
    """Matrices in float64, and ours, whitened."""
    x, filled = observed(seed, **how)
    x = scale * x
    matrices = np.einsum("ipj,ipk->ijk", x, x) + ridge * np.eye(DIM)
    full = cover.init({}, ROWS, DIM, ridge)
    for features in x[filled]:
        seen = cover.root(jnp.asarray(features, jnp.float32), jnp.ones(30, bool))
        full = cover.append(full, {}, seen)
    white = jax.jit(design.whitened, static_argnums=2)(full.roots, cover.inverse_root(full), ridge)
    return matrices, white, filled


vertex_exchange = jax.jit(design.vertex_exchange)
adam = jax.jit(design.adam)
certificate = jax.jit(design.certificate)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("unseen", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1000.0])  # as of a million steps beside the ridge
def test_vertex_exchange_reaches_the_maximum(seed, unseen, scale):
    matrices, white, filled = prepared(seed, unseen=unseen, scale=scale)
    found = vertex_exchange(white, jnp.asarray(filled))
    weights = np.asarray(found.weights)
    assert weights[~filled].max() == 0
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(), 1, rtol=1e-5)
    missing = exact(matrices, filled) - objective(weights, matrices)
    assert -1e-4 < missing < 0.011
    assert found.gap <= 0.0101


@pytest.mark.parametrize("seed", range(4))
def test_the_certificate_is_a_bound(seed):
    matrices, white, filled = prepared(seed)
    weights = np.zeros(ROWS)
    weights[filled] = np.random.default_rng(seed).dirichlet(np.ones(filled.sum()))
    bound = certificate(jnp.asarray(weights, jnp.float32), white, filled)
    slope = np.einsum(
        "jk,ijk->i", np.linalg.inv(np.einsum("i,ijk->jk", weights, matrices)), matrices
    )
    np.testing.assert_allclose(bound, slope[filled].max() - DIM, rtol=1e-3, atol=1e-3)
    assert exact(matrices, filled) - objective(weights, matrices) <= float(bound) + 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_adam_is_no_better(seed):
    matrices, white, filled = prepared(seed)
    arguments = white, jnp.asarray(filled)
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
    empty = cover.init({"w": jnp.zeros(2)}, 3, DIM, 0.1)
    root = cover.root(jnp.asarray(phi, jnp.float32), jnp.asarray(mask))
    kept = phi[mask]
    np.testing.assert_allclose(root.T @ root, kept.T @ kept, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(root, np.triu(root))
    one = cover.append(empty, {"w": jnp.ones(2)}, root)
    two = cover.append(one, {"w": 2 * jnp.ones(2)}, root, jnp.asarray(False))
    assert int(two.count) == 1
    np.testing.assert_array_equal(two.params["w"], one.params["w"])
    np.testing.assert_array_equal(two.total, one.total)
    three = cover.append(two, {"w": 2 * jnp.ones(2)}, root)
    np.testing.assert_array_equal(three.params["w"], [[1, 1], [2, 2], [0, 0]])
    anew = cover.seen_anew(empty._replace(count=three.count), three.roots + 1.0, 0.1)
    anew = cover.seen_anew(anew, three.roots, 0.1)
    sigma = 2 * kept.T @ kept + 0.1 * np.eye(DIM)
    wanted = np.sqrt(np.einsum("tnj,jk,tnk->tn", phi, np.linalg.inv(sigma), phi))
    for built in (three, anew):
        np.testing.assert_allclose(built.total.T @ built.total, sigma, rtol=1e-4, atol=1e-4)
        bonus = cover.bonus(cover.inverse_root(built), jnp.asarray(phi, jnp.float32))
        np.testing.assert_allclose(bonus, wanted, rtol=1e-3)
        exact = np.linalg.slogdet(sigma)[1] - DIM * np.log(0.1)
        np.testing.assert_allclose(cover.coverage(built, 0.1), exact, rtol=1e-4)


def test_a_million_steps_beside_a_small_ridge():
    """Where a float32 covariance is indefinite by rounding: bonuses as in float64."""
    rng = np.random.default_rng(0)
    # directions that are hardly seen, beside some that every step has
    turned = np.linalg.qr(rng.normal(size=(64, 64)))[0]
    phi = (rng.normal(size=(2000, 64)) * np.geomspace(1, 1e-6, 64)) @ turned
    total, built = 0.01 * np.eye(64), cover.init({}, 9, 64, 0.01)
    for _ in range(8):
        built = cover.append(
            built, {}, 11.0 * cover.root(jnp.asarray(phi, jnp.float32), jnp.ones(2000, bool))
        )
        total += 121.0 * phi.T @ phi
    new = rng.normal(size=(20, 64))
    wanted = np.sqrt(np.einsum("nj,jk,nk->n", new, np.linalg.inv(total), new))
    bonus = cover.bonus(cover.inverse_root(built), jnp.asarray(new, jnp.float32))
    np.testing.assert_allclose(bonus, wanted, rtol=1e-3)
    single = np.linalg.inv(total.astype(np.float32)).astype(np.float64)
    squares = np.einsum("nj,jk,nk->n", new, single, new)
    assert not np.allclose(np.sqrt(np.abs(squares)), wanted, rtol=0.1)


def test_policies_are_drawn_by_weight():
    full = cover.init({"w": jnp.zeros(())}, 4, 1, 0.1)
    for i in range(3):
        full = cover.append(full, {"w": jnp.float32(i)}, jnp.eye(1))
    full = full._replace(weights=jnp.asarray([0.5, 0.0, 0.5, 0.0]))
    for seed in range(5):
        rows, params = cover.draw(jax.random.key(seed), full, 10)
        assert np.bincount(rows, minlength=3).tolist() == [5, 0, 5]
        np.testing.assert_array_equal(params["w"], rows.astype(jnp.float32))
        # where half of the places roll in, these are drawn by weight
        rows, params = cover.draw(jax.random.key(seed), full, 4, 8)
        assert np.bincount(rows[:4], minlength=3).tolist() == [2, 0, 2]
        assert params["w"].shape == (8,)
