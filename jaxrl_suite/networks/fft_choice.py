"""How to convolve: transform sizes and blocks by counting operations, Fourier or direct by a table.

The table (`fft_table.json`) holds log2(direct time / Fourier time) on a grid of shapes, once for the
output alone and once for a training step (output and both gradients); `jaxrl bench fft_conv --table`
measures it. Between its points it is interpolated linearly in the logarithms of the sizes. Kinds of
devices that are not in it convolve directly. Shapes that `fft_tuning.tune` has timed on this machine go
before the table.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import platformdirs
import scipy.fft

from envs.cores import usable_cores

PASSES = ("evaluation", "training")
AXES = ("samples", "inputs", "outputs", "size", "kernel")
TABLE = Path(__file__).with_name("fft_table.json")
# nanoseconds of a transform per N log2 N samples and of a complex product, in round numbers: only
# their ratio matters, and only to the size of blocks
_TRANSFORM, _PRODUCT = 0.4, 1.3
_BLOCK_SIZES = (8, 12, 16, 24, 32, 48, 64, 96, 128)


class Shapes(NamedTuple):
    """A valid correlation of one group: `[S, f, *n]` with `[f', f, *k]`."""

    samples: int
    inputs: int
    outputs: int
    size: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    groups: int = 1


class Plan(NamedTuple):
    """How to compute it.

    Attributes:
      sizes: N of the transforms, an axis each; () is the direct method.
      blocks: input samples of a block of overlap-add, an axis each.
    """

    sizes: tuple[int, ...]
    blocks: tuple[int, ...]


DIRECT = Plan((), ())


def choose(shapes: Shapes, method: str, block: int | None = None) -> tuple[Plan, Plan]:
    """Plans for the output alone, and for the output with gradients to follow.

    Args:
      shapes: of the correlation.
      method: "auto" or "fft".
      block: input samples an axis of a block, or None.

    Raises:
      ValueError: for a block smaller than the kernel allows.
    """
    fourier = plan(shapes, block)
    if method == "fft":
        return fourier, fourier
    for met in _collectors.get():
        met.setdefault(shapes)
    return tuple(  # type: ignore[return-value]
        fourier if _gain(shapes, passes) > 0 else DIRECT for passes in PASSES
    )


def _gain(shapes: Shapes, passes: str) -> float:
    timed = known().get(label(shapes))
    return gain(shapes, passes) if timed is None else timed[passes]


# of this thread or task only: tracing elsewhere is not listened to
_collectors: contextvars.ContextVar[tuple[dict[Shapes, None], ...]] = contextvars.ContextVar(
    "collectors", default=()
)


@contextlib.contextmanager
def collecting() -> Iterator[dict[Shapes, None]]:
    """Gathers the shapes for which `choose` is asked by "auto" inside the block."""
    met: dict[Shapes, None] = {}
    token = _collectors.set((*_collectors.get(), met))
    try:
        yield met
    finally:
        _collectors.reset(token)


def label(shapes: Shapes) -> str:
    """A shape as a key of the file of timed shapes."""
    sides = ("x".join(map(str, side)) for side in (shapes.size, shapes.kernel, shapes.strides))
    numbers = (shapes.samples, shapes.inputs, shapes.outputs, *sides, shapes.groups)
    return " ".join(map(str, numbers))


def known_path() -> Path:
    """Of the shapes timed on this kind of device with as many cores, in the user's cache folder."""
    cores = usable_cores()
    kind = "".join(c if c.isalnum() else "-" for c in jax.devices()[0].device_kind)
    name = (
        f"fft_conv-{kind}-{cores}.json"
        if jax.default_backend() == "cpu"
        else f"fft_conv-{kind}.json"
    )
    return platformdirs.user_cache_path("jaxrl-suite") / name


@functools.cache
def known() -> dict[str, dict[str, float]]:
    """Timed shapes by `label`, as `gain` by purpose; none where the file is missing or not readable."""
    try:
        found = json.loads(known_path().read_text())
        return {name: {p: float(gains[p]) for p in PASSES} for name, gains in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def plan(shapes: Shapes, block: int | None = None) -> Plan:
    """Transform sizes (products of 2, 3 and 5) and blocks with the fewest operations.

    Raises:
      ValueError: for a block smaller than the kernel allows.
    """
    least = max(shapes.kernel) - 1
    if block is not None:
        if block < max(least, 1):
            raise ValueError(
                f"block={block}: at least {max(least, 1)}, a kernel of {shapes.kernel}"
            )
        return _plan(shapes, block)
    blocks = [max(shapes.size), *(n - least for n in _BLOCK_SIZES if n - least >= max(least, 1))]
    return min((_plan(shapes, b) for b in blocks), key=lambda p: operations(shapes, p))


def _plan(shapes: Shapes, block: int) -> Plan:
    blocks = tuple(min(block, n) for n in shapes.size)
    # a block that is the whole axis needs no room: what wraps around is cut off
    room = [
        t if t == n else t + k - 1
        for t, n, k in zip(blocks, shapes.size, shapes.kernel, strict=True)
    ]
    return Plan(tuple(scipy.fft.next_fast_len(r, real=True) for r in room), blocks)


def operations(shapes: Shapes, plan: Plan) -> float:
    """Nanoseconds or so of one pass: transforms of three batches, and products at all frequencies."""
    count = math.prod(-(-n // t) for n, t in zip(shapes.size, plan.blocks, strict=True))
    samples, f, g = shapes.samples * count, shapes.inputs, shapes.outputs
    points = math.prod(plan.sizes)
    transforms = points * math.log2(max(points, 2)) * (samples * f + f * g + samples * g)
    return _TRANSFORM * transforms + _PRODUCT * points / 2 * samples * f * g


def gain(shapes: Shapes, passes: str = "training", table: dict[str, Any] | None = None) -> float:
    """log2(direct time / Fourier time) that the table gives for a shape; minus infinity if none.

    Kernels and inputs of one or three axes count as squares of the same area; a stride spares the
    direct method its share of the outputs.

    Args:
      shapes: of the correlation.
      passes: "evaluation" (the output alone) or "training" (with both gradients).
      table: `{"grid": {axis: sizes}, passes: values}`, the one of this kind of device by default.
    """
    table = tables().get(jax.default_backend()) if table is None else table
    if table is None:
        return -math.inf
    at = {
        "samples": shapes.samples,
        "inputs": shapes.inputs,
        "outputs": shapes.outputs,
        "size": _side(shapes.size),
        "kernel": _side(shapes.kernel),
    }
    corners = []
    for axis in AXES:
        grid = np.log2(table["grid"][axis])
        place = float(np.interp(np.log2(at[axis]), grid, np.arange(len(grid))))
        low = min(int(place), len(grid) - 1)
        high = min(low + 1, len(grid) - 1)
        corners.append([(low, 1 - (place - low)), (high, place - low)])
    values = np.asarray(table[passes], np.float64)
    found = sum(
        math.prod(weight for _, weight in corner) * values[tuple(i for i, _ in corner)]
        for corner in itertools.product(*corners)
    )
    return float(found) - math.log2(math.prod(shapes.strides))


def _side(sizes: tuple[int, ...]) -> float:
    """Side of a square with as many points."""
    return math.sqrt(math.prod(sizes))


@functools.cache
def tables() -> dict[str, Any]:
    """The measured tables, by kind of device (`jax.default_backend()`)."""
    return json.loads(TABLE.read_text()) if TABLE.is_file() else {}
