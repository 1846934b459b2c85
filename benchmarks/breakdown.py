"""Where the time of the suite's main jobs goes, the least that each part could take, and compilation.

    jaxrl bench breakdown [--jobs ppo e3b minihack pcpg] [--repeats 5]

A part is timed by what an update takes with and without it: learning by twice as many passes, a bonus
by none, the mixture of a cover by equal weights; the environments by random play of as many steps.
What is left is the policy that acts, advantages, and gathering. Beside each part the operations of its
matrix products and the bytes of its loops' sequences, from the program's text, and the time that these
take at this machine's measured peak: the floor. Then the whole command, with one update, without and
with XLA's compilation cache. Written to `docs/results/breakdown.{json,md}`.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax

import envs
from benchmarks import _harness, _operations, _random_play
from experiments import e3b, e3b_minihack, pcpg, ppo
from jaxrl_suite import evaluation
from jaxrl_suite.experiment import Spec


@dataclasses.dataclass(frozen=True)
class Job:
    """Something that people run for hours.

    Attributes:
      spec: the script.
      options: of its config.
      twice: the option that says how many passes learning takes.
      without: names of parts, and the options that leave each out.
      short: options of the shortest run, for `started`.
      seeds: trained as one program.
      updates: of one timing, in one program.
    """

    spec: Spec
    options: dict[str, Any]
    twice: str = "epochs"
    without: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    short: tuple[str, ...] = ("--total-steps", "1", "--eval-episodes", "1")
    seeds: int = 1
    updates: int = 10

    def config(self, **changes: Any) -> Any:
        return self.spec.config(**{**self.options, **changes})


BONUS = {"bonus": {"bonus": "none"}}
JOBS = {
    # epochs: their own defaults, said: the scripts' are None, which cannot be doubled
    "ppo": Job(ppo.EXPERIMENT, {"env": "DoorKey-8x8", "epochs": 4}),
    "e3b": Job(e3b.EXPERIMENT, {"env": "MultiRoom-N4-S5"}, without=BONUS),
    "minihack": Job(
        e3b_minihack.EXPERIMENT,
        {"env": "MiniHack-MultiRoom-N4-v0", "epochs": 2},
        without=BONUS,
        updates=1,
    ),
    "pcpg": Job(
        pcpg.EXPERIMENT,
        {"env": "BidirectionalLock-H6", "loops": 5},
        twice="passes",
        without={"mixture": {"mixture": "uniform"}},
        short=("--explore-epochs", "1", "--exploit-epochs", "1", "--loops", "1"),
        seeds=4,
        updates=1,
    ),
}


def training(job: Job, config: Any) -> tuple[Callable[..., Any], Any]:
    """A function of the state that does the job's updates, and the first state."""
    experiment = job.spec.build(config)
    keys = jax.random.split(jax.random.key(0), job.seeds)
    one = partial(jax.tree.map, lambda x: x[0])
    batched = job.seeds > 1
    state = jax.jit(jax.vmap(experiment.init) if batched else experiment.init)(
        keys if batched else one(keys)
    )
    update = jax.vmap(experiment.update) if batched else experiment.update

    def run(state: Any) -> Any:
        return jax.lax.scan(lambda s, _: (update(s)[0], None), state, None, length=job.updates)[0]

    return run, state


def playing(job: Job) -> tuple[Callable[..., Any], Any]:
    """The same for random play of as many steps as the updates take."""
    config = job.config()
    if isinstance(config, pcpg.Config):
        env, params = pcpg.make_env(config)
        number, length = config.episodes * job.seeds, evaluation.horizon(env)
        rounds = config.loops + round(config.density_episodes / config.episodes)
    elif isinstance(config, e3b_minihack.Config):
        env, params = envs.make(config.env)
        played = e3b_minihack.settings(config)
        number, length, rounds = played.num_envs, played.rollout_length, job.updates
    else:
        chosen = ppo.settings(config) if isinstance(config, ppo.Config) else config
        env, params = ppo.make_env(config, chosen.num_envs)
        number, length, rounds = chosen.num_envs, chosen.rollout_length, job.updates
    return _random_play.program(
        env, params, number, length, rounds, isinstance(config, pcpg.Config)
    )


def repeated(run: Callable[..., Any], state: Any, alone: bool) -> Callable[[], Any]:
    """Goes on from where the last call ended; `alone` says that `run` returns the state and no more."""
    jitted, states = jax.jit(run), [state]

    def go() -> Any:
        result = jitted(states[0])
        states[0] = result if alone else result[0]
        return result

    return go


def compiled(run: Callable[..., Any], state: Any) -> dict[str, float]:
    """Seconds to trace and lower, and to compile without the cache."""
    before = jax.config.jax_enable_compilation_cache  # type: ignore[attr-defined]
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        start = time.perf_counter()
        lowered = jax.jit(run).lower(state)
        traced = time.perf_counter()
        lowered.compile()
        return {"trace": traced - start, "xla": time.perf_counter() - traced}
    finally:
        jax.config.update("jax_enable_compilation_cache", before)


def started(job: Job) -> dict[str, float]:
    """Seconds of the whole command with one update: an empty cache, then a full one."""
    times = {}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(Path(folder) / "cache")}
        for name in ("cold", "warm"):
            command = [sys.executable, "-m", "jaxrl_suite.runner.cli", "run", job.spec.name]
            for option, value in job.options.items():
                command += [f"--{option.replace('_', '-')}", str(value)]
            command += [*job.short, "--no-plots", "--no-video", "--out", f"{folder}/{name}"]
            start = time.perf_counter()
            subprocess.run(command, env=environment, check=True, capture_output=True)
            times[name] = time.perf_counter() - start
    return times


def examined(job: Job, peak: _operations.Peak, repeats: int) -> dict[str, Any]:
    """Seconds, operations, bytes and floors of the parts of one timing; and compilation."""
    config = job.config()
    doubled = {job.twice: 2 * getattr(config, job.twice)}
    programs = {
        "all": training(job, config),
        "twice": training(job, job.config(**doubled)),
        "environments": playing(job),
    } | {name: training(job, job.config(**less)) for name, less in job.without.items()}
    work = {name: _operations.count(*program) for name, program in programs.items()}
    compiling = compiled(*programs["all"])
    times = _harness.interleave(
        {name: repeated(*p, alone=name != "environments") for name, p in programs.items()}, repeats
    )

    def less(a: str, b: str) -> tuple[list[float], _operations.Work]:
        return [x - y for x, y in zip(times[a], times[b], strict=True)], work[a] - work[b]

    parts = {"environments": (times["environments"], work["environments"])}
    parts["learning"] = less("twice", "all")
    parts |= {name: less("all", name) for name in job.without}
    known = [seconds for seconds, _ in parts.values()]
    rest = [whole - sum(x) for whole, x in zip(times["all"], zip(*known, strict=True), strict=True)]
    left = work["all"]
    for _, part in parts.values():
        left = left - part
    parts["acting and the rest"] = rest, left
    return {
        "seconds": times["all"],
        "parts": {
            name: {
                "seconds": _harness.spread(seconds),
                **part._asdict(),
                "floor": peak.seconds(part),
            }
            for name, (seconds, part) in parts.items()
        },
        "compile": {**compiling, **started(job)},
    }


def main(argv: list[str] | None = None) -> None:
    """Measures, prints and writes the tables."""
    parser = argparse.ArgumentParser(prog="jaxrl bench breakdown", description=__doc__)
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--repeats", type=int, default=5)
    options = _harness.parse(parser, argv)
    peak = _operations.peak()
    rows, starts, data = [], [], {}
    for name in options.jobs:
        job = JOBS[name]
        found = examined(job, peak, options.repeats)
        data[name] = found
        whole = _harness.spread(found["seconds"])["median"]
        for part, one in found["parts"].items():
            spread = {key: 1e3 * value / job.updates for key, value in one["seconds"].items()}
            floor = 1e3 * one["floor"] / job.updates
            rows.append(
                [
                    f"{name}: {part}",
                    f"{spread['median']:.1f} ({spread['min']:.1f} to {spread['max']:.1f})",
                    f"{one['seconds']['median'] / whole:.0%}",
                    f"{one['flops'] / job.updates / 1e9:.3f}",
                    f"{one['bytes'] / job.updates / 1e6:.1f}",
                    f"{floor:.2f}",
                    f"{spread['median'] / floor:.1f}" if floor > 0.05 else "-",
                ]
            )
            print(" | ".join(rows[-1]), flush=True)
        times = found["compile"]
        starts.append([name, *(f"{times[k]:.1f}" for k in ("trace", "xla", "cold", "warm"))])
        print(" | ".join(starts[-1]), flush=True)
    texts = [
        f"`{name}`: `{JOBS[name].spec.name}` on {JOBS[name].options['env']}, "
        f"{JOBS[name].seeds} seed{'s' if JOBS[name].seeds > 1 else ''}"
        for name in options.jobs
    ]
    header = [
        "an update's part",
        "ms (min to max)",
        "share",
        "Gflop",
        "MB",
        "floor, ms",
        "times it",
    ]
    second = ["job", "trace, s", "XLA, s", "command, no cache, s", "command, cache, s"]
    _harness.write(
        "breakdown",
        title="Where the time goes",
        header=header,
        rows=rows,
        notes="\n".join(
            [
                f"{'; '.join(texts)}. Differences of medians of {options.repeats} interleaved repeats "
                "(`jaxrl bench breakdown --help` says which). Floors: matrix products at "
                f"{peak.flops / 1e9:.0f} Gflop/s, loops' sequences at {peak.bytes / 1e9:.1f} GB/s.",
                "",
                "## Until the first update is done",
                "",
                _harness.table(second, starts),
                "",
                "Tracing and XLA of the update alone, without the cache; the whole command with one "
                "update, an evaluation and a checkpoint, with an empty and with a full cache.",
            ]
        ),
        data={"peak": peak._asdict(), "jobs": data},
        folder=options.out,
    )


if __name__ == "__main__":
    main()
