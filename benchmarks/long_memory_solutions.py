"""How well the weights written by hand solve the long-memory tasks, over delays and sizes.

    jaxrl bench long_memory_solutions

Nothing is trained. Rings and the single adding unit are exact for any delay up to rounding; the paper's
clocks are right with a probability that grows with their number and does not fall with the delay.
Written to `docs/results/long_memory/`.
"""

from __future__ import annotations

import argparse
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks import _harness
from jaxrl_suite.data import long_memory
from jaxrl_suite.networks import long_memory_solutions as solutions

DELAYS = (100, 500, 1000, 5000)
FEATURES = (16, 32, 64, 128, 192, 256, 512)
CLOCK_DELAYS = (100, 500, 1000)


def recalled(weights: solutions.Weights, delay: int, number: int, linear: bool) -> dict[str, float]:
    """Shares of symbols, of whole sequences and of all steps that are right."""
    batch = long_memory.copy(jax.random.key(1), number, delay)
    activation = (lambda x: x) if linear else jax.nn.relu
    right = jnp.argmax(solutions.run(weights, batch.x, activation), -1) == batch.y
    symbols = (right & batch.recall).sum() / batch.recall.sum()
    return {
        "symbols": float(symbols),
        "sequences": float(jnp.all(right | ~batch.recall, 0).mean()),
        "steps": float(right.mean()),
    }


def clocks(features: int, delay: int, draws: int, number: int) -> dict[str, float]:
    """The same of clocks of random speeds, the mean over draws of them."""
    found = [
        recalled(
            solutions.copy_by_clocks(jax.random.key(i), features, delay), delay, number, linear=True
        )
        for i in range(draws)
    ]
    return {name: float(np.mean([f[name] for f in found])) for name in found[0]}


def figure(found: dict[int, dict[int, dict[str, float]]]) -> Figure:
    """Shares over the number of clocks, a line a delay."""
    chart = Figure(figsize=(5.5, 3.8), layout="constrained")
    FigureCanvasAgg(chart)
    axes = chart.subplots()
    for i, (delay, row) in enumerate(found.items()):
        for name, style in (("symbols", "-"), ("sequences", "--")):
            label = f"{name}, T = {delay}"
            axes.plot(list(row), [r[name] for r in row.values()], f"C{i}{style}", label=label)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("units of the clocks")
    axes.set_ylabel("share right")
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)
    return chart


def main(argv: list[str] | None = None) -> None:
    """Runs, prints, draws and writes."""
    parser = argparse.ArgumentParser(prog="jaxrl bench long_memory_solutions", description=__doc__)
    parser.add_argument("--sequences", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=5, help="of clocks, 100 sequences each")
    options = _harness.parse(parser, argv)
    folder = options.out / "long_memory"
    folder.mkdir(parents=True, exist_ok=True)
    rows, data = [], {}
    for delay in DELAYS:
        number = max(10, options.sequences * 100 // delay)
        sums = long_memory.addition(jax.random.key(0), number, delay)
        added = solutions.run(solutions.addition(), sums.x)[-1, :, 0]
        error = float(jnp.abs(added - sums.y).max())
        rings = recalled(solutions.copy_by_registers(delay), delay, number, linear=False)
        data[delay] = {"sequences": number, "addition": error, "rings": rings}
        rows += [
            ["addition, one unit", "1", f"{delay}", f"largest error {error:.0e}"],
            ["copy, rings", "91", f"{delay}", f"{100 * rings['steps']:.2f}% of all steps right"],
        ]
        print(rows[-2:], flush=True)
    found: dict[int, dict[int, dict[str, float]]] = {}
    for delay in CLOCK_DELAYS:
        found[delay] = {}
        for features in FEATURES:
            found[delay][features] = clocks(features, delay, options.draws, 100)
            shares = found[delay][features]
            text = (
                f"{100 * shares['symbols']:.1f}% of symbols, {100 * shares['sequences']:.1f}% of "
            )
            rows.append(["copy, clocks", f"{features + 11}", f"{delay}", text + "sequences right"])
            print(rows[-1], flush=True)
    figure(found).savefig(folder / "clocks.png", dpi=110)
    record: dict[str, Any] = {"exact": data, "clocks": found}
    _harness.write(
        "long_memory_solutions",
        title="Long memory by hand",
        header=["solution", "units", "T", "result"],
        rows=rows,
        notes=f"Copy of 10 of 8 symbols. Clocks: means of {options.draws} draws of 100 sequences each. "
        "![clocks](clocks.png)",
        data=record,
        folder=folder,
    )


if __name__ == "__main__":
    main()
