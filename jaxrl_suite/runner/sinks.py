"""Where log lines go besides `metrics.parquet`: TensorBoard event files and Weights & Biases."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from jaxrl_suite.runner.errors import RunError

_LOGIN = "(a key in WANDB_API_KEY does too, and WANDB_MODE=offline needs none)"


class Sink(Protocol):
    """Takes log lines: metrics as masked `[seeds]` arrays at a number of environment steps."""

    def log(self, env_steps: int, metrics: Mapping[str, np.ndarray]) -> None:
        """One log line."""

    def flush(self) -> None:
        """To disk, at every checkpoint."""

    def close(self) -> None:
        """At the end."""


class TensorBoard:
    """One TensorBoard run a seed, under `tensorboard/seed-<n>`.

    tensorboardX's record writer is used without its background thread: that thread dies silently on a
    full disk and then blocks whoever logs.
    """

    def __init__(self, folder: Path, seeds: Sequence[int], resumed_at: int | None):
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.proto.summary_pb2 import Summary

        self._event, self._summary = Event, Summary
        self._writers = []
        for seed in seeds:
            path = folder / f"seed-{seed}"
            path.mkdir(parents=True, exist_ok=True)
            writer = EventsWriter(str(path / "events"))
            if resumed_at is not None:  # TensorBoard hides what an earlier process wrote beyond it
                start = SessionLog(status=SessionLog.START)
                writer.write_event(
                    Event(wall_time=time.time(), step=resumed_at + 1, session_log=start)
                )
            self._writers.append(writer)

    def log(self, env_steps: int, metrics: Mapping[str, np.ndarray]) -> None:
        now = time.time()
        for i, writer in enumerate(self._writers):
            values = [
                self._summary.Value(tag=name, simple_value=float(column[i]))
                for name, column in metrics.items()
                if not np.ma.getmaskarray(column)[i]
            ]
            writer.write_event(
                self._event(wall_time=now, step=env_steps, summary=self._summary(value=values))
            )

    def flush(self) -> None:
        for writer in self._writers:
            writer.flush()

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


def check_wandb() -> None:
    """Logs in to Weights & Biases, before anything is trained.

    Raises:
      RunError: without the package, or a key where nobody can be asked for one.
    """
    try:
        import wandb
    except ImportError as error:
        raise RunError("--wandb needs the wandb extra: pip install 'jaxrl-suite[wandb]'") from error
    if os.environ.get("WANDB_MODE", "online") not in ("online", "run"):
        return
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            known = wandb.login()
    except wandb.errors.Error as error:
        raise RunError(f"--wandb: {error} {_LOGIN}") from error
    if not known:
        raise RunError(f"--wandb: not logged in. {_LOGIN}")


class WandB:
    """Means over seeds, and each seed's own curves, to Weights & Biases."""

    def __init__(self, folder: Path, project: str, name: str, config: Any, seeds: Sequence[int]):
        import wandb

        identity = folder / "wandb" / "id"
        identity.parent.mkdir(parents=True, exist_ok=True)
        if not identity.exists():
            identity.write_text(secrets.token_hex(6))
        self._seeds = list(seeds)
        try:
            self._run = wandb.init(
                project=project,
                name=name,
                id=identity.read_text().strip(),
                resume="allow",
                dir=str(folder),
                config=config,
            )
        except wandb.errors.Error as error:
            raise RunError(f"--wandb: {error} {_LOGIN}") from error

    def log(self, env_steps: int, metrics: Mapping[str, np.ndarray]) -> None:
        row: dict[str, float] = {"env_steps": env_steps}
        for name, column in metrics.items():
            finite = np.ma.masked_invalid(column)  # rows of a sweep that have diverged left out
            if finite.count():
                row[name] = float(finite.mean())
            for i, seed in enumerate(self._seeds):
                if len(self._seeds) > 1 and not np.ma.getmaskarray(column)[i]:
                    row[f"seed-{seed}/{name}"] = float(column[i])
        self._run.log(row, step=env_steps)

    def flush(self) -> None:
        """Weights & Biases uploads by itself."""

    def close(self) -> None:
        self._run.finish()
