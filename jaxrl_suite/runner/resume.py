"""What a job keeps in a checkpoint, and how it goes on from one.

Beside the state of all seeds that is a record: where the run stands, what it has taken so far, which
rows of a sweep have diverged, and for people its config and versions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jaxrl_suite.experiment import State
from jaxrl_suite.runner import checkpoint, divergence, folder, machine
from jaxrl_suite.runner.errors import RunError

if TYPE_CHECKING:
    from jaxrl_suite.runner.job import Job


def save(job: Job, states: State, wait: bool = False) -> None:
    """Metrics first, so that they always cover the newest checkpoint; then the checkpoint."""
    arrays = job.host.gather(checkpoint.to_arrays(states))
    if not job.host.writes:
        return
    job.write_table()
    for sink in job.sinks:
        sink.flush()
    record = {
        "experiment": job.spec.name,
        "config": folder.plain(job.config),
        "runner": folder.runner_fields(job.options),
        "versions": machine.versions(),
        "env_steps": job.env_steps,
        "wall_s": job.wall_s,
        "train_s": job.train_s,
        "compile_s": job.compile_s,
        "diverged": [list(one) for one in job.diverged.values()],
    }
    job.checkpoints.save(job.done, arrays, record)
    if wait:
        job.checkpoints.wait()


def restore(job: Job) -> State | None:
    """The newest readable checkpoint's state, or None to start from the beginning.

    Raises:
      RunError: for a checkpoint beyond the run's end, and where all are damaged.
    """
    arrays: dict[str, np.ndarray] | None = None
    total = job.experiment.num_updates

    def read() -> dict[str, Any] | None:
        nonlocal arrays
        found = job.checkpoints.read_newest(job.message)
        if found is None:
            return None
        step, arrays, record = found
        if step > total:
            raise RunError(
                f"the run in {job.out} has done {step} updates already, more than the "
                f"{total} asked for"
            )
        kept = {k: record[k] for k in ("wall_s", "train_s", "compile_s")}
        return kept | {"step": step, "diverged": record.get("diverged", [])}

    record = job.host.together(read)
    if record is None:
        job.message(f"{job.out} has no checkpoint yet: starting from the beginning")
        return None
    job.done, job.earlier_s = record["step"], record["wall_s"]
    job.train_s, job.compile_s = record["train_s"], record["compile_s"]
    for row, update, metrics in record["diverged"]:
        job.diverged[row] = divergence.Diverged(row, update, tuple(metrics))
    arrays = job.host.scatter(arrays)
    job.message(f"resuming {job.out} at update {job.done} of {total}")
    return checkpoint.from_arrays(arrays, job.program.template, job.program.shardings)
