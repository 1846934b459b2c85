"""Several processes, on one machine or many, as one run: `jaxrl run ... --distributed`.

Every process trains its own part of the seeds, on its own devices and with its own games; nothing is
communicated in between. At a log line all learn every seed's metrics and agree on what comes next.
Process 0 alone writes the run's folder, and that folder is the one of a run by a single process:
either can continue the other's.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import json
import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxrl_suite.runner.errors import RunError
from jaxrl_suite.runner.options import Options

_LAUNCHERS = ("SLURM_JOB_ID", "OMPI_MCA_orte_hnp_uri", "TPU_WORKER_ID", "KUBERNETES_SERVICE_HOST")
_FAREWELL = 20  # seconds that a process which fails alone waits for the others before it ends


@dataclasses.dataclass(frozen=True)
class Hosts:
    """This process among those of a run. All of them make the same calls in the same order.

    Attributes:
      index: this one's number.
      count: how many there are.
    """

    index: int = 0
    count: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process writes the run's folder and speaks to the user."""
        return self.index == 0

    def part(self, seeds: int) -> slice:
        """Which of `seeds` are this process's.

        Raises:
          RunError: when they do not divide.
        """
        if seeds % self.count:
            raise RunError(
                f"seeds={seeds}: {self.count} processes need a multiple of {self.count} seeds"
            )
        each = seeds // self.count
        return slice(self.index * each, (self.index + 1) * each)

    def share(self, value: Any) -> Any:
        """Process 0's `value`, which JSON can hold, in all processes."""
        if self.count == 1:
            return value
        return json.loads(_everyones(json.dumps(value).encode() if self.writes else b"")[0])

    def together(self, function: Callable[[], Any]) -> Any:
        """Calls `function` in process 0; all return what it did, or raise the `RunError` it did."""
        if self.count == 1:
            return function()
        found, error = None, None
        if self.writes:
            try:
                found = function()
            except RunError as raised:
                error = raised
        shared = self.share([found, None if error is None else [str(error), error.exit_code]])
        if error is not None:
            raise error
        if shared[1] is not None:
            message, exit_code = shared[1]
            raise RunError(f"process 0: {message}", exit_code)
        return shared[0]

    def gather(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """`[own seeds, ...]` arrays of all processes as `[seeds, ...]`, in all processes."""
        if self.count == 1:
            return arrays
        names = sorted(arrays)
        whole = _everyones(b"".join(np.ascontiguousarray(arrays[n]).tobytes() for n in names))
        found, start = {}, 0
        for name in names:
            like = np.asarray(arrays[name])
            parts = [
                np.frombuffer(w[start : start + like.nbytes], like.dtype).reshape(like.shape)
                for w in whole
            ]
            found[name] = np.concatenate(parts)
            start += like.nbytes
        return found

    def scatter(self, arrays: dict[str, np.ndarray] | None) -> dict[str, np.ndarray]:
        """This process's seeds of process 0's `[seeds, ...]` arrays."""
        if self.count == 1:
            assert arrays is not None
            return arrays
        held = arrays or {}
        about = self.share([[n, str(a.dtype), list(a.shape)] for n, a in sorted(held.items())])
        data = b"".join(np.ascontiguousarray(a).tobytes() for _, a in sorted(held.items()))
        whole, start, found = _everyones(data)[0], 0, {}
        for name, dtype, shape in about:
            size = jax.numpy.dtype(dtype).itemsize * int(np.prod(shape, dtype=np.int64))
            array = np.frombuffer(whole[start : start + size], jax.numpy.dtype(dtype))
            found[name] = array.reshape(shape)[self.part(shape[0])]
            start += size
        return found

    def agree(self, signal: int, save: bool) -> tuple[int, bool]:
        """At a log line: a signal that any process has got (0: none), and whether 0 wants to save."""
        if self.count == 1:
            return signal, save
        said = [json.loads(data) for data in _everyones(json.dumps([signal, save]).encode())]
        return max(each[0] for each in said), bool(said[0][1])

    def same(self, what: str, value: Any) -> None:
        """Checks that all processes were given the same.

        Raises:
          RunError: in all of them, naming the first process that differs from process 0.
        """
        if self.count == 1:
            return
        said = _everyones(json.dumps(value, sort_keys=True).encode())
        for index, other in enumerate(said):
            if other != said[0]:
                raise RunError(f"{what} of process {index} differs from that of process 0")


def connect(options: Options) -> None:
    """Joins the processes of a distributed run; before JAX starts. Nothing without `distributed`.

    The address and numbers come from the options, or from Slurm, MPI, Kubernetes or a TPU pod as
    `jax.distributed.initialize` finds them.

    Raises:
      RunError: when nothing says who takes part, or the others do not come.
    """
    if not options.distributed:
        return
    given = (options.coordinator, options.processes, options.process)
    if None in given and not all(v is None for v in given):
        raise RunError("distributed: coordinator, processes and process are given together")
    if options.coordinator is None and not any(name in os.environ for name in _LAUNCHERS):
        raise RunError(
            "distributed: no Slurm, MPI, Kubernetes or TPU pod here; give --coordinator HOST:PORT "
            "--processes N --process I"
        )
    try:
        jax.distributed.initialize(
            options.coordinator,
            options.processes,
            options.process,
            initialization_timeout=options.patience,
            heartbeat_timeout_seconds=options.patience,
            shutdown_timeout_seconds=min(options.patience, _FAREWELL),
        )
    except (RuntimeError, ValueError) as error:
        raise RunError(f"distributed: {str(error).splitlines()[0]}", exit_code=1) from error
    atexit.register(_leave)


def _leave() -> None:
    with contextlib.suppress(RuntimeError):  # the others are gone already
        jax.distributed.shutdown()


def current(options: Options) -> Hosts:
    """This process among those that `connect` joined."""
    return Hosts(jax.process_index(), jax.process_count()) if options.distributed else Hosts()


def _everyones(data: bytes) -> list[bytes]:
    """Every process's `data`, by number."""
    from jax.experimental import multihost_utils

    size = np.asarray([len(data) >> 20, len(data) & 0xFFFFF], np.int32)
    sizes = [int(high) << 20 | int(low) for high, low in multihost_utils.process_allgather(size)]
    padded = np.zeros(max(1, *sizes), np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    rows = np.asarray(multihost_utils.process_allgather(padded))
    return [row[:size].tobytes() for row, size in zip(rows, sizes, strict=True)]
