"""PPO's losses against float64 NumPy, case by case."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrl_suite import losses


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), clip=st.floats(0.05, 0.5))
def test_losses_equal_numpy(seed, clip):
    random = np.random.default_rng(seed)
    log_ratio, advantage, value, target, old = random.normal(0, 0.5, size=(5, 40))
    surrogate, errors, far = [], [], 0
    for r, a in zip(np.exp(log_ratio), advantage, strict=True):
        surrogate.append(min(r * a, min(max(r, 1 - clip), 1 + clip) * a))
        far += abs(r - 1) > clip
    for v, t, o in zip(value, target, old, strict=True):
        errors.append(max((v - t) ** 2, (o + min(max(v - o, -clip), clip) - t) ** 2))

    single = [jnp.asarray(x, jnp.float32) for x in (log_ratio, advantage, value, target, old)]
    loss, metrics = losses.clipped_policy(single[0], single[1], clip)
    np.testing.assert_allclose(loss, -np.mean(surrogate), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(metrics["clip_fraction"], far / 40, atol=1e-6)
    kl = np.mean(np.exp(log_ratio) - 1 - log_ratio)
    np.testing.assert_allclose(metrics["approx_kl"], kl, rtol=1e-3, atol=1e-5)
    clipped = losses.squared_value(*single[2:], clip)
    np.testing.assert_allclose(clipped, 0.5 * np.mean(errors), rtol=1e-4)
    plain = losses.squared_value(*single[2:])
    np.testing.assert_allclose(plain, 0.5 * np.mean((value - target) ** 2), rtol=1e-4)


def test_no_gradient_beyond_the_clip_in_the_direction_of_the_advantage():
    def gradient(log_ratio, advantage):
        args = jnp.asarray([log_ratio]), jnp.asarray([advantage])
        return jax.grad(lambda r: losses.clipped_policy(r, args[1], 0.2)[0])(args[0])[0]

    assert gradient(0.5, 1.0) == 0.0 and gradient(-0.5, -1.0) == 0.0
    np.testing.assert_allclose(gradient(0.5, -1.0), np.exp(0.5), rtol=1e-5)
    np.testing.assert_allclose(gradient(-0.5, 1.0), -np.exp(-0.5), rtol=1e-5)


def test_standardized():
    x = losses.standardized(jnp.asarray([1.0, 2.0, 6.0]))
    np.testing.assert_allclose([x.mean(), x.std()], [0.0, 1.0], atol=1e-6)
