"""What a worker process does: sets groups of games up, steps them, and starts spares when idle.

It ends when its socket closes, so it outlives neither a parent that ends nor one that is killed. While
a game hangs, a thread looks after the parent; a game that lets no thread run, with no parent left to
notice, is ended by the process's own alarm.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from typing import Any

from envs.host import games
from envs.host.channel import CALL, ERROR, OK, RESULT, STEP, Channel
from envs.host.games.shared_pages import GAMES, SharedPages
from envs.host.games.shared_pages_check import checked
from envs.host.roster import GameFailed, Roster
from envs.host.shared_buffers import Block
from envs.host.viewer import Viewer

Sharing = tuple[bool, str | None]  # whether games share pages; why not, although they should

_LOOK_SECONDS = 2.0  # how often a worker looks whether its parent is still there
_IDLE_MILLISECONDS = 0  # spares are started as soon as no command is waiting
_AWAKE_SECONDS = 3e-4  # waking a sleeping process takes as long as several games' steps


class Worker:
    """The state of one worker process."""

    def __init__(self, channel: Channel):
        self.channel = channel
        self.family: games.Family | None = None
        self.groups: dict[int, tuple[Roster, Block]] = {}
        self.pages: tuple[SharedPages | None, str | None] | None = None
        self.viewer: Viewer | None = None
        self.alarm = 0.0
        self.poll = select.poll()
        self.poll.register(channel, select.POLLIN)
        self.soon = False

    def describe(self, kind: str, name: str, options: dict[str, Any], alarm: float) -> Any:
        """Loads the family of games; what the parent must know of it."""
        self.alarm = alarm
        self.family = games.load(kind, name, options)
        return self.family.description, dict(self.family.staging())

    def group(
        self,
        number: int,
        layout: Any,
        low: int,
        high: int,
        ahead: bool,
        contexts: Any,
        share: bool | None,
    ) -> Sharing:
        """Makes the games of a group's slots `[low, high)`; its memory came with the message."""
        block = Block(layout, self.channel.take_fd())
        assert self.family is not None
        pages, why = self._pages(share, high - low)
        roster = Roster(self.family, block.arrays, low, high, ahead, contexts, pages)
        self.groups[number] = (roster, block)
        return pages is not None, why

    def _pages(self, share: bool | None, games: int) -> tuple[SharedPages | None, str | None]:
        """What so many games are to share; finds out once whether that works here."""
        assert self.family is not None
        if share is None:
            able = self.family.description.library and sys.platform == "linux"
            share = able and games >= GAMES
        if not share:
            return None, None
        if self.pages is None:
            self.pages = checked(self.family)
        return self.pages

    def start(self, number: int, bank: int) -> Sharing:
        """New episodes in all slots of a group."""
        roster = self.groups[number][0]
        roster.start(bank)
        return roster.pages is not None, roster.refused or None

    def replay(self, number: int, bank: int, layout: Any) -> Sharing:
        """Plays logged actions, so that games stand where they stood; the log came along."""
        block = Block(layout, self.channel.take_fd())
        roster = self.groups[number][0]
        log = block.arrays["log"][roster.low : roster.low + roster.slots]
        try:
            roster.start(bank, log)
        finally:
            del log
            block.close()
        return roster.pages is not None, roster.refused or None

    def show(self, base: Any, episode: int, actions: Any, contexts: Any) -> dict[str, Any]:
        """What people see of an episode after so many actions (`viewer.Viewer.show`)."""
        assert self.family is not None
        if self.viewer is None:
            self.viewer = Viewer(self.family)
        return dict(self.viewer.show(base, episode, actions, contexts))

    def drop(self, number: int) -> None:
        """Ends a group's games and lets its memory go."""
        roster, block = self.groups.pop(number)
        roster.close()
        roster.shared = {}
        block.close()

    def memory(self) -> dict[str, int]:
        """Bytes this process holds: all of it, and what no other process shares."""
        with open("/proc/self/smaps_rollup") as file:
            lines = [line.split() for line in file if line.endswith("kB\n")]
        sizes = {line[0].rstrip(":"): int(line[1]) * 1024 for line in lines}
        private = sizes["Private_Clean"] + sizes["Private_Dirty"]
        return {"rss": sizes["Rss"], "private": private, "pss": sizes["Pss"]}

    def idle(self) -> None:
        """Starts spares until a command arrives."""
        if self.channel.pending():
            return
        for roster, _ in list(self.groups.values()):
            while not self.poll.poll(_IDLE_MILLISECONDS):
                if not roster.prepare():
                    break

    def stay_awake(self) -> None:
        """Looks for a command for a moment, without sleeping, if the last one came as soon as that."""
        start = time.perf_counter()
        patience = _AWAKE_SECONDS if self.soon else 0.0
        while not self.channel.pending() and not self.poll.poll(0):
            if time.perf_counter() - start > patience:
                self.poll.poll()
                break
            os.sched_yield()  # whoever computes the actions may need this core
        self.soon = time.perf_counter() - start < _AWAKE_SECONDS

    def serve(self) -> None:
        """Answers commands until the parent goes."""
        while True:
            # a reset that fails ahead of time fails again when its turn comes, and is told then
            with contextlib.suppress(GameFailed):
                self.idle()
            self.stay_awake()
            try:
                kind, value = self.channel.receive()
            except EOFError:
                break
            if self.alarm:
                signal.setitimer(signal.ITIMER_REAL, self.alarm)
            try:
                self._answer(kind, value)
            except (BrokenPipeError, ConnectionError):
                break
            finally:
                if self.alarm:
                    signal.setitimer(signal.ITIMER_REAL, 0)
        for roster, _ in self.groups.values():
            roster.close()
        if self.viewer is not None:
            self.viewer.close()

    def _answer(self, kind: bytes, value: Any) -> None:
        try:
            if kind == STEP:
                number, bank = value
                self.groups[number][0].step(bank)
                self.channel.send_pair(OK, number, bank)
                return
            assert kind == CALL
            number, method, arguments = value
            result = getattr(self, method)(*arguments)
            self.channel.send(RESULT, (number, result))
        except Exception as error:  # noqa: BLE001 - told to the parent, which raises it
            number = value[0]
            text = (
                str(error) if isinstance(error, GameFailed) else f"{type(error).__name__}: {error}"
            )
            self.channel.send(ERROR, (number, type(error).__name__, text, traceback.format_exc()))


def _end_with(parent: int) -> None:
    """Ends this process when its parent has gone, also while a game hangs."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    _remove_folder()
    os._exit(1)


def _remove_folder() -> None:
    folder = tempfile.gettempdir()
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(folder))


def main(fd: int) -> None:
    """Runs a worker on the socket `fd`."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent decides when to stop
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a game holds a descriptor
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        Worker(Channel(socket.socket(fileno=fd))).serve()
    finally:  # the pool does this too, unless it was killed
        _remove_folder()
