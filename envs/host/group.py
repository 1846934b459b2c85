"""A batch of games spread over the workers, stepped together: `reset`, then `send` and `recv`.

    group = pool.group(64)
    batch = group.reset(base)            # [64, 2] uint32
    group.send(actions)                  # returns at once
    batch = group.recv()

Two groups of one pool can be in flight at the same time: while the policy runs on one half of the
environments, the workers play the other half.

Outputs come in two banks, written in turns: the arrays of a batch stay as they are until the send
after the next one. What must live longer has to be copied; note that JAX on a CPU may keep using a
NumPy array's memory after `jnp.asarray` and `device_put`.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from envs.host.channel import STEP
from envs.host.games import Array, Description
from envs.host.shared_buffers import Block, Layout

if TYPE_CHECKING:
    from envs.host.pool import Pool

_ATTEMPTS = 3  # of workers at starting games, before giving up

_Method = TypeVar("_Method", bound=Callable[..., Any])


def locked(method: _Method) -> _Method:
    """Lets one thread at a time talk to the workers: answers come in the order of the questions."""

    @functools.wraps(method)
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        with self.lock:
            return method(self, *arguments, **named)

    return call  # type: ignore[return-value]


@dataclasses.dataclass(frozen=True)
class Batch:
    """What one step of a group returns; arrays of `[size, ...]`, all of them views.

    Attributes:
      observation: by key; the first of the next episode where one has ended.
      reward: float32.
      terminated, truncated: bool.
      lost: bool, truncated because the game's worker died or hung.
    """

    observation: dict[str, np.ndarray]
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    lost: np.ndarray
    last: dict[str, np.ndarray]

    def final_observation(self) -> dict[str, np.ndarray]:
        """The last observation of the episodes that ended, the present one of all others."""
        ended = np.flatnonzero(self.terminated | self.truncated)
        if not len(ended):
            return self.observation
        final = {key: array.copy() for key, array in self.observation.items()}
        for key, array in self.last.items():
            final[key][ended] = array[ended]
        return final


def layout(size: int, description: Description) -> Layout:
    """The shared memory of a group of `size` games."""
    action = description.action
    shape, dtype = (action.shape, action.dtype) if isinstance(action, Array) else ((), "int32")
    arrays: dict[str, tuple[tuple[int, ...], str]] = {
        "action": ((size, *shape), dtype),
        "base": ((size, 2), "uint32"),
        "episode": ((size,), "int32"),
        "time": ((size,), "int32"),
    }
    for bank in (0, 1):
        arrays[f"reward.{bank}"] = ((size,), "float32")
        arrays[f"terminated.{bank}"] = ((size,), "bool")
        arrays[f"truncated.{bank}"] = ((size,), "bool")
        for what in ("observation", "final"):
            for key, array in description.observation.items():
                arrays[f"{what}.{bank}.{key}"] = ((size, *array.shape), array.dtype)
    return Layout.of(arrays)


class Group:
    """See the module. Made by `Pool.group`.

    Attributes:
      size: number of games.
      arrays: the shared memory; `base`, `episode` and `time` say where each game stands.
      sharing: whether the games of each worker share pages (see `games.shared_pages`).
    """

    def __init__(self, pool: Pool, number: int, size: int):
        self.pool, self.number, self.size = pool, number, size
        self.lock = pool.lock
        self.block = Block.create(layout(size, pool.description))
        self.arrays = self.block.arrays
        bounds = np.linspace(0, size, min(len(pool.processes), size) + 1).astype(int)
        self.parts = [(int(a), int(b)) for a, b in itertools.pairwise(bounds)]
        self.lost = np.zeros(size, bool)
        self.bank, self.waiting = 0, False
        self._episode = np.zeros(size, np.int32)
        self.sharing: list[bool] = []

    @locked
    def make(self) -> None:
        """Has the workers make the games; a worker that is lost meanwhile has to know the group."""
        for index in range(len(self.parts)):
            self.make_games(index)
        self.pool.finish(self.number, self._patience())
        self.pool.raise_error(self.number)
        self.sharing = self.pool.sharing(self.number, len(self.parts))

    def make_games(self, index: int) -> None:
        """Has a worker make its part of the games; again after it was restarted."""
        low, high = self.parts[index]
        pool = self.pool
        ahead = pool.ahead
        if ahead is None:  # spares double the memory: few games, or such as start slowly
            ahead = pool.description.slow_reset or high - low <= 32
        pool.processes[index].call(
            self.number,
            "group",
            self.number,
            self.block.layout,
            low,
            high,
            ahead,
            pool.contexts,
            pool.share_pages,
            fds=(self.block.fd,),
        )

    @locked
    def reset(self, base: np.ndarray) -> Batch:
        """New episodes, number 0 of each environment.

        Args:
          base: `[size, 2]` uint32, what all seeds of an environment follow from.
        """
        self.arrays["base"][:] = base
        self.arrays["episode"][:] = 0
        self.arrays["time"][:] = 0
        return self._start("start")

    @locked
    def replay(self, base: Any, episode: Any, time: Any, log: np.ndarray) -> Batch:
        """Brings games back to where others stood: their seeds, then their actions so far.

        Args:
          base, episode, time: `[size, 2]`, `[size]`, `[size]`.
          log: `[size, length, ...]` actions, of which the first `time` are played.
        """
        for name, value in (("base", base), ("episode", episode), ("time", time)):
            self.arrays[name][:] = value
        block = Block.create(Layout.of({"log": (log.shape, log.dtype.name)}))
        block.arrays["log"][:] = log
        try:
            return self._start("replay", block)
        finally:
            block.close()

    @locked
    def send(self, actions: np.ndarray) -> None:
        """Starts a step of all games.

        Args:
          actions: `[size, ...]`.

        Raises:
          ValueError: for another shape, or fractions where one of several is to be chosen.
          HostError: the pool has been closed.
        """
        self.pool.check_open()
        if self.waiting:
            raise RuntimeError("send: the step before has not been received")
        actions, into = np.asarray(actions), self.arrays["action"]
        if actions.shape != into.shape or (actions.dtype.kind == "f" and into.dtype.kind != "f"):
            given = f"{actions.dtype}{list(actions.shape)}"
            raise ValueError(f"actions of {given}: must be {into.dtype}{list(into.shape)}")
        self.waiting = True
        self.bank ^= 1
        into[:] = actions
        self._episode[:] = self.arrays["episode"]
        for index, (low, _) in enumerate(self.parts):
            if not self.lost[low]:
                self.pool.processes[index].step(STEP, self.number, self.bank)

    @locked
    def recv(self) -> Batch:
        """The step's results, waiting for them.

        Raises:
          HostError: a game raised; the message says which.
        """
        if not self.waiting:
            raise RuntimeError("recv: nothing was sent")
        self.waiting = False
        self.pool.finish(self.number, self.pool.deadline)
        self.pool.raise_error(self.number)
        lost = self.lost.copy()
        if lost.any():
            self._recover(lost)
        return self._batch(lost)

    def close(self) -> None:
        """Ends the games."""
        self.pool.drop(self)

    def _start(self, method: str, block: Block | None = None) -> Batch:
        self.bank ^= 1
        self.lost[:] = False
        time = self.arrays["time"].copy()
        steps = int(time.max(initial=0))
        todo = list(range(len(self.parts)))
        for _ in range(_ATTEMPTS):
            for index in todo:
                arguments: tuple = (self.number, self.bank)
                fds: tuple[int, ...] = ()
                if block is not None:
                    arguments, fds = (*arguments, block.layout), (block.fd,)
                self.pool.processes[index].call(self.number, method, *arguments, fds=fds)
            self.pool.finish(self.number, self._patience(steps))
            self.pool.raise_error(self.number)
            todo = [index for index, (low, _) in enumerate(self.parts) if self.lost[low]]
            if not todo:
                break
            self.lost[:] = False
            self.arrays["time"][:] = time
        else:
            self.pool.give_up(f"{_ATTEMPTS} workers in a row ended while starting games")
        self.sharing = self.pool.sharing(self.number, len(self.parts))
        for name in ("reward", "terminated", "truncated"):
            self.arrays[f"{name}.{self.bank}"][:] = 0
        return self._batch(np.zeros(self.size, bool))

    def _recover(self, lost: np.ndarray) -> None:
        """Ends the lost games' episodes where they were, and starts the next ones."""
        bank, arrays = self.bank, self.arrays
        for key in self.pool.description.observation:
            before = arrays[f"observation.{bank ^ 1}.{key}"]
            arrays[f"final.{bank}.{key}"][lost] = before[lost]
        arrays[f"reward.{bank}"][lost] = 0
        arrays[f"terminated.{bank}"][lost] = False
        arrays[f"truncated.{bank}"][lost] = True
        arrays["episode"][lost] = self._episode[lost] + 1
        todo = [index for index, (low, _) in enumerate(self.parts) if lost[low]]
        for _ in range(_ATTEMPTS):
            self.lost[:] = False
            for index in todo:
                self.pool.processes[index].call(self.number, "start", self.number, bank)
            self.pool.finish(self.number, self._patience())
            self.pool.raise_error(self.number)
            todo = [index for index, (low, _) in enumerate(self.parts) if self.lost[low]]
            if not todo:
                return
        self.pool.give_up(f"{_ATTEMPTS} workers in a row ended while starting games")

    def _patience(self, steps: int = 0) -> float:
        """Seconds to wait for games to be made, started or played `steps` steps on."""
        return self.pool.deadline + self.size * (0.5 + steps * 1e-3)

    def _batch(self, lost: np.ndarray) -> Batch:
        arrays, bank = self.arrays, self.bank
        keys = self.pool.description.observation
        return Batch(
            {key: arrays[f"observation.{bank}.{key}"] for key in keys},
            arrays[f"reward.{bank}"],
            arrays[f"terminated.{bank}"],
            arrays[f"truncated.{bank}"],
            lost,
            {key: arrays[f"final.{bank}.{key}"] for key in keys},
        )
