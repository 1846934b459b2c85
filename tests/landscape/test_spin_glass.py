"""Energies by brute force, derivatives by autodiff, indices by LAPACK, levels by integrals."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

from jaxrl_suite.landscape import complexity, spin_glass


def drawn(size, p, seed=0):
    keys = jax.random.split(jax.random.key(seed))
    return spin_glass.couplings(keys[0], size, p), spin_glass.on_sphere(keys[1], size)


def of_sphere(x, v):
    """L at the point of the sphere that `v` points to: its derivatives are those along the sphere."""
    n = v.shape[0]
    return n * spin_glass.energy(x, v * jnp.sqrt(n / jnp.sum(v**2)))


@pytest.mark.parametrize("p", [2, 3, 4])
def test_energy_is_the_sum_over_all_tuples_and_couplings_are_symmetric(p):
    x, w = drawn(5, p)
    total = sum(
        float(x[i]) * np.prod(np.asarray(w, np.float64)[list(i)])
        for i in itertools.product(range(5), repeat=p)
    )
    assert float(spin_glass.energy(x, w)) == pytest.approx(
        total * 5 ** (-(p - 1) / 2) / 5, rel=1e-5
    )
    np.testing.assert_allclose(x, jnp.swapaxes(x, 0, p - 1), atol=1e-6)


def test_symmetric_couplings_give_the_energy_of_the_drawn_ones():
    key = jax.random.key(3)
    raw = jax.random.normal(key, (6, 6, 6))
    w = spin_glass.on_sphere(jax.random.key(4), 6)
    made = spin_glass.energy(spin_glass.couplings(key, 6, 3), w)
    assert float(made) == pytest.approx(float(spin_glass.energy(raw, w)), abs=1e-5)


@pytest.mark.parametrize("p", [2, 3, 4])
def test_gradient_and_hessian_are_those_along_the_sphere(p):
    x, w = drawn(7, p)
    np.testing.assert_allclose(spin_glass.gradient(x, w), jax.grad(of_sphere, 1)(x, w), atol=2e-4)
    project = np.eye(7) - np.outer(w, w) / 7
    # of the homogeneous extension; the two differ by the gradient along w, which P takes out
    want = project @ jax.hessian(of_sphere, 1)(x, w) @ project
    np.testing.assert_allclose(spin_glass.hessian(x, w), want, atol=1e-3)


def test_variance_over_couplings_is_that_of_the_model():
    """Var L = N, so Var e = 1 / N."""
    w = spin_glass.on_sphere(jax.random.key(0), 8)
    keys = jax.random.split(jax.random.key(1), 4000)
    energies = jax.jit(jax.vmap(lambda k: spin_glass.energy(spin_glass.couplings(k, 8, 3), w)))(
        keys
    )
    assert float(energies.var() * 8) == pytest.approx(1.0, rel=0.1)
    assert abs(float(energies.mean())) < 0.03


@pytest.mark.parametrize("n", [1, 9, 40])
def test_counts_of_eigenvalues_are_lapack_s(n):
    a = np.random.default_rng(n).normal(size=(3, n, n))
    a = a + a.transpose(0, 2, 1)
    count = jax.jit(jax.vmap(spin_glass.count_below, (0, None)))
    for bound in (-2.0, 0.0, 0.7):
        want = (np.linalg.eigvalsh(a) < bound).sum(1)
        np.testing.assert_array_equal(count(a.astype(np.float32), bound), want)
    assert "custom_call" not in count.lower(a.astype(np.float32), 0.0).as_text()


def test_with_two_spins_a_coupling_descent_finds_the_least_eigenvalue():
    """p = 2 has no bad minima: every run ends at the ground state."""
    x, _ = drawn(20, 2)
    keys = jax.random.split(jax.random.key(5), 16)
    schedule = spin_glass.Schedule(spin_glass.stable_rate(2), steps=4000)

    def run(key):
        w = spin_glass.on_sphere(key, 20)
        w = spin_glass.descend(key, x, w, schedule, jnp.int32(0), 4000)
        return spin_glass.energy(x, w), spin_glass.index(x, w)

    energies, indices = jax.jit(jax.vmap(run))(keys)
    ground = np.linalg.eigvalsh(np.asarray(x, np.float64))[0] / np.sqrt(20)
    np.testing.assert_allclose(energies, ground, atol=1e-4)
    assert (np.asarray(indices) == 0).all()


@pytest.mark.parametrize("p", [3, 4])
def test_descent_ends_in_minima(p):
    x, _ = drawn(12, p)
    schedule = spin_glass.Schedule(spin_glass.stable_rate(p), steps=1500)

    def run(key):
        w = spin_glass.on_sphere(key, 12)
        after = spin_glass.descend(key, x, w, schedule, jnp.int32(0), 1500)
        return (
            spin_glass.energy(x, w),
            spin_glass.energy(x, after),
            spin_glass.index(x, w),
            spin_glass.index(x, after),
            jnp.sum(after**2),
        )

    keys = jax.random.split(jax.random.key(6), 12)
    before, after, first, index, norm = jax.jit(jax.vmap(run))(keys)
    assert (after < before).all() and (np.asarray(first) > 0).all()
    assert (np.asarray(index) == 0).mean() >= 0.75
    np.testing.assert_allclose(norm, 12, rtol=1e-4)


def test_partial_gradients_are_right_on_average():
    x, w = drawn(6, 3)

    def energy_of_part(w, kept):
        return 6**-1.0 * jnp.einsum("ijk,i,j,k->", x, w * kept, w, w)

    kept = jnp.asarray([0.0, 2.0, 2.0, 0.0, 0.0, 2.0])
    got = spin_glass._part_gradient(x, w, kept)
    np.testing.assert_allclose(got, jax.grad(energy_of_part)(w, kept), atol=1e-4)
    ones = spin_glass._part_gradient(x, w, jnp.ones(6))
    ones = ones - ones @ w / 6 * w
    np.testing.assert_allclose(ones, spin_glass.gradient(x, w), atol=1e-4)


def test_noise_and_cooling():
    """At a fixed temperature runs stay above the minima; cooled down they reach them."""
    x, _ = drawn(24, 3)
    keys = jax.random.split(jax.random.key(7), 16)

    def mean(**options):
        schedule = spin_glass.Schedule(rate=0.05, steps=1500, **options)

        def run(key):
            w = spin_glass.on_sphere(key, 24)
            return spin_glass.energy(x, spin_glass.descend(key, x, w, schedule, jnp.int32(0), 1500))

        return float(jax.jit(jax.vmap(run))(keys).mean())

    cold, hot = mean(), mean(temperature=0.5)
    cooled, noisy = mean(temperature=0.5, cooling=1e-4), mean(share=0.5)
    assert hot > cold + 0.2 and cooled < hot - 0.2
    assert cold - 0.1 < noisy < hot


def test_pieces_of_a_descent_are_the_whole():
    x, w = drawn(6, 3)
    key = jax.random.key(8)
    schedule = spin_glass.Schedule(temperature=0.3, cooling=0.1, share=0.7, steps=40)
    whole = spin_glass.descend(key, x, w, schedule, jnp.int32(0), 40)
    half = spin_glass.descend(key, x, w, schedule, jnp.int32(0), 15)
    again = spin_glass.descend(key, x, half, schedule, jnp.int32(15), 25)
    np.testing.assert_allclose(again, whole, atol=1e-5)


@pytest.mark.parametrize("p", [3, 4, 5])
def test_rate_is_its_integral_and_levels_are_roots(p):
    e = complexity.threshold(p)
    for u in (-e, -e - 0.01, -2 * e):
        integral = scipy.integrate.quad(lambda z: np.sqrt(max(z * z - e * e, 0.0)), u, -e)[0]
        assert complexity.rate(u, p) == pytest.approx(2 / e**2 * integral, abs=1e-9)
    levels = [complexity.level(k, p) for k in range(4)]
    assert levels == sorted(levels, reverse=True) and levels[-1] > e
    for k, found in enumerate(levels):
        assert complexity.complexity(-found, p, k) == pytest.approx(0, abs=1e-9)
        assert (
            complexity.complexity(-found + 1e-3, p, k)
            > 0
            > complexity.complexity(-found - 1e-3, p, k)
        )
    assert complexity.complexity(-e, p, 0) == pytest.approx(complexity.complexity(-e, p, 5))
    assert complexity.complexity(-e, p) == pytest.approx(complexity.complexity(-e, p, 0))
    assert complexity.complexity(1.0, p) == pytest.approx(0.5 * np.log(p - 1))


def test_known_levels():
    """Ground states of the spherical model by replica theory: 1.6570 (p = 3), 1.8880 (p = 5)."""
    assert complexity.level(0, 3) == pytest.approx(1.6570, abs=1e-4)
    assert complexity.level(0, 5) == pytest.approx(1.8880, abs=1e-4)
    assert complexity.threshold(2) == pytest.approx(np.sqrt(2))


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="p=5: 2, 3 or 4"):
        spin_glass.couplings(jax.random.key(0), 4, 5)
    with pytest.raises(ValueError, match="size=1"):
        spin_glass.couplings(jax.random.key(0), 1, 3)
    with pytest.raises(ValueError, match="p=1"):
        complexity.threshold(1)
    with pytest.raises(ValueError, match="u=-1.0"):
        complexity.rate(-1.0, 3)
    with pytest.raises(ValueError, match="p=2"):
        complexity.level(0, 2)
