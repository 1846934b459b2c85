"""Running moments against NumPy over the whole stream."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrl_suite import normalize


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16), parts=st.integers(1, 5), offset=st.floats(-100, 100))
def test_equals_numpy_for_any_split(seed, parts, offset):
    stream = np.random.default_rng(seed).normal(offset, 3.0, size=(parts * 4, 6, 2))
    moments = normalize.init({"x": jnp.zeros(2)})
    for batch in np.split(stream, parts):
        moments = normalize.update(moments, {"x": jnp.asarray(batch, jnp.float32)})
    flat = stream.reshape(-1, 2)
    np.testing.assert_allclose(moments.mean["x"], flat.mean(0), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(moments.variance["x"], flat.var(0), rtol=2e-2)
    assert float(moments.count) == float(np.float32(len(flat) + 1e-4))


def test_standardized_data_has_mean_zero_and_deviation_one():
    data = jnp.asarray(np.random.default_rng(0).normal(7.0, 2.0, size=(512, 3)), jnp.float32)
    moments = normalize.update(normalize.init(jnp.zeros(3)), data)
    out = normalize.standardize(moments, data)
    np.testing.assert_allclose(out.mean(0), 0.0, atol=1e-2)
    np.testing.assert_allclose(out.std(0), 1.0, atol=1e-2)
    assert float(jnp.abs(normalize.standardize(moments, data * 1e6)).max()) == 10.0
