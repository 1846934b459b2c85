"""Convolutions as products of Fourier transforms (Mathieu, Henaff and LeCun, 2013, arXiv 1312.5851).

With `*` the cross-correlation that deep learning calls convolution, X, W and dY the transforms of the
input, the kernel and the gradient of the output, and one transform size N for all three (section 2):

    y  = x * w       Y[s, g]  = sum_f X[s, f] conj(W[g, f])
    dx               dX[s, f] = sum_g dY[s, g] W[g, f]
    dw               dW[g, f] = sum_s X[s, f] conj(dY[s, g])

The sums over maps and samples are taken in the Fourier domain, so each pass is one complex matrix
product a frequency, and a training step makes six batches of transforms, not nine: X and W are kept
from the forward pass. Small kernels on large inputs go block by block (overlap-add).

    y = fft_conv.conv_general_dilated(x, w, (1, 1), "VALID")    # as jax.lax's, gradients too
    layer = fft_conv.conv(32, (9, 9))                            # as flax.linen.Conv

`method="auto"` compares costs with a table measured by `jaxrl bench fft_conv`; `fft_tuning.tune` times
the very shapes of a program instead.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxrl_suite.networks import fft_choice
from jaxrl_suite.networks.fft_choice import DIRECT, Plan, Shapes

METHODS = ("auto", "fft", "direct")


def conv_general_dilated(
    lhs: jax.Array,
    rhs: jax.Array,
    window_strides: Sequence[int],
    padding: Any,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: Any = None,
    *,
    method: str = "auto",
    block: int | None = None,
) -> jax.Array:
    """`jax.lax.conv_general_dilated`, by Fourier transforms where that is faster.

    The first arguments are those of `jax.lax`. Strided outputs are computed in full and thinned out,
    dilations fill in zeros. Differentiable in reverse mode, to any order; forward mode is for
    `method="direct"` alone.

    Args:
      lhs: input, `[S, f, *n]` unless `dimension_numbers` says otherwise, with 1 to 3 spatial axes.
      rhs: kernel, `[f', f / groups, *k]` likewise.
      window_strides: a number a spatial axis.
      padding: "VALID", "SAME", "SAME_LOWER" or pairs (negative ones crop).
      lhs_dilation, rhs_dilation, dimension_numbers, feature_group_count: as in `jax.lax`.
      batch_group_count: 1; others are for `method="direct"`.
      precision, preferred_element_type: of the direct method.
      method: "auto", "fft" or "direct".
      block: of overlap-add: input samples an axis of a block, at least k - 1; None chooses.

    Returns:
      The output, in the input's dtype and dimension order.

    Raises:
      ValueError: naming the argument, its value and what would be right.
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r}: one of {', '.join(METHODS)}")
    direct = functools.partial(
        jax.lax.conv_general_dilated,
        window_strides=window_strides,
        padding=padding,
        lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation,
        dimension_numbers=dimension_numbers,
        feature_group_count=feature_group_count,
        batch_group_count=batch_group_count,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    shape = jax.eval_shape(
        direct, lhs, rhs
    ).shape  # jax.lax's own errors for shapes that do not fit
    axes = lhs.ndim - 2
    floating = jnp.issubdtype(lhs.dtype, jnp.floating)
    able = batch_group_count == 1 and 1 <= axes <= 3 and floating and 0 not in (*shape, *rhs.shape)
    if method == "direct" or (method == "auto" and not able):
        return direct(lhs, rhs)
    if not able:
        raise ValueError(
            f"method='fft' of a {lhs.dtype} input {lhs.shape} with batch_group_count="
            f"{batch_group_count}: real floats, 1 to 3 spatial axes, none empty, batch_group_count=1"
        )
    numbers = jax.lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    x, w = lhs.transpose(numbers.lhs_spec), rhs.transpose(numbers.rhs_spec)
    ones = (1,) * axes
    over, under = tuple(lhs_dilation or ones), tuple(rhs_dilation or ones)
    n = [(size - 1) * d + 1 for size, d in zip(x.shape[2:], over, strict=True)]
    k = [(size - 1) * d + 1 for size, d in zip(w.shape[2:], under, strict=True)]
    if isinstance(padding, str):
        padding = jax.lax.padtype_to_pads(n, k, window_strides, padding)
    edges = [(low, high, d - 1) for (low, high), d in zip(padding, over, strict=True)]
    x = jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0)] * 2 + edges)
    w = jax.lax.pad(w, jnp.zeros((), w.dtype), [(0, 0, 0)] * 2 + [(0, 0, d - 1) for d in under])

    shapes = Shapes(
        x.shape[0],
        x.shape[1] // feature_group_count,
        w.shape[0] // feature_group_count,
        x.shape[2:],
        w.shape[2:],
        tuple(window_strides),
        feature_group_count,
    )
    evaluation, training = fft_choice.choose(shapes, method, block)
    if evaluation == training == DIRECT:
        return direct(lhs, rhs)
    run = functools.partial(_correlate, evaluation, training, shapes.strides)
    if feature_group_count == 1:
        y = run(x, w)
    else:
        x = x.reshape(x.shape[0], feature_group_count, -1, *x.shape[2:])
        w = w.reshape(feature_group_count, -1, *w.shape[1:])
        y = jax.vmap(run, (1, 0), 1)(x, w)
        y = y.reshape(y.shape[0], -1, *y.shape[3:])
    return y.transpose(np.argsort(numbers.out_spec))


def conv(
    features: int, kernel_size: Sequence[int], method: str = "auto", **options: Any
) -> nn.Conv:
    """`flax.linen.Conv(features, kernel_size, **options)` on `conv_general_dilated` above.

    Parameters have the same names, shapes and initial values, so that either layer can load the
    other's.

    Raises:
      ValueError: for a method that does not exist.
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r}: one of {', '.join(METHODS)}")
    run = functools.partial(conv_general_dilated, method=method)
    return nn.Conv(features, kernel_size, conv_general_dilated=run, **options)


def _direct(x: jax.Array, w: jax.Array, strides: tuple[int, ...]) -> jax.Array:
    return jax.lax.conv_general_dilated(x, w, strides, "VALID")


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2))
def _correlate(
    evaluation: Plan,
    training: Plan,
    strides: tuple[int, ...],
    x: jax.Array,
    w: jax.Array,
) -> jax.Array:
    """Valid correlation, `[S, f, *n]` and `[f', f, *k]` to `[S, f', *m]`.

    `evaluation` is how it is computed on its own, `training` when gradients follow.
    """
    if evaluation == DIRECT:
        return _direct(x, w, strides)
    return _fourier(evaluation, strides, x, w)[0]


def _forward(
    evaluation: Plan,
    training: Plan,
    strides: tuple[int, ...],
    x: jax.Array,
    w: jax.Array,
) -> Any:
    if training == DIRECT:
        return _direct(x, w, strides), (x, w, None)
    y, spectra = _fourier(training, strides, x, w)
    return y, (x, w, spectra)


def _backward(
    evaluation: Plan,
    training: Plan,
    strides: tuple[int, ...],
    saved: Any,
    dy: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    x, w, spectra = saved
    if training == DIRECT:
        return jax.vjp(lambda x, w: _direct(x, w, strides), x, w)[1](dy)
    n, k, sizes = x.shape[2:], w.shape[2:], training.sizes
    blocks = jax.eval_shape(lambda x: split(x, training.blocks), x).shape
    whole = (blocks[0], w.shape[0], *sizes)
    out = functools.partial(assemble, samples=x.shape[0], training=training, n=n, k=k, s=strides)
    (dy,) = jax.linear_transpose(out, jax.ShapeDtypeStruct(whole, dy.dtype))(dy)
    big_x, big_w = spectra
    big_dy = spectrum(dy, sizes)
    # frequencies first: [F, B, f] and [F, f', f]
    dx = inverse(jnp.matmul(big_dy, big_w), sizes, blocks[2:], x.dtype)
    dw = inverse(jnp.matmul(big_dy.conj().mT, big_x), sizes, k, w.dtype)
    (dx,) = jax.linear_transpose(lambda x: split(x, training.blocks), x)(dx)
    return dx, dw


_correlate.defvjp(_forward, _backward)


def _fourier(plan: Plan, strides: tuple[int, ...], x: jax.Array, w: jax.Array) -> Any:
    """The output and the spectra of input and kernel."""
    big_x, big_w = spectrum(split(x, plan.blocks), plan.sizes), spectrum(w, plan.sizes)
    y = inverse(jnp.matmul(big_x, big_w.conj().mT), plan.sizes, plan.sizes, x.dtype)
    out = assemble(y, x.shape[0], plan, x.shape[2:], w.shape[2:], strides)
    return out, (big_x, big_w)


def spectrum(x: jax.Array, sizes: tuple[int, ...]) -> jax.Array:
    """Real transform of `[A, B, *n]`, zero-padded to `sizes`, frequencies first: `[F, A, B]`."""
    real = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    found = jnp.fft.rfftn(real, sizes, axes=range(2, x.ndim))
    return jnp.moveaxis(found.reshape(*x.shape[:2], -1), -1, 0)


def inverse(x: jax.Array, sizes: tuple[int, ...], crop: Sequence[int], dtype: Any) -> jax.Array:
    """Back from `[F, A, B]` to `[A, B, *sizes]`, cut to the first `crop` samples."""
    half = (*sizes[:-1], sizes[-1] // 2 + 1)
    found = jnp.moveaxis(x, 0, -1).reshape(*x.shape[1:], *half)
    found = jnp.fft.irfftn(found, sizes, axes=range(2, found.ndim))
    return found[(..., *(slice(c) for c in crop))].astype(dtype)


def split(x: jax.Array, blocks: tuple[int, ...]) -> jax.Array:
    """`[S, f, *n]` cut into blocks of `blocks` samples, zeros behind the last: `[S * B, f, *t]`."""
    n = x.shape[2:]
    counts = [-(-size // t) for size, t in zip(n, blocks, strict=True)]
    if all(count == 1 for count in counts):
        return x
    ends = [(0, c * t - size) for c, t, size in zip(counts, blocks, n, strict=True)]
    x = jnp.pad(x, [(0, 0), (0, 0), *ends])
    pairs = [size for c, t in zip(counts, blocks, strict=True) for size in (c, t)]
    x = x.reshape(*x.shape[:2], *pairs)
    axes = len(n)
    order = [0, *(2 + 2 * i for i in range(axes)), 1, *(3 + 2 * i for i in range(axes))]
    x = x.transpose(order)
    return x.reshape(-1, *x.shape[1 + axes :])


def assemble(
    y: jax.Array,
    samples: int,
    training: Plan,
    n: Sequence[int],
    k: Sequence[int],
    s: Sequence[int],
) -> jax.Array:
    """Adds up circular correlations of blocks where they overlap, `[S * B, f', *N]` to `[S, f', *m]`.

    A block's correlation starts k - 1 samples before the block: there the circular one wraps around to
    its end, and belongs to the end of the block before.
    """
    axes = len(n)
    counts = [-(-size // t) for size, t in zip(n, training.blocks, strict=True)]
    y = y.reshape(samples, *counts, *y.shape[1:])
    for i in range(axes):
        count, t = counts[i], training.blocks[i]
        axis = y.ndim - axes + i
        main = jax.lax.slice_in_dim(y, 0, t, axis=axis)
        if count > 1 and k[i] > 1:
            size = y.shape[axis]
            tail = jax.lax.slice_in_dim(y, size - k[i] + 1, size, axis=axis)
            tail = jax.lax.slice_in_dim(tail, 1, count, axis=1 + i)
            room = [(0, 0, 0)] * y.ndim
            room[1 + i], room[axis] = (0, 1, 0), (t - k[i] + 1, 0, 0)
            main = main + jax.lax.pad(tail, jnp.zeros((), y.dtype), room)
        y = main
    # [S, *B, f', *t] to [S, f', *(B, t)]
    order = [0, 1 + axes, *(at for i in range(axes) for at in (1 + i, 2 + axes + i))]
    y = y.transpose(order)
    y = y.reshape(*y.shape[:2], *(c * t for c, t in zip(counts, training.blocks, strict=True)))
    valid = [slice(0, size - kernel + 1, by) for size, kernel, by in zip(n, k, s, strict=True)]
    return y[(..., *valid)]
