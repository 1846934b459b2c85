"""`apply_where` against applying everywhere, and what it costs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl_suite.exploration.bonus import Transitions, both_ends
from jaxrl_suite.sparse import apply_where


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 1.0])
def test_equals_a_select(share):
    rng = np.random.default_rng(0)
    xs = {"a": rng.normal(size=(3, 7, 5, 2)), "b": rng.normal(size=(3, 7, 5))}
    where = rng.random((3, 7, 5)) < share * np.array([0.0, 0.5, 1.0])[:, None, None]
    otherwise = rng.normal(size=(3, 7, 5, 2)).astype(np.float32)

    def f(x):
        return x["a"] * x["b"][..., None]

    found = jax.jit(jax.vmap(lambda *args: apply_where(f, *args)))(where, xs, otherwise)
    np.testing.assert_allclose(found, np.where(where[..., None], f(xs), otherwise), rtol=1e-5)


def test_looks_at_as_many_groups_as_it_must():
    calls = []

    def f(x):
        jax.debug.callback(lambda x: calls.append(x), x)
        return x * 2

    for count, groups in ((0, 0), (1, 1), (4, 1), (5, 2), (24, 6)):
        where = (jnp.arange(24) < count).reshape(6, 4)
        found = jax.jit(lambda w: apply_where(f, w, jnp.ones((6, 4)), jnp.zeros((6, 4))))(where)
        jax.effects_barrier()
        assert float(found.sum()) == 2 * count and len(calls) == groups
        calls.clear()


def test_both_ends_of_every_step():
    rng = np.random.default_rng(1)
    reset = rng.random((9, 4)) < 0.3
    reset[0, :2] = False  # the rollout begins inside their episodes
    now, then = rng.normal(size=(9, 4, 3)), rng.normal(size=(9, 4, 3))
    now[1:] = np.where(reset[1:, :, None], now[1:], then[:-1])
    done = np.roll(reset, -1, axis=0)
    blank = np.zeros((9, 4), np.float32)
    transitions = Transitions(now, then, blank, blank, done, np.zeros_like(done), reset, {})
    transitions = jax.tree.map(jnp.asarray, transitions)
    left, reached = jax.jit(lambda x: both_ends(lambda s: s**2, x))(transitions)
    np.testing.assert_allclose(left, now**2, rtol=1e-5)
    np.testing.assert_allclose(reached, then**2, rtol=1e-5)
