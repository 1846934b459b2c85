"""Stopping politely: SIGTERM and SIGINT set a flag that the loop reads between two segments."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class StopRequest:
    """Attributes: signal: the number of the signal that arrived, or 0."""

    def __init__(self) -> None:
        self.signal: int = 0

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as shells report it: 143 for SIGTERM, 130 for SIGINT."""
        return 128 + self.signal

    @property
    def name(self) -> str:
        """`SIGTERM`, say."""
        return signal.Signals(self.signal).name if self.signal else ""


@contextlib.contextmanager
def watch() -> Iterator[StopRequest]:
    """Turns the first SIGTERM or SIGINT into a flag; a second one ends the process at once."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # only the main thread may handle signals
        return

    def handler(number: int, frame: FrameType | None) -> None:
        del frame
        request.signal = number
        for either in previous:
            signal.signal(either, signal.SIG_DFL)

    previous = {s: signal.signal(s, handler) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, old in previous.items():
            signal.signal(number, old)
