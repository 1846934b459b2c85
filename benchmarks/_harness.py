"""What every benchmark shares: interleaved timing, spreads, and one way to write a result down.

    times = interleave({"ours": run, "peer": other}, repeats=7)      # seconds, repeat by repeat
    ratio = spread([b / a for a, b in zip(times["ours"], times["peer"])])
    options = parse(parser, argv)                                    # with --out
    write("name", title, header, rows, notes, data, options.out)     # OUT/name.{json,md}

Candidates run in turns within one process, so that a busy moment of the machine hits all of them
and ratios are taken within a turn.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from jaxrl_suite.runner import machine
from jaxrl_suite.runner.errors import RunError

COMMITTED = Path(__file__).resolve().parents[1] / "docs" / "results"


def results() -> Path:
    """The folder of the results, unless another one is asked for."""
    return Path(os.environ.get("JAXRL_BENCH_RESULTS", COMMITTED))


def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """A benchmark's own options, and `out`, the folder for what it finds."""
    told = "folder of the results (default: $JAXRL_BENCH_RESULTS, or else docs/results)"
    parser.add_argument("--out", type=Path, default=results(), help=told)
    return parser.parse_args(argv)


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """The options as a benchmark writes them down: without `out`, which says nothing about numbers."""
    return {name: value for name, value in vars(options).items() if name != "out"}


def interleave(
    candidates: Mapping[str, Callable[[], Any]], repeats: int, warmup: int = 1
) -> dict[str, list[float]]:
    """Seconds of `repeats` calls of each candidate, in turns.

    Args:
      candidates: by name; a call's result is waited for with `jax.block_until_ready`.
      repeats: turns that count, at least 1. The order is reversed every other turn.
      warmup: turns before them that do not (compilation).

    Raises:
      ValueError: for `repeats` below 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats={repeats!r}: at least 1")
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(warmup + repeats):
        names = list(candidates) if turn % 2 == 0 else list(candidates)[::-1]
        for name in names:
            start = time.perf_counter()
            jax.block_until_ready(candidates[name]())
            if turn >= warmup:
                times[name].append(time.perf_counter() - start)
    return times


def spread(values: Sequence[float]) -> dict[str, float]:
    """`median`, `min` and `max`."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def show_ratio(ratio: Mapping[str, float]) -> str:
    """A spread as "8.1 (7.6 to 8.9)"."""
    digits = 1 if ratio["median"] >= 3 else 2
    low, middle, high = (f"{ratio[key]:.{digits}f}" for key in ("min", "median", "max"))
    return f"{middle} ({low} to {high})"


def environment() -> dict[str, Any]:
    """Machine, versions, commit and threads of this process."""
    return {
        "machine": machine.describe(),
        "versions": machine.versions(),
        "commit": machine.commit(),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def command(name: str) -> str:
    """What was typed to get this benchmark, as `jaxrl bench` takes it; PATH for absolute paths."""
    given = ["PATH" if Path(argument).is_absolute() else argument for argument in sys.argv[1:]]
    given = given[2:] if given[:1] == ["bench"] else given
    return shlex.join(["jaxrl", "bench", name, *given])


def cells(sweep: Path) -> list[Path]:
    """The run directories of a finished sweep's cells.

    Raises:
      RunError: for a folder without any.
    """
    found = sorted(path.parent for path in (sweep / "cells").glob("*/config.yaml"))
    if not found:
        raise RunError(f"{sweep} holds no finished sweep: no cells/*/config.yaml")
    return found


def commands(sweeps: Sequence[Path]) -> list[str]:
    """What was typed to get these sweeps."""
    first = (sweep / "programs" / "0" / "summary.json" for sweep in sweeps)
    return [json.loads(path.read_text())["command"] for path in first if path.exists()]


def merged(earlier: Any, new: Any) -> Any:
    """Numbers by name, and by name below that: those of both; what both have is the newer one's."""
    if not (isinstance(earlier, dict) and isinstance(new, dict)):
        return new
    both = {name: merged(earlier[name], new[name]) for name in earlier.keys() & new.keys()}
    return earlier | new | both


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; columns after the first are aligned to the right."""
    lines = ["| " + " | ".join(header) + " |"]
    lines.append("| " + " | ".join(["---", *["---:"] * (len(header) - 1)]) + " |")
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def write(
    name: str,
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    notes: str,
    data: Any,
    folder: Path,
) -> None:
    """Writes `name.md` (title, table, notes, machine) and `name.json` (the numbers), and says so.

    Args:
      name: of the benchmark and of the files.
      title: heading of the Markdown file.
      header: of the table.
      rows: of it, as text.
      notes: what was measured and how, in a sentence or two.
      data: the same and more as numbers.
      folder: where to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    where = environment()
    cores = where["machine"]["cores"]
    versions = ", ".join(f"{k} {v}" for k, v in where["versions"].items() if k != "jaxrl-suite")
    lines = [
        f"# {title}",
        "",
        table(header, rows),
        "",
        notes,
        "",
        f"Machine: {where['machine']['cpu']}, {cores} cores, {where['machine']['device_kind']}; "
        f"one-minute load {where['load_average']} at the end. {versions}. "
        f"Command: `{command(name)}`.",
        "",
    ]
    (folder / f"{name}.md").write_text("\n".join(lines))
    record = {"benchmark": name, **where, **data}
    (folder / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {folder / name}.md and .json")
