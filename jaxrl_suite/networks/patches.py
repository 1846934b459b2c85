"""What each place of a convolution sees: a dense layer on it is that convolution.

`vmap` over seeds, or members of an ensemble, gives each weights of its own. A convolution then becomes
a grouped one, which XLA's CPU backend computes in a plain loop, slower by up to two orders of magnitude;
a matrix product becomes a batched one.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp


def windows(x: jax.Array, axis: int, size: int, same: bool = True, stride: int = 1) -> jax.Array:
    """Each place of one axis with those after it, side by side: `[..., n, ..., C]` -> `[..., size * C]`.

    Args:
      x: the last axis is the channels'.
      axis: any other.
      size: places of a window.
      same: zeros around keep the axis' length and put each place in the middle of its window (for an
        even `size` just right of it); else the axis shrinks by `size - 1`.
    """
    axis %= x.ndim
    if same:
        around = [(0, 0)] * x.ndim
        around[axis] = (size // 2, (size - 1) // 2)
        x = jnp.pad(x, around)
    length = x.shape[axis] - size + 1
    shifted = [jax.lax.slice_in_dim(x, k, k + length, stride, axis) for k in range(size)]
    return jnp.concatenate(shifted, -1)


def neighbourhoods(board: jax.Array, stride: int = 1) -> jax.Array:
    """Each place's own planes and those of the 8 around it, zero outside: `[..., S, S, C]` -> `9 C`.

    Places are left out as `windows` does by `stride`, of rows and columns.
    """
    return windows(windows(board, -2, 3, stride=stride), -3, 3, stride=stride)


def patches(x: jax.Array, size: int, stride: int) -> jax.Array:
    """What each place of a convolution sees: `[B, H, W, C]` -> `[B, H', W', size * size * C]`."""
    rows, columns = ((n - size) // stride + 1 for n in x.shape[1:3])
    step = math.gcd(size, stride)  # whole blocks of `step` pixels move at once
    across = size // step
    blocks = x[:, : x.shape[1] // step * step, : x.shape[2] // step * step]
    blocks = blocks.reshape(len(x), x.shape[1] // step, step, x.shape[2] // step, step, -1)
    jump = stride // step
    seen = [
        blocks[:, i : i + (rows - 1) * jump + 1 : jump, :, j : j + (columns - 1) * jump + 1 : jump]
        for i in range(across)
        for j in range(across)
    ]
    both = jnp.stack(seen).reshape(across, across, len(x), rows, step, columns, step, -1)
    return both.transpose(2, 3, 5, 0, 4, 1, 6, 7).reshape(len(x), rows, columns, -1)
