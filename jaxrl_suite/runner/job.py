"""One process's share of a run: segment after segment, log lines, checkpoints, stopping.

Everything numeric happens in `segment`, what a checkpoint holds is in `resume`; this file only decides
when. Log lines sit at fixed updates, checkpoints lie at log lines, and rows after the restored
checkpoint are made again: so a run stopped at any moment and resumed gives the metrics of an
uninterrupted one, bit for bit (`wall_s` apart).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console

from envs.host.pool import Pool
from jaxrl_suite.experiment import Experiment, Spec, State
from jaxrl_suite.runner import checkpoint, divergence, folder, resume, segment, signals, transfer
from jaxrl_suite.runner.errors import Interrupted, RunError
from jaxrl_suite.runner.hosts import Hosts
from jaxrl_suite.runner.options import Options
from jaxrl_suite.runner.progress import Show, quantity
from jaxrl_suite.runner.sinks import Sink, TensorBoard, WandB
from jaxrl_suite.runner.table import MetricTable

_WRITE_SECONDS = 15.0  # metrics.parquet is brought up to date this often between checkpoints


class Job:
    """The pieces that `loop.run` puts together, and what they count.

    Attributes:
      done: updates so far, over all processes of the run.
      compile_s, train_s: seconds spent compiling and in segments, likewise.
      evaluated_at: the update of the newest evaluation, or -1.
      diverged: rows of a sweep whose metrics are no longer finite, by number.
    """

    def __init__(
        self,
        spec: Spec,
        config: Any,
        experiment: Experiment,
        options: Options,
        resume_command: str,
        command: str | None,
        stop: signals.StopRequest,
        stack: contextlib.ExitStack,
        host: Hosts,
        rows: Sequence[str] | None = None,
    ):
        assert options.out is not None and options.log_every is not None
        self.spec, self.config, self.experiment = spec, config, experiment
        self.options, self.resume_command = options, resume_command
        self.command, self.stop, self.stack, self.host = command, stop, stack, host
        self.out, self.log_every = options.out, options.log_every
        self.rows, self.diverged = rows, dict[int, divergence.Diverged]()
        self.seeds = list(range(options.seed, options.seed + options.seeds))
        self.console = Console(quiet=not host.writes)
        self.done = 0  # updates
        self.compile_s = self.train_s = self.earlier_s = 0.0
        self.evaluated_at = -1  # the update of the newest evaluation
        self.started = time.monotonic()
        self._lost_before = Pool.all_restarts

    def message(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    @property
    def env_steps(self) -> int:
        """Environment steps of one seed."""
        return self.done * self.experiment.steps_per_update

    @property
    def lost_workers(self) -> int:
        """Workers of games on the host that had to be replaced since this process began the run."""
        return Pool.all_restarts - self._lost_before

    @property
    def wall_s(self) -> float:
        """Seconds since the run's start, over all its processes."""
        return self.earlier_s + time.monotonic() - self.started

    def run(self, resuming: bool) -> dict[str, Any]:
        longer = {}
        if resuming:
            longer = self.host.together(
                lambda: folder.check_same(self.out, self.spec, self.config, self.options)
            )
        begun = time.monotonic()
        part = self.host.part(self.options.seeds)
        seed, seeds, spread = (
            self.options.seed,
            self.options.seeds,
            self.options.spread_environments,
        )
        self.program = segment.Program(self.experiment, seed, seeds, part, spread)
        columns = [*self.program.names, *(f"eval/{n}" for n in self.program.eval_names)]
        for name in (c for c in columns if columns.count(c) > 1):
            raise RunError(f"metric={name!r}: training and evaluation both report it; rename one")
        learnt = None
        if not resuming:
            learnt = transfer.read(self)  # before anything is written: it may be refused
            if self.options.resume:
                self.message(f"{self.out} holds no run yet: starting one")
            if self.host.writes:
                folder.write(self.out, self.spec, self.config, self.options)
        if self.program.message:
            self.message(self.program.message)
        if self.host.writes:
            self.checkpoints = checkpoint.Checkpoints(self.out / "checkpoints", self.options.keep)
            self.stack.callback(self.checkpoints.close)
        states = resume.restore(self) if resuming else None
        if states is None:
            learnt = transfer.read(self) if learnt is None else learnt
            states = transfer.begin(self, self.program.init(), learnt)
        if longer:
            self._lengthen(longer)
        path = self.out / "metrics.parquet"
        last = self.env_steps if resuming else 0
        self.table = MetricTable(columns, self.seeds)
        if self.host.writes:
            self.table = MetricTable.read(path, columns, self.seeds, last)
        self.sinks = self._sinks(last if resuming else None) if self.host.writes else []
        self.compile_s += time.monotonic() - begun
        states = self._train(states)
        from jaxrl_suite.runner import finish  # scipy: only once it is needed

        return finish.finish(self, states)

    def _lengthen(self, longer: dict[str, str]) -> None:
        listed = "; ".join(f"{name}: {text}" for name, text in longer.items())
        self.message(f"the run's length changes ({listed}): so do schedules that span the run")
        if self.host.writes:
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
        count = f"{len(self.seeds)} seed{'s' if len(self.seeds) > 1 else ''}"
        steps = quantity(total * self.experiment.steps_per_update)
        updates = f"{total} update{'s' if total > 1 else ''}"
        self.message(
            f"{count} of {updates}, {steps} env steps each{self._rounded()}, in {self.out}"
        )
        title = f"{self.spec.name} {getattr(self.config, 'env', '')}".strip()
        headline = self.experiment.headline
        with Show(self.console, title, total, headline, self.done) as show:
            while self.done < total and len(self.diverged) < len(self.seeds):
                due = time.monotonic() - saved >= self.options.checkpoint_every and self.done > 0
                # a signal may arrive meanwhile: it counts at the next log line, and is kept till then
                signal, due = self.host.agree(self.stop.signal, due)
                if signal:
                    self.stop.signal = signal
                    resume.save(self, states, wait=True)
                    self.interrupted("saved")
                if due:
                    resume.save(self, states)
                    saved = written = time.monotonic()
                if self.host.writes:
                    self.checkpoints.check()
                states = self._segment(states)
                if time.monotonic() - written >= _WRITE_SECONDS:
                    self.write_table()
                    written = time.monotonic()
                each = self.train_s / self.done  # seconds an update
                rate = self.experiment.steps_per_update * len(self.seeds) / each
                left = each * (total - self.done)
                show.update(self.done, self.env_steps, rate, left, self.table.latest())
        resume.save(self, states, wait=True)
        return states

    def _rounded(self) -> str:
        """What a number of steps became that is none of whole updates."""
        each = self.experiment.steps_per_update
        asked = getattr(self.config, "total_steps", None)
        if not isinstance(asked, int) or asked == self.experiment.num_updates * each:
            return ""
        return f" (total_steps={asked} in whole updates of {each})"

    def _segment(self, states: State) -> State:
        """One segment and its log line."""
        length = min(self.log_every, self.experiment.num_updates - self.done)
        begun = time.monotonic()
        compiled = self.program.segment(length, states)
        self.compile_s += time.monotonic() - begun
        begun = time.monotonic()
        states, reduced = segment.finished(compiled, states)
        reduced = self._gathered(segment.fetch(reduced))
        self.train_s += time.monotonic() - begun
        reduced = self._check_finite(reduced)
        self.done += length
        self.table.append(self.env_steps, self.wall_s, _columns(self.program.names, reduced))
        every = self.options.eval_every
        line = -(-self.done // self.log_every)
        metrics = _columns(self.program.names, reduced)
        if every and line % every == 0 and self.program.eval_names:
            metrics |= self.evaluate(states)
        for sink in self.sinks:
            sink.log(self.env_steps, metrics)
        return states

    def _gathered(self, reduced: segment.Reduced) -> segment.Reduced:
        """Every process's seeds."""
        arrays: dict[str, Any] = self.host.gather(reduced._asdict())
        return segment.Reduced(**arrays)

    def write_table(self) -> None:
        """Brings `metrics.parquet` up to date."""
        if self.host.writes:
            self.table.write(self.out / "metrics.parquet")

    def _check_finite(self, reduced: segment.Reduced) -> segment.Reduced:
        """`reduced` as it is logged: a sweep's row that diverges is marked, a run's seed ends it."""
        found = divergence.find(reduced, self.program.names, self.done)
        if found and self.rows is None:
            self._refuse(found[0])
        for one in found:
            if one.row not in self.diverged:
                self.diverged[one.row] = one
                name = self.rows[one.row] if self.rows else ""
                left = len(self.seeds) - len(self.diverged)
                others = f"{left} of {len(self.seeds)} rows go on" if left else "no row is left"
                self.message(f"{name}: {', '.join(one.metrics)} {self._where(one)}; {others}")
        return divergence.blank(reduced, self.diverged)

    def _where(self, one: divergence.Diverged) -> str:
        return (
            f"not finite at update {one.update} "
            f"(env_steps {one.update * self.experiment.steps_per_update})"
        )

    def _refuse(self, one: divergence.Diverged) -> None:
        with contextlib.suppress(OSError):
            self.write_table()
        steps = []
        if self.host.writes:
            self.checkpoints.wait()
            steps = self.checkpoints.steps()
        kept = f"the checkpoint of update {steps[-1]} is kept" if steps else "no checkpoint yet"
        raise RunError(
            f"metric {', '.join(one.metrics)} of seed {self.seeds[one.row]} is {self._where(one)}; "
            f"{kept} in {self.out}",
            exit_code=1,
        )

    def evaluate(self, states: State) -> dict[str, np.ndarray]:
        """Evaluates every seed and fills the newest log line in."""
        reduced = self._gathered(self.program.evaluate(states, self.done))
        reduced = divergence.blank(reduced, self.diverged)
        metrics = _columns([f"eval/{name}" for name in self.program.eval_names], reduced)
        if not len(self.table):  # a finished run whose metrics.parquet was taken away
            self.table.append(self.env_steps, self.wall_s, {})
        self.table.amend(metrics)
        self.evaluated_at = self.done
        return metrics

    def interrupted(self, what: str) -> None:
        """Raises `Interrupted` with the line that says how to go on."""
        raise Interrupted(
            f"stopped by {self.stop.name} at update {self.done} of {self.experiment.num_updates}, "
            f"{what}; continue with: {self.resume_command}",
            self.stop.exit_code,
        )


def _columns(names: Any, reduced: segment.Reduced) -> dict[str, np.ndarray]:
    """Masked `[seeds]` arrays by name."""
    return {
        name: np.ma.array(reduced.values[:, i], mask=~reduced.present[:, i])
        for i, name in enumerate(names)
    }
