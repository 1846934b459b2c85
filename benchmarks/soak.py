"""Hours of training in one process: do memory, threads, file handles or shared memory grow?

    jaxrl bench soak --minutes 60
    jaxrl bench soak --minutes 5 ppo --env MultiRoom-N6 --bonus e3b

A `jaxrl run` is started, with checkpoints every few seconds and evaluations in between so that
everything that could leak is used often, and watched from outside: it, its worker processes and their
shared memory. Written to `docs/results/soak/`.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks import _harness

RUN = "ppo --env NetHackScore-v0 --bonus e3b --num-envs 16 --rollout-length 32 --widths 64 64"
OFTEN = "--total-steps 1000000000 --log-every 10 --eval-every 20 --eval-episodes 4"
RUNNER = "--checkpoint-every 5 --no-plots --no-video"
KINDS = {
    "memory": "MB, the processes' own and their share of what they share",
    "threads": "threads",
    "handles": "open files",
    "processes": "processes",
    "shared": "MB mapped as shared memory",
}


def sample(root: psutil.Process) -> dict[str, float]:
    """Of a process and all below it; see `KINDS`."""
    found = dict.fromkeys(KINDS, 0.0)
    for process in [root, *root.children(recursive=True)]:
        try:
            with process.oneshot():
                found["memory"] += process.memory_full_info().pss / 1e6
                found["threads"] += process.num_threads()
                found["handles"] += process.num_fds()
                found["processes"] += 1
                maps = process.memory_maps() if process.pid == root.pid else []
        except psutil.Error:  # ended meanwhile
            continue
        shared = (m.rss for m in maps if m.path.startswith(("/dev/shm", "/memfd", "/dev/zero")))
        found["shared"] += sum(shared) / 1e6
    return found


def quarters(minutes: np.ndarray, values: np.ndarray) -> dict[str, list[float]]:
    """Median and most of each quarter of the time. A leak raises both; what comes and goes neither."""
    parts = np.minimum((4 * minutes / minutes[-1]).astype(int), 3)
    return {
        name: [float(of(values[parts == at])) for at in range(4)]
        for name, of in (("median", np.median), ("most", np.max))
    }


def thread_names(root: psutil.Process) -> Counter[str]:
    """How many threads of each name the process and all below it have."""
    found: Counter[str] = Counter()
    for process in [root, *root.children(recursive=True)]:
        for path in Path(f"/proc/{process.pid}/task").glob("*/comm"):
            try:
                found[path.read_text().strip()] += 1
            except OSError:  # ended meanwhile
                continue
    return found


def draw(path: Path, minutes: np.ndarray, found: dict[str, np.ndarray]) -> None:
    """A panel a kind, over the minutes."""
    figure = Figure(figsize=(3 * len(KINDS), 2.8), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (kind, about) in zip(figure.subplots(1, len(KINDS)), KINDS.items(), strict=True):
        axes.plot(minutes, found[kind])
        axes.set(title=kind, xlabel="minutes", ylabel=about.split(",")[0], ylim=(0, None))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main(argv: list[str] | None = None) -> int:
    """Runs, watches, writes."""
    parser = argparse.ArgumentParser(prog="jaxrl bench soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two looks")
    parser.add_argument("--run", type=Path, default=Path("runs/soak"), help="the run's folder")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of `jaxrl run`")
    options = _harness.parse(parser, argv)
    arguments = options.arguments or RUN.split()
    name, *given = arguments
    defaults = [*OFTEN.split(), *RUNNER.split()]  # what is given comes later and so wins
    command = [sys.executable, "-m", "jaxrl_suite.runner.cli", "run", name, *defaults, *given]
    command += ["--out", str(options.run)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    root, begun = psutil.Process(process.pid), time.monotonic()
    rows: list[dict[str, float]] = []
    least: Counter[str] = Counter()
    most: Counter[str] = Counter()  # threads of a name, after the first quarter
    while process.poll() is None and time.monotonic() - begun < 60 * options.minutes:
        rows.append({"minutes": (time.monotonic() - begun) / 60, **sample(root)})
        if rows[-1]["minutes"] > options.minutes / 4:
            names = thread_names(root)
            least = Counter({n: min(least[n], names[n]) for n in names | most}) if most else names
            most |= names
        time.sleep(options.every)
    if process.poll() is not None:
        print(f"jaxrl run ended by itself, exit code {process.returncode}", file=sys.stderr)
        return 1
    process.send_signal(signal.SIGTERM)
    stopped = process.wait(timeout=300)

    minutes = np.array([row["minutes"] for row in rows])
    found = {kind: np.array([row[kind] for row in rows]) for kind in KINDS}
    folder = options.out / "soak"
    draw(folder / "soak.png", minutes, found)
    table, data = [], {}
    for kind, about in KINDS.items():
        data[kind] = quarters(minutes, found[kind])
        pairs = zip(data[kind]["median"], data[kind]["most"], strict=True)
        table.append([about, *(f"{median:,.0f} ({highest:,.0f})" for median, highest in pairs)])
    swing = [f"{n} {least[n]} to {most[n]}" for n in sorted(most) if least[n] != most[n]]
    notes = (
        "Median (most) of each quarter of the time. "
        f"{minutes[-1]:.0f} minutes of `jaxrl run {' '.join(arguments)}` after `{OFTEN}`, which it "
        "may override, with a checkpoint every five seconds; SIGTERM at the end: exit code "
        f"{stopped}. Threads that come and go, by name: {', '.join(swing) or 'none'}."
        "\n\n![over time](soak.png)"
    )
    header = ["what", "1st quarter", "2nd", "3rd", "4th"]
    _harness.write("soak", "A long run", header, table, notes, data, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
