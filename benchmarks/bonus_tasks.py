"""Bonuses over many tasks: interquartile means of a sweep of `e3b` (or `ppo`) over environments.

    jaxrl bench bonus_tasks SWEEP... [--out docs/results/bonus_tasks]

SWEEP... are folders of `jaxrl sweep e3b --grid env=... --grid bonus=... --grid coefficient=...`
(`benchmarks/results_bonus_tasks.sh` has the commands). A bonus has one coefficient for all tasks: of
the swept ones that with the best mean over tasks. Intervals resample the seeds of every task
(stratified bootstrap, Agarwal et al., NeurIPS 2021). A bonus is any expression, sums too
(`e3b+0.1*noveld`). Where its best coefficient is the smallest or largest that was swept, a line says so:
the grid should go on there. "Final" is the share of episodes solved over the
last tenth of training, "all along" its mean over the whole of it: how soon a bonus gets there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks import _harness
from jaxrl_suite.runner import stats
from jaxrl_suite.runner.curves import Curves

METRIC = "solved"
MEASURES = ("final", "all along")
Scores = dict[str, dict[float, dict[str, dict[str, np.ndarray]]]]
"""bonus -> coefficient -> measure -> environment -> `[seeds]`."""


def read(folders: list[Path]) -> Scores:
    """Scores of every finished cell.

    Raises:
      RunError: for a folder without cells.
    """
    scores: Scores = {}
    for folder in folders:
        for cell in _harness.cells(folder):
            curves = Curves.read(cell)
            bonus, env = curves.config["bonus"], curves.config["env"]
            coefficient = 0.0 if bonus == "none" else curves.config["coefficient"]
            if curves.config.get("intrinsic_discount") is not None:
                bonus += ", own value"
            by_measure = scores.setdefault(bonus, {}).setdefault(coefficient, {})
            values = {
                "final": np.nan_to_num(curves.final(METRIC)),
                "all along": np.nan_to_num(curves.metrics[METRIC]).mean(axis=1),
            }
            for measure in MEASURES:
                by_measure.setdefault(measure, {})[env] = values[measure]
    return scores


def reported(path: Path) -> Scores:
    """Scores that an earlier call wrote to its `bonus_tasks.json`."""
    return {
        bonus: {
            float(coefficient): {
                measure: {env: np.array(values) for env, values in by_env.items()}
                for measure, by_env in by_measure.items()
            }
            for coefficient, by_measure in by_coefficient.items()
        }
        for bonus, by_coefficient in json.loads(path.read_text())["solved"].items()
    }


def joined(earlier: Scores, new: Scores) -> Scores:
    """Both, a bonus with the coefficients of either and these with the tasks of either.

    What both have is the newer one's.
    """
    return _harness.merged(earlier, new)


def at_an_end(by_coefficient: dict[float, Any], best: float) -> bool:
    """Whether a grid of coefficients might hold a better one beyond its end."""
    return len(by_coefficient) > 1 and best in (min(by_coefficient), max(by_coefficient))


def iqm(by_env: dict[str, np.ndarray]) -> tuple[float, float, float]:
    """Interquartile mean over all runs of all tasks, and its 95% interval."""
    rng = np.random.default_rng(0)
    groups = list(by_env.values())
    samples = [
        stats.iqm(np.concatenate([rng.choice(group, len(group)) for group in groups]))
        for _ in range(2000)
    ]
    low, high = np.quantile(samples, [0.025, 0.975])
    return float(stats.iqm(np.concatenate(groups))), float(low), float(high)


def chosen(scores: Scores) -> dict[str, float]:
    """The coefficient of each bonus: best mean over tasks, all along to break ties.

    Those that have been on fewer tasks than another are left out, as tasks are not equally hard.
    """

    def quality(by_measure: dict[str, dict[str, np.ndarray]]) -> float:
        final, along = (np.mean(list(by_measure[m].values())) for m in MEASURES)
        return float(final + 0.1 * along)

    best = {}
    for bonus, by_coefficient in scores.items():
        tasks = {c: len(by_measure[MEASURES[0]]) for c, by_measure in by_coefficient.items()}
        whole = [c for c, number in tasks.items() if number == max(tasks.values())]
        best[bonus] = max(whole, key=lambda c: quality(by_coefficient[c]))
    return best


def figure(results: dict[str, dict[str, tuple[float, float, float]]]) -> Figure:
    """Points with intervals, a panel a measure, a line a bonus."""
    chart = Figure(figsize=(9.0, 0.5 * len(results) + 1.4), layout="constrained")
    FigureCanvasAgg(chart)
    panels = chart.subplots(1, len(MEASURES), sharey=True)
    names = list(results)
    for axes, measure in zip(panels, MEASURES, strict=True):
        for i, name in enumerate(names):
            middle, low, high = results[name][measure]
            axes.plot([low, high], [i, i], color=f"C{i}", linewidth=5, alpha=0.4)
            axes.plot([middle], [i], "o", color=f"C{i}")
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_title(f"solved, {measure}: IQM over tasks", fontsize="medium")
        axes.set_xlim(-0.02, 1.02)
        axes.grid(axis="x", alpha=0.3)
    return chart


def main(argv: list[str] | None = None) -> None:
    """Reads the sweeps and writes picture and table."""
    parser = argparse.ArgumentParser(prog="jaxrl bench bonus_tasks", description=__doc__)
    parser.add_argument("sweeps", nargs="+", type=Path, help="folders of sweeps")
    parser.add_argument(
        "--beside", type=Path, help="bonus_tasks.json of earlier sweeps, to go in, too"
    )
    parser.add_argument("--out", type=Path, default=_harness.results() / "bonus_tasks")
    options = parser.parse_args(argv)

    earlier = reported(options.beside) if options.beside else {}
    scores = joined(earlier, read(options.sweeps))
    best = chosen(scores)
    for bonus in (b for b in scores if at_an_end(scores[b], best[b])):
        print(f"{bonus}: {best[bonus]:g} is an end of its grid {sorted(scores[bonus])}")
    picked = {bonus: scores[bonus][best[bonus]] for bonus in scores}
    results = {b: {m: iqm(picked[b][m]) for m in MEASURES} for b in picked}
    results = dict(sorted(results.items(), key=lambda item: -item[1]["final"][0]))
    tasks = sorted({env for bonus in picked.values() for env in bonus["final"]})
    rows = []
    for bonus, by_measure in results.items():
        shown = [f"{m:.2f} ({low:.2f} to {high:.2f})" for m, low, high in by_measure.values()]
        each = [f"{picked[bonus]['final'][env].mean():.2f}" for env in tasks]
        swept = f" of {len(scores[bonus])}" if len(scores[bonus]) > 1 else ""
        coefficient = "-" if bonus == "none" else f"{best[bonus]:g}{swept}"
        rows.append([f"`{bonus}`", coefficient, *shown, *each])
    options.out.mkdir(parents=True, exist_ok=True)
    figure(results).savefig(options.out / "iqm.png", dpi=110)
    data: dict[str, Any] = {
        "coefficients": best,
        "iqm": results,
        "solved": {
            bonus: {
                str(coefficient): {
                    measure: {env: v.tolist() for env, v in by_env.items()}
                    for measure, by_env in by_measure.items()
                }
                for coefficient, by_measure in by_coefficient.items()
            }
            for bonus, by_coefficient in scores.items()
        },
        "sweeps": (json.loads(options.beside.read_text())["sweeps"] if earlier else [])
        + _harness.commands(options.sweeps),
    }
    _harness.write(
        "bonus_tasks",
        title="Exploration bonuses over tasks",
        header=["bonus", "coefficient", *(f"IQM, {m}" for m in MEASURES), *tasks],
        rows=rows,
        notes="Share of episodes solved; interquartile means over all runs of all tasks with 95% "
        "stratified bootstrap intervals, then final means of each task. ![IQM](iqm.png)",
        data=data,
        folder=options.out,
    )


if __name__ == "__main__":
    main()
