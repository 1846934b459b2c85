"""HOMER's pictures: episodes against the horizon, and what an abstraction makes of true states."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

Needed = dict[str, dict[int, np.ndarray]]  # arm -> H -> [seeds] episodes, infinite without success


def exponent(needed: dict[int, np.ndarray]) -> tuple[float, float]:
    """Slope and intercept of log(median episodes) on log(H), over horizons that were solved; NaN for
    fewer than two of them.
    """
    known = {h: np.median(e) for h, e in needed.items() if np.isfinite(np.median(e))}
    if len(known) < 2:
        return float("nan"), float("nan")
    slope, offset = np.polyfit(np.log(list(known)), np.log(list(known.values())), 1)
    return float(slope), float(offset)


def episodes_figure(needed: Needed, caps: dict[str, dict[int, int]]) -> Figure:
    """Episodes to success against the horizon; a cross where most seeds fail within the cap."""
    chart = Figure(figsize=(7.0, 4.8), layout="constrained")
    FigureCanvasAgg(chart)
    axes = chart.subplots()
    for i, (arm, by_horizon) in enumerate(needed.items()):
        horizons = sorted(by_horizon)
        medians = np.asarray([np.median(by_horizon[h]) for h in horizons])
        finite = np.isfinite(medians)
        solved_at = [h for h, ok in zip(horizons, finite, strict=True) if ok]
        ends = [
            [e[np.isfinite(e)].min(), e[np.isfinite(e)].max()]
            for e in (by_horizon[h] for h in solved_at)
        ]
        low, high = np.array(ends).reshape(-1, 2).T
        spread = [medians[finite] - low, high - medians[finite]]
        axes.errorbar(
            solved_at, medians[finite], np.maximum(spread, 0), fmt=f"C{i}o-", capsize=3, label=arm
        )
        shift = 1.0 + 0.025 * i
        for h in (h for h, ok in zip(horizons, finite, strict=True) if not ok):
            count = int(np.isfinite(by_horizon[h]).sum())
            axes.plot(h * shift, caps[arm][h] * shift**3, f"C{i}x", markersize=8)
            axes.annotate(
                f"{count}/{len(by_horizon[h])}",
                (h * shift, caps[arm][h] * shift**3),
                textcoords="offset points",
                xytext=(5, 3),
                fontsize="xx-small",
                color=f"C{i}",
            )
    if "HOMER" in needed:
        slope, offset = exponent(needed["HOMER"])
        grid = np.array(sorted(needed["HOMER"]), float)
        axes.plot(grid, np.exp(offset) * grid**slope, "k:", label=f"$H^{{{slope:.2f}}}$")
    grid = np.array([3, 6])
    axes.plot(grid, 10.0**grid, color="grey", linestyle="--", label="$10^H$, uniform actions")
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = sorted({h for by_horizon in needed.values() for h in by_horizon})
    axes.set_xticks(ticks, [str(h) for h in ticks])
    axes.minorticks_off()
    axes.set_xlabel("horizon H of the diabolical lock")
    axes.set_ylabel("episodes to half of V*")
    axes.set_title(
        "median and range over seeds; x: fails within so many episodes", fontsize="small"
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small")
    return chart


def abstraction_figure(found: dict[str, np.ndarray], names: tuple[str, ...], title: str) -> Figure:
    """Of the first seed: which code each true state gets, and where each homing policy leads."""
    chart = Figure(figsize=(8.0, 4.6), layout="constrained")
    FigureCanvasAgg(chart)
    joint, visits = found["joint"][0], found["visits"][0]
    codes = joint.shape[1]
    panels = chart.subplots(2, codes, squeeze=False)
    by_place = joint / np.maximum(joint.sum(1, keepdims=True), 1e-12)
    for code in range(codes):
        for axes, values, what in (
            (panels[0, code], by_place[:, code].T, f"share with code {code}"),
            (panels[1, code], visits[:, code].T, f"homing policy {code}: share of visits"),
        ):
            shown = axes.imshow(values, aspect="auto", vmin=0, vmax=1, cmap="viridis")
            axes.set_yticks(range(len(names)), names)
            axes.set_title(what, fontsize="small")
            first = 1 if axes is panels[0, code] else 0
            levels = range(0, values.shape[1], max(1, values.shape[1] // 8))
            axes.set_xticks(levels, [str(level + first) for level in levels], fontsize="small")
    for axes in panels[1]:
        axes.set_xlabel("step")
    chart.colorbar(shown, ax=panels, shrink=0.6)
    chart.suptitle(title, fontsize="medium")
    return chart
