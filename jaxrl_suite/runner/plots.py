"""Learning curves: a statistic over seeds with its bootstrap interval, one line a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jaxrl_suite.runner import stats
from jaxrl_suite.runner.curves import Curves

LINES = ("-", "--", ":", "-.")  # ten colours each


def draw(axes: Any, metric: str, runs: Mapping[str, Curves], aggregate: str) -> None:
    """One metric of several runs on matplotlib `axes`."""
    statistic = stats.STATISTICS[aggregate]
    for i, (label, curves) in enumerate(runs.items()):
        if metric not in curves.metrics:
            continue
        steps, values = curves.filled(metric)
        if not len(steps):
            continue
        colour, style = f"C{i % 10}", LINES[i // 10 % len(LINES)]
        middle = statistic(values)
        low, high = stats.interval(values, statistic, resamples=1000)
        spread = bool(np.isfinite(low).all())
        if np.isfinite(curves.metrics[metric]).any(axis=0).sum() == 1:  # a final evaluation, say
            error = np.stack([middle - low, high - middle]) if spread else None
            axes.errorbar(
                steps, middle, yerr=error, color=colour, label=label, marker="o", capsize=4
            )
            continue
        axes.plot(steps, middle, color=colour, linestyle=style, label=label, linewidth=1.5)
        if spread:
            axes.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.set_title(metric, fontsize="medium")
    axes.set_xlabel("environment steps")
    axes.grid(alpha=0.3)
    axes.ticklabel_format(axis="x", style="sci", scilimits=(0, 4))


def figure(metrics: Sequence[str], runs: Mapping[str, Curves], aggregate: str = "mean") -> Figure:
    """A grid of learning curves with one legend, as large as all runs need.

    What the names of all runs share is their title, not part of each.
    """
    columns = min(len(metrics), 3 if len(metrics) != 4 else 2)
    rows = math.ceil(len(metrics) / columns)
    shared, runs = without_shared(runs)
    legend = 0.09 * max(len(label) for label in runs) + 0.6, 0.19 * len(runs) + 0.4  # inches
    width = max(5.0 * columns, legend[0])
    chart = Figure(figsize=(width, 3.2 * rows + legend[1]), layout="constrained")
    FigureCanvasAgg(chart)
    grid = chart.subplots(rows, columns, squeeze=False)
    for i, axes in enumerate(grid.flat):
        if i < len(metrics):
            draw(axes, metrics[i], runs, aggregate)
        else:
            axes.set_visible(False)
    handles: dict[str, Any] = {}
    for axes in grid.flat:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    seeds = sorted({len(curves.seeds) for curves in runs.values()})
    counted = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    spread = ", 95% bootstrap interval" if seeds[-1] > 1 else ""
    name = {"mean": "mean", "iqm": "interquartile mean"}[aggregate]
    if shared:
        chart.suptitle(shared, fontsize="medium")
    chart.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        title=f"{name} over {counted} seed{'s' if seeds[-1] > 1 else ''}{spread}",
        fontsize="small",
        title_fontsize="small",
    )
    return chart


def without_shared(runs: Mapping[str, Curves]) -> tuple[str, dict[str, Curves]]:
    """The words that the labels of several runs have in common, and the runs by the others."""
    words = [label.split() for label in runs]
    shared = [word for word in words[0] if all(word in other for other in words)]
    rest = [" ".join(word for word in label if word not in shared) for label in words]
    if not all(rest) or len(set(rest)) < len(rest):
        return "", dict(runs)
    return " ".join(shared), dict(zip(rest, runs.values(), strict=True))


def write_run(folder: Path, curves: Curves, headline: Sequence[str], aggregate: str) -> list[Path]:
    """A run's own plots: one file a headline metric, and `all.png` with every metric."""
    folder.mkdir(parents=True, exist_ok=True)
    with_values = [m for m, v in curves.metrics.items() if np.isfinite(v).any()]
    runs = {label(curves): curves}
    written = []
    for metric in [m for m in headline if m in with_values]:
        path = folder / f"{metric.replace('/', '_')}.png"
        figure([metric], runs, aggregate).savefig(path, dpi=120)
        written.append(path)
    if with_values:
        ordered = [m for m in headline if m in with_values]
        ordered += [m for m in with_values if m not in ordered]
        path = folder / "all.png"
        figure(ordered, runs, aggregate).savefig(path, dpi=80)
        written.append(path)
    return written


def label(curves: Curves) -> str:
    """`experiment env`."""
    env = curves.config.get("env", "")
    return f"{curves.name} {env}".strip()
