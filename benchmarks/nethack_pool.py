"""NetHack through the host pool, beside the games alone and Gymnasium's vectors: steps a second.

    jaxrl bench nethack_pool [--games 16 64 256 1024] [--workers 2] [--repeats 5]

All candidates play the same task with the same keys and uniform random actions, on as many worker
processes (`AsyncVectorEnv` has a process a game), in turns. Writes docs/results/nethack_pool.{json,md}.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import envs
from benchmarks import _nethack_candidates as candidates
from benchmarks._harness import parse, write
from benchmarks._nethack_candidates import ACTIONS, HEADER, KEYS, TASK, Alone
from envs.host.pool import Pool

MOST = 256  # games of every candidate; with more of them only the jitted scans fit
TURNS = 20  # `blstats` index of the game's clock


def _make(name: str, workers: int, **options: Any) -> tuple[Any, Any]:
    return envs.make(name, keys=KEYS, workers=workers, **options)


def _turns(pool: Pool) -> float:
    """Game turns a step of random play: a game that sits in a prompt is fast and worth nothing."""
    group, rng, turns, steps = pool.group(16), np.random.default_rng(2), 0, 0
    base = rng.integers(2**32, size=(16, 2), dtype=np.uint32)
    before = group.reset(base).observation["blstats"][:, TURNS].copy()
    for _ in range(400):
        group.send(rng.integers(ACTIONS, size=16))
        batch = group.recv()
        after = batch.observation["blstats"][:, TURNS].copy()
        going = ~(batch.terminated | batch.truncated)
        turns += int((after - before)[going].sum())
        steps += int(going.sum())
        before = after
    group.close()
    return turns / steps


def main(argv: list[str] | None = None) -> None:
    """Measures, prints and writes the table."""
    parser = argparse.ArgumentParser(
        prog="jaxrl bench nethack_pool",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--games", type=int, nargs="+", default=[16, 64, 256, 1024])
    parser.add_argument("--workers", type=int, default=2, help="processes of every candidate")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--vector-most", type=int, default=64, help="games for AsyncVectorEnv")
    parser.add_argument("--pufferlib-python", help="interpreter that has pufferlib 1.0.1 and nle")
    chosen = parse(parser, argv)
    workers = chosen.workers
    rows: list[list[str]] = []
    data: dict[str, Any] = {}

    for games in chosen.games:
        whole = games <= MOST  # memory
        runs: dict[str, Callable[[int], Any]] = {}
        made, pools = {}, {}
        for share, label in ((False, ""), (True, ", shared pages")):
            start = time.perf_counter()
            env, params = _make(TASK, workers, share_pages=share)
            made[share], pool = env, env.unwrapped.pool
            pools[share] = pool
            before = sum(m["private"] for m in pool.memory())
            runs[f"pool in a jitted scan{label}"] = candidates.jitted(env, params, games, ACTIONS)
            data[f"startup/{games}{label}"] = time.perf_counter() - start
            each = (sum(m["private"] for m in pool.memory()) - before) / games
            data[f"memory/{games}{label}"] = each
            if whole:
                runs[f"pool{label}"] = candidates.pooled(pool, games, ACTIONS)
        plain: dict[str, Any] = {"the games alone": Alone("nethack", TASK, games, workers)}
        if whole:
            plain["NLE's Gymnasium class, alone"] = Alone("nle", TASK, games, workers)
        runs = {**{name: alone.run for name, alone in plain.items()}, **runs}
        vector = None
        if chosen.pufferlib_python and whole:
            peer = candidates.PufferLib(chosen.pufferlib_python, games, workers)
            runs["PufferLib"], plain["PufferLib"] = peer.run, peer
            data["pufferlib"] = peer.version
        if games <= chosen.vector_most:
            runs["AsyncVectorEnv"], vector = candidates.vector(games)
        steps = max(25, 25_600 // games)
        more, measured = candidates.measure("NetHackScore", games, steps, runs, chosen.repeats)
        rows += more
        data |= measured
        data.setdefault("turns_per_step", _turns(pools[False]))
        data.setdefault("turns_per_step, shared pages", _turns(pools[True]))
        if vector is not None:
            vector.close()
        for alone in plain.values():
            alone.close()
        for env in made.values():
            env.unwrapped.close()

    startup = {g: data[f"startup/{g}"] for g in chosen.games}
    notes = [
        f"Uniform random actions, keys {', '.join(KEYS)}, {workers} worker processes; candidates in "
        f"turns, {chosen.repeats} repeats, medians; the last column is taken within a turn.",
        "'The games alone' are the same games in as many processes, stepped in a Python loop with no "
        "pool, no callback and no copies.",
        "'Shared pages': the games of a worker share the read-only pages of NLE's library "
        "(`share_pages`, on by default from 16 games a worker on).",
        *([f"PufferLib {data['pufferlib']}."] if "pufferlib" in data else []),
        f"Game turns a step in random play: {data['turns_per_step']:.2f}, with shared pages "
        f"{data['turns_per_step, shared pages']:.2f}.",
        "Start of workers, games and first episodes: "
        + ", ".join(f"{s:.1f} s for {g} games" for g, s in startup.items())
        + ". Private memory a game, spares included where there are any: "
        + ", ".join(
            f"{data[f'memory/{g}'] / 2**20:.1f} MiB at {g} (with shared pages "
            f"{data[f'memory/{g}, shared pages'] / 2**20:.1f})"
            for g in chosen.games
        )
        + ".",
    ]
    data["workers"] = workers
    write(
        "nethack_pool",
        "NetHack through the host pool",
        HEADER,
        rows,
        " ".join(notes),
        data,
        chosen.out,
    )


if __name__ == "__main__":
    main()
