"""Laplacians, spectral filters and graph estimation against definitions, FFTs and known graphs."""

from __future__ import annotations

import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrl_suite.networks import graph_estimation as ge
from jaxrl_suite.networks import spectral_graph as sg


def random_graph(n, seed=0):
    w = np.random.default_rng(seed).uniform(size=(n, n)) ** 4
    w = np.triu(w, 1)
    return w + w.T


def ring(n):
    w = np.zeros((n, n))
    w[np.arange(n), (np.arange(n) + 1) % n] = 1
    return w + w.T


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 12), st.integers(0, 100))
def test_laplacian_is_half_the_sum_of_squared_differences(n, seed):
    w = random_graph(n, seed)
    x = np.random.default_rng(seed + 1).normal(size=n)
    z = x / np.sqrt(w.sum(1))
    want = 0.5 * sum(w[i, j] * (z[i] - z[j]) ** 2 for i in range(n) for j in range(n))
    assert x @ sg.laplacian(w) @ x == pytest.approx(want)
    values = sg.eigenvectors(w)[0]
    assert values[0] == pytest.approx(0, abs=1e-9) and values[-1] <= 2 + 1e-9
    thin = scipy.sparse.csr_array(w)
    np.testing.assert_allclose(sg.laplacian(thin).toarray(), sg.laplacian(w), atol=1e-12)


def test_lone_nodes_do_no_harm():
    w = np.zeros((3, 3))
    w[0, 1] = w[1, 0] = 2.0
    np.testing.assert_allclose(sg.laplacian(w), [[1, -1, 0], [-1, 1, 0], [0, 0, 1]])


def test_sparse_eigenvectors_span_the_dense_ones():
    w = ge.nearest(random_graph(60), 6)
    values, vectors = sg.eigenvectors(w, 8)
    dense_values, dense = sg.eigenvectors(w.toarray(), 8)
    np.testing.assert_allclose(values, dense_values, atol=1e-8)
    np.testing.assert_allclose(vectors @ vectors.T, dense @ dense.T, atol=1e-6)


@pytest.mark.parametrize("kind", ["cubic", "linear"])
@pytest.mark.parametrize("knots", [1, 2, 5, 30, 40])
def test_interpolation_goes_through_its_knots_and_keeps_constants(kind, knots):
    k = sg.interpolation(30, knots, kind)
    np.testing.assert_allclose(k.sum(1), 1, atol=1e-12)
    if 2 < knots < 30:
        line = np.linspace(0, 1, knots)
        np.testing.assert_allclose(k @ line, np.linspace(0, 1, 30), atol=1e-12)
        np.testing.assert_allclose(k[[0, -1]], np.eye(knots)[[0, -1]], atol=1e-12)


def test_on_a_ring_it_is_a_circular_convolution_with_a_symmetric_kernel():
    """The ring's eigenvectors are Fourier's, and its multipliers a kernel's transform."""
    n = 12
    values, vectors = sg.eigenvectors(ring(n))
    kernel = np.zeros(n)
    kernel[[0, 1, -1, 2, -2]] = [0.5, 0.3, 0.3, -0.2, -0.2]
    x = np.random.default_rng(0).normal(size=(2, n))
    want = np.fft.ifft(np.fft.fft(x) * np.fft.fft(kernel)).real
    # eigenvalue 1 - cos(2 pi j / n) tells the frequency j
    multiplier = 0.5 + 0.6 * (1 - values) - 0.4 * np.cos(2 * np.arccos(np.clip(1 - values, -1, 1)))
    module = sg.SpectralConv(vectors, 1, n)
    params = {
        "multipliers": jnp.asarray(multiplier[:, None, None] / np.sqrt(n), jnp.float32),
        "bias": jnp.zeros(1),
    }
    got = module.apply({"params": params}, jnp.asarray(x[..., None], jnp.float32))
    np.testing.assert_allclose(got[..., 0], want, atol=1e-5)


def test_layer_is_its_definition_and_seeds_by_vmap_are_single_runs():
    w = random_graph(10)
    vectors = sg.eigenvectors(w, 7)[1]
    module = sg.SpectralConv(vectors, 3, 4)
    x = jax.random.normal(jax.random.key(0), (5, 10, 2))
    params = module.init(jax.random.key(1), x)
    k = sg.interpolation(7, 4) * 2.0
    c = np.asarray(params["params"]["multipliers"])
    want = np.zeros((5, 10, 3))
    for s in range(5):
        for g in range(3):
            for f in range(2):
                multiplier = np.diag(k @ c[:, f, g])
                want[s, :, g] += vectors @ multiplier @ vectors.T @ np.asarray(x)[s, :, f]
    np.testing.assert_allclose(module.apply(params, x), want, atol=1e-5)
    keys = jax.random.split(jax.random.key(2), 2)

    def run(key):
        return module.apply(module.init(key, x), x)

    both = jax.jit(jax.vmap(run))(keys)
    np.testing.assert_allclose(both[1], run(keys[1]), atol=1e-5)


@pytest.mark.parametrize("thin", [True, False])
def test_chebyshev_polynomials_are_those_of_the_eigenvalues(thin):
    w = ge.nearest(random_graph(15), 4)
    matrix = sg.laplacian(w if thin else w.toarray())
    values, vectors = np.linalg.eigh(sg.laplacian(w.toarray()))
    x = np.random.default_rng(1).normal(size=(15, 3)).astype(np.float32)
    terms = sg.chebyshev(matrix, jnp.asarray(x), 5)
    for k, term in enumerate(terms):
        polynomial = np.cos(k * np.arccos(np.clip(values - 1, -1, 1)))
        want = vectors @ np.diag(polynomial) @ vectors.T @ x
        np.testing.assert_allclose(term, want, atol=1e-4)
    module = sg.ChebyshevConv(matrix, 2, 5)
    maps = jax.random.normal(jax.random.key(0), (4, 15, 3))
    params = module.init(jax.random.key(1), maps)
    c = params["params"]["multipliers"]
    want = sum(np.asarray(sg.chebyshev(matrix, maps[2], 5)[k] @ c[k]) for k in range(5))
    np.testing.assert_allclose(module.apply(params, maps)[2], want, atol=1e-4)
    gradient = jax.grad(lambda p: module.apply(p, maps).sum())(params)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradient))


def test_fewer_knots_are_more_local():
    """Smooth in frequency is local in space: mass within a few steps of a filter on a long ring."""
    n = 64
    vectors = sg.eigenvectors(ring(n))[1]
    spread = []
    for knots in (3, 8, 64):
        mass = []
        for seed in range(20):
            c = np.random.default_rng(seed).normal(size=knots)
            multiplier = sg.interpolation(n, knots) @ c
            row = (vectors @ np.diag(multiplier) @ vectors.T)[0] ** 2
            far = np.minimum(np.arange(n), n - np.arange(n)) > 6
            mass.append(row[far].sum() / row.sum())
        spread.append(np.mean(mass))
    assert spread[0] < spread[1] < spread[2] and spread[0] < 0.1


def test_grid_convolution_finds_its_pixels():
    order = np.random.default_rng(0).permutation(16)
    module = sg.GridConv(order, 2, 3)
    picture = jax.random.normal(jax.random.key(0), (3, 16, 1))
    shuffled = picture[:, np.argsort(order)]  # node order[i] holds pixel i
    plain = sg.GridConv(np.arange(16), 2, 3)
    params = plain.init(jax.random.key(1), picture)
    want = plain.apply(params, picture)[:, np.argsort(order)]
    np.testing.assert_allclose(module.apply(params, shuffled), want, atol=1e-6)


def smooth_pictures(side=6, number=4000, seed=0):
    noise = np.random.default_rng(seed).normal(size=(number, side + 2, side + 2))
    near = noise[:, 1:-1, 1:-1] * 2
    near = (
        near + noise[:, :-2, 1:-1] + noise[:, 2:, 1:-1] + noise[:, 1:-1, :-2] + noise[:, 1:-1, 2:]
    )
    return near.reshape(number, -1)


def test_estimation_finds_the_grid_of_smooth_pictures():
    x, true = smooth_pictures(), ge.grid(6)
    assert true.sum() == 2 * 2 * 6 * 5
    for local in (False, True):
        w = ge.unsupervised(x, 0.1, local)
        np.testing.assert_array_equal(w, w.T)
        assert ge.overlap(w, true) > 0.95
    noise = np.random.default_rng(1).normal(size=x.shape)
    assert ge.overlap(ge.unsupervised(noise, 0.1), true) < 0.3
    assert ge.overlap(true, true) == 1


def test_supervised_estimation_uses_only_what_the_network_uses():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(4), 5)
    weights = rng.normal(size=(4, 30))[groups] + 0.1 * rng.normal(size=(20, 30))
    same = (groups[:, None] == groups) & ~np.eye(20, dtype=bool)
    for keep in (None, 0.25):
        w = ge.supervised(weights, 0.2, keep=keep)
        assert ge.overlap(w, same.astype(float)) == 1


def test_gaussian_weights_are_the_formula():
    d = ge.distances(np.asarray([[0.0], [1.0], [3.0], [7.0]]))
    np.testing.assert_allclose(d[0], [0, 1, 9, 49])
    # rank 0.5 of four: the second neighbour, squared distances 9, 4, 9, 36
    squares = np.asarray([9.0, 4.0, 9.0, 36.0])
    w = ge.gaussian(d, 0.5)
    assert w[0, 1] == pytest.approx(np.exp(-1 / squares.mean())) and w[0, 0] == 0
    w = ge.gaussian(d, 0.5, local=True)
    assert w[1, 3] == pytest.approx(np.exp(-36 / np.sqrt(4.0 * 36.0)))


def test_clusters_are_the_components_and_not_too_large():
    w = np.kron(np.eye(4), np.ones((5, 5)) - np.eye(5)) + 1e-3
    np.fill_diagonal(w, 0)
    labels = ge.clusters(w, 4, 5)
    assert all(len(set(labels[i : i + 5])) == 1 for i in range(0, 20, 5))
    assert len(set(labels)) == 4
    assert np.bincount(ge.clusters(random_graph(20), 5, 4)).max() == 4
    with pytest.raises(ValueError, match="most=4"):
        ge.clusters(w, 4, 4)


def test_clustering_a_large_graph_takes_no_memory_of_its_size_cubed():
    weights = np.exp(-ge.distances(np.random.default_rng(0).normal(size=(400, 2))))
    tracemalloc.start()
    labels = ge.clusters(weights, 100, 8)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(np.unique(labels)) > 50
    assert peak < 16 * weights.nbytes  # differences of all rows to all centres are 25 times that


def test_pools_are_neighbourhoods_and_cover_most_of_the_grid():
    pools, coarse = ge.pooling(ge.grid(8), 2)
    assert pools.shape[1] == 4 and 24 <= len(pools) <= 32
    assert coarse.shape == (len(pools),) * 2
    np.testing.assert_allclose(coarse, coarse.T)
    y, x = np.divmod(pools, 8)
    assert (np.ptp(y, 1) + np.ptp(x, 1)).mean() < 5
    assert len(np.unique(pools)) > 48
    assert (coarse.sum(1) > 0).all() and not coarse.diagonal().any()


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="square"):
        sg.laplacian(np.ones((2, 3)))
    with pytest.raises(ValueError, match="symmetric"):
        sg.laplacian(np.asarray([[0.0, 1.0], [0.0, 0.0]]))
    with pytest.raises(ValueError, match="least -1"):
        sg.laplacian(-ring(3))
    with pytest.raises(ValueError, match="frequencies=4"):
        sg.eigenvectors(ring(3), 4)
    with pytest.raises(ValueError, match="kind='quartic'"):
        sg.interpolation(9, 3, "quartic")
    with pytest.raises(ValueError, match="knots=0"):
        sg.interpolation(9, 0)
    with pytest.raises(ValueError, match="order=0"):
        sg.chebyshev(ring(3), jnp.ones((3, 1)), 0)
    with pytest.raises(ValueError, match="rank=0"):
        ge.gaussian(np.zeros((3, 3)), 0)
    with pytest.raises(ValueError, match="keep=2"):
        ge.supervised(np.ones((3, 3)), keep=2)
