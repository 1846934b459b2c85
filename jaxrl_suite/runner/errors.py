"""How a run can end early: each error carries its exit code and a message of one line."""

from __future__ import annotations

import errno
from typing import Any


class RunError(Exception):
    """A run that cannot start or go on, in words for the person who started it.

    Attributes:
      exit_code: 2 for input that cannot be used, 1 for a failure while running.
    """

    def __init__(self, message: str, exit_code: int = 2):
        super().__init__(message)
        self.exit_code = exit_code


class Interrupted(RunError):
    """A run that was asked to stop (SIGTERM, SIGINT) and saved itself first."""


def require(options: Any, *checked: tuple[str, bool, str]) -> None:
    """Raises `RunError` for the first of `(field, whether it is right, what would be)` that is not."""
    for name, ok, expected in checked:
        if not ok:
            raise RunError(f"{name}={getattr(options, name)!r}: {expected}")


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_TEXT = ("No space left on device", "Disk quota exceeded", "File too large")


def disk_is_full(error: BaseException) -> bool:
    """Whether `error`, or what caused it, says that nothing more can be written.

    TensorStore (under orbax) raises `ValueError` with the system's text, so the text is read too.
    """
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        if isinstance(current, OSError) and current.errno in _FULL:
            return True
        if any(text in str(current) for text in _FULL_TEXT):
            return True
        current = current.__cause__ or current.__context__
    return False
