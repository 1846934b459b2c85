"""MiniHack where every episode draws a map, beside MiniHack's own class: steps a second.

    jaxrl bench minihack_levels [--task MiniHack-MultiRoom-N6-Lava-v0] [--games 16] [--repeats 5]

Random play ends most episodes within a few steps, so this is the time of resets: MiniHack's class draws,
writes and compiles a level for each, here levels are compiled once, into a bank, and NLE's own reset
remains. Candidates take turns, on as many processes, with the same keys and uniform random actions.
Writes docs/results/minihack_levels.{json,md}.
"""

from __future__ import annotations

import argparse
import time
from typing import Any, NamedTuple

import numpy as np

import envs
from benchmarks import _nethack_candidates as candidates
from benchmarks._harness import parse, write
from benchmarks._nethack_candidates import BANK, HEADER, KEYS, Alone
from envs.host.games import minihack
from envs.host.seeds import Seeds

ACTIONS = 8  # moves


class Episodes(NamedTuple):
    """Of random play in this process, in the mean.

    Attributes:
      steps: of an episode.
      seconds: of processor time it takes.
      reset: of these in NLE's reset.
    """

    steps: float
    seconds: float
    reset: float


def episodes(task: str, number: int = 300) -> Episodes:
    """Plays so many of `task`, on levels that are in a bank."""
    family = minihack.family(task, {"keys": KEYS, "bank": 64})
    game = family.game({k: np.zeros(*d) for k, d in family.staging().items()})
    assert isinstance(game, minihack.MiniHackGame)
    rng, steps, reset = np.random.default_rng(0), 0, 0.0
    for episode in range(64 * 8):  # fills the bank, nearly
        game.levels.level(episode)
    start = time.process_time()
    for episode in range(number):
        game.levels.place(game.level, episode)
        before = time.process_time()
        game.inner.reset(Seeds(episode, episode))
        reset += time.process_time() - before
        ends = False
        while not ends:
            _, *end = game.step(int(rng.integers(ACTIONS)))
            steps, ends = steps + 1, any(end)
    seconds = time.process_time() - start
    game.close()
    return Episodes(steps / number, seconds / number, reset / number)


def main(argv: list[str] | None = None) -> None:
    """Measures, prints and writes the table."""
    parser = argparse.ArgumentParser(prog="jaxrl bench minihack_levels", description=__doc__)
    parser.add_argument("--task", default="MiniHack-MultiRoom-N6-Lava-v0")
    parser.add_argument("--games", type=int, default=16)
    parser.add_argument("--workers", type=int, default=2, help="processes of every candidate")
    parser.add_argument("--steps", type=int, default=100, help="of each game, a repeat")
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parse(parser, argv)

    made: Any = envs.make(chosen.task, keys=KEYS, workers=chosen.workers, bank=BANK)
    env, params = made
    size = chosen.games, chosen.workers
    alone, own = (Alone(module, chosen.task, *size) for module in ("minihack", "nle"))
    pool = candidates.pooled(env.unwrapped.pool, chosen.games, ACTIONS)
    pool(400)  # fills the bank
    alone.run(400)
    runs = {
        "the games alone": alone.run,
        "MiniHack's own class, alone": own.run,
        "pool, levels in a bank": pool,
        "pool in a jitted scan": candidates.jitted(env, params, chosen.games, ACTIONS),
    }
    label = chosen.task.removeprefix("MiniHack-").removesuffix("-v0")
    rows, data = candidates.measure(label, chosen.games, chosen.steps, runs, chosen.repeats)
    for one in (alone, own, env.unwrapped):
        one.close()

    found = episodes(chosen.task)
    notes = [
        f"Uniform random actions, keys {', '.join(KEYS)}, {chosen.workers} processes; candidates in "
        f"turns, {chosen.repeats} repeats, medians; the last column is taken within a turn.",
        f"Maps come from a bank of {BANK} levels, compiled before the clock started, for all but "
        "MiniHack's own class.",
        f"An episode has {found.steps:.1f} steps in the mean and takes {1e3 * found.seconds:.1f} ms of "
        f"processor time, {1e3 * found.reset:.1f} of them in NLE's own reset, which loads its library "
        "and starts a game.",
    ]
    write(
        "minihack_levels",
        "MiniHack with a drawn map every episode",
        HEADER,
        rows,
        " ".join(notes),
        {**data, "episode": found._asdict(), "workers": chosen.workers},
        chosen.out,
    )


if __name__ == "__main__":
    main()
