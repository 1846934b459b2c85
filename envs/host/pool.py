"""Worker processes that play games, restarted when they die or hang; groups of games on them.

A worker that ends, or does not answer within the deadline (it is killed then), is replaced. Its
games end as truncated episodes, `restarts` counts it, and the run goes on. A game that raises is an
error of the environment, not of the worker: `HostError` says which game, seeds and step.
"""

from __future__ import annotations

import contextlib
import os
import select
import tempfile
import threading
import time
import warnings
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from envs.cores import usable_cores
from envs.host.channel import ERROR, OK
from envs.host.games import Description, MissingExtra
from envs.host.group import Group, locked
from envs.host.process import Process
from envs.host.seeds import Contexts

_GRACE_SECONDS = 1.0  # after the deadline: this process itself may have been stopped (Ctrl-Z)
WORKERS_A_CORE, LEAST_LIMIT = 8, 64  # each is a Python process: more of them only take memory
MOST_DEADLINE = 86_400.0  # a day; system calls take no numbers without end
_POOL, _VIEW, _MEMORY = (
    0,
    -1,
    -2,
)  # numbers under which workers answer calls that belong to no group
_ATTEMPTS = 3  # at asking workers that are lost meanwhile


class HostError(RuntimeError):
    """An environment raised in a worker, or workers cannot be kept alive."""


class Pool:
    """Workers for one kind of game.

    Args:
      kind: a module of `envs.host.games`.
      name: of the environment.
      options: of the environment.
      workers: number of processes; None for one a core this process may use.
      deadline: seconds a step may take before its worker counts as hung, up to a day.
      ahead: start the next episodes ahead of time; None decides by how slow starting is and by how
        many games there are (spares double the memory).
      contexts: fixed levels to draw episodes from.
      share_pages: games of a worker share the read-only pages of NLE's library; None: where they
        can, and a worker plays enough of them to gain by it. A warning says why they cannot.

    Attributes:
      description: what the environment looks like.
      processes: the workers.
      restarts: workers that had to be replaced so far.
      all_restarts: of all pools of this process together.
      environments: those that play on it; the last one to be closed ends the workers.
      lock: held by the thread that talks to the workers; the methods take it themselves, callers
        take it around several that belong together.

    Raises:
      ValueError: for a name or an option's value that cannot be used.
      MissingExtra: when a package is missing that the environment needs.
      HostError: when the environment cannot be made.
    """

    all_restarts: ClassVar[int] = 0

    def __init__(
        self,
        kind: str,
        name: str,
        options: dict[str, Any] | None = None,
        *,
        workers: int | None = None,
        deadline: float = 60.0,
        ahead: bool | None = None,
        contexts: Contexts = Contexts(),  # noqa: B008 - frozen
        share_pages: bool | None = None,
    ):
        self.kind, self.name, self.options = kind, name, dict(options or {})
        self.deadline, self.ahead, self.contexts = deadline, ahead, contexts
        self.share_pages, self._told = share_pages, False
        count = usable_cores() if workers is None else workers
        most = max(LEAST_LIMIT, WORKERS_A_CORE * usable_cores())
        if not 1 <= count <= most:
            cores = f"{usable_cores()} cores to run on"
            raise ValueError(f"workers={workers!r}: from 1 to {most}, with {cores}")
        if not 0 < deadline <= MOST_DEADLINE:
            raise ValueError(
                f"deadline={deadline!r}: seconds, above 0 and at most {MOST_DEADLINE:g}"
            )
        self.restarts = 0
        self.environments: weakref.WeakSet[Any] = weakref.WeakSet()
        self.lock = threading.RLock()
        self.groups: dict[int, Group] = {}
        self.errors: dict[int, tuple[str, str, str]] = {}
        self._numbers = iter(range(1, 1 << 30))
        self.folder = Path(tempfile.mkdtemp(prefix="jaxrl-host-"))
        self.processes: list[Process] = []
        self._generation = 0
        self._finalizer = weakref.finalize(
            self, _shutdown, self.processes, self.folder, os.getpid()
        )
        try:
            for index in range(count):
                self.processes.append(self._spawn(index))
            self.finish(_POOL, 60.0 + deadline, restart=False)
            for told in (ValueError, MissingExtra):
                if self.errors.get(_POOL, ("",))[0] == told.__name__:
                    raise told(self.errors[_POOL][1].removeprefix(f"{told.__name__}: "))
            self.raise_error(_POOL)
        except BaseException:
            self.close()
            raise
        self.description: Description = self.processes[0].results[_POOL][0]

    @locked
    def group(self, size: int) -> Group:
        """A batch of `size` games; it has to be reset first.

        Raises:
          OutOfSharedMemory: when its observations do not fit into memory.
          HostError: the pool has been closed.
        """
        self.check_open()
        number = next(self._numbers)
        group = Group(self, number, size)
        self.groups[number] = group
        try:
            group.make()
        except BaseException:
            self.groups.pop(number, None)  # the pool may have been closed by then
            raise
        return group

    @locked
    def drop(self, group: Group) -> None:
        """Ends a group's games and frees their memory."""
        if self.groups.pop(group.number, None) is None:
            return
        for process in self.processes[: len(group.parts)]:
            process.call(group.number, "drop", group.number)
        self.finish(group.number, self.deadline)
        self.errors.pop(group.number, None)
        group.arrays = {}
        group.block.close()

    def close(self) -> None:
        """Ends all workers."""
        self._finalizer()
        for group in self.groups.values():
            group.arrays = {}
            group.block.close()
        self.groups = {}

    @property
    def closed(self) -> bool:
        """Whether the workers have been ended."""
        return not self._finalizer.alive

    def check_open(self) -> None:
        """Raises HostError if the workers have been ended."""
        if self.closed:
            raise HostError(f"{self.name}: this environment has been closed")

    @locked
    def memory(self) -> list[dict[str, int]]:
        """Bytes of each worker: `rss`, `private` and `pss`."""
        for process in self.processes:
            process.results.pop(_MEMORY, None)
        for _ in range(_ATTEMPTS):
            asked = [process for process in self.processes if _MEMORY not in process.results]
            for process in asked:
                process.call(_MEMORY, "memory")
            self.finish(_MEMORY, self.deadline)
            self.raise_error(_MEMORY)
            if all(_MEMORY in process.results for process in self.processes):
                return [process.results[_MEMORY] for process in self.processes]
        self.give_up(f"{_ATTEMPTS} workers in a row ended while they were looked at")

    @locked
    def show(self, base: Any, episode: int, actions: Any) -> dict[str, Any]:
        """What people see of an episode after so many actions.

        Args:
          base: `[2]` uint32, what the seeds of the environment's episodes follow from.
          episode: its number.
          actions: `[time, ...]`.

        Returns:
          The arrays of `viewer.SCREEN` or of `viewer.PICTURE`.

        Raises:
          NotImplementedError: when the games cannot be looked at.
        """
        process = self.processes[-1]  # the first ones play small groups
        process.call(_VIEW, "show", base, episode, actions, self.contexts)
        self.finish(_VIEW, self.deadline + 1e-3 * len(actions))
        if _VIEW in self.errors:
            raise NotImplementedError(f"{self.name} cannot be shown: {self.errors.pop(_VIEW)[1]}")
        shown = process.results.pop(_VIEW, None)
        if shown is None:
            raise NotImplementedError(f"{self.name} cannot be shown: its worker died of it")
        return shown

    def sharing(self, number: int, workers: int) -> list[bool]:
        """Whether each worker's games of a group share pages; tells once why they cannot."""
        results = [process.results.get(number) for process in self.processes[:workers]]
        for _, why in (result for result in results if result):
            if why and not self._told:
                self._told = True
                warnings.warn(
                    f"{self.name}: games do not share pages: {why}. They are slower, and otherwise "
                    "the same; share_pages=False asks for this",
                    stacklevel=4,
                )
        return [bool(result and result[0]) for result in results]

    def finish(self, number: int, patience: float, restart: bool = True) -> None:
        """Reads answers until no worker owes one to group `number`; replaces those that died."""
        waiting = {p.channel.fileno(): p for p in self.processes if number in p.inflight}
        if not waiting:
            return
        poll = select.poll()
        for fd in waiting:
            poll.register(fd, select.POLLIN)
        end, grace = time.monotonic() + patience, False
        while waiting:
            ready = [fd for fd, process in waiting.items() if process.channel.pending()]
            if not ready:
                left = max(0.0, end - time.monotonic())
                ready = [fd for fd, _ in poll.poll(1000 * left)]
            if not ready:
                if not grace:
                    end, grace = time.monotonic() + _GRACE_SECONDS, True
                    continue
                ready = list(waiting)
                for process in waiting.values():
                    self._lost(process, f"did not answer within {patience:.0f} s", restart)
            for fd in ready:
                process = waiting[fd]
                if process is self.processes[process.index]:
                    self._read(process, restart)
                if number not in process.inflight:
                    poll.unregister(fd)
                    del waiting[fd]

    def raise_error(self, number: int) -> None:
        """Raises what a game of group `number` raised, if one did."""
        if number not in self.errors:
            return
        _, text, trace = self.errors.pop(number)
        raise HostError(f"{self.name}: {text}\n\nIn the worker:\n{trace}")

    def give_up_waiting(self) -> None:
        """Replaces workers that owe an answer, after an interrupt between asking and being answered."""
        for process in list(self.processes):
            if process.inflight:
                self._lost(process, "was interrupted", True)

    def give_up(self, why: str) -> NoReturn:
        """Ends the pool and raises.

        Raises:
          HostError: always.
        """
        self.close()
        raise HostError(f"{self.name}: {why}; restarted {self.restarts} workers before")

    def _read(self, process: Process, restart: bool) -> None:
        try:
            kind, value = process.channel.receive()
        except EOFError:
            with contextlib.suppress(Exception):
                process.popen.wait(1.0)
            self._lost(process, process.death(), restart)
            return
        number = process.inflight.popleft()
        if kind == ERROR:
            self.errors[number] = value[1:]
        elif kind != OK:
            process.results[number] = value[1]

    def _lost(self, process: Process, why: str, restart: bool) -> None:
        """Replaces a worker that has ended or hangs; marks its games as lost."""
        process.inflight.clear()
        process.end()
        if not restart or not self._finalizer.alive:
            self.errors[_POOL] = ("", f"worker {process.index} {why} while starting", "no trace")
            return
        self.restarts += 1
        Pool.all_restarts += 1
        warnings.warn(
            f"{self.name}: worker {process.index} (process {process.pid}) {why}; restarting it, "
            "its episodes come back truncated",
            stacklevel=2,
        )
        fresh = self._spawn(process.index)
        self.processes[process.index] = fresh
        self.finish(_POOL, 60.0 + self.deadline, restart=False)
        self.raise_error(_POOL)
        for group in self.groups.values():
            if process.index < len(group.parts):
                low, high = group.parts[process.index]
                group.lost[low:high] = True
                group.make_games(process.index)

    def _spawn(self, index: int) -> Process:
        self._generation += 1
        process = Process(index, self.folder / str(self._generation))
        alarm = 4 * self.deadline + 3600  # only for a worker without a parent
        process.call(_POOL, "describe", self.kind, self.name, self.options, alarm)
        return process


def _shutdown(processes: Sequence[Process], folder: Path, owner: int) -> None:
    if os.getpid() != owner:  # a fork of the owner: the workers are not its own
        return
    for process in processes:
        process.channel.close()
    for process in processes:
        process.end(patience=3.0)
    with contextlib.suppress(OSError):
        folder.rmdir()
