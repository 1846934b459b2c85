"""Rows of a table and sums of them against `table[index]`, with gradients, under vmap."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl_suite.networks.embedding import Embedding, bag, lookup

ROWS, FEATURES = 11, 3


def data(seeds, *shape):
    rng = np.random.default_rng(0)
    table = jnp.asarray(rng.normal(size=(seeds, ROWS, FEATURES)), jnp.float32)
    index = jnp.asarray(rng.integers(ROWS, size=(seeds, *shape)), jnp.int16)
    return table, index, jnp.asarray(rng.normal(size=(seeds, *shape)), jnp.float32)


@pytest.mark.parametrize("shape", [(5,), (4, 6), (2, 3, 9), (2, 1), (0, 4)])
def test_sums_and_gradients_are_those_of_indexing(shape):
    table, index, weight = data(2, *shape)

    def plain(table, index, weight):
        return jnp.sum(table[index] * weight[..., None], -2)

    def loss(function):
        return lambda *inputs: jnp.sum(jnp.sin(function(*inputs)))

    for i in range(2):
        one = table[i], index[i], weight[i]
        np.testing.assert_allclose(bag(*one), plain(*one), atol=1e-5)
        np.testing.assert_array_equal(lookup(*one[:2]), table[i][index[i]])
    for mine, theirs, inputs in (
        (bag, plain, (table, index, weight)),
        (lookup, lambda table, index: table[index], (table, index)),
    ):
        gradients = [jax.jit(jax.vmap(jax.grad(loss(f))))(*inputs) for f in (mine, theirs)]
        np.testing.assert_allclose(*gradients, atol=1e-5)


def test_weights_get_no_gradient():
    table, index, weight = (x[0] for x in data(1, 4, 6))
    gradient = jax.grad(lambda w: bag(table, index, w).sum())(weight)
    assert not gradient.any()


def test_the_layer_is_flax_s():
    _, index, _ = (x[0] for x in data(1, 4, 6))
    mine, theirs = Embedding(ROWS, FEATURES), nn.Embed(ROWS, FEATURES)
    params = mine.init(jax.random.key(1), index)
    other = theirs.init(jax.random.key(1), index)
    jax.tree.map(np.testing.assert_array_equal, params, other)
    np.testing.assert_array_equal(mine.apply(params, index), theirs.apply(other, index))
    ones = jnp.ones(index.shape)
    summed = mine.apply(params, index, ones, method="bag")
    np.testing.assert_allclose(summed, mine.apply(params, index).sum(-2), atol=1e-5)
