"""Hessians and Lanczos against LAPACK on a small network."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl_suite.landscape import curvature


def network():
    keys = jax.random.split(jax.random.key(0), 4)
    x, y = jax.random.normal(keys[0], (30, 3)), jax.random.normal(keys[1], (30, 2))
    params = {
        "a": jax.random.normal(keys[2], (3, 5)),
        "b": jax.random.normal(keys[3], (5, 2)),
    }

    def loss(params):
        return jnp.mean((jnp.tanh(x @ params["a"]) @ params["b"] - y) ** 2)

    return loss, params


def test_exact_hessian_is_autodiff_s_and_the_product_its_columns():
    loss, params = network()
    h = jax.jit(lambda p: curvature.exact(loss, p, chunk=4))(params)
    blocks = jax.hessian(loss)(params)
    want = np.block(
        [[np.asarray(blocks[i][j]).reshape(params[i].size, -1) for j in "ab"] for i in "ab"]
    )
    np.testing.assert_allclose(h, want, atol=1e-5)
    v = jax.random.normal(jax.random.key(1), (25,))
    np.testing.assert_allclose(curvature.product(loss, params)(v), h @ v, atol=1e-4)


def test_all_steps_of_lanczos_find_all_eigenvalues():
    loss, params = network()
    h = np.asarray(curvature.exact(loss, params), np.float64)
    found = curvature.lanczos(curvature.product(loss, params), jax.random.key(2), 25, 25)
    values, weights = curvature.spectrum(found)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(h), atol=2e-3)
    assert weights.sum() == pytest.approx(1)


def test_few_steps_estimate_the_share_of_negative_eigenvalues():
    rng = np.random.default_rng(0)
    q = np.linalg.qr(rng.normal(size=(400, 400)))[0]
    values = np.concatenate([rng.uniform(-2, -1, 120), rng.uniform(0.5, 3, 280)])
    h = jnp.asarray(q * values @ q.T, jnp.float32)
    shares = [
        curvature.share_below(curvature.lanczos(lambda v: h @ v, key, 400, 40), -0.1)
        for key in jax.random.split(jax.random.key(0), 8)
    ]
    assert np.mean(shares) == pytest.approx(0.3, abs=0.05)


def test_a_small_krylov_space_does_no_harm():
    found = curvature.lanczos(lambda v: 2.0 * v, jax.random.key(0), 10, 6)
    values, weights = curvature.spectrum(found)
    assert weights[np.abs(values - 2.0) < 1e-4].sum() == pytest.approx(1, abs=1e-4)
    with pytest.raises(ValueError, match="steps=11"):
        curvature.lanczos(lambda v: v, jax.random.key(0), 10, 11)
