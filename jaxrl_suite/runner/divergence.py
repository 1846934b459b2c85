"""Rows of a program whose numbers stopped being finite: which, since when, and what is left of them.

The rows of a sweep are independent, so one that diverges goes on beside the others as it is; from the
log line at which it diverged its metrics are NaN, every one of them: what an agent with such weights
still earns says nothing about the setting. (An empty cell of the table means "no value yet" instead.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxrl_suite.runner import segment


class Diverged(NamedTuple):
    """Where a row stopped being finite.

    Attributes:
      row: its number in the program.
      update: the first update with a metric that was not finite, counted from 1.
      metrics: the metrics that were not finite then.
    """

    row: int
    update: int
    metrics: tuple[str, ...]


def find(reduced: segment.Reduced, names: Sequence[str], done: int) -> list[Diverged]:
    """The rows of a segment with a metric that is not finite, the earliest first.

    Args:
      reduced: `[rows, metrics]` arrays of a segment.
      names: of the metrics.
      done: updates before the segment.
    """
    first: np.ndarray = np.asarray(reduced.first_bad)  # the largest int32 where good
    bad = ~segment.never_bad(first).all(axis=1)
    found = []
    for row in np.flatnonzero(bad).tolist():
        at = int(first[row].min())
        metrics = tuple(names[column] for column in np.flatnonzero(first[row] == at).tolist())
        found.append(Diverged(row, done + at + 1, metrics))
    return sorted(found, key=lambda one: (one.update, one.row))


def blank(reduced: segment.Reduced, rows: Collection[int]) -> segment.Reduced:
    """`reduced` with NaN for every metric of `rows`."""
    if not rows:
        return reduced
    arrays: dict[str, Any] = {name: np.array(x) for name, x in reduced._asdict().items()}
    arrays["values"][list(rows)], arrays["present"][list(rows)] = np.nan, True
    return segment.Reduced(**arrays)


def plain(one: Diverged, steps_per_update: int) -> dict[str, Any]:
    """As JSON has it, in a program's `summary.json`."""
    return {**one._asdict(), "env_steps": one.update * steps_per_update}


def described(entries: Sequence[Mapping[str, Any]]) -> str:
    """`seed 3 at update 18 (env_steps 144)` of every entry of a cell's `summary.json`."""
    return ", ".join(
        f"seed {e['seed']} at update {e['update']} (env_steps {e['env_steps']})" for e in entries
    )
