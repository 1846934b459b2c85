"""The host loop: run a compiled segment, log its metrics, save now and then, finish with a report.

    from jaxrl_suite.runner import Options, run
    summary = run(EXPERIMENT, Config(env="Empty-8x8"), Options(seeds=4, out=Path("runs/mine")))

Everything numeric happens in `segment`; this file only decides when. A run stopped at any moment and
resumed gives the metrics of an uninterrupted one, bit for bit (`wall_s` apart): log lines sit at
fixed updates, checkpoints lie at log lines, and rows after the restored checkpoint are made again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from jaxrl_suite.experiment import ConfigError, Experiment, Spec, State
from jaxrl_suite.runner import checkpoint, folder, machine, segment, signals
from jaxrl_suite.runner.errors import Interrupted, RunError, disk_is_full
from jaxrl_suite.runner.options import Options, default_log_every
from jaxrl_suite.runner.progress import Show
from jaxrl_suite.runner.sinks import Sink, TensorBoard, WandB
from jaxrl_suite.runner.table import MetricTable

_WRITE_SECONDS = 15.0  # metrics.parquet is brought up to date this often between checkpoints


def run(spec: Spec, config: Any, options: Options, command: str | None = None) -> dict[str, Any]:
    """Trains `options.seeds` seeds of an experiment and writes its run directory.

    Args:
      spec: the experiment.
      config: an instance of `spec.config`.
      options: see `Options`.
      command: what the user typed, for `summary.json` and the line that says how to resume.

    Returns:
      What `summary.json` holds.

    Raises:
      RunError: for input that cannot be used, a metric that is not finite, a full disk.
      Interrupted: after SIGTERM or SIGINT, once the state is saved.
      ConfigError: from the experiment, for a config it cannot use.
    """
    options.check()
    experiment = spec.build(config)
    if experiment.num_updates < 1:
        raise ConfigError("num_updates", experiment.num_updates, "a run has one update or more")
    out = options.out if options.out is not None else folder.default_out(spec, config)
    options = dataclasses.replace(options, out=out)
    folder.claim(out, spec, options)
    try:
        lock = folder.lock(out)
    except OSError as error:
        raise RunError(f"out={str(out)!r}: cannot be written ({error.strerror})") from error
    try:
        resuming = folder.claim(out, spec, options)  # again, now that nobody else can write
        options = _with_log_every(out, experiment, options)
        with signals.watch() as stop, contextlib.ExitStack() as stack:
            job = _Job(spec, config, experiment, options, command, stop, stack)
            return job.run(resuming)
    except Exception as error:
        if disk_is_full(error):
            raise RunError(
                f"the disk that holds {out} is full; the newest complete checkpoint is kept: make "
                f"room, then run: {resume_command(spec, out, command)}",
                exit_code=1,
            ) from error
        raise
    finally:
        folder.unlock(lock)


def resume_command(spec: Spec, out: Path, command: str | None) -> str:
    """The command that continues the run in `out`; its config is read from there."""
    start = f"jaxrl run {spec.name}"
    if command and command.startswith("python -m "):
        start = shlex.join(shlex.split(command)[:3])
    return f"{start} --out {shlex.quote(str(out))} --resume"


def _with_log_every(out: Path, experiment: Experiment, options: Options) -> Options:
    """Fixes `log_every`: as chosen, else as the run being resumed has it, else by its length."""
    if options.log_every is not None:
        return options
    stored = folder.read(out)
    chosen = stored["runner"].get("log_every") if stored else None
    return dataclasses.replace(
        options, log_every=chosen or default_log_every(experiment.num_updates)
    )


class _Job:
    """One process's share of a run: the pieces that `run` puts together, and what they count."""

    def __init__(
        self,
        spec: Spec,
        config: Any,
        experiment: Experiment,
        options: Options,
        command: str | None,
        stop: signals.StopRequest,
        stack: contextlib.ExitStack,
    ):
        assert options.out is not None and options.log_every is not None
        self.spec, self.config, self.experiment = spec, config, experiment
        self.options, self.command, self.stop, self.stack = options, command, stop, stack
        self.out, self.log_every = options.out, options.log_every
        self.seeds = list(range(options.seed, options.seed + options.seeds))
        self.console = Console()
        self.done = 0  # updates
        self.compile_s = self.train_s = self.earlier_s = 0.0
        self.trained = 0  # updates by this process
        self.evaluated_at = -1  # the update of the newest evaluation
        self.started = time.monotonic()

    def message(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    @property
    def env_steps(self) -> int:
        """Environment steps of one seed."""
        return self.done * self.experiment.steps_per_update

    @property
    def wall_s(self) -> float:
        """Seconds since the run's start, over all its processes."""
        return self.earlier_s + time.monotonic() - self.started

    def run(self, resuming: bool) -> dict[str, Any]:
        longer = {}
        if resuming:
            longer = folder.check_same(self.out, self.spec, self.config, self.options)
        else:
            if self.options.resume:
                self.message(f"{self.out} holds no run yet: starting one")
            folder.write(self.out, self.spec, self.config, self.options)
        begun = time.monotonic()
        self.program = segment.Program(self.experiment, self.options.seed, self.options.seeds)
        if self.program.message:
            self.message(self.program.message)
        self.checkpoints = checkpoint.Checkpoints(self.out / "checkpoints", self.options.keep)
        self.stack.callback(self.checkpoints.close)
        states = self._restore() if resuming else None
        if states is None:
            states = self.program.init()
        if longer:
            self._lengthen(longer)
        columns = [*self.program.names, *(f"eval/{n}" for n in self.program.eval_names)]
        path = self.out / "metrics.parquet"
        last = self.env_steps if resuming else 0
        self.table = MetricTable.read(path, columns, self.seeds, last)
        self.sinks = self._sinks(last if resuming else None)
        self.compile_s += time.monotonic() - begun
        states = self._train(states)
        from jaxrl_suite.runner import finish  # scipy: only once it is needed

        return finish.finish(self, states)

    def _restore(self) -> State | None:
        """The newest readable checkpoint's state, or None to start from the beginning."""
        found = self.checkpoints.read_newest(self.message)
        if found is None:
            self.message(f"{self.out} has no checkpoint yet: starting from the beginning")
            return None
        step, arrays, record = found
        if step > self.experiment.num_updates:
            raise RunError(
                f"the run in {self.out} has done {step} updates already, more than the "
                f"{self.experiment.num_updates} asked for"
            )
        self.done, self.earlier_s = step, record["wall_s"]
        self.message(f"resuming {self.out} at update {step} of {self.experiment.num_updates}")
        return checkpoint.from_arrays(arrays, self.program.template, self.program.sharding)

    def _lengthen(self, longer: dict[str, str]) -> None:
        listed = "; ".join(f"{name}: {text}" for name, text in longer.items())
        self.message(f"the run's length changes ({listed}): so do schedules that span the run")
        folder.write(self.out, self.spec, self.config, self.options)

    def _sinks(self, resumed_at: int | None) -> list[Sink]:
        sinks: list[Sink] = []
        if self.options.wandb:
            config = {**folder.plain(self.config), "experiment": self.spec.name}
            project, name = self.options.wandb_project, self.out.name
            sinks.append(WandB(self.out, project, name, config, self.seeds))
        if self.options.tensorboard:
            sinks.append(TensorBoard(self.out / "tensorboard", self.seeds, resumed_at))
        for sink in sinks:
            self.stack.callback(sink.close)
        return sinks

    def _train(self, states: State) -> State:
        total = self.experiment.num_updates
        saved = written = time.monotonic()
        title = f"{self.spec.name} {getattr(self.config, 'env', '')}".strip()
        headline = self.experiment.headline
        with Show(self.console, title, total, headline, self.done) as show:
            while self.done < total:
                if self.stop.signal:
                    self.save(states, wait=True)
                    self.interrupted("saved")
                states = self._segment(states)
                now = time.monotonic()
                if now - saved >= self.options.checkpoint_every and self.done < total:
                    self.save(states)
                    saved = written = time.monotonic()
                elif now - written >= _WRITE_SECONDS:
                    self.table.write(self.out / "metrics.parquet")
                    written = time.monotonic()
                each = self.train_s / self.trained  # seconds an update
                rate = self.experiment.steps_per_update * len(self.seeds) / each
                left = each * (total - self.done)
                show.update(self.done, self.env_steps, rate, left, self.table.latest())
        self.save(states, wait=True)
        return states

    def _segment(self, states: State) -> State:
        """One segment and its log line."""
        length = min(self.log_every, self.experiment.num_updates - self.done)
        begun = time.monotonic()
        compiled = self.program.segment(length, states)
        self.compile_s += time.monotonic() - begun
        begun = time.monotonic()
        states, reduced = compiled(states)
        reduced = segment.fetch(reduced)
        self.train_s += time.monotonic() - begun
        self._check_finite(reduced)
        self.done += length
        self.trained += length
        self.table.append(self.env_steps, self.wall_s, _columns(self.program.names, reduced))
        every = self.options.eval_every
        line = -(-self.done // self.log_every)
        metrics = _columns(self.program.names, reduced)
        if every and line % every == 0 and self.program.eval_names:
            metrics |= self.evaluate(states)
        for sink in self.sinks:
            sink.log(self.env_steps, metrics)
        return states

    def _check_finite(self, reduced: segment.Reduced) -> None:
        good = segment.never_bad(reduced.first_bad)
        if good.all():
            return
        first = np.asarray(reduced.first_bad)  # the largest int32 where good
        row, column = np.unravel_index(np.argmin(first), first.shape)
        update = self.done + int(first[row, column]) + 1
        names = [self.program.names[c] for c in np.flatnonzero(first[row] == first[row, column])]
        with contextlib.suppress(OSError):
            self.table.write(self.out / "metrics.parquet")
        self.checkpoints.wait()
        steps = self.checkpoints.steps()
        kept = f"the checkpoint of update {steps[-1]} is kept" if steps else "no checkpoint yet"
        raise RunError(
            f"metric {', '.join(names)} of seed {self.seeds[row]} is not finite at update {update} "
            f"(env_steps {update * self.experiment.steps_per_update}); {kept} in {self.out}",
            exit_code=1,
        )

    def evaluate(self, states: State) -> dict[str, np.ndarray]:
        """Evaluates every seed and fills the newest log line in."""
        reduced = self.program.evaluate(states, self.done)
        metrics = _columns([f"eval/{name}" for name in self.program.eval_names], reduced)
        if not len(self.table):  # a finished run whose metrics.parquet was taken away
            self.table.append(self.env_steps, self.wall_s, {})
        self.table.amend(metrics)
        self.evaluated_at = self.done
        return metrics

    def save(self, states: State, wait: bool = False) -> None:
        """Metrics first, so that they always cover the newest checkpoint; then the checkpoint."""
        self.table.write(self.out / "metrics.parquet")
        for sink in self.sinks:
            sink.flush()
        record = {
            "experiment": self.spec.name,
            "config": folder.plain(self.config),
            "runner": {name: getattr(self.options, name) for name in folder.RUNNER_FIELDS},
            "versions": machine.versions(),
            "env_steps": self.env_steps,
            "wall_s": self.wall_s,
        }
        self.checkpoints.save(self.done, states, record)
        if wait:
            self.checkpoints.wait()

    def interrupted(self, what: str) -> None:
        """Raises `Interrupted` with the line that says how to go on."""
        raise Interrupted(
            f"stopped by {self.stop.name} at update {self.done} of {self.experiment.num_updates}, "
            f"{what}; continue with: {resume_command(self.spec, self.out, self.command)}",
            self.stop.exit_code,
        )


def _columns(names: Any, reduced: segment.Reduced) -> dict[str, np.ndarray]:
    """Masked `[seeds]` arrays by name."""
    return {
        name: np.ma.array(reduced.values[:, i], mask=~reduced.present[:, i])
        for i, name in enumerate(names)
    }
