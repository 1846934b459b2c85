"""Pictures and table rows of `benchmarks/loss_surfaces.py`."""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.optimize import curve_fit

from experiments.loss_surfaces import Config
from jaxrl_suite.landscape import complexity

Found = dict[str, np.ndarray]


def spins_figure(found: list[tuple[Config, Found]]) -> Figure:
    """Histograms of final energies, a panel an order, with theory's band."""
    orders = sorted({config.order for config, _ in found})
    chart = Figure(figsize=(5.0 * len(orders), 3.8), layout="constrained")
    FigureCanvasAgg(chart)
    for axes, p in zip(chart.subplots(1, len(orders), squeeze=False)[0], orders, strict=True):
        for config, ends in found:
            if config.order == p and config.method is None:
                axes.hist(
                    ends["energy"].ravel(),
                    60,
                    density=True,
                    histtype="step",
                    label=f"N = {config.size}",
                )
        axes.axvline(-complexity.threshold(p), color="black", label=r"$-E_\infty$")
        if p > 2:
            axes.axvline(-complexity.level(0, p), color="black", linestyle="--", label="$-E_0$")
        axes.set_title(f"p = {p}", fontsize="medium")
        axes.set_xlabel("energy per spin at the end of the descent")
        axes.legend(fontsize="small")
    return chart


def networks_figure(found: list[tuple[Config, Found]]) -> Figure:
    """Test losses, and how they go with training losses."""
    chart = Figure(figsize=(10.0, 3.8), layout="constrained")
    FigureCanvasAgg(chart)
    left, right = chart.subplots(1, 2)
    for config, ends in found:
        label = f"{config.hidden} hidden"
        left.hist(ends["test"].ravel(), 40, density=True, histtype="step", label=label)
        right.plot(ends["train"].ravel(), ends["test"].ravel(), ".", markersize=2, label=label)
    left.set_xlabel("test loss")
    right.set_xlabel("training loss")
    right.set_ylabel("test loss")
    right.set_xscale("log")
    left.legend(fontsize="small")
    return chart


def spins_row(config: Config, ends: Found) -> list[str]:
    """Deviations are within a surface, averaged over surfaces."""
    energy, p = ends["energy"], config.order
    band = -complexity.threshold(p)
    within = energy.std(axis=1).mean()
    low = -complexity.level(0, p) if p > 2 else float("nan")
    inside = ((energy <= band) & (energy >= low)).mean() if p > 2 else float("nan")
    return [
        f"spins, p = {p}, N = {config.size}, {config.method or 'gradient'}",
        str(energy.size),
        f"{energy.mean():.4f}",
        f"{within:.4f}",
        f"{energy.max():.3f}",
        f"{band:.4f}, {low:.4f}",
        f"{inside:.2f}",
        f"{ends['index'].mean() / config.size:.4f}",
        f"{(ends['index'] == 0).mean():.3f}",
        f"{np.median(ends['slope']):.0e}",
    ]


def limit(spins: list[tuple[Config, Found]]) -> tuple[float, float, float]:
    """Mean energy of endless systems by e + b N^-c through p = 3's sizes; 95% bootstrap of surfaces."""
    found = [x for x in spins if x[0].order == 3 and x[0].method is None]
    sizes = np.asarray([config.size for config, _ in found], float)
    means = np.stack([ends["energy"].mean(1) for _, ends in found])
    surfaces = means.shape[1]
    error = means.std(1, ddof=1) / np.sqrt(surfaces)

    def law(n: np.ndarray, e: float, b: float, c: float) -> np.ndarray:
        return e + b * n**-c

    def fit(values: np.ndarray) -> float:
        first = (-1.6, 1.0, 0.6)
        return float(curve_fit(law, sizes, values, first, error, maxfev=20_000)[0][0])

    rng = np.random.default_rng(0)
    picks = rng.integers(surfaces, size=(500, *means.shape))
    drawn = [fit(np.take_along_axis(means, pick, 1).mean(1)) for pick in picks]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return fit(means.mean(1)), float(low), float(high)


def curvature_row(config: Config, ends: Found) -> list[str]:
    """Losses and indices of one width at one time."""
    epochs = config.num_updates * config.steps * config.batch_size / 1438
    return [
        str(config.hidden),
        f"{epochs:.0f}",
        f"{ends['train'].mean():.4f}",
        f"{ends['test'].mean():.4f}",
        " ".join(f"{v:.4f}" for v in ends["index_exact"][0]),
        " ".join(f"{v:.4f}" for v in ends["index_fine"][0]),
    ]


def network_row(config: Config, ends: Found) -> list[str]:
    """Of the first surface's runs."""
    train, test = ends["train"][0], ends["test"][0]
    rho = float(np.corrcoef(train, test)[0, 1])
    return [
        f"{config.hidden}, {config.method or 'sgd'}",
        str(len(test)),
        f"{train.mean():.4f}",
        f"{test.mean():.4f}",
        f"{test.std():.4f}",
        f"{test.max():.3f}",
        f"{rho:.3f}",
        " ".join(f"{v:.4f}" for v in ends["index_exact"][0]),
        " ".join(f"{v:.4f}" for v in ends["index_lanczos"][0]),
    ]
