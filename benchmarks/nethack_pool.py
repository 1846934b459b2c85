"""NetHack through the host pool, beside the games alone and Gymnasium's vectors: steps a second.

    jaxrl bench nethack_pool [--games 16 64 256 1024] [--workers 2] [--repeats 5]

All candidates play the same task with the same keys and uniform random actions, on as many worker
processes (`AsyncVectorEnv` has a process a game), in turns. Writes docs/results/nethack_pool.{json,md}.
"""

from __future__ import annotations

import argparse
import multiprocessing
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

import envs
from benchmarks._harness import interleave, parse, show_ratio, spread, write
from envs.host.pool import Pool

TASK, LEVEL = "NetHackScore-v0", "MiniHack-MultiRoom-N6-Lava-v0"
KEYS = ("glyphs", "blstats", "message")
BANK = 256
MOST = 256  # games of every candidate; with more of them only the jitted scans fit
ACTIONS, TURNS = 23, 20  # of the task; `blstats` index of the game's clock


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


def _pool(pool: Pool, games: int, actions: int) -> Callable[[int], Any]:
    group = pool.group(games)
    group.reset(np.random.default_rng(0).integers(2**32, size=(games, 2), dtype=np.uint32))
    rng = np.random.default_rng(1)

    def run(steps: int) -> None:
        for chosen in rng.integers(actions, size=(steps, games)):
            group.send(chosen)
            group.recv()

    return run


def _jitted(env: Any, params: Any, games: int, actions: int) -> Callable[[int], Any]:
    """The whole rollout one jitted scan, observations consumed."""
    _, first = jax.vmap(env.reset, (0, None))(jax.random.split(jax.random.key(0), games), params)
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


def _vector(games: int) -> tuple[Callable[[int], Any], Any]:
    def make() -> Any:
        import nle  # noqa: F401

        return gymnasium.make(TASK, observation_keys=KEYS, disable_env_checker=True)

    vector = gymnasium.vector.AsyncVectorEnv([make] * games, context="forkserver")
    vector.reset()
    rng = np.random.default_rng(0)

    def run(steps: int) -> None:
        for chosen in rng.integers(ACTIONS, size=(steps, games)):
            vector.step(chosen)

    return run, vector


class PufferLib:
    """`_pufferlib` in a process of its own."""

    def __init__(self, python: str, games: int, workers: int):
        script = Path(__file__).with_name("_pufferlib.py")
        arguments = [TASK, ",".join(KEYS), str(games), str(workers), str(ACTIONS)]
        self.process = subprocess.Popen(
            [python, str(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.version = self._line()

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the PufferLib process ended; see its output above")
        return line.strip()

    def run(self, steps: int) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        self._line()

    def close(self) -> None:
        self.process.communicate()


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

    def measure(label: str, games: int, steps: int, runs: dict[str, Callable[[int], Any]]) -> None:
        calls = {name: (lambda run=run: run(steps)) for name, run in runs.items()}
        times = interleave(calls, chosen.repeats)
        rates = {n: spread([steps * games / t for t in v]) for n, v in times.items()}
        alone = times["the games alone"]
        for name, rate in rates.items():
            ratio = spread([a / t for a, t in zip(alone, times[name], strict=True)])
            shown = "" if name == "the games alone" else show_ratio(ratio)
            rows.append(
                [label, str(games), name, f"{rate['median']:,.0f}", f"{rate['min']:,.0f}", shown]
            )
            data[f"{label}/{games}/{name}"] = {"steps_per_second": rate, "of_alone": ratio}
            print(rows[-1], flush=True)

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
            runs[f"pool in a jitted scan{label}"] = _jitted(env, params, games, ACTIONS)
            data[f"startup/{games}{label}"] = time.perf_counter() - start
            each = (sum(m["private"] for m in pool.memory()) - before) / games
            data[f"memory/{games}{label}"] = each
            if whole:
                runs[f"pool{label}"] = _pool(pool, games, ACTIONS)
        plain: dict[str, Any] = {"the games alone": Alone("nethack", TASK, games, workers)}
        if whole:
            plain["NLE's Gymnasium class, alone"] = Alone("nle", TASK, games, workers)
        runs = {**{name: alone.run for name, alone in plain.items()}, **runs}
        vector = None
        if chosen.pufferlib_python and whole:
            peer = PufferLib(chosen.pufferlib_python, games, workers)
            runs["PufferLib"], plain["PufferLib"] = peer.run, peer
            data["pufferlib"] = peer.version
        if games <= chosen.vector_most:
            runs["AsyncVectorEnv"], vector = _vector(games)
        measure("NetHackScore", games, max(25, 25_600 // games), runs)
        data.setdefault("turns_per_step", _turns(pools[False]))
        data.setdefault("turns_per_step, shared pages", _turns(pools[True]))
        if vector is not None:
            vector.close()
        for alone in plain.values():
            alone.close()
        for env in made.values():
            env.unwrapped.close()

    env, params = _make(LEVEL, workers, bank=BANK)
    alone, nle = (Alone(module, LEVEL, 16, workers) for module in ("minihack", "nle"))
    runs = {"the games alone": alone.run, "MiniHack's own class, alone": nle.run}
    fill = _pool(env.unwrapped.pool, 16, 8)
    fill(400)  # the bank
    alone.run(400)
    runs["pool, levels in a bank"] = fill
    runs["pool in a jitted scan"] = _jitted(env, params, 16, 8)
    measure("MultiRoom-N6-Lava", 16, 40, runs)
    alone.close()
    nle.close()
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
        f"MultiRoom's maps come from a bank of {BANK} levels, compiled before the clock started, for "
        "all but MiniHack's own class.",
    ]
    data["workers"] = workers
    header = ["task", "games", "", "steps/s", "slowest", "of the games alone"]
    write("nethack_pool", "NetHack through the host pool", header, rows, " ".join(notes), data)


if __name__ == "__main__":
    main()
