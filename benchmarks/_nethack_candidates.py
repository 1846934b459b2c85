"""Ways to play NetHack and MiniHack that are measured: each is a function of how many steps to take."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._harness import interleave, show_ratio, spread
from benchmarks._peer import Peer
from envs.host.pool import Pool

TASK = "NetHackScore-v0"
KEYS = ("glyphs", "blstats", "message")
ACTIONS = 23  # of the task
BANK = 256  # levels of MiniHack's
HEADER = ("task", "games", "", "steps/s", "slowest", "of the games alone")


def _alone(pipe: Any, module: str, name: str, games: int, seed: int) -> None:
    """In a process: `games` games in a loop, without a pool; NLE's own class if `module` is "nle"."""
    import importlib

    import nle  # noqa: F401 - registers the tasks

    if "MiniHack" in name:
        import minihack  # noqa: F401

    from envs.host.seeds import Contexts, episode_seeds

    rng, episode = np.random.default_rng(seed), 0
    plain: list[Any]
    if module == "nle":
        plain = [
            gymnasium.make(name, observation_keys=KEYS, disable_env_checker=True)
            for _ in range(games)
        ]
        for env in plain:
            env.reset()
    else:
        options: dict[str, Any] = {"keys": KEYS, **({"bank": BANK} if "MiniHack" in name else {})}
        family = importlib.import_module(f"envs.host.games.{module}").family(name, options)
        rows = {k: np.zeros((games, *s), d) for k, (s, d) in family.staging().items()}
        plain = [family.game({k: a[i] for k, a in rows.items()}) for i in range(games)]
        for i, game in enumerate(plain):
            game.reset(episode_seeds((seed, i), 0, Contexts()))
    pipe.send(None)
    while (steps := pipe.recv()) is not None:
        for actions in rng.integers(8 if "MiniHack" in name else ACTIONS, size=(steps, games)):
            for i, action in enumerate(actions.tolist()):
                if module == "nle":
                    _, _, terminated, truncated, _ = plain[i].step(action)
                    if terminated or truncated:
                        plain[i].reset()
                else:
                    _, terminated, truncated = plain[i].step(action)
                    if terminated or truncated:
                        episode += 1
                        plain[i].reset(episode_seeds((seed, i), episode, Contexts()))
        pipe.send(None)


class Alone:
    """`_alone` in as many processes as the pool has workers."""

    def __init__(self, module: str, name: str, games: int, workers: int):
        context = multiprocessing.get_context("spawn")
        self.pipes, self.processes = [], []
        for worker in range(workers):
            ours, theirs = context.Pipe()
            own = len(range(worker, games, workers))
            arguments = (theirs, module, name, own, worker)
            process = context.Process(target=_alone, args=arguments, daemon=True)
            process.start()
            self.pipes.append(ours)
            self.processes.append(process)
        for pipe in self.pipes:
            pipe.recv()

    def run(self, steps: int) -> None:
        for pipe in self.pipes:
            pipe.send(steps)
        for pipe in self.pipes:
            pipe.recv()

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join(10)


def pooled(pool: Pool, games: int, actions: int) -> Callable[[int], Any]:
    """The host pool, driven from Python."""
    group = pool.group(games)
    group.reset(np.random.default_rng(0).integers(2**32, size=(games, 2), dtype=np.uint32))
    rng = np.random.default_rng(1)

    def run(steps: int) -> None:
        for chosen in rng.integers(actions, size=(steps, games)):
            group.send(chosen)
            group.recv()

    return run


def jitted(env: Any, params: Any, games: int, actions: int) -> Callable[[int], Any]:
    """The whole rollout one jitted scan, observations consumed."""
    _, first = jax.vmap(env.reset, (0, None))(jax.random.split(jax.random.key(0), games), params)
    jax.block_until_ready(first)  # the clock of the start and a look at the memory come after it
    holder = {"state": first, "key": jax.random.key(1)}

    def rollout(state: Any, key: jax.Array, steps: int) -> Any:
        def body(state: Any, key: jax.Array) -> Any:
            action = jax.random.randint(key, (games,), 0, actions)
            out = jax.vmap(env.step, (None, 0, 0, None))(key, state, action, params)
            seen = sum(x.astype(jnp.float32).mean() for x in out[0].values())
            return out[1], (seen, out[2].mean())

        return jax.lax.scan(body, state, jax.random.split(key, steps))

    compiled = jax.jit(rollout, static_argnums=2)

    def run(steps: int) -> Any:
        holder["key"], key = jax.random.split(holder["key"])
        holder["state"], out = compiled(holder["state"], key, steps)
        return jax.block_until_ready(out)

    return run


def vector(games: int) -> tuple[Callable[[int], Any], Any]:
    """Gymnasium's `AsyncVectorEnv`, and it, to be closed."""

    def make() -> Any:
        import nle  # noqa: F401

        return gymnasium.make(TASK, observation_keys=KEYS, disable_env_checker=True)

    made = gymnasium.vector.AsyncVectorEnv([make] * games, context="forkserver")
    made.reset()
    rng = np.random.default_rng(0)

    def run(steps: int) -> None:
        for chosen in rng.integers(ACTIONS, size=(steps, games)):
            made.step(chosen)

    return run, made


class PufferLib:
    """`_pufferlib` in a process of its own."""

    def __init__(self, python: str, games: int, workers: int):
        script = Path(__file__).with_name("_pufferlib.py")
        arguments = [TASK, ",".join(KEYS), str(games), str(workers), str(ACTIONS)]
        self.peer = Peer("PufferLib", [python, str(script), *arguments])
        self.version = self.peer.answer()

    def run(self, steps: int) -> None:
        self.peer.ask(str(steps))

    def close(self) -> None:
        self.peer.close()


def measure(
    label: str, games: int, steps: int, runs: dict[str, Callable[[int], Any]], repeats: int
) -> tuple[list[list[str]], dict[str, Any]]:
    """Times `runs` in turns, one of them "the games alone"; rows for `HEADER`, and the numbers."""
    rows, data = [], {}
    calls = {name: (lambda run=run: run(steps)) for name, run in runs.items()}
    times = interleave(calls, repeats)
    rates = {name: spread([steps * games / t for t in taken]) for name, taken in times.items()}
    alone = times["the games alone"]
    for name, rate in rates.items():
        ratio = spread([a / t for a, t in zip(alone, times[name], strict=True)])
        shown = "" if name == "the games alone" else show_ratio(ratio)
        rows.append(
            [label, str(games), name, f"{rate['median']:,.0f}", f"{rate['min']:,.0f}", shown]
        )
        data[f"{label}/{games}/{name}"] = {"steps_per_second": rate, "of_alone": ratio}
        print(rows[-1], flush=True)
    return rows, data
