"""Progress of a run: a Rich bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_PLAIN_SECONDS = 10.0


def quantity(value: float) -> str:
    """A count in three digits: `950`, `12.3k`, `4.56M`."""
    for scale, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:.3g}{unit}"
    return f"{value:.3g}"


class Show:
    """Shows updates done, environment steps a second (over all seeds), time left and metrics."""

    def __init__(
        self, console: Console, title: str, num_updates: int, headline: Sequence[str], done: int = 0
    ):
        self.console = console
        self._title, self._total, self._headline = title, num_updates, tuple(headline)
        self._printed = -_PLAIN_SECONDS
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[text]}"),
                console=console,
            )
            self._task = self._bar.add_task(title, total=num_updates, completed=done, text="")

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def message(self, text: str) -> None:
        """A line of its own."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def update(
        self, done: int, env_steps: int, rate: float, left: float, metrics: Mapping[str, float]
    ) -> None:
        """After a segment: `rate` environment steps a second over all seeds, `left` seconds."""
        names = [n for n in self._headline if n in metrics] or list(metrics)[:3]
        shown = "  ".join(f"{name} {metrics[name]:.4g}" for name in names)
        if self._bar:
            text = f"{quantity(rate)} steps/s  {shown}"
            self._bar.update(self._task, completed=done, text=text)
            return
        now = time.monotonic()
        if now - self._printed < _PLAIN_SECONDS and done < self._total:
            return
        self._printed = now
        self.message(
            f"{self._title} {done / self._total:4.0%}  update {done}/{self._total}  "
            f"{quantity(env_steps)} env steps  {quantity(rate)} steps/s  left {left:.0f} s  {shown}"
        )
