"""Wall-clock of PC-PG beside its authors' PyTorch code, on one lock and on one machine.

    git clone https://github.com/mbhenaff/PCPG        # and a virtual environment with its requirements
    jaxrl bench pcpg_official --folder PCPG --python PCPG-venv/bin/python --out docs/results

Both do epochs of 30 loops of 500 episodes, 2,500 density episodes, five passes in minibatches of 160,
the mixture by Adam and the lock's identity features, H of them exploring and H exploiting. The authors'
code is measured as their script runs it, a seed after the other, and as fast as this machine takes it, a
process of one thread for each core. Ours has all seeds in one program, and its compilation is counted.

Their code is of 2020. Today's libraries need three things: `np.float`, `np.bool` and `np.int` replaced
by Python's own types, gym, and an importable `torchvision`, which it does not use here and may be empty.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import _harness

HORIZON = 6
EPOCHS = 2 * HORIZON
OFFICIAL = (
    f"run.py -device -1 -alg ppo-pcpg -env diabcombolockhallway -horizon {HORIZON} -lr 0.0005 "
    "-n_policy_loops 30 -n_traj_per_loop 10"
)
OURS = (
    f"run pcpg --env BidirectionalLock-H{HORIZON} --explore-epochs {HORIZON} --exploit-epochs {HORIZON} "
    "--loops 30 --episodes 500 --groups 10 --density-episodes 2500 --minibatch-size 160 --mixture adam "
    "--learning-rate 5e-4 --log-every 1 --no-compile-cache --no-video --no-plots --no-tensorboard"
)


def official(python: str, folder: Path, processes: int) -> float:
    """Seconds until each of the processes has begun the epoch after the last one that counts."""
    where = os.pathsep.join([".", "combolock_env", os.environ.get("PYTHONPATH", "")])
    env = os.environ | {"PYTHONPATH": where, "PYTHONUNBUFFERED": "1"}
    env.pop("OMP_NUM_THREADS", None)
    if processes > 1:
        env["OMP_NUM_THREADS"] = "1"
    last = f"###### EPOCH {EPOCHS} "
    with tempfile.TemporaryDirectory() as log:
        printed = [Path(log) / f"{seed}.txt" for seed in range(processes)]
        begun = time.perf_counter()
        running = [
            subprocess.Popen(
                [python, *OFFICIAL.split(), "-seed", str(seed), "-log_dir", f"{log}/{seed}/"],
                cwd=folder,
                env=env,
                stdout=path.open("w"),
            )
            for seed, path in enumerate(printed)
        ]
        try:
            while not all(last in path.read_text() for path in printed):
                for process in running:
                    if process.poll() is not None:
                        sys.exit(
                            f"{folder}/run.py ended before epoch {EPOCHS}: {process.returncode}"
                        )
                time.sleep(0.2)
            return time.perf_counter() - begun
        finally:
            for process in running:
                process.kill()
                process.wait()


def ours(seeds: int) -> tuple[float, dict]:
    """Seconds of the command from start to end, without a compilation cache, and its summary."""
    command = [str(Path(sys.executable).with_name("jaxrl")), *OURS.split(), "--seeds", str(seeds)]
    with tempfile.TemporaryDirectory() as out:
        begun = time.perf_counter()
        subprocess.run([*command, "--out", f"{out}/run"], check=True)
        elapsed = time.perf_counter() - begun
        return elapsed, json.loads((Path(out) / "run" / "summary.json").read_text())


def main(argv: list[str] | None = None) -> None:
    """Runs both, writes `pcpg_official.md` and `.json`."""
    parser = argparse.ArgumentParser(prog="jaxrl bench pcpg_official", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="the authors' code")
    parser.add_argument("--python", required=True, help="an interpreter that runs it")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="of it, at once")
    parser.add_argument("--seeds", type=int, default=20, help="of ours, in one program")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(argv)
    python = str(Path(options.python).absolute())
    theirs = {n: official(python, options.folder, n) for n in (1, options.processes)}
    print(f"official, by number of processes: {theirs} s")
    mine, summary = ours(options.seeds)
    print(f"ours: {options.seeds} seeds in {mine:.1f} s")
    each = mine / options.seeds
    steady = (mine - summary["compile_s"]) / options.seeds

    def ratio(n: int, each: float = each) -> str:
        return f"{theirs[n] / n / each:.1f}"

    rows = [
        (
            f"authors' PyTorch code, {n} {'process' if n == 1 else 'processes'}",
            str(n),
            f"{seconds:.0f}",
            f"{seconds / n:.2f}",
            ratio(n),
            ratio(n, steady),
        )
        for n, seconds in theirs.items()
    ]
    rows.append(("ours", str(options.seeds), f"{mine:.0f}", f"{each:.2f}", "", ""))
    header = ("PC-PG", "seeds", "seconds", "seconds a seed", "ratio to ours", "without compiling")
    notes = (
        f"{EPOCHS} epochs on the bidirectional lock of {HORIZON} steps. Of our seconds "
        f"{summary['compile_s']:.0f} are compilation, which more seeds share. One measurement each."
        f"\n\nTheirs: `python {OFFICIAL} -seed SEED`, one process with PyTorch's own number of threads, "
        f"several with one each. Ours: `jaxrl {OURS} --seeds {options.seeds}`."
    )
    data = {
        "official_s": theirs,
        "ours_s": mine,
        "compile_s": summary["compile_s"],
        "seeds": options.seeds,
    }
    _harness.write(
        "pcpg_official", "PC-PG beside its authors' code", header, rows, notes, data, options.out
    )


if __name__ == "__main__":
    main()
