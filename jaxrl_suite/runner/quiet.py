"""What other libraries print to no purpose."""

from __future__ import annotations

import sys
from typing import Any


def tensorstore() -> None:
    """Leaves out what TensorStore's threads print after a write has failed and been reported."""

    def is_noise(kind: Any, error: Any) -> bool:
        return kind is RuntimeError and str(error) == "Event loop is closed"

    def excepthook(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if not is_noise(kind, error):
            sys.__excepthook__(kind, error, trace)

    def unraisablehook(unraisable: Any) -> None:
        if not is_noise(unraisable.exc_type, unraisable.exc_value):
            sys.__unraisablehook__(unraisable)

    sys.excepthook, sys.unraisablehook = excepthook, unraisablehook
