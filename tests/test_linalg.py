"""Linear algebra that is safe in parallel programs."""

from __future__ import annotations

import subprocess
import sys

import jax
import numpy as np
import pytest

from jaxrl_suite import linalg

# several programs at once, each with branches that factor batches at the same time
OVERLAPPING = """
import jax, jax.numpy as jnp
from jaxrl_suite import linalg

f = jax.vmap(linalg.cholesky)

@jax.jit
def program(a, b, c):
    first = [f(a @ a), f(b @ b + c), f(c @ c)]
    eye = jnp.eye(128)
    return [f(x @ jnp.swapaxes(x, -1, -2) + eye) for x in first]

a = jnp.broadcast_to(2 * jnp.eye(128), (4, 128, 128))
for i in range(100):
    jax.block_until_ready([program(a + i, a, a) for _ in range(4)])
print("done")
"""


def spd(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Symmetric and positive definite matrices."""
    x = rng.normal(size=(*shape, shape[-1]))
    return x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1])


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_all_functions_against_float64(batch):
    rng = np.random.default_rng(0)
    a, b = spd(rng, *batch, 6), rng.normal(size=(*batch, 6, 2))
    lower = np.linalg.cholesky(a)

    def mapped(function):
        for _ in batch:
            function = jax.vmap(function)
        return jax.jit(function)

    x, y = a.astype(np.float32), b.astype(np.float32)
    close = {"rtol": 2e-4, "atol": 2e-4}
    np.testing.assert_allclose(mapped(linalg.cholesky)(x), lower, **close)
    np.testing.assert_allclose(mapped(linalg.inverse)(x), np.linalg.inv(a), **close)
    np.testing.assert_allclose(mapped(linalg.log_det)(x), np.linalg.slogdet(a)[1], **close)
    np.testing.assert_allclose(mapped(linalg.solve_positive)(x, y), np.linalg.solve(a, b), **close)
    for count in (3, 6, 20):  # fewer rows than columns, too
        rows = rng.normal(size=(*batch, count, 6))
        root = np.asarray(mapped(linalg.triangle)(rows.astype(np.float32)))
        np.testing.assert_array_equal(root, np.triu(root))
        square = np.swapaxes(rows, -1, -2) @ rows
        np.testing.assert_allclose(np.swapaxes(root, -1, -2) @ root, square, **close)
    half = mapped(linalg.solve_lower)(lower.astype(np.float32), y)
    np.testing.assert_allclose(half, np.linalg.solve(lower, b), **close)


def test_one_factor_and_a_batch_of_right_sides():
    rng = np.random.default_rng(1)
    lower, b = np.linalg.cholesky(spd(rng, 4)), rng.normal(size=(3, 4, 2))
    got = jax.vmap(linalg.solve_lower, (None, 0))(lower.astype(np.float32), b.astype(np.float32))
    np.testing.assert_allclose(got, np.linalg.solve(lower[None], b), rtol=1e-4, atol=1e-4)


def test_overlapping_batches_do_not_wait_for_each_other_for_ever():
    """With `jax.vmap(jnp.linalg.cholesky)` this program hangs within a second on two cores."""
    done = subprocess.run(
        [sys.executable, "-c", OVERLAPPING], capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "done\n", done.stderr
