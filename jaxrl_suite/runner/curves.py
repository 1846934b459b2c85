"""Reads a run's `metrics.parquet` back as curves: `[seeds, log lines]` arrays by metric."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jaxrl_suite.runner import folder, stats
from jaxrl_suite.runner.errors import RunError

FINAL_FRACTION = 0.1  # a final value is the mean over the last tenth of the log lines


def read_table(out: Path) -> pa.Table:
    """The rows of `metrics.parquet` in a run directory.

    Raises:
      RunError: where there are none yet, or they cannot be read.
    """
    path = out / "metrics.parquet"
    if not path.is_file():
        raise RunError(f"{out} is not the directory of a run with metrics: no {path.name} in it")
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise RunError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    if not table.num_rows:
        raise RunError(f"{path} has no rows yet")
    return table


@dataclasses.dataclass(frozen=True)
class Curves:
    """One run's metrics.

    Attributes:
      name: the experiment's.
      config: its plain config.
      seeds: `[seeds]` int64.
      env_steps: `[lines]` int64.
      metrics: name -> `[seeds, lines]` float64, NaN where a line has no value.
      diverged: the seeds (of a sweep's cell) whose numbers stopped being finite. Neither their final
        values nor their curves count.
    """

    name: str
    config: dict[str, Any]
    seeds: np.ndarray
    env_steps: np.ndarray
    metrics: dict[str, np.ndarray]
    diverged: frozenset[int] = frozenset()

    @classmethod
    def of(cls, name: str, config: dict[str, Any], table: pa.Table) -> Curves:
        """From a table of `seed, env_steps, wall_s, <metric>...`."""
        column = table["seed"].to_numpy()
        seeds = np.unique(column)
        steps = table["env_steps"].to_numpy()[column == seeds[0]] if len(seeds) else np.zeros(0)
        metrics = {}
        for metric in table.column_names:
            if metric not in ("seed", "env_steps", "wall_s"):
                values = table[metric].to_numpy(zero_copy_only=False).astype(np.float64)
                metrics[metric] = np.stack([values[column == seed] for seed in seeds])
        # a NaN in the file is a diverged row's: what has no value is null
        training = [m for m in metrics if not m.startswith("eval/")]
        bad = [pc.fill_null(pc.is_nan(table[m]), False).to_numpy() for m in training]
        found = column[np.any(bad, axis=0)] if bad else column[:0]
        return cls(name, config, seeds, steps, metrics, frozenset(found.tolist()))

    def _kept(self, metric: str) -> np.ndarray:
        """`[seeds, lines]`, NaN throughout for a seed that diverged."""
        gone = np.isin(self.seeds, sorted(self.diverged))
        return np.where(gone[:, None], np.nan, self.metrics[metric])

    @classmethod
    def read(cls, out: Path) -> Curves:
        """From a run directory.

        Raises:
          RunError: where `out` is not one, or has no metrics yet.
        """
        stored = folder.read(out)
        if stored is None:
            raise RunError(
                f"{out} is not the directory of a run with metrics: no {folder.CONFIG} in it"
            )
        return cls.of(stored["experiment"], stored["config"], read_table(out))

    def final(self, metric: str) -> np.ndarray:
        """`[seeds]`: mean over the last tenth of the log lines that have a value; NaN without any."""
        values = self._kept(metric)
        tail = values[:, -max(1, round(FINAL_FRACTION * values.shape[1])) :]
        known = np.isfinite(tail)
        total = np.where(known, tail, 0.0).sum(axis=1)
        return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)

    def finals(self) -> dict[str, dict[str, Any]]:
        """Every metric's final values by seed with their statistics."""
        found = {}
        for metric in self.metrics:
            values = self.final(metric)
            by_seed = {
                str(seed): float(value) if np.isfinite(value) else None
                for seed, value in zip(self.seeds, values, strict=True)
            }
            found[metric] = {"seeds": by_seed, **stats.summary(values)}
        return found

    def filled(self, metric: str, points: int = 200) -> tuple[np.ndarray, np.ndarray]:
        """A curve ready to plot: `(env_steps[n], values[seeds, n])` without gaps, n <= `points`.

        Gaps are filled linearly within a seed, its last value is held; it starts where every seed
        (of those with any value) has one. Longer curves are averaged in equal bins.
        """
        values = self._kept(metric)
        values = values[np.isfinite(values).any(axis=1)]
        if not len(values):
            return np.zeros(0), np.zeros((0, 0))
        start = max(int(np.argmax(np.isfinite(row))) for row in values)
        steps, values = self.env_steps[start:].astype(np.float64), values.copy()
        line = np.arange(values.shape[1])
        for row in values:
            known = np.isfinite(row)
            row[:] = np.interp(line, line[known], row[known])
        values = values[:, start:]
        if len(steps) > points:
            edges = np.linspace(0, len(steps), points + 1).astype(int)[:-1]
            counts = np.diff([*edges, len(steps)])
            steps = np.add.reduceat(steps, edges) / counts
            values = np.add.reduceat(values, edges, axis=1) / counts
        return steps, values
