"""Environment steps per second: jit + vmap + scan, random policy, observations consumed.

    jaxrl bench environments [--levels Empty-8x8 DoorKey-8x8 ...] [--envs 1024] [--repeats 7]

Every candidate of a level runs in one process, in turns, after a warm-up. A call is one jitted scan
of `--steps` steps of all environments with auto-reset on, which adds every observation to a total of
its shape, so that no work can be left out; it is repeated to last `--seconds`. This suite and navix
run with both kinds of observation, the whole grid (navix's default) and the agent's view; XLand-
MiniGrid with its own, the agent's view. Ratios are taken between equal kinds, turn by turn. Farama
MiniGrid runs one environment in one thread, as it is used. Written to
`docs/results/environments.{json,md}`, again after every level.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from benchmarks import _harness
from benchmarks._grid_candidates import (
    NAVIX,
    NAVIX_FULL,
    NAVIX_OWN,
    OURS,
    OURS_FULL,
    XLAND,
    XMINIGRID,
    Candidate,
    candidates,
    farama_rate,
)

FIRST = ("Empty-8x8", "DoorKey-8x8", "FourRooms")
ALONE = (  # no other JAX suite has these
    "MultiRoom-N2-S4",
    "MultiRoom-N4-S5",
    "MultiRoom-N6",
    "Corridors-N4-L10",
    "LavaCrossingS9N2",
    "Fetch-8x8-N3",
    "GoToObject-8x8-N2",
    "PutNear-8x8-N3",
    "RedBlueDoors-8x8",
    "ObstructedMaze-1Dlh",
    "ObstructedMaze-Full",
)
LEVELS = tuple(dict.fromkeys((*FIRST, *ALONE, *NAVIX, *XMINIGRID)))

PAIRS = ((OURS, NAVIX_OWN), (OURS_FULL, NAVIX_FULL), (OURS, XLAND))


def lasting(candidate: Candidate, seconds: float) -> tuple[Candidate, int]:
    """`candidate` repeated until it takes `seconds`, and how many calls those are."""
    candidate()  # compiles
    start = time.perf_counter()
    candidate()
    calls = max(1, round(seconds / (time.perf_counter() - start)))
    return (lambda: [candidate() for _ in range(calls)][-1]), calls


def measure(
    level: str, num_envs: int, steps: int, repeats: int, seconds: float = 0.3
) -> dict[str, Any]:
    """One row of the table: steps/s of every candidate, and ratios between equal kinds of view."""
    found = candidates(level, num_envs, steps)
    repeated = {name: lasting(candidate, seconds) for name, candidate in found.items()}
    times = _harness.interleave({name: run for name, (run, _) in repeated.items()}, repeats)
    rates = {
        name: [num_envs * steps * repeated[name][1] / t for t in ts] for name, ts in times.items()
    }
    ratios = {
        f"{own} / {peer}": [a / b for a, b in zip(rates[own], rates[peer], strict=True)]
        for own, peer in PAIRS
        if peer in rates
    }
    return {
        "level": level,
        "steps_per_second": {name: _harness.spread(rate) for name, rate in rates.items()},
        "minigrid": farama_rate(level),
        "ratios": {name: _harness.spread(ratio) for name, ratio in ratios.items()},
    }


def _row(result: dict[str, Any]) -> list[str]:
    rates, ratios = result["steps_per_second"], result["ratios"]

    def rate(name: str) -> str:
        return f"{rates[name]['median'] / 1e6:.2f} M" if name in rates else "-"

    def ratio(own: str, peer: str) -> str:
        name = f"{own} / {peer}"
        return _harness.show_ratio(ratios[name]) if name in ratios else "-"

    return [
        result["level"],
        *(rate(name) for name in (OURS, NAVIX_OWN, XLAND, OURS_FULL, NAVIX_FULL)),
        *(ratio(own, peer) for own, peer in PAIRS),
        "-" if result["minigrid"] is None else f"{result['minigrid'] / 1e3:.1f} k",
    ]


def main(argv: list[str] | None = None) -> None:
    """Measures, prints and writes the table."""
    parser = argparse.ArgumentParser(prog="jaxrl bench environments", description=__doc__)
    parser.add_argument("--levels", nargs="*", default=list(LEVELS))
    parser.add_argument("--envs", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3)
    options = _harness.parse(parser, argv)
    results: list[dict[str, Any]] = []
    for level in options.levels:
        row = measure(level, options.envs, options.steps, options.repeats, options.seconds)
        results.append(row)
        print(" | ".join(_row(row)), flush=True)
        _write(options, results)


def _write(options: argparse.Namespace, results: list[dict[str, Any]]) -> None:
    _harness.write(
        "environments",
        title="Environment steps per second",
        header=[
            "level",
            "jaxrl_suite",
            "navix",
            "xminigrid",
            "jaxrl_suite, full view",
            "navix, full view",
            "ratio to navix (min to max)",
            "the same, full view",
            "ratio to xminigrid",
            "MiniGrid, 1 env",
        ],
        rows=[_row(r) for r in results],
        notes=f"{options.envs} environments, {options.repeats} turns of about {options.seconds} s, "
        "medians; random actions, observations added up, auto-reset on (`bank` where it is the "
        "level's default). Unless it says full view, observations are the agent's 7 x 7 view, "
        "in this suite with MiniGrid's occlusion, which navix leaves out.",
        data={"options": _harness.settings(options), "results": results},
        folder=options.out,
    )


if __name__ == "__main__":
    main()
