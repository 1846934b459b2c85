"""What follows training: final evaluation, `summary.json`, plots, the video, a table of results."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
from rich.console import Console
from rich.table import Table

from jaxrl_suite.experiment import State
from jaxrl_suite.runner import divergence, folder, machine, segment
from jaxrl_suite.runner.atomic import replacing
from jaxrl_suite.runner.curves import Curves

if TYPE_CHECKING:
    from jaxrl_suite.runner.job import Job

_RECORDING = 0x766964  # separates the recorded episode's key from training keys
_MOST_FRAMES = 500  # of a video


def finish(job: Job, states: State) -> dict[str, Any]:
    """Evaluates, reports and records; returns what `summary.json` holds.

    The state is saved already, so a run stopped in here finishes when it is resumed.
    """
    some_row = len(job.diverged) < len(job.seeds)  # that an evaluation would tell something of
    if job.program.eval_names and job.evaluated_at != job.done and some_row:
        with job.console.status("evaluating"):
            metrics = job.evaluate(states)
        for sink in job.sinks:
            sink.log(job.env_steps, metrics)
    if not job.host.writes:
        return {}
    job.write_table()
    _check_stop(job)
    curves = Curves.of(job.spec.name, folder.plain(job.config), job.table.arrow())
    summary = summarise(job, curves)
    write_json(job.out / "summary.json", summary)
    headline = job.experiment.headline
    if job.options.plots:
        from jaxrl_suite.runner import plots

        plots.write_run(job.out / "plots", curves, headline, job.options.aggregate)
        _check_stop(job)
    if job.options.video and job.experiment.play is not None:
        _record(job, states)
    if job.experiment.cells is None:  # a sweep reports each of its cells, not their mean
        finals = summary["final"]
        shown = [n for n in headline if n in finals] or list(finals)[:8]
        if any(finals[n]["mean"] is None for n in shown):  # the evaluation's episodes all end
            shown += [n for n in summary["evaluation"] if n not in shown]
        print_finals(job.console, {job.spec.name: finals}, shown)
    speed = f"{summary['steps_per_second']:,.0f} env steps/s, "
    job.message(
        f"{job.env_steps:,} env steps a seed in {summary['wall_s']:.1f} s "
        f"({speed}compiling {summary['compile_s']:.1f} s); results in {job.out}"
    )
    return summary


def _check_stop(job: Job) -> None:
    if job.stop.signal:
        job.interrupted("trained and saved, its report unfinished")


def _record(job: Job, states: State) -> None:
    from jaxrl_suite.runner import video

    play = job.experiment.play
    assert play is not None
    key = jax.random.fold_in(jax.random.key(job.options.seed), _RECORDING)
    try:
        moments = itertools.islice(play(key, segment.one_seed(states)), _MOST_FRAMES)
        frames = [moment.picture() for moment in moments if not moment.over]
    except NotImplementedError as error:  # an environment that draws no pictures
        job.message(f"no video: {error}")
        return
    if frames:
        video.write_gif(job.out / "video" / "episode.gif", frames)


def summarise(job: Job, curves: Curves) -> dict[str, Any]:
    """Everything about a run that fits in a small JSON file; `None` stands for not-a-number."""
    finals = curves.finals()
    steps = job.env_steps * job.options.seeds
    settings = job.spec.settings
    each = job.experiment.steps_per_update
    diverged = [divergence.plain(one, each) for one in job.diverged.values()]
    return {
        "experiment": job.spec.name,
        "paper": job.spec.paper,
        "command": job.command,
        "config": folder.plain(job.config),
        **({} if settings is None else {"settings": folder.plain(settings(job.config))}),
        "runner": folder.runner_fields(job.options),
        "updates": job.done,
        "env_steps": job.env_steps,
        "final": finals,
        "evaluation": {k: v for k, v in finals.items() if k.startswith("eval/")},
        "headline": list(job.experiment.headline),
        **({} if job.rows is None else {"diverged": diverged}),
        **({"lost_workers": job.lost_workers} if job.lost_workers else {}),
        "wall_s": job.wall_s,
        "compile_s": job.compile_s,
        "train_s": job.train_s,
        "steps_per_second": steps / job.train_s,
        "commit": machine.commit(),
        "versions": machine.versions(),
        "machine": machine.describe(),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def write_json(path: Path, value: Any) -> None:
    """Replaces `path` atomically."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")


def print_finals(
    console: Console,
    runs: Mapping[str, Mapping[str, Any]],
    metrics: Sequence[str],
    diverged: Collection[str] = (),
) -> None:
    """A table of final values: mean, interquartile mean and the mean's 95% interval over seeds.

    Below it stands why a metric has no mean, but for runs that have `diverged`.
    """
    table = Table(title="final values (mean over the last tenth of the log lines)")
    if len(runs) > 1:
        table.add_column("run", overflow="fold")
    for column in ("metric", "mean", "IQM", "95% interval", "seeds"):
        table.add_column(column, justify="left" if column == "metric" else "right")
    for metric in metrics:
        for name, finals in runs.items():
            if metric not in finals:
                continue
            table.add_row(*([name] if len(runs) > 1 else []), *cells(metric, finals[metric]))
    console.print(table)
    whole = [finals for name, finals in runs.items() if name not in diverged]
    empty = [m for m in metrics if any(m in f and f[m]["mean"] is None for f in whole)]
    if empty:
        why = "nothing to average in the last tenth of the log lines: no episode ended there, say"
        console.print(f"{', '.join(empty)}: {why}", markup=False, highlight=False, soft_wrap=True)


def cells(metric: str, row: Mapping[str, Any]) -> list[str]:
    """A metric's name, mean, interquartile mean, interval and number of seeds, for a table."""
    ends = (row["ci_low"], row["ci_high"])
    interval = "-" if None in ends else f"{ends[0]:.4g} to {ends[1]:.4g}"
    counted = sum(value is not None for value in row["seeds"].values())
    return [metric, _number(row["mean"]), _number(row["iqm"]), interval, str(counted)]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
