"""The parent's handle on one worker process: starting it, what it owes, ending it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

from envs.host.channel import CALL, Channel

_BOOT = Path(__file__).with_name("_boot.py")


class Process:
    """One worker.

    Attributes:
      inflight: numbers of the groups whose commands it has not answered yet, oldest first.
      results: newest result of a call, by group number.
    """

    def __init__(self, index: int, folder: Path):
        self.index, self.folder = index, folder
        self.inflight: deque[int] = deque()
        self.results: dict[int, Any] = {}
        folder.mkdir(parents=True, exist_ok=True)
        ours, theirs = socket.socketpair()
        environment = {
            **os.environ,
            "JAXRL_HOST_PATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
            "TMPDIR": str(folder),
            "OMP_NUM_THREADS": "1",
        }
        # A new interpreter, never a fork: the parent runs XLA's threads. -P: the script's own
        # folder must not shadow packages of the same names.
        self.popen = subprocess.Popen(
            [sys.executable, "-P", str(_BOOT), str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        self.channel = Channel(ours)

    @property
    def pid(self) -> int:
        return self.popen.pid

    def call(self, number: int, method: str, *arguments: Any, fds: tuple[int, ...] = ()) -> None:
        """Sends a command; the answer is read by the pool. A dead worker is noticed there as well."""
        self.inflight.append(number)
        with contextlib.suppress(OSError):
            self.channel.send(CALL, (number, method, arguments), fds)

    def step(self, kind: bytes, number: int, bank: int) -> None:
        """As `call`, for the one command that is sent all the time."""
        self.inflight.append(number)
        with contextlib.suppress(OSError):
            self.channel.send_pair(kind, number, bank)

    def death(self) -> str:
        """In words, how the process ended."""
        code = self.popen.poll()
        if code is None:
            return "hung"
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def end(self, patience: float = 0.0) -> None:
        """Closes the socket, which asks the worker to end, and kills it after `patience` seconds."""
        self.channel.close()
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(patience)
        finally:  # also after Ctrl-C
            if self.popen.poll() is None:
                self.popen.kill()  # works on a stopped process too
                self.popen.wait()
            shutil.rmtree(self.folder, ignore_errors=True)
