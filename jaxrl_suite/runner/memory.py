"""What a program takes of a machine's memory, and what there is: told before it is too late.

On CPUs the system lends more memory than there is and then ends the process, so a program is held
against the machine's memory before it runs. Accelerators say themselves when theirs is used up.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import jax

from jaxrl_suite.runner.errors import RunError

_FEWER = "fewer seeds or environments, shorter rollouts or smaller networks take less"
_CONTROL_GROUP = Path("/sys/fs/cgroup/memory.max")


def available() -> float:
    """Bytes this process may have at most; infinity where nobody says."""
    try:
        most = float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError, AttributeError):
        most = math.inf
    try:  # of a container
        return min(most, float(_CONTROL_GROUP.read_text()))
    except (OSError, ValueError):  # "max"
        return most


def check_state(template: Any) -> None:
    """Refuses a state, by its shapes, that alone is more than the machine's memory.

    Raises:
      RunError: saying how much it is and how much there is.
    """
    if jax.default_backend() == "cpu":
        sizes = (x.size * x.dtype.itemsize for x in jax.tree.leaves(template))
        _check(float(sum(sizes)), "the state of this run")


def check_program(compiled: Any, devices: int) -> None:
    """Refuses a compiled program that needs more than the machine's memory; raises as `check_state`.

    Args:
      compiled: which says what it takes of one device.
      devices: that it runs on, with the same memory where they are CPUs.
    """
    try:
        found = compiled.memory_analysis()
    except (NotImplementedError, RuntimeError):  # a backend that does not say
        found = None
    if found is not None and jax.default_backend() == "cpu":
        total = found.temp_size_in_bytes + found.argument_size_in_bytes
        total += found.output_size_in_bytes - found.alias_size_in_bytes
        _check(float(total) * devices, "this run")


def is_used_up(error: BaseException) -> bool:
    """Whether `error` says that memory could not be had."""
    return isinstance(error, MemoryError) or (
        isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
    )


def used_up(error: BaseException) -> RunError:
    """The error in a person's words."""
    first = (str(error).splitlines() or [""])[0].removeprefix("RESOURCE_EXHAUSTED: ")
    return RunError(f"out of memory ({first.rstrip('.') or 'NumPy'}): {_FEWER}", exit_code=1)


def _check(needed: float, what: str) -> None:
    there = available()
    if needed > there:
        gigabytes = f"{needed / 1e9:,.1f} GB of memory, of the {there / 1e9:,.1f} GB there are"
        raise RunError(f"{what} needs {gigabytes}: {_FEWER}")
