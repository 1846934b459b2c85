"""V-trace against its definition as a double sum, and against the lambda-return on policy."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrl_suite import gae
from jaxrl_suite.vtrace import vtrace


def play(seed, length=9, width=3):
    rng = np.random.default_rng(seed)
    steps = {
        "log_ratio": rng.normal(size=(length, width)) * 0.7,
        "reward": rng.normal(size=(length, width)),
        "value": rng.normal(size=(length, width)),
    }
    terminated = rng.random((length, width)) < 0.15
    done = terminated | (rng.random((length, width)) < 0.15)
    following = np.concatenate([steps["value"][1:], rng.normal(size=(1, width))])
    steps["next_value"] = np.where(done, rng.normal(size=done.shape), following)
    return steps | {"terminated": terminated, "done": done}


def by_definition(s, discount, lambda_, rho_clip, trace_clip):
    """Equation 1 of the paper, summed forward from every step, in float64."""
    length, width = s["reward"].shape
    ratio = np.exp(s["log_ratio"])
    rho, c = np.minimum(rho_clip, ratio), lambda_ * np.minimum(trace_clip, ratio)
    target, advantage = np.array(s["value"]), np.zeros((length, width))
    for n in range(width):
        for start in range(length):
            weight = 1.0
            for t in range(start, length):
                reached = 0.0 if s["terminated"][t, n] else s["next_value"][t, n]
                delta = rho[t, n] * (s["reward"][t, n] + discount * reached - s["value"][t, n])
                target[start, n] += weight * delta
                if s["done"][t, n]:
                    break
                weight *= discount * c[t, n]
        for t in range(length):
            last = s["done"][t, n] or t == length - 1
            reached = s["next_value"][t, n] if last else target[t + 1, n]
            reached = 0.0 if s["terminated"][t, n] else reached
            advantage[t, n] = s["reward"][t, n] + discount * reached - s["value"][t, n]
    return target, advantage, rho


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(0.99, 1.0, 1.0, 1.0), (0.9, 0.95, 2.0, 0.7), (1.0, 0.0, 1.0, 1.0)]),
)
def test_equals_the_double_sum(seed, settings):
    steps = play(seed)
    found = jax.jit(vtrace, static_argnums=(6, 7, 8, 9))(*steps.values(), *settings)
    for ours, theirs in zip(found, by_definition(steps, *settings), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)


def test_on_policy_is_the_lambda_return():
    steps = play(1)
    steps["log_ratio"] = np.zeros_like(steps["reward"])
    found = vtrace(*steps.values(), 0.97, 0.9)
    advantage = gae.advantages(*list(steps.values())[1:], 0.97, 0.9)
    np.testing.assert_allclose(found.target, steps["value"] + advantage, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("leaf", ["target", "advantage", "rho"])
def test_no_gradient_flows_through(leaf):
    steps = list(play(2).values())

    def total(log_ratio, value):
        return getattr(vtrace(log_ratio, steps[1], value, *steps[3:], 0.9), leaf).sum()

    for gradient in jax.grad(total, argnums=(0, 1))(steps[0], steps[2]):
        assert not np.any(gradient)
