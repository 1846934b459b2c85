"""The metrics of a run: one row a seed and log line, kept whole in `metrics.parquet`.

Rows are held in memory (some megabytes for the longest runs) and the file is replaced atomically at
every save, so a reader, or a run that was killed, always finds a complete file. The file is written
before a checkpoint is, so it always covers the newest checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jaxrl_suite.runner.atomic import replacing
from jaxrl_suite.runner.errors import RunError


class MetricTable:
    """Rows of `seed, env_steps, wall_s, <metric>...`, in the order of log lines, then of seeds.

    Metrics are float32 and nullable; `names` fixes the columns from the first row on.
    """

    def __init__(self, names: Sequence[str], seeds: Sequence[int]):
        self.names = tuple(names)
        self.seeds = np.asarray(seeds, np.int64)
        self.env_steps: list[int] = []
        self.wall_s: list[float] = []
        self._values: list[np.ndarray] = []  # [seeds, metrics] float32 a log line
        self._present: list[np.ndarray] = []  # [seeds, metrics] bool

    def __len__(self) -> int:
        return len(self.env_steps)

    def append(self, env_steps: int, wall_s: float, metrics: dict[str, np.ndarray]) -> None:
        """One log line. `metrics` maps names to masked or plain `[seeds]` arrays; absent is null."""
        self.env_steps.append(env_steps)
        self.wall_s.append(wall_s)
        shape = (len(self.seeds), len(self.names))
        self._values.append(np.zeros(shape, np.float32))
        self._present.append(np.zeros(shape, bool))
        self.amend(metrics)

    def amend(self, metrics: dict[str, np.ndarray]) -> None:
        """Fills in more metrics of the newest log line (an evaluation's, say)."""
        for name, values in metrics.items():
            column = self.names.index(name)
            self._values[-1][:, column] = np.ma.getdata(values)
            self._present[-1][:, column] = ~np.ma.getmaskarray(values)

    def latest(self) -> dict[str, float]:
        """Mean over seeds of each metric in the newest log line that has it; diverged ones left out."""
        found = {}
        for column, name in enumerate(self.names):
            for values, present in zip(
                reversed(self._values[-50:]), reversed(self._present[-50:]), strict=True
            ):
                usable = present[:, column] & ~np.isnan(values[:, column])
                if usable.any():
                    found[name] = float(values[usable, column].mean())
                    break
        return found

    def arrow(self) -> pa.Table:
        """The whole table."""
        lines, seeds = len(self), len(self.seeds)
        columns = {
            "seed": pa.array(np.tile(self.seeds, lines)),
            "env_steps": pa.array(np.repeat(np.asarray(self.env_steps, np.int64), seeds)),
            "wall_s": pa.array(np.repeat(np.asarray(self.wall_s, np.float64), seeds)),
        }
        shape = (-1, len(self.names))
        values = np.reshape(self._values, shape) if lines else np.zeros((0, shape[1]), np.float32)
        present = np.reshape(self._present, shape) if lines else np.zeros((0, shape[1]), bool)
        for column, name in enumerate(self.names):
            data = np.ascontiguousarray(values[:, column], np.float32)
            columns[name] = pa.array(data, pa.float32(), mask=~present[:, column])
        return pa.table(columns)

    def write(self, path: Path) -> None:
        """Replaces `path` atomically."""
        with replacing(path) as partial:
            pq.write_table(self.arrow(), partial)

    @classmethod
    def read(
        cls, path: Path, names: Sequence[str], seeds: Sequence[int], last_env_steps: int
    ) -> MetricTable:
        """The rows of an earlier run up to and with `last_env_steps`.

        Raises:
          RunError: if the file cannot be read or belongs to other seeds.
        """
        table = cls(names, seeds)
        if not path.exists() or last_env_steps <= 0:
            return table
        try:
            stored = pq.read_table(path)
            steps = stored["env_steps"].to_numpy()
            stored_seeds = stored["seed"].to_numpy()
            wall = stored["wall_s"].to_numpy()
        except (pa.ArrowException, OSError, KeyError) as error:
            raise RunError(
                f"{path} cannot be read ({_first_line(error)}); move it away to resume without "
                "the rows before the checkpoint"
            ) from error
        count = len(table.seeds)
        if len(steps) % count or not np.array_equal(
            stored_seeds, np.tile(table.seeds, len(steps) // count)
        ):
            raise RunError(f"{path} holds rows of other seeds than {list(seeds)}")
        columns = {}
        for name in table.names:
            if name in stored.column_names:
                column = stored[name]
                missing = column.is_null().to_numpy(zero_copy_only=False)
                data = column.fill_null(0.0).to_numpy().astype(np.float32)
                columns[name] = np.ma.array(data, mask=missing).reshape(-1, count)
        for line in range(len(steps) // count):
            if steps[line * count] <= last_env_steps:
                table.append(
                    int(steps[line * count]),
                    float(wall[line * count]),
                    {name: column[line] for name, column in columns.items()},
                )
        return table


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
