"""Checks of a config's numbers, each an error that names the field, its value and what would be right.

None is let through (a field that may be None says so by its type), and so is a value that a sweep
traces. NaN never passes.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from envs.options import MOST
from jaxrl_suite.experiment import ConfigError, known

MOST_STEPS = 2**63 - 1  # of a run: they are counted on the host


def at_least(config: Any, least: float, *names: str, most: int = MOST) -> None:
    """Refuses numbers below `least`, infinite ones, and whole ones above `most`.

    Raises:
      ConfigError: for the first of the fields `names` that is.
    """
    for name, value in _given(config, names):
        if not least <= value < math.inf:
            raise ConfigError(name, value, f"at least {least:g}")
        if isinstance(value, int) and value > most:
            raise ConfigError(name, value, f"at most {most}")


def above(config: Any, bound: float, *names: str) -> None:
    """Refuses numbers that are not above `bound`, and infinite ones; raises as `at_least`."""
    for name, value in _given(config, names):
        if not bound < value < math.inf:
            raise ConfigError(name, value, f"above {bound:g}")


def within(config: Any, low: float, high: float, *names: str) -> None:
    """Refuses numbers outside `[low, high]`; raises as `at_least`."""
    for name, value in _given(config, names):
        if not low <= value <= high:
            raise ConfigError(name, value, f"from {low:g} to {high:g}")


def share(config: Any, *names: str) -> None:
    """Refuses what is not a share above 0, up to 1; raises as `at_least`."""
    for name, value in _given(config, names):
        if not 0.0 < value <= 1.0:
            raise ConfigError(name, value, "above 0, up to 1")


def finite(config: Any, *names: str) -> None:
    """Refuses NaN and infinities; raises as `at_least`."""
    for name, value in _given(config, names):
        if not math.isfinite(value):
            raise ConfigError(name, value, "a finite number")


def one_of(config: Any, choices: Collection[str], *names: str) -> None:
    """Refuses values that are none of `choices`; raises as `at_least`."""
    for name, value in _given(config, names):
        if value not in choices:
            raise ConfigError(name, value, f"one of {', '.join(choices)}")


def batch(config: Any, *names: str) -> None:
    """Refuses numbers whose product, the elements of a batch, is more than `MOST`.

    Raises:
      ConfigError: for the largest of the fields `names`.
    """
    values = dict(_given(config, names))
    if math.prod(values.values()) > MOST:
        largest = max(values, key=values.__getitem__)
        raise ConfigError(largest, values[largest], f"{' * '.join(values)} is at most {MOST}")


def sizes(config: Any, *names: str) -> None:
    """Refuses empty tuples and sizes below 1; raises as `at_least`."""
    for name, value in _given(config, names):
        if not value or min(value) < 1 or max(value) > MOST:
            raise ConfigError(name, value, "one or more sizes, each at least 1")


def _given(config: Any, names: Collection[str]) -> list[tuple[str, Any]]:
    values = [(name, getattr(config, name)) for name in names]
    return [(name, value) for name, value in values if value is not None and known(value)]
