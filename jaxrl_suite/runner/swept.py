"""What a sweep's folder holds, finished or not: its cells as runs, and what is missing of them.

A finished program has given each of its cells a run directory. The rows of one under way are still
together in the program's own `metrics.parquet`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from jaxrl_suite.runner import folder, scripts, sweep, sweep_file
from jaxrl_suite.runner.command_line import grid_fields
from jaxrl_suite.runner.curves import Curves, read_table
from jaxrl_suite.runner.errors import RunError

_LISTED = 6  # cells that a message names


class Run(NamedTuple):
    """A run to report: where it is (a cell under way: will be), and its curves."""

    out: Path
    curves: Curves


def runs(out: Path) -> tuple[list[Run], str]:
    """The run in `out`, or those of the cells of a sweep, and what to say of cells that lack.

    Raises:
      RunError: where `out` is neither, or holds no metrics yet.
    """
    if (out / folder.CONFIG).is_file() or not (out / "programs").is_dir():
        return [Run(out, Curves.read(out))], ""
    found: list[Run] = []
    trained, begun, empty = 0, [], []
    for program in _programs(out):
        stored = folder.read(program)
        if stored is None:
            continue
        finished = (program / "summary.json").is_file()
        table = _rows(program)
        for index, (label, config) in enumerate(stored["config"]["cells"].items()):
            place = out / "cells" / sweep.as_name(label)
            if finished and (place / folder.CONFIG).is_file():
                found.append(Run(place, Curves.read(place)))
                trained += 1
            elif table is not None:
                curves = _cell(stored, index, config, table)
                found.append(Run(place, curves))
                begun.append(f"{label} at {int(curves.env_steps[-1]):,} env steps")
            else:
                empty.append(label)
    lacking = _lacking(out, trained, begun, empty)
    if not found:
        raise RunError(f"{out} has no metrics yet: {lacking}")
    return found, f"{out}: {lacking}" if lacking else ""


def _programs(out: Path) -> list[Path]:
    numbered = [p for p in (out / "programs").glob("*") if p.name.isdigit()]
    return sorted(numbered, key=lambda p: int(p.name))


def _rows(program: Path) -> pa.Table | None:
    """A program's metrics, or None before the first."""
    try:
        return read_table(program)
    except RunError:
        return None


def _cell(stored: dict[str, Any], index: int, config: dict[str, Any], table: pa.Table) -> Curves:
    """The curves of one cell of a program, whose rows are numbered cell by cell."""
    runner = stored["runner"]
    each = runner["seeds"] // len(stored["config"]["cells"])
    first = runner["seed"] + index * each
    own = pc.and_(pc.greater_equal(table["seed"], first), pc.less(table["seed"], first + each))
    rows = table.filter(own)
    seeds = pc.subtract(rows["seed"], pa.scalar(index * each, pa.int64()))
    return Curves.of(stored["experiment"], config, rows.set_column(0, "seed", seeds))


def _lacking(out: Path, trained: int, begun: Sequence[str], empty: Sequence[str]) -> str:
    """What there is of the cells, or "" where all are trained."""
    known = trained + len(begun) + len(empty)
    total, again = known, ""
    told = sweep_file.read(out)
    if told is not None:
        total = math.prod(len(v) for v in grid_fields(told["arguments"]).values())
        script = scripts.stored(told)
        start = f"python {script.path} sweep" if script else f"jaxrl sweep {told['experiment']}"
        again = f"; {start} --out {out} --resume goes on"
    if trained == total:
        return ""
    listed = ", ".join(begun[:_LISTED]) + (", ..." if len(begun) > _LISTED else "")
    parts = [f"{trained} of {total} cells are trained"]
    if begun:
        parts.append(f"{len(begun)} under way ({listed})")
    if total - trained - len(begun):
        parts.append(f"{total - trained - len(begun)} without metrics yet")
    return ", ".join(parts) + again
