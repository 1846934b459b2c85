"""The image encoder: every layout of pictures, dictionaries, batch axes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs import spaces
from jaxrl_suite.networks.encoders import encoder_for
from jaxrl_suite.networks.image import ImageEncoder, channels_last


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
    one = module.apply(weights, picture)
    assert one.shape == (8,)
    several = jnp.stack([jnp.zeros_like(picture), picture])[None]
    found = module.apply(weights, several)
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
