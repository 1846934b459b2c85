"""PufferLib's vectorised NetHack, in an interpreter of its own (it wants an older Gymnasium).

Run by `benchmarks.nethack_pool`; imports nothing of the suite. Arguments: task, keys (by commas), number
of games, workers, actions. For every line on standard input, a number of steps, it plays random actions
and prints the seconds.

Its environment, with Python 3.10 as its packages want: `pip install "numpy<2" pufferlib==1.0.1 nle
filelock psutil`, then `pip install --no-deps nle==1.3.0`, whose stated needs and PufferLib's exclude
each other.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import gymnasium
import nle  # noqa: F401 - registers the tasks
import numpy as np
import pufferlib.emulation
import pufferlib.vector


def make(task: str, keys: str) -> Any:
    env = gymnasium.make(task, observation_keys=tuple(keys.split(",")), disable_env_checker=True)
    return pufferlib.emulation.GymnasiumPufferEnv(env=env)


def main() -> None:
    task, keys, games, workers, actions = sys.argv[1:]
    vector = pufferlib.vector.make(
        make,
        env_args=[task, keys],
        backend=pufferlib.vector.Multiprocessing,
        num_envs=int(games),
        num_workers=int(workers),
    )
    vector.reset(seed=0)
    rng = np.random.default_rng(0)
    print(pufferlib.__version__, flush=True)
    for line in sys.stdin:
        steps = int(line)
        start = time.perf_counter()
        for chosen in rng.integers(int(actions), size=(steps, int(games))):
            vector.step(chosen)
        print(time.perf_counter() - start, flush=True)
    vector.close()


if __name__ == "__main__":
    main()
