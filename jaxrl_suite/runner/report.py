"""`jaxrl report DIR...`: learning curves and final values of several runs side by side."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console

from envs.suggest import hint
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.runner import divergence, finish, folder, swept
from jaxrl_suite.runner.atomic import replacing
from jaxrl_suite.runner.curves import Curves
from jaxrl_suite.runner.errors import RunError

WRITTEN = (".png", ".csv", ".json", ".pdf", ".svg", ".md", ".txt", ".html")
FILE_WIDTH = 200  # characters of a table that goes to a file, so that labels stay whole


@dataclasses.dataclass(frozen=True)
class ReportOptions:
    """What to compare and where to write it."""

    out: Path = Path(".")
    """folder for report.png, report.csv and report.json"""
    metric: tuple[str, ...] = ()
    """metrics to show (default: the runs' headline metrics)"""
    aggregate: Literal["mean", "iqm"] = "mean"
    """what the curves show over seeds: the mean or the interquartile mean"""


def labels(runs: Sequence[Curves]) -> list[str]:
    """`experiment env field=value...`, with the config fields that tell runs apart; unique."""
    configs = [folder.flat(run.config) for run in runs]
    names = sorted({name for config in configs for name in config} - {"env"})
    found = []
    for run, config in zip(runs, configs, strict=True):
        same = [c for c, other in zip(configs, runs, strict=True) if other.name == run.name]
        # a field that some runs do not know (of another version, say) tells nothing apart
        shared = [n for n in names if all(n in c for c in same)]
        differing = [n for n in shared if any(c[n] != config[n] for c in same)]
        parts = [run.name, str(config.get("env", "")), *(f"{n}={config[n]}" for n in differing)]
        found.append(" ".join(part for part in parts if part))
    counts = {label: found.count(label) for label in found}
    numbers: dict[str, int] = {}
    for i, label in enumerate(found):
        if counts[label] > 1:
            numbers[label] = numbers.get(label, 0) + 1
            found[i] = f"{label} ({numbers[label]})"
    return found


def report(
    directories: Sequence[Path], options: ReportOptions, console: Console | None = None
) -> dict[str, Any]:
    """Writes `report.png`, `report.csv` and `report.json`, prints the table of final values.

    Returns:
      What `report.json` holds: a list of runs with their final values.

    Raises:
      RunError: for a directory without a run, or a metric that no run has.
    """
    from jaxrl_suite.runner import plots

    console = console or Console()
    if not console.is_terminal:
        console.width = FILE_WIDTH
    if not directories:
        raise RunError("report: name one run directory or more")
    _check_out(options.out)
    found = [swept.runs(directory) for directory in directories]
    directories, loaded = zip(*(run for runs, _ in found for run in runs), strict=True)
    runs = dict(zip(labels(loaded), loaded, strict=True))
    metrics = _choose(directories, loaded, options.metric)
    finals = {label: curves.finals() for label, curves in runs.items()}
    options.out.mkdir(parents=True, exist_ok=True)
    plots.figure(metrics, runs, options.aggregate).savefig(options.out / "report.png", dpi=130)
    rows = [
        {
            "run": str(directory),
            "label": label,
            "experiment": curves.name,
            "env_steps": int(curves.env_steps[-1]),
            "config": curves.config,
            "final": finals[label],
            "diverged": _diverged(directory, curves),
            **_made(directory),
        }
        for directory, (label, curves) in zip(directories, runs.items(), strict=True)
    ]
    finish.write_json(options.out / "report.json", rows)
    _write_csv(options.out / "report.csv", rows)
    gone = [row["label"] for row in rows if row["diverged"]]
    finish.print_finals(console, finals, metrics, gone)
    for row in rows:
        if row["diverged"]:
            console.print(f"{row['label']} diverged: {row['diverged']}", markup=False)
    for _, lacking in found:
        if lacking:
            console.print(lacking, markup=False, highlight=False, soft_wrap=True)
    console.print(f"wrote report.png, report.csv, report.json to {options.out}", markup=False)
    return {"runs": rows}


def _check_out(out: Path) -> None:
    """Refuses what is no folder, or would be one that looks like a file.

    Raises:
      RunError: naming the path.
    """
    if (out.exists() and not out.is_dir()) or (not out.exists() and out.suffix in WRITTEN):
        raise RunError(
            f"out={str(out)!r}: a folder, into which report.png, report.csv and report.json go"
        )
    for parent in out.parents:
        if parent.exists() and not parent.is_dir():
            raise RunError(f"out={str(out)!r}: {parent} is a file")


def _diverged(directory: Path, curves: Curves) -> str:
    """Which seeds of a sweep's cell diverged, and when; "" for none."""
    path = directory / "summary.json"
    entries = json.loads(path.read_text()).get("diverged") if path.is_file() else None
    return divergence.described(entries or []) or ", ".join(
        f"seed {seed}" for seed in sorted(curves.diverged)
    )


def _made(directory: Path) -> dict[str, Any]:
    """What a finished run was made with."""
    path = directory / "summary.json"
    if not path.is_file():
        return {}
    summary = json.loads(path.read_text())
    names = ("command", "commit", "machine", "versions")
    return {name: summary[name] for name in names if name in summary}


def _choose(directories: Sequence[Path], runs: Sequence[Curves], asked: Sequence[str]) -> list[str]:
    """Metrics to show: those asked for, else the headline ones, else the first few."""
    available = [
        metric
        for metric in dict.fromkeys(m for run in runs for m in run.metrics)
        if any(
            run.diverged or np.isfinite(run.metrics[metric]).any()
            for run in runs
            if metric in run.metrics
        )
    ]
    if not available:
        raise RunError("report: these runs have no metric with a value yet")
    for metric in asked:
        if metric not in available:
            raise ConfigError("metric", metric, hint(metric, available))
    if asked:
        return list(asked)
    headline: list[str] = []
    for directory in directories:
        path = directory / "summary.json"
        if path.is_file():
            headline += json.loads(path.read_text())["headline"]
    chosen = [metric for metric in dict.fromkeys(headline) if metric in available]
    return chosen or available[:6]


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """One line a run and metric."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(
        ["run", "label", "metric", "seeds", "mean", "iqm", "ci_low", "ci_high", "diverged"]
    )
    for row in rows:
        for metric, final in row["final"].items():
            counted = sum(value is not None for value in final["seeds"].values())
            numbers = [final[name] for name in ("mean", "iqm", "ci_low", "ci_high")]
            writer.writerow([row["run"], row["label"], metric, counted, *numbers, row["diverged"]])
    with replacing(path) as partial:
        partial.write_text(text.getvalue())
