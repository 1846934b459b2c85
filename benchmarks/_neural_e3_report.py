"""Tables and pictures of `benchmarks/neural_e3.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks import _harness
from benchmarks import _neural_e3_tasks as tasks
from benchmarks._neural_e3_tasks import horizon
from jaxrl_suite.runner import stats
from jaxrl_suite.runner.errors import RunError

Runs = dict[str, dict[str, dict[str, Any]]]  # task -> arm -> record


def read(runs: Path, beside: Path | None = None) -> Runs:
    """Every record there is; of those in the earlier report `beside` what was not run again.

    Raises:
      RunError: when there is none.
    """
    found: Runs = {}
    earlier = json.loads(beside.read_text())["runs"].values() if beside else []
    records = [record for arms in earlier for record in arms]
    records += [json.loads(path.read_text()) for path in sorted(runs.glob("*/*.json"))]
    for record in records:
        name = tasks.named(record["arm"], record["options"])
        found.setdefault(record["task"], {})[name] = record
    if not found:
        raise RunError(f"{runs} holds no runs: *.json of `jaxrl bench neural_e3 run`")
    return dict(sorted(found.items(), key=lambda item: (not tasks.is_lock(item[0]), size(item[0]))))


def size(task: str) -> tuple[str, int]:
    """Kind and number of a name, to sort by."""
    kind, _, number = task.partition("?")[0].rpartition("-")
    return kind, int(number.lstrip("Hv"))


def reached(record: dict[str, Any]) -> list[int | None]:
    """For each seed the real steps after which evaluated episodes first had the good return."""
    good = np.asarray(record["returns"]) >= tasks.good(record["task"])  # [points, seeds]
    steps = np.asarray(record["steps"])
    return [int(steps[seed.argmax()]) if seed.any() else None for seed in good.T]


def shown(values: list[int | None], budget: int) -> str:
    """Median over seeds, those who never got there counted as the last, and how many got there."""
    numbers = [np.inf if value is None else value for value in values]
    middle = float(np.median(numbers))
    share = f"{sum(value is not None for value in values)} of {len(values)}"
    return f"> {budget:,} ({share})" if np.isinf(middle) else f"{middle:,.0f} ({share})"


def curves(found: Runs) -> Figure:
    """Return of evaluated episodes against real episodes, a panel a task."""
    columns = min(4, len(found))
    rows = -(-len(found) // columns)
    chart = Figure(figsize=(4.0 * columns, 3.4 * rows), layout="constrained")
    FigureCanvasAgg(chart)
    panels = chart.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(found) :]:
        axes.set_axis_off()
    for axes, (task, arms) in zip(panels, found.items(), strict=False):
        for i, (arm, record) in enumerate(sorted(arms.items())):
            x = np.asarray(record["steps"]) / horizon(task)
            values = np.asarray(record["returns"]).T
            low, high = stats.interval(values, resamples=500)
            axes.plot(x, values.mean(0), f"C{i}", label=arm)
            axes.fill_between(x, low, high, color=f"C{i}", alpha=0.2, linewidth=0)
        axes.set_xscale("log")
        axes.set_title(task, fontsize="medium")
        axes.set_xlabel("real episodes")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="x-small")
    return chart


def exploration(found: Runs) -> Figure:
    """Disagreement over time, and the share of real episodes alive after each step of a lock."""
    locks = [task for task in found if tasks.is_lock(task) and "neural_e3" in found[task]]
    chart = Figure(figsize=(12.0, 2.6 * len(locks)), layout="constrained")
    FigureCanvasAgg(chart)
    for row, task in zip(chart.subplots(len(locks), 3, squeeze=False), locks, strict=True):
        record = found[task]["neural_e3"]
        x = np.asarray(record["steps"]) / horizon(task)
        row[0].plot(x, np.asarray(record["disagreement"]), alpha=0.7)
        row[0].set_title(f"{task}: disagreement of plans, a line a seed", fontsize="small")
        row[0].set_xlabel("real episodes")
        for axes, arm in zip(row[1:], ("neural_e3", "uniform"), strict=True):
            record = found[task].get(arm, {})
            if "alive" not in record:
                axes.set_axis_off()
                continue
            axes.set_title(f"{arm}: share of episodes alive after a step", fontsize="small")
            extent = (0, horizon(task), record["steps"][-1] // horizon(task), 0)
            axes.imshow(record["alive"], aspect="auto", vmin=0, vmax=1, extent=extent)
            axes.set(xlabel="step of the lock", ylabel="real episode")
    return chart


def report(runs: Path, out: Path, beside: Path | None = None) -> None:
    """Table, numbers and pictures in `out` from what is in `runs`, and in the report `beside`."""
    found = read(runs, beside)
    out.mkdir(parents=True, exist_ok=True)
    curves(found).savefig(out / "curves.png", dpi=100)
    if any(tasks.is_lock(task) and "neural_e3" in arms for task, arms in found.items()):
        exploration(found).savefig(out / "exploration.png", dpi=80)
    rows = []
    for task, arms in found.items():
        for arm, record in sorted(arms.items()):
            budget = record["steps"][-1]
            final = np.asarray(record["returns"])[-1]
            rows.append(
                [task, arm, f"{budget:,}", shown(record["first_success"], budget),
                 shown(reached(record), budget), f"{final.mean():.2f}"]
            )  # fmt: skip
    _harness.write(
        "neural_e3",
        title="Neural-E3 on stochastic locks, control and mazes",
        header=["task", "arm", "steps", "to first success", "to a good return", "final return"],
        rows=rows,
        notes="Steps of a seed in the real task: median over seeds (seeds that got there). On locks "
        "success is a return above 1, that is the prize, and a good mean return 4; on MountainCar and "
        "Acrobot the goal, and -130 and -120; in mazes, one for each seed, the goal, and a greedy "
        "policy that arrives. The return is that of evaluated episodes, which are not counted, every "
        "twentieth or so of the budget. `uniform` is Neural-E3 with random actions in the place of "
        "exploration. On locks DQN and PPO see the step of the episode, which Neural-E3's models and "
        "DQN are told; in Acrobot they see what is not scaled. ![curves](curves.png) "
        "![exploration](exploration.png)",
        data={"runs": {task: list(arms.values()) for task, arms in found.items()}},
        folder=out,
    )
