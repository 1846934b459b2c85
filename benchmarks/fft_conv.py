"""Fourier against direct convolution, a map of where which wins, and what keeping transforms saves.

    jaxrl bench fft_conv [--repeats 5]
    jaxrl bench fft_conv --table                  # also measures the table behind method="auto" again
    jaxrl bench fft_conv --experiments DIR...     # and draws runs of `jaxrl run fft_conv`

The direct convolution is `jax.lax.conv_general_dilated`. "Forward" is the output alone, "training" the
output and both gradients; float32, square valid convolutions. The shapes checked against are not among
the table's. What `auto` chooses is the same program as the method's own, so its time is the time of its
choice: from the table alone, and after `fft_tuning.tune`, whose timings are of their own. Written to
`docs/results/fft_conv/`.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks import _harness
from jaxrl_suite.networks import fft_choice, fft_conv, fft_tuning
from jaxrl_suite.networks.fft_choice import AXES, Shapes
from jaxrl_suite.runner import machine, plots
from jaxrl_suite.runner.curves import Curves

# samples, input maps, output maps, side of the input, side of the kernel
HELD_OUT = [
    (16, 16, 16, 32, 3),
    (16, 16, 16, 32, 5),
    (16, 16, 16, 32, 7),
    (16, 16, 16, 32, 11),
    (16, 16, 16, 32, 15),
    (16, 3, 32, 32, 5),
    (16, 32, 32, 32, 5),
    (16, 64, 64, 16, 5),
    (16, 64, 64, 32, 3),
    (16, 64, 64, 32, 7),
    (64, 96, 96, 16, 5),
    (4, 16, 16, 64, 5),
    (4, 16, 16, 64, 11),
    (4, 16, 16, 64, 17),
    (8, 1, 16, 64, 11),
]
GRID = {
    "samples": [4, 32],
    "inputs": [2, 12, 64],
    "outputs": [8, 16, 64],  # the direct method takes as long for 8 as for 16
    "size": [12, 24, 48, 80],
    "kernel": [3, 5, 7, 11, 17],
}
PASSES = ("evaluation", "training")
Candidate = Callable[[], Any]


def shapes(size: tuple[int, ...]) -> Shapes:
    """A square valid correlation."""
    s, f, g, n, k = size
    return Shapes(s, f, g, (n, n), (k, k), (1, 1))


def data(size: tuple[int, ...]) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Input, kernel and gradient of the output."""
    s, f, g, n, k = size
    keys = jax.random.split(jax.random.key(0), 3)
    m = n - k + 1
    sides = (s, f, n, n), (g, f, k, k), (s, g, m, m)
    x, w, dy = (jax.random.normal(key, side) for key, side in zip(keys, sides, strict=True))
    return x, w, dy


def candidate(size: tuple[int, ...], passes: str, method: str) -> Candidate:
    """A call of one pass or of a training step."""
    inputs = data(size)

    def forward(x: jax.Array, w: jax.Array) -> jax.Array:
        return fft_conv.conv_general_dilated(x, w, (1, 1), "VALID", method=method)

    @jax.jit
    def run(x: jax.Array, w: jax.Array, dy: jax.Array) -> Any:
        if passes == "evaluation":
            return forward(x, w)
        y, pull = jax.vjp(forward, x, w)
        return y, *pull(dy)

    return lambda: run(*inputs)


def without_reuse(size: tuple[int, ...]) -> Candidate:
    """Output and gradients as three programs of three batches of transforms each."""
    inputs = data(size)

    def passes(x: jax.Array, w: jax.Array, dy: jax.Array) -> Any:
        run = functools.partial(
            fft_conv.conv_general_dilated, window_strides=(1, 1), padding="VALID", method="fft"
        )
        y, pull = jax.vjp(run, x, w)
        return y, *pull(dy)

    each = [jax.jit(lambda x, w, dy, i=i: passes(x, w, dy)[i]) for i in range(3)]
    return lambda: [run(*inputs) for run in each]


def milliseconds(candidates: dict[str, Candidate], repeats: int) -> dict[str, list[float]]:
    """Times of each candidate, in turns; of quick ones more, since their timings differ most."""
    trial = _harness.interleave(candidates, 1)
    slowest = max(max(times) for times in trial.values())
    turns = min(max(repeats, int(fft_tuning.SECONDS / slowest)), fft_tuning.MOST * repeats)
    found = _harness.interleave(candidates, turns)
    return {name: [1e3 * t for t in times] for name, times in found.items()}


def measure(size: tuple[int, ...], repeats: int) -> dict[str, Any]:
    """Both methods and both purposes, `auto`, three separate passes, and errors."""
    result: dict[str, Any] = {"shape": size}
    tuned = fft_tuning.measure(shapes(size), repeats)
    for passes in PASSES:
        candidates = {m: candidate(size, passes, m) for m in ("direct", "fft")}
        if passes == "training":
            candidates["without reuse"] = without_reuse(size)
        times = milliseconds(candidates, repeats)
        ratio = [a / b for a, b in zip(times["direct"], times["fft"], strict=True)]
        medians = {name: float(np.median(t)) for name, t in times.items()}
        best = min(medians["direct"], medians["fft"])
        gains = {
            "auto": fft_choice.gain(shapes(size), passes),
            "tuned": tuned[passes],
        }
        result[passes] = {
            "milliseconds": {name: _harness.spread(t) for name, t in times.items()},
            "ratio": _harness.spread(ratio),
        }
        for name, value in gains.items():
            method = "fft" if value > 0 else "direct"
            result[passes][name] = method
            result[passes][f"{name}_to_best"] = medians[method] / best
        if passes == "training":
            saved = [a / b for a, b in zip(times["without reuse"], times["fft"], strict=True)]
            result[passes]["reuse"] = _harness.spread(saved)
    direct, fft = (candidate(size, "training", m)() for m in ("direct", "fft"))
    result["error"] = max(
        float(abs(a - b).max() / abs(a).max()) for a, b in zip(direct, fft, strict=True)
    )
    return result


def measure_table(repeats: int) -> dict[str, Any]:
    """log2(direct / Fourier) of medians on `GRID`, as `fft_table.json` keeps it."""
    values = {passes: np.zeros([len(GRID[axis]) for axis in AXES]) for passes in PASSES}
    for place in itertools.product(*(range(len(GRID[axis])) for axis in AXES)):
        size = tuple(GRID[axis][i] for axis, i in zip(AXES, place, strict=True))
        fits = size[-1] <= size[-2]
        for passes in PASSES:
            if not fits:  # no such kernel: as the next smaller one
                values[passes][place] = values[passes][*place[:-1], place[-1] - 1]
                continue
            both = {m: candidate(size, passes, m) for m in ("direct", "fft")}
            times = milliseconds(both, repeats)
            ratio = np.median(times["direct"]) / np.median(times["fft"])
            values[passes][place] = np.log2(ratio)
        if fits:
            print(*size, *(f"{2.0 ** values[p][place]:.2f}" for p in PASSES), flush=True)
    table = {passes: np.round(values[passes], 3).tolist() for passes in PASSES}
    where = {"machine": machine.describe(), "commit": machine.commit()}
    return {"grid": GRID, **table, **where, "command": "jaxrl bench fft_conv --table"}


def map_figure(table: dict[str, Any]) -> Figure:
    """Ratios over kernel and input size, a panel a batch and number of maps; frontiers at 1 and 2."""
    grid = table["grid"]
    values = np.asarray(table["training"])
    maps = [(0, 0), (1, 0), (1, 1), (2, 2)]  # positions of input and output maps
    chart = Figure(figsize=(3.1 * len(maps), 2.9 * len(grid["samples"])), layout="constrained")
    FigureCanvasAgg(chart)
    panels = chart.subplots(len(grid["samples"]), len(maps), squeeze=False)
    for row, samples in enumerate(grid["samples"]):
        for column, (f, g) in enumerate(maps):
            axes, ratio = panels[row][column], 2.0 ** values[row, f, g]
            shown = axes.imshow(
                np.log2(ratio), origin="lower", cmap="RdBu", vmin=-3, vmax=3, aspect="auto"
            )
            for (i, j), r in np.ndenumerate(ratio):
                axes.text(j, i, f"{r:.1f}", ha="center", va="center", fontsize="small")
            if ratio.min() < 2 < ratio.max():
                axes.contour(np.log2(ratio), [1.0], colors="black", linewidths=1.5)
            if ratio.min() < 1 < ratio.max():
                axes.contour(np.log2(ratio), [0.0], colors="grey", linestyles="--")
            axes.set_xticks(range(len(grid["kernel"])), grid["kernel"])
            axes.set_yticks(range(len(grid["size"])), grid["size"])
            axes.set_title(
                f"S = {samples}, {grid['inputs'][f]} to {grid['outputs'][g]} maps", fontsize="small"
            )
    panels[-1][0].set_xlabel("kernel side k")
    panels[-1][0].set_ylabel("input side n")
    bar = chart.colorbar(shown, ax=panels)
    bar.set_label("log2(direct time / Fourier time) of a training step; line: 2 times, dashes: 1")
    return chart


def curves_figure(folders: list[Path]) -> Figure:
    """Losses of `jaxrl run fft_conv`, one line a method."""
    runs = {str(c.config["method"]): c for c in map(Curves.read, folders)}
    return plots.figure(["loss", "train_accuracy"], runs)


def _row(result: dict[str, Any]) -> list[str]:
    cells = [" ".join(map(str, result["shape"]))]
    for passes in PASSES:
        times = result[passes]["milliseconds"]
        cells += [
            f"{times['direct']['median']:.1f}",
            f"{times['fft']['median']:.1f}",
            _harness.show_ratio(result[passes]["ratio"]),
            *(
                f"{result[passes][n]}, {result[passes][n + '_to_best']:.2f}"
                for n in ("auto", "tuned")
            ),
        ]
    return [*cells, _harness.show_ratio(result["training"]["reuse"]), f"{result['error']:.0e}"]


def main(argv: list[str] | None = None) -> None:
    """Measures, prints, draws and writes."""
    parser = argparse.ArgumentParser(prog="jaxrl bench fft_conv", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--table", action="store_true", help="measure the table of `auto` again")
    parser.add_argument("--experiments", type=Path, nargs="*", default=[], help="runs to draw")
    options = _harness.parse(parser, argv)
    folder = options.out / "fft_conv"
    folder.mkdir(parents=True, exist_ok=True)
    if options.table:
        kept = fft_choice.tables()
        table = {**kept, jax.default_backend(): measure_table(options.repeats)}
        fft_choice.TABLE.write_text(json.dumps(table) + "\n")
        fft_choice.tables.cache_clear()
    found = fft_choice.tables().get(jax.default_backend())
    if found is not None:
        map_figure(found).savefig(folder / "map.png", dpi=110)
    if options.experiments:
        curves_figure(options.experiments).savefig(folder / "curves.png", dpi=110)
    results = []
    for size in HELD_OUT:
        results.append(measure(size, options.repeats))
        print(" | ".join(_row(results[-1])), flush=True)
    times = ["direct, ms", "Fourier, ms", "ratio (min to max)"]
    times += ["auto, its time / the better's", "auto after tuning"]
    _harness.write(
        "fft_conv",
        title="Convolutions by Fourier transforms",
        header=[
            "S f f' n k",
            *(f"{name}: {what}" for name in ("forward", "training") for what in times),
            "without reuse / with",
            "error",
        ],
        rows=[_row(r) for r in results],
        notes=f"Median of {options.repeats} interleaved repeats (up to {fft_tuning.MOST} times as many "
        "of quick ones), float32. Ratios are direct / Fourier, "
        "within a repeat; a training step is the output and both gradients. Reuse: the same passes as "
        "three programs, which transform everything they need themselves (nine batches, not six). "
        "Error: largest difference over the largest value, output and gradients. The map shows the "
        "table behind `auto`, which none of the shapes above is part of; after `fft_tuning.tune` it "
        "goes by timings of the shape itself, made apart from those shown. "
        "![where Fourier wins](map.png)"
        + (" ![the same network by both methods](curves.png)" if options.experiments else ""),
        data={"options": {"repeats": options.repeats}, "results": results},
        folder=folder,
    )


if __name__ == "__main__":
    main()
