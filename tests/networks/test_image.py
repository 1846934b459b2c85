"""The image encoder: every layout of pictures, dictionaries, batch axes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs import spaces
from jaxrl_suite.networks.encoders import encoder_for
from jaxrl_suite.networks.image import Convolution, ImageEncoder, channels_last, convolve


def pixels(*shape):
    return spaces.Box(0.0, 255.0, shape, jnp.uint8)


@pytest.mark.parametrize(
    "shape", [(36, 40), (40, 36, 3), (4, 36, 40), (2, 36, 40, 3)], ids=["HW", "HWC", "KHW", "KHWC"]
)
def test_layouts_and_batch_axes(shape):
    space = pixels(*shape)
    module = encoder_for(space, (16, 8))
    assert isinstance(module, ImageEncoder)
    picture = space.sample(jax.random.key(0))
    weights = module.init(jax.random.key(1), picture)
    several = jnp.stack([jnp.zeros_like(picture), picture])[None]
    with jax.default_matmul_precision("highest"):  # GPUs round to TF32, otherwise
        one, found = module.apply(weights, picture), module.apply(weights, several)
    assert one.shape == (8,)
    assert found.shape == (1, 2, 8)
    np.testing.assert_allclose(found[0, 1], one, atol=1e-5)
    assert np.abs(found[0, 0] - one).max() > 1e-4


def test_channels_of_stacked_pictures_keep_their_place():
    frames = np.random.default_rng(0).integers(0, 255, (1, 4, 36, 40, 3))
    flat = np.asarray(channels_last(jnp.asarray(frames)))
    for frame in range(4):
        for channel in range(3):
            np.testing.assert_array_equal(
                flat[0, :, :, frame * 3 + channel], frames[0, frame, :, :, channel]
            )
    stacked = np.asarray(channels_last(jnp.asarray(frames[..., 0])))
    np.testing.assert_array_equal(stacked[0, :, :, 2], frames[0, 2, :, :, 0])


@pytest.mark.parametrize("size, stride", [(8, 4), (4, 2), (3, 1), (5, 2), (3, 3), (6, 4)])
def test_convolution_is_laxs_with_its_gradient(size, stride):
    x = jax.random.normal(jax.random.key(0), (2, 21, 18, 3))
    kernel = jax.random.normal(jax.random.key(1), (size, size, 3, 5))

    def reference(x, kernel):
        axes = ("NHWC", "HWIO", "NHWC")
        strides = (stride, stride)
        return jax.lax.conv_general_dilated(x, kernel, strides, "VALID", dimension_numbers=axes)

    def loss(function):
        return lambda *args: jnp.sum(jnp.sin(function(*args)))

    with jax.default_matmul_precision("highest"):
        found = convolve(x, kernel, stride)
        np.testing.assert_allclose(found, reference(x, kernel), atol=1e-4)
        ours = jax.grad(loss(lambda *args: convolve(*args, stride)), argnums=(0, 1))(x, kernel)
        theirs = jax.grad(loss(reference), argnums=(0, 1))(x, kernel)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-3), ours, theirs)


def test_bytes_count_for_their_255th():
    picture = pixels(36, 36, 3).sample(jax.random.key(0))[None]
    module = Convolution(4, 8, 4)
    weights = module.init(jax.random.key(1), picture)
    found = module.apply(weights, picture)
    np.testing.assert_allclose(found, module.apply(weights, picture / 255.0), atol=1e-5)


@pytest.mark.parametrize("platform, convolved", [("cpu", False), ("cuda", True)])
def test_only_accelerators_get_a_convolution(platform, convolved):
    args = jnp.zeros((1, 36, 36, 3)), jnp.zeros((8, 8, 3, 4))
    traced = jax.jit(lambda x, kernel: convolve(x, kernel, 4)).trace(*args)
    text = traced.lower(lowering_platforms=(platform,)).as_text()
    assert ("stablehlo.convolution" in text) == convolved


def test_vectors_beside_a_picture_reach_the_features():
    space = spaces.Dict.of({"screen": pixels(36, 36, 3), "health": spaces.Box(0.0, 100.0, (2,))})
    module = encoder_for(space, (8,), final="linear")
    observation = space.sample(jax.random.key(0))
    weights = module.init(jax.random.key(1), observation)
    changed = {**observation, "health": observation["health"] + 1.0}
    gap = module.apply(weights, changed) - module.apply(weights, observation)
    assert np.abs(gap).max() > 1e-3 and module.apply(weights, observation).min() < 0


def test_tiny_pictures_are_refused():
    with pytest.raises(ValueError, match="no encoder"):
        encoder_for(pixels(20, 20, 3))
