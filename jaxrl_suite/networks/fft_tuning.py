"""Timing both methods on the very shapes of a program, once a machine.

    fft_tuning.tune(train_step, state, batch)      # some seconds a new shape

`method="auto"` interpolates between the shapes of a table, and near the frontier that is a guess. This
traces a function, times every convolution in it by both methods, and keeps the results in the user's
cache folder, where `auto` looks before it looks at the table. A shape that is kept is not timed again.

Nothing is timed unless `tune` is called: timings differ from run to run, and with them which of two
methods, equal but for rounding, a run would use.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax

from jaxrl_suite.networks import fft_choice, fft_conv
from jaxrl_suite.networks.fft_choice import PASSES, Shapes

SECONDS, MOST = 0.3, 10  # of each method in all, and times `repeats` where they are quick


def tune(
    function: Callable[..., Any], *inputs: Any, repeats: int = 5
) -> dict[str, dict[str, float]]:
    """Times the convolutions of `function(*inputs)` that chose by `auto` and are not known yet.

    Args:
      function: to be traced, not run.
      inputs: arrays or `jax.ShapeDtypeStruct`s.
      repeats: of each measurement.

    Returns:
      log2(direct time / Fourier time) of each new shape by purpose, keys as in the file.
    """
    with fft_choice.collecting() as met:
        jax.eval_shape(function, *inputs)
    known = fft_choice.known()
    new = {s: fft_choice.label(s) for s in met if fft_choice.label(s) not in known}
    found = {name: measure(shapes, repeats) for shapes, name in new.items()}
    if found:
        keep(found)
    return found


def measure(shapes: Shapes, repeats: int = 5) -> dict[str, float]:
    """log2 of the median direct time over the median Fourier time, by purpose; float32."""
    return {
        passes: math.log2(statistics.median(times["direct"]) / statistics.median(times["fft"]))
        for passes, times in times_of(shapes, repeats).items()
    }


def times_of(shapes: Shapes, repeats: int) -> dict[str, dict[str, list[float]]]:
    """Seconds by purpose and method, the methods in turns, so that a busy moment hits both.

    Quick ones are repeated more often than `repeats`, since their timings differ most.
    """
    keys = jax.random.split(jax.random.key(0), 3)
    sides = (
        (shapes.samples, shapes.inputs * shapes.groups, *shapes.size),
        (shapes.outputs * shapes.groups, shapes.inputs, *shapes.kernel),
    )
    x, w = (jax.random.normal(key, side) for key, side in zip(keys, sides, strict=False))
    found: dict[str, dict[str, list[float]]] = {}
    for passes in PASSES:
        programs = {m: _program(shapes, passes, m) for m in ("direct", "fft")}
        y = jax.eval_shape(_convolution(shapes, "direct"), x, w)
        dy = jax.random.normal(keys[2], y.shape)
        times: dict[str, list[float]] = {method: [] for method in programs}
        for turn in range(MOST * repeats + 1):
            if turn > repeats and min(map(sum, times.values())) > SECONDS:
                break
            for method in sorted(programs, reverse=bool(turn % 2)):
                start = time.perf_counter()
                jax.block_until_ready(programs[method](x, w, dy))
                if turn:  # the first compiles
                    times[method].append(time.perf_counter() - start)
        found[passes] = times
    return found


def _convolution(shapes: Shapes, method: str) -> Callable[..., jax.Array]:
    def run(x: jax.Array, w: jax.Array) -> jax.Array:
        return fft_conv.conv_general_dilated(
            x, w, shapes.strides, "VALID", feature_group_count=shapes.groups, method=method
        )

    return run


def _program(shapes: Shapes, passes: str, method: str) -> Callable[..., Any]:
    convolve = _convolution(shapes, method)

    def run(x: jax.Array, w: jax.Array, dy: jax.Array) -> Any:
        if passes == "evaluation":
            return convolve(x, w)
        y, pull = jax.vjp(convolve, x, w)
        return y, *pull(dy)

    return jax.jit(run)


def keep(found: dict[str, dict[str, float]]) -> None:
    """Adds measurements to the file of this kind of device, in one step that cannot be half done."""
    path = fft_choice.known_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**fft_choice.known(), **found}, indent=1) + "\n"
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(text)
    os.replace(file.name, path)
    fft_choice.known.cache_clear()
