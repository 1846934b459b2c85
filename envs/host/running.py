"""Running batches of games, found by where a state says that its games stand: the bridge's host side.

A state names its group and its place in it as a mere hint. If no running group stands exactly there,
new games are played forward to it. The longest unused group ends when one more is needed.

All methods take and return NumPy arrays, for whole batches; `NUMBERS` are the columns of what comes
back from a step, `WHERE` those of what a state says.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import numpy as np

from envs.host.group import Batch, Group
from envs.host.interrupts import may_end
from envs.host.pool import HostError, Pool

WHERE = ("group", "row", "base", "base", "episode", "time", "order")
NUMBERS = ("group", "row", "episode", "time", "reward", "terminated", "truncated", "lost")

HANDLERS = ("reset", "step", "send", "recv", "restore", "final")


class Running:
    """The groups of one pool.

    Args:
      pool: the workers.
      most_groups: kept running at once.
    """

    def __init__(self, pool: Pool, most_groups: int):
        self.pool, self.most_groups = pool, most_groups
        self.groups: collections.OrderedDict[int, Group] = collections.OrderedDict()
        self._batches: dict[int, Batch] = {}
        self._stand: dict[int, np.ndarray] = {}  # what `where` of each group's states begins with
        self._underway: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._sends = 0
        self.closed = False

    def _make_group(self, size: int) -> Group:
        if self.closed:
            raise HostError(f"{self.pool.name}: this environment has been closed")
        while len(self.groups) >= self.most_groups:
            number, group = self.groups.popitem(last=False)
            self._batches.pop(number, None)
            self._stand.pop(number, None)
            self._underway.pop(number, None)
            group.close()
        group = self.pool.group(size)
        self.groups[group.number] = group
        return group

    def close(self) -> None:
        """Ends the groups; nothing can be played any more."""
        with self.pool.lock:
            self.closed = True
            groups = [] if self.pool.closed else list(self.groups.values())
            self.groups.clear()
            for group in groups:
                group.close()

    @may_end
    def handle(self, method: int, *arguments: np.ndarray) -> Any:
        """What a program calls: one of `HANDLERS`."""
        self.pool.check_open()
        try:
            return getattr(self, HANDLERS[method])(*arguments)
        except KeyboardInterrupt:
            with self.pool.lock:
                self.pool.give_up_waiting()
            raise

    def reset(self, base: Any) -> Any:
        base = np.asarray(base)
        with self.pool.lock:
            group = self._make_group(len(base))
            batch = group.reset(base)
            stand = self._stands_anew(group)
            return dict(batch.observation), stand[:, 0], stand[:, 1]

    def step(self, where: Any, action: Any) -> Any:
        where = np.asarray(where)
        with self.pool.lock:
            group = self.groups.get(int(where[0, 0]))
            if group is None or not self._stands(group, where):
                return np.bool_(False), *self._nothing(len(where))
            self.groups.move_to_end(group.number)
            return np.bool_(True), *self._answer(group, lambda: group.send(np.asarray(action)))

    def send(self, where: Any, action: Any) -> Any:
        where, action = np.array(where), np.array(action)
        with self.pool.lock:
            self._sends = (self._sends + 1) % (1 << 30)
            group = self.groups.get(int(where[0, 0]))
            # where they do not stand so, `recv` will have them restored
            if group is not None and self._stands(group, where):
                self.groups.move_to_end(group.number)
                self._underway[group.number] = where, action
                group.send(action)
            return np.full(len(where), self._sends, np.int32)

    def recv(self, where: Any, action: Any) -> Any:
        where = np.asarray(where)
        with self.pool.lock:
            number = int(where[0, 0])
            sent, group = self._underway.get(number), self.groups.get(number)
            same = sent is not None and np.array_equal(sent[0][:, :-1], where[:, :-1])
            if group is None or sent is None or not same or not np.array_equal(sent[1], action):
                return np.bool_(False), *self._nothing(len(where))
            del self._underway[number]
            return np.bool_(True), *self._answer(group)

    def restore(self, where: Any, log: Any, action: Any) -> Any:
        where, log = np.asarray(where), np.asarray(log)
        base, episode, time = where[:, 2:4].view(np.uint32), where[:, 4], where[:, 5]
        with self.pool.lock:
            group = self._make_group(len(base))
            # the log ends with the action of this very step; too long an episode starts again
            short = np.where(time < log.shape[1], time, 0)
            group.replay(base, episode, short, log)
            self._stands_anew(group)
            observation, numbers = self._answer(group, lambda: group.send(np.asarray(action)))
            batch = self._batches[group.number]
            again = (short != time) & ~(batch.terminated | batch.truncated)
            numbers[:, NUMBERS.index("truncated")] |= again
            numbers[:, NUMBERS.index("lost")] |= again
            return observation, numbers

    def final(self, number: Any, time: Any) -> Any:
        with self.pool.lock:
            batch = self._batches[int(np.asarray(number)[0])]
            return batch.final_observation(), np.asarray(time)

    def _answer(self, group: Group, send: Callable[[], None] = lambda: None) -> Any:
        """What comes back from a step; where that fails, nobody knows where the games stand."""
        stand = self._stand.pop(group.number)
        send()
        self._batches[group.number] = batch = group.recv()
        self._stand[group.number] = stand
        stand[:, 4], stand[:, 5] = group.arrays["episode"], group.arrays["time"]
        numbers = np.empty((group.size, len(NUMBERS)), np.int32)
        numbers[:, :2], numbers[:, 2:4] = stand[:, :2], stand[:, 4:]
        numbers[:, 4], numbers[:, 5] = batch.reward.view(np.int32), batch.terminated
        numbers[:, 6], numbers[:, 7] = batch.truncated, batch.lost
        return dict(batch.observation), numbers

    def _stands_anew(self, group: Group) -> np.ndarray:
        """Notes where the games of a group stand that were put there: `[size, 6]`, as in `WHERE`."""
        stand = np.empty((group.size, len(WHERE) - 1), np.int32)
        stand[:, 0], stand[:, 1] = group.number, np.arange(group.size)
        stand[:, 2:4] = group.arrays["base"].view(np.int32)
        stand[:, 4], stand[:, 5] = group.arrays["episode"], group.arrays["time"]
        self._stand[group.number] = stand
        return stand

    def _stands(self, group: Group, where: np.ndarray) -> bool:
        """Whether a group's games are those of a batch of states, in their order and at their step."""
        stand = self._stand.get(group.number)
        return stand is not None and not group.waiting and np.array_equal(stand, where[:, :-1])

    def _nothing(self, count: int) -> Any:
        observation = {
            key: np.zeros((count, *array.shape), array.dtype)
            for key, array in self.pool.description.observation.items()
        }
        return observation, np.zeros((count, len(NUMBERS)), np.int32)
