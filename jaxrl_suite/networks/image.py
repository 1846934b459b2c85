"""Pixels to features: Atari's and VizDoom's frames, stacked or not, with vectors beside them."""

from __future__ import annotations

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from envs import spaces
from jaxrl_suite.networks.initializers import orthogonal
from jaxrl_suite.networks.patches import patches

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
            x = x.reshape(-1, *space.shape)
            if is_picture(space):
                x = self._convolve(channels_last(x))
            features.append(x.reshape(*batch, -1).astype(jnp.float32))
        x = jnp.concatenate(features, -1)
        for i, width in enumerate(self.widths):
            x = nn.Dense(width, kernel_init=orthogonal(math.sqrt(2.0)))(x)
            x = x if i == len(self.widths) - 1 and self.final == "linear" else nn.relu(x)
        return x

    def _convolve(self, x: jax.Array) -> jax.Array:
        for width, size, stride in zip(self.channels, self.kernels, self.strides, strict=True):
            x = nn.relu(Convolution(width, size, stride)(x))
        return x


class Convolution(nn.Module):
    """A convolution without padding, orthogonal weights; bytes are divided by 255.

    `nn.Conv`'s parameters and numbers. On a CPU it is a dense layer on patches, as fast for one seed
    and several times faster for many (see `networks.patches`).

    Attributes:
      features: channels of the result.
      size: rows and columns of the kernel.
      stride: in pixels.
    """

    features: int
    size: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", orthogonal(math.sqrt(2.0)), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        if x.dtype == jnp.uint8:
            kernel = kernel / 255.0
        return convolve(x, kernel, self.stride) + bias


def convolve(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """`x` `[B, H, W, C]` by `kernel` `[k, k, C, F]` without padding: `[B, H', W', F]` float32."""

    def direct(x: jax.Array, kernel: jax.Array) -> jax.Array:
        axes = ("NHWC", "HWIO", "NHWC")
        strides = (stride, stride)
        x = x.astype(jnp.float32)
        return jax.lax.conv_general_dilated(x, kernel, strides, "VALID", dimension_numbers=axes)

    def dense(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return patches(x, kernel.shape[0], stride).astype(jnp.float32) @ kernel.reshape(
            -1, kernel.shape[-1]
        )

    return jax.lax.platform_dependent(x, kernel, cpu=dense, default=direct)


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
