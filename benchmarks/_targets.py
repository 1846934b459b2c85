"""What the suite set out to reach, beside what its benchmarks measured: met, or short of it.

`table(folder)` reads the numbers that benchmarks left in a folder, and those committed for what the
folder lacks. A target that a spread lies across is met by its median.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import _harness


class Target(NamedTuple):
    """One number that was aimed at.

    Attributes:
      what: it is.
      benchmark: whose numbers tell.
      wanted: the bound.
      measured: from those numbers; None where that part was not run.
      most: the bound is an upper one.
    """

    what: str
    benchmark: str
    wanted: float
    measured: Callable[[dict[str, Any]], float | None]
    most: bool = False


POOL = "pool in a jitted scan"
PEERS = ("AsyncVectorEnv", "PufferLib")
GAMES = (16, 64, 256, 1024)


def _of_alone(record: dict[str, Any], name: str) -> float | None:
    return record[name]["of_alone"]["median"] if name in record else None


def _pool(games: int, shared: bool) -> Callable[[dict[str, Any]], float | None]:
    name = f"NetHackScore/{games}/{POOL}" + (", shared pages" if shared else "")
    return lambda record: _of_alone(record, name)


def _over_peers(games: int) -> Callable[[dict[str, Any]], float | None]:
    def measured(record: dict[str, Any]) -> float | None:
        peers = [_of_alone(record, f"NetHackScore/{games}/{peer}") for peer in PEERS]
        found = [peer for peer in peers if peer is not None]
        ours = _pool(games, True)(record)
        return None if ours is None or not found else ours / max(found)

    return measured


def _lava(record: dict[str, Any]) -> float | None:
    rates = [
        record[name]["steps_per_second"]["median"]
        for name in (
            f"MultiRoom-N6-Lava/16/{POOL}",
            "MultiRoom-N6-Lava/16/MiniHack's own class, alone",
        )
        if name in record
    ]
    return rates[0] / rates[1] if len(rates) == 2 else None


def _overhead(record: dict[str, Any]) -> float:
    return 1 / record["ratios"]["e3b: speed that is left"]["median"] - 1


def _auto(by: str) -> Callable[[dict[str, Any]], float]:
    return lambda record: max(
        shape[passes][f"{by}_to_best"]
        for shape in record["results"]
        for passes in ("evaluation", "training")
    )


def _official(record: dict[str, Any]) -> float:
    return record["official_s"]["1"] / (record["ours_s"] / record["seeds"])


def _families(record: dict[str, Any]) -> float:
    return sum(result["chosen"]["test"] <= 0.05 for result in record["results"].values())


def _scaling(kind: str) -> Callable[[dict[str, Any]], float | None]:
    return lambda record: record.get(f"steps/{kind}/2", {}).get("ratios", {}).get("median")


TARGETS = (
    *(
        Target(
            f"NetHack, {n} games: scan over the games alone", "nethack_pool", 0.9, _pool(n, False)
        )
        for n in GAMES
    ),
    *(
        Target(f"the same, pages shared: {n} games", "nethack_pool", 1.5, _pool(n, True))
        for n in GAMES
    ),
    *(
        Target(f"the same over the best peer: {n} games", "nethack_pool", 2, _over_peers(n))
        for n in GAMES[:3]
    ),
    Target("MiniHack N6-Lava: scan over MiniHack's class", "minihack_levels", 10, _lava),
    Target("what E3B adds to PPO's time, 128 features", "bonus_cost", 0.15, _overhead, most=True),
    Target("environment steps on 2 devices, strong scaling", "scaling", 0.9, _scaling("strong")),
    Target("environment steps on 2 devices, weak scaling", "scaling", 0.9, _scaling("weak")),
    Target("PC-PG over its authors' code, a seed", "pcpg_official", 20, _official),
    Target(
        "convolutions: `auto` by its table, time over the best",
        "fft_conv",
        1.1,
        _auto("auto"),
        True,
    ),
    Target(
        "convolutions: `auto` after tuning, time over the best",
        "fft_conv",
        1.1,
        _auto("tuned"),
        True,
    ),
    Target("bAbI families under 5%", "entnet_babi", 20, _families),
)


def rows(folder: Path, committed: Path = _harness.COMMITTED) -> Iterator[list[str]]:
    """`[target, bound, measured, verdict, where]` of each target that numbers are there for."""
    for target in TARGETS:
        for where in dict.fromkeys((folder, committed)):
            paths = sorted(where.rglob(f"{target.benchmark}.json"))[:1]
            value = target.measured(json.loads(paths[0].read_text())) if paths else None
            if value is None:
                continue
            met = value <= target.wanted if target.most else value >= target.wanted
            bound = f"at {'most' if target.most else 'least'} {target.wanted:g}"
            origin = target.benchmark if where == folder else f"{target.benchmark}, committed"
            yield [target.what, bound, f"{value:.3g}", "met" if met else "**short**", origin]
            break


def table(folder: Path, committed: Path = _harness.COMMITTED) -> str:
    """The section of the page: how many are met, and all of them."""
    found = list(rows(folder, committed))
    met = sum(row[3] == "met" for row in found)
    said = f"{met} of {len(found)} are met; medians, whose spreads the tables below show."
    header = ["target", "bound", "measured", "", "from"]
    return "\n".join(["## Targets", "", said, "", _harness.table(header, found), ""])
