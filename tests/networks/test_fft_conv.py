"""Fourier convolutions against `jax.lax`, brute force, and the count of transforms."""

from __future__ import annotations

import functools
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from jaxrl_suite.networks import fft_choice, fft_conv, fft_tuning
from jaxrl_suite.networks.fft_choice import Shapes


@pytest.fixture(autouse=True)
def own_measurements(monkeypatch, tmp_path):
    """What was timed on this machine before does not show."""
    monkeypatch.setattr(fft_choice, "known_path", lambda: tmp_path / "cache" / "known.json")
    fft_choice.known.cache_clear()
    yield
    fft_choice.known.cache_clear()


fft = functools.partial(fft_conv.conv_general_dilated, method="fft")


def draw(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]


def value_and_gradients(function, x, w):
    @jax.jit
    def run(x, w):
        y, pull = jax.vjp(function, x, w)
        dy = jax.random.normal(jax.random.key(9), y.shape).astype(y.dtype)
        return y, *pull(dy)

    return run(x, w)


def assert_same(got, want):
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        scale = max(float(jnp.abs(b).max(initial=0.0)), 1.0)
        np.testing.assert_allclose(a, b, atol=2e-5 * scale)


def check_one_draw(data):
    axes = data.draw(st.integers(1, 3))
    most = (40, 14, 7)[axes - 1]
    sizes = st.lists(st.integers(1, most), min_size=axes, max_size=axes)
    n, k = data.draw(sizes), data.draw(sizes)
    number = st.integers(1, 3)
    few = st.lists(number, min_size=axes, max_size=axes).map(tuple)
    strides, over, under = data.draw(few), data.draw(few), data.draw(few)
    groups, per, outputs = data.draw(number), data.draw(number), data.draw(number)
    pairs = [data.draw(st.tuples(st.integers(-1, 3), st.integers(-1, 3))) for _ in range(axes)]
    named = ["VALID", "SAME", "SAME_LOWER"] if max(over) == 1 else []  # as jax.lax has it
    padding = data.draw(st.sampled_from([*named, pairs]))
    reach = max((s - 1) * d + 1 for s, d in zip(k, under, strict=True))
    block = data.draw(st.sampled_from([None, max(1, reach - 1), reach + 2]))
    x, w = draw(0, (2, groups * per, *n), (groups * outputs, per, *k))
    options = {
        "window_strides": strides,
        "padding": padding,
        "lhs_dilation": over,
        "rhs_dilation": under,
        "feature_group_count": groups,
    }
    direct = functools.partial(jax.lax.conv_general_dilated, **options)
    try:
        shape = jax.eval_shape(direct, x, w).shape
    except ValueError:  # negative padding takes away more than an axis has
        reject()
    if 0 in shape:
        with pytest.raises(ValueError, match="method='fft'"):
            fft(x, w, **options)
        return
    got = value_and_gradients(functools.partial(fft, block=block, **options), x, w)
    assert_same(got, value_and_gradients(direct, x, w))


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_output_and_gradients_are_those_of_the_direct_convolution(data):
    check_one_draw(data)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_output_and_gradients_over_many_shapes(data):
    check_one_draw(data)


@pytest.mark.parametrize("block", [None, 4, 6])
def test_all_three_passes_in_float64_against_sums_over_the_kernel(block):
    """Section 2's sums written out, with an even and an odd side."""
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(3, 2, 11, 14)), rng.normal(size=(4, 2, 5, 4))
    dy = rng.normal(size=(3, 4, 7, 11))
    y, dx, dw = np.zeros_like(dy), np.zeros_like(x), np.zeros_like(w)
    for i in range(5):
        for j in range(4):
            part = x[:, :, i : i + 7, j : j + 11]
            y += np.einsum("sfab,gf->sgab", part, w[:, :, i, j])
            dx[:, :, i : i + 7, j : j + 11] += np.einsum("sgab,gf->sfab", dy, w[:, :, i, j])
            dw[:, :, i, j] = np.einsum("sgab,sfab->gf", dy, part)
    with jax.enable_x64(True):
        run = functools.partial(fft, window_strides=(1, 1), padding="VALID", block=block)
        got, pull = jax.vjp(run, jnp.asarray(x), jnp.asarray(w))
        for mine, exact in zip((got, *pull(jnp.asarray(dy))), (y, dx, dw), strict=True):
            assert mine.dtype == jnp.float64
            np.testing.assert_allclose(mine, exact, atol=1e-12)


def test_a_training_step_makes_six_batches_of_transforms():
    x, w = draw(0, (2, 3, 16, 16), (4, 3, 5, 5))

    def count(*wanted):
        def step(x, w):
            y, *gradients = value_and_gradients(lambda x, w: fft(x, w, (1, 1), "VALID"), x, w)
            return [(y, *gradients)[i] for i in wanted]

        compiled = jax.jit(step).lower(x, w).compile().as_text()
        return len(re.findall(r" fft\(", compiled))

    # together six; output, input gradient and kernel gradient by themselves three each
    assert count(0, 1, 2) == 6
    assert [count(i) for i in range(3)] == [3, 3, 3]


def test_dimension_orders_of_flax_and_second_derivatives():
    x, w = draw(2, (2, 9, 8, 3), (3, 4, 3, 5))
    options = {
        "window_strides": (1, 2),
        "padding": "SAME",
        "dimension_numbers": ("NHWC", "HWIO", "NHWC"),
    }

    def curvature(function):
        def loss(w):
            return jnp.sum(jnp.sin(function(x, w, **options)))

        return jax.grad(lambda w: jnp.sum(jax.grad(loss)(w) ** 2))(w)

    assert_same([curvature(fft)], [curvature(jax.lax.conv_general_dilated)])


def test_half_precision_is_computed_in_single_and_returned_in_half():
    x, w = (a.astype(jnp.bfloat16) for a in draw(3, (2, 3, 9, 9), (4, 3, 5, 5)))
    y = fft(x, w, (1, 1), "VALID")
    exact = fft(x.astype(jnp.float32), w.astype(jnp.float32), (1, 1), "VALID")
    assert y.dtype == jnp.bfloat16
    np.testing.assert_array_equal(y, exact.astype(jnp.bfloat16))


def test_vmap_over_seeds_is_one_run_each():
    x, w = draw(4, (3, 2, 2, 12, 12), (3, 4, 2, 5, 5))

    def gradients(x, w):
        return value_and_gradients(lambda x, w: fft(x, w, (1, 1), "SAME", block=6), x, w)

    together = jax.jit(jax.vmap(gradients))(x, w)
    for i in range(3):
        for a, b in zip(together, gradients(x[i], w[i]), strict=True):
            np.testing.assert_allclose(a[i], b, atol=1e-4)


def test_the_layer_is_flax_s_with_the_same_parameters():
    (x,) = draw(5, (2, 12, 12, 3))
    mine, theirs = fft_conv.conv(8, (5, 5), method="fft"), nn.Conv(8, (5, 5))
    params = theirs.init(jax.random.key(0), x)
    same = mine.init(jax.random.key(0), x)
    jax.tree.map(np.testing.assert_array_equal, params, same)
    np.testing.assert_allclose(mine.apply(params, x), theirs.apply(params, x), atol=1e-5)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 12))
def test_transforms_are_long_enough_and_smooth(n, m, k):
    shapes = Shapes(2, 3, 4, (n + k, m + k), (k, k), (1, 1))
    plan = fft_choice.plan(shapes)
    for size, block, whole in zip(plan.sizes, plan.blocks, shapes.size, strict=True):
        assert size >= (block if block == whole else block + k - 1)
        for prime in (2, 3, 5):
            while size % prime == 0:
                size //= prime
        assert size == 1


def test_small_kernels_on_large_inputs_go_in_blocks():
    long = Shapes(1, 8, 8, (4096,), (5,), (1,))
    assert fft_choice.plan(long).blocks[0] < 256
    assert fft_choice.plan(long._replace(kernel=(3000,))).blocks == (4096,)


def table(values, sizes=(4, 16)):
    grid = {axis: list(sizes) for axis in fft_choice.AXES}
    return {"grid": grid, "training": values, "evaluation": values}


def test_the_table_is_interpolated_in_logarithms_and_held_at_its_ends():
    values = np.zeros((2,) * 5)
    values[..., 0], values[..., 1] = -1.0, 3.0  # by the kernel's side

    def gain(kernel, stride=1, size=8):
        shapes = Shapes(8, 8, 8, (size, size), (kernel, kernel), (stride, stride))
        return fft_choice.gain(shapes, table=table(values))

    assert gain(4) == pytest.approx(-1) and gain(16) == pytest.approx(3)
    assert gain(8) == pytest.approx(1)  # halfway between log 4 and log 16
    assert gain(2) == gain(4) and gain(30) == gain(16) and gain(8, size=99) == gain(8)
    assert gain(8, stride=2) == pytest.approx(1 - 2)
    flat = Shapes(8, 8, 8, (64,), (64,), (1,))  # 64 points are a square of side 8
    assert fft_choice.gain(flat, table=table(values)) == pytest.approx(1)


def test_auto_takes_what_the_table_says_for_each_purpose(monkeypatch):
    values = {"grid": table(0)["grid"], "training": np.ones((2,) * 5), "evaluation": -np.ones(32)}
    values["evaluation"] = values["evaluation"].reshape((2,) * 5)
    monkeypatch.setattr(fft_choice, "tables", lambda: {jax.default_backend(): values})
    x, w = draw(6, (2, 3, 16, 16), (4, 3, 5, 5))

    def auto(x, w):
        return fft_conv.conv_general_dilated(x, w, (1, 1), "VALID")

    def kinds(function, *inputs):
        text = jax.jit(function).lower(*inputs).as_text()
        return "stablehlo.fft" in text, "stablehlo.convolution" in text

    assert kinds(auto, x, w) == (False, True)
    assert kinds(lambda x, w: value_and_gradients(auto, x, w), x, w) == (True, False)
    monkeypatch.setattr(fft_choice, "tables", dict)  # a device nobody measured
    assert kinds(lambda x, w: value_and_gradients(auto, x, w), x, w) == (False, True)


def test_shapes_are_timed_once_and_go_before_the_table():
    x, w, deeper = draw(8, (2, 3, 9, 9), (4, 3, 3, 3), (4, 4, 3, 3))

    def network(x, w, deeper):
        y = fft_conv.conv_general_dilated(x, w, (1, 1), "SAME")
        y = fft_conv.conv_general_dilated(y, deeper, (2, 2), "VALID")
        return fft_conv.conv_general_dilated(y, deeper, (1, 1), "VALID", method="fft").sum()

    found = fft_tuning.tune(jax.grad(network), x, w, deeper, repeats=1)
    assert list(found) == ["2 3 4 11x11 3x3 1x1 1", "2 4 4 9x9 3x3 2x2 1"]
    assert all(np.isfinite(list(gains.values())).all() for gains in found.values())
    assert fft_tuning.tune(network, x, w, deeper) == {}
    fft_choice.known.cache_clear()
    assert fft_choice.known() == found

    shapes = Shapes(2, 3, 4, (11, 11), (3, 3), (1, 1))
    for sign in (1.0, -1.0):
        gains = {"evaluation": sign, "training": -sign}
        fft_tuning.keep({fft_choice.label(shapes): gains})
        evaluation, training = fft_choice.choose(shapes, "auto")
        assert (evaluation != fft_choice.DIRECT) == (sign > 0)
        assert (training != fft_choice.DIRECT) == (sign < 0)
    fft_choice.known_path().write_text("[1")  # what is not readable is not there
    fft_choice.known.cache_clear()
    assert fft_choice.known() == {}


def test_bad_arguments_are_named():
    x, w = draw(7, (2, 3, 9, 9), (4, 3, 5, 5))
    with pytest.raises(ValueError, match="method='fast'"):
        fft_conv.conv_general_dilated(x, w, (1, 1), "VALID", method="fast")
    with pytest.raises(ValueError, match="method='fast'"):
        fft_conv.conv(3, (3, 3), method="fast")
    with pytest.raises(ValueError, match="block=3: at least 4"):
        fft(x, w, (1, 1), "VALID", block=3)
    with pytest.raises(ValueError, match="int32"):
        fft(x.astype(int), w.astype(int), (1, 1), "VALID")
