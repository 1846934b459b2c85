"""Pixels to features: Atari's and VizDoom's frames, stacked or not, with vectors beside them."""

from __future__ import annotations

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from envs import spaces
from jaxrl_suite.networks.initializers import orthogonal

SMALLEST = 36  # side of the smallest picture that the three convolutions leave something of


class ImageEncoder(nn.Module):
    """The convolutions of Mnih et al. (Nature, 2015, "Methods"), then dense layers.

    Pictures are `[H, W]`, `[H, W, C]` or, stacked in time, `[K, H, W]` and `[K, H, W, C]`; bytes are
    divided by 255. Of a dictionary every picture goes through convolutions of its own, everything
    else is concatenated as it is.

    Attributes:
      space: of the observations, a picture or a dictionary with one or several.
      widths: of the dense layers; the last is the number of features.
      channels, kernels, strides: of the convolutions.
      final: "relu" or "linear", what follows the last dense layer.
    """

    space: spaces.Space
    widths: tuple[int, ...] = (512,)
    channels: tuple[int, ...] = (32, 64, 64)
    kernels: tuple[int, ...] = (8, 4, 3)
    strides: tuple[int, ...] = (4, 2, 1)
    final: str = "relu"

    @nn.compact
    def __call__(self, observation: Any) -> jax.Array:
        if isinstance(self.space, spaces.Dict):
            parts = [(self.space.spaces[k], observation[k]) for k in sorted(self.space.spaces)]
        else:
            parts = [(self.space, observation)]
        features = []
        for space, x in parts:
            batch = x.shape[: x.ndim - len(space.shape)]
            x = x.reshape(-1, *space.shape).astype(jnp.float32)
            if is_picture(space):
                x = self._convolve(channels_last(x / 255.0))
            features.append(x.reshape(*batch, -1))
        x = jnp.concatenate(features, -1)
        for i, width in enumerate(self.widths):
            x = nn.Dense(width, kernel_init=orthogonal(math.sqrt(2.0)))(x)
            x = x if i == len(self.widths) - 1 and self.final == "linear" else nn.relu(x)
        return x

    def _convolve(self, x: jax.Array) -> jax.Array:
        for width, size, stride in zip(self.channels, self.kernels, self.strides, strict=True):
            convolution = nn.Conv(
                width,
                (size, size),
                stride,
                padding="VALID",
                kernel_init=orthogonal(math.sqrt(2.0)),
            )
            x = nn.relu(convolution(x))
        return x


def channels_last(pictures: jax.Array) -> jax.Array:
    """`[B, H, W]`, `[B, H, W, C]`, `[B, K, H, W]` or `[B, K, H, W, C]` as `[B, H, W, channels]`."""
    if pictures.ndim == 3:
        return pictures[..., None]
    if pictures.ndim == 5:
        moved = jnp.moveaxis(pictures, 1, -2)
        return moved.reshape(*moved.shape[:-2], -1)
    stacked = pictures.shape[1] < pictures.shape[3]  # fewer pictures than columns of one
    return jnp.moveaxis(pictures, 1, -1) if stacked else pictures


def is_picture(space: spaces.Space) -> bool:
    """Whether `space` holds bytes in two dimensions or more, large enough for the convolutions."""
    return (
        isinstance(space, spaces.Box)
        and jnp.dtype(space.dtype) == jnp.uint8
        and 2 <= len(space.shape) <= 4
        and sorted(space.shape)[-2] >= SMALLEST
    )


def has_pictures(space: spaces.Space) -> bool:
    """Whether `space` is a picture or a dictionary with one."""
    if isinstance(space, spaces.Dict):
        return any(is_picture(part) for part in space.spaces.values())
    return is_picture(space)
