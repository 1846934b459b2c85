"""Every benchmark in one go, on one page, beside the results that are committed.

    jaxrl bench                    # hours on two cores: as committed
    jaxrl bench --all              # and those that have no quick form: scaling, breakdown, ppo_learning
    jaxrl bench --quick            # a few minutes: few sizes, few repeats
    jaxrl bench --only ppo e3b_update
    jaxrl bench --all --keep         # goes on with a suite that was interrupted

Each runs in a process of its own. Tables and numbers go to `--out`, one page `report.md` on top of
them. It begins with the ratios that differ most from `docs/results` (ratios, because seconds differ
from machine to machine) and what was aimed at (`benchmarks/_targets.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import _harness, _targets

# arguments of the quick form; benchmarks that draw figures of earlier runs are not among them
QUICK = {
    "environments": "--levels Empty-8x8 DoorKey-8x8 FourRooms --repeats 3 --seconds 0.1",
    "e3b_update": "--dims 64 512 --repeats 3",
    "bonus_cost": "--repeats 1",
    "ppo": "--repeats 2",
    "fft_conv": "--repeats 1",
    "network_training": "--repeats 2",
    "nethack_pool": "--games 64 --repeats 1",
    "minihack_levels": "--steps 40 --repeats 2",
    "nethack_training": "--games 64 --repeats 1",
}
# benchmarks without a quick form, and their arguments as committed
MORE = {"scaling": "--pin --repeats 9", "breakdown": "", "ppo_learning": ""}
PEERS = {  # interpreters that have them
    "ppo": "rejax_python",
    "ppo_learning": "rejax_python",
    "nethack_pool": "pufferlib_python",
}
RATIOS = ("ratio", "ratios", "of_alone")  # under these names a spread tells how fast, relative
LABELS = ("level", "dim", "shape")  # by these an item of a list is known
WORSE = 0.8  # of what is committed


def ratios(record: Any, where: tuple[str, ...] = (), inside: bool = False) -> Iterator[Any]:
    """`(name, spread)` of every ratio in a benchmark's numbers."""
    if isinstance(record, dict):
        if inside and {"median", "min", "max"} <= set(record):
            yield ", ".join(where), record
            return
        for key, value in record.items():
            named = where if key in RATIOS else (*where, key)
            yield from ratios(value, named, inside or key in RATIOS)
    elif isinstance(record, list):
        for item in record:
            if isinstance(item, dict):
                label = next((f"{name} {item[name]}" for name in LABELS if name in item), "")
                yield from ratios(item, (*where[:-1], label), inside)


def _records(name: str, folder: Path) -> list[Any]:
    """Numbers of a benchmark in a folder and those under it."""
    return [json.loads(path.read_text()) for path in sorted(folder.rglob(f"{name}.json"))]


def compared(name: str, folder: Path, committed: Path = _harness.COMMITTED) -> list[list[Any]]:
    """Rows of ratio, its spread now, its committed spread, and the one's median over the other's.

    Compared with what was committed of the same kind of device; no rows if there is no such.
    """
    found = _records(name, folder)
    if not found:
        return []
    kind = found[0]["machine"]["device_kind"]
    before = [r for r in _records(name, committed) if r["machine"]["device_kind"] == kind]
    if not before:
        return []
    now, then = (dict(ratios(records[0])) for records in (found, before))
    return [
        [f"{name}: {what}", spread, then[what], spread["median"] / then[what]["median"]]
        for what, spread in now.items()
        if what in then and then[what]["median"]
    ]


def _section(page: Path, folder: Path) -> str:
    """A benchmark's page as a part of the one on top of it: its pictures lie where it lies."""
    where = page.parent.relative_to(folder).as_posix()
    text = page.read_text().replace("# ", "## ", 1)
    return re.sub(r"\]\((?!https?:)", f"]({where}/", text) if where != "." else text


def page(
    names: Sequence[str], folder: Path, committed: Path = _harness.COMMITTED
) -> tuple[str, list[str]]:
    """The page on top of what benchmarks left in `folder`; lines about the ratios that differ most."""
    rows = sorted(
        (row for name in names for row in compared(name, folder, committed)),
        key=lambda row: row[-1],
    )
    shown = [
        [what, _harness.show_ratio(now), _harness.show_ratio(then), f"{change:.2f}"]
        for what, now, then, change in rows
    ]
    worse = sum(row[-1] < WORSE for row in rows)
    said = f"{worse} of {len(rows)} ratios are below {WORSE} of what is committed."
    header = ["ratio", "now (min to max)", "committed", "now / committed"]
    found = [sorted(folder.rglob(f"{name}.md"))[:1] for name in names]
    parts = [_section(path, folder) for paths in found for path in paths]
    aims = _targets.table(folder, committed)
    text = "\n".join(
        ["# Benchmarks", "", said, "", _harness.table(header, shown), "", aims, *parts]
    )
    return text, [*(" | ".join(row) for row in shown[: max(5, worse)]), said]


def _chosen(parser: argparse.ArgumentParser, options: argparse.Namespace) -> list[str]:
    """The benchmarks asked for; ends the program where two options say different things."""
    if options.all and (options.quick or options.only):
        other = "--quick" if options.quick else "--only"
        parser.error(f"--all: every benchmark as committed; leave {other} out, or --all")
    names = options.only or [*QUICK, *(MORE if options.all else ())]
    slow = [name for name in names if options.quick and name not in QUICK]
    if slow:
        parser.error(f"--quick: {', '.join(slow)} has no quick form; leave it out")
    return list(names)


def main(argv: list[str] | None = None) -> int:
    """Runs them and writes the page. Returns 1 if one failed."""
    parser = argparse.ArgumentParser(
        prog="jaxrl bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="few sizes, few repeats")
    parser.add_argument("--all", action="store_true", help=f"{', '.join(MORE)}, too")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[*QUICK, *MORE])
    parser.add_argument("--out", type=Path, default=Path("runs/bench"))
    parser.add_argument(
        "--keep",
        action="store_true",
        help="do not run again what has its numbers in --out, quick or whole",
    )
    for option in dict.fromkeys(PEERS.values()):
        of = ", ".join(name for name in PEERS if PEERS[name] == option)
        parser.add_argument(f"--{option.replace('_', '-')}", help=f"as of `jaxrl bench` {of}")
    options = parser.parse_args(argv)
    names = _chosen(parser, options)
    options.out.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "JAXRL_BENCH_RESULTS": str(options.out.resolve())}

    failed = []
    for at, name in enumerate(names):
        arguments = QUICK[name].split() if options.quick else MORE.get(name, "").split()
        peer = PEERS.get(name)
        if peer and getattr(options, peer):
            arguments += [f"--{peer.replace('_', '-')}", getattr(options, peer)]
        if options.keep and _records(name, options.out):
            print(f"[{at + 1}/{len(names)}] {name}: kept", flush=True)
            continue
        print(f"[{at + 1}/{len(names)}] {name} {' '.join(arguments)}", flush=True)
        start = time.perf_counter()
        command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
        if subprocess.run(command, env=environment, check=False).returncode:
            failed.append(name)
            continue
        print(f"    {time.perf_counter() - start:.0f} s", flush=True)
    text, worst = page([name for name in names if name not in failed], options.out)
    if failed:
        text = text.replace("\n", f"\n\nFailed: {', '.join(failed)}.\n", 1)
    (options.out / "report.md").write_text(text)
    print("\n".join(worst))
    print(f"Wrote {options.out / 'report.md'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
