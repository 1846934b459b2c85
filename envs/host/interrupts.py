"""Ctrl-C in calls that must not be left half way.

Python raises KeyboardInterrupt wherever the main thread happens to be. In a function that XLA calls it
cannot be passed on (XLA would take the call for a success), and between sending a command and noting
that it was sent it leaves workers out of step. Inside of such functions the first Ctrl-C is therefore
put off: it comes again and again until the program has returned, and is raised in the caller's own
code. A second one, by a person who cannot wait, ends the program with an error.

Only Python's own handler is replaced; whoever has set another one keeps it.
"""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

_AGAIN_SECONDS = 0.05

_protected: set[CodeType] = set()
_may_end: set[CodeType] = set()
_again = threading.Event()  # the next signal is one that was put off
_timers: list[threading.Timer] = []
_asked = [0]  # how often somebody pressed Ctrl-C since the first that was put off


def defer_inside(code: CodeType) -> None:
    """Puts Ctrl-C off in every call of the function with this code."""
    _protected.add(code)


def may_end(function: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a function within a protected one where the second Ctrl-C may be raised."""
    _may_end.add(function.__code__)
    return function


def install() -> None:
    """Takes the place of Python's own handler, if it is in place and this is the main thread."""
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _on_interrupt)


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    resent = _again.is_set()
    _again.clear()
    inside, ends = frame, False
    while inside is not None and inside.f_code not in _protected:
        ends = ends or inside.f_code in _may_end
        inside = inside.f_back
    if inside is None:
        _asked[0] = 0
        signal.default_int_handler(number, frame)
    if not resent:
        _asked[0] += 1
    while _timers:
        _timers.pop().cancel()
    if _asked[0] > 1 and ends:
        _asked[0] = 0
        raise KeyboardInterrupt
    timer = threading.Timer(_AGAIN_SECONDS, _send_again)
    timer.daemon = True
    _timers.append(timer)
    timer.start()


def _send_again() -> None:
    _again.set()
    _thread.interrupt_main()
