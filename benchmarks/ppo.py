"""PPO training steps per second, with equal settings, beside rejax; and seeds by vmap.

    jaxrl bench ppo [--rejax-python /path/to/python] [--repeats 7]

64 environments x 128 steps, 4 epochs x 4 minibatches, two hidden layers of 64, CartPole. A repeat
trains from scratch; compilation is not counted. rejax runs in a process of its own (it needs gymnax
0.0.9: `pip install rejax==0.1.3 gymnax==0.0.9`), in turns with ours. Eight seeds by `vmap`, laid over
one CPU device a core as the runner does, are set against one seed times eight. Written to
`docs/results/ppo.{json,md}`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

import envs
from benchmarks import _harness
from benchmarks._peer import Peer
from jaxrl_suite.agents import ppo
from jaxrl_suite.runner import cpu_devices, segment

SETTINGS: dict[str, Any] = {
    "env": "CartPole-v1",
    "num_envs": 64,
    "rollout_length": 128,
    "epochs": 4,
    "minibatches": 4,
    "learning_rate": 5e-4,
    "entropy": 0.01,
    "total_steps": 64 * 128 * 24,
}


def ours(seeds: int) -> Callable[[], Any]:
    """Trains `seeds` seeds in one program; returns the final states."""
    env, params = envs.make(SETTINGS["env"])
    config = ppo.PPOConfig(**{k: v for k, v in SETTINGS.items() if k != "env"})
    experiment = ppo.make(env, params, config)

    def train(key: jax.Array) -> Any:
        def update(state: Any, _: None) -> tuple[Any, Any]:
            return experiment.update(state)

        state, metrics = jax.lax.scan(
            update, experiment.init(key), None, length=experiment.num_updates
        )
        return state.params, metrics["episode_return"]

    run = jax.jit(jax.vmap(train) if seeds > 1 else lambda k: train(k[0]))
    keys = jax.random.split(jax.random.key(0), seeds)
    keys = jax.device_put(keys, segment.layout(seeds, jax.local_devices())[0])
    return lambda: run(keys)


def main(argv: list[str] | None = None) -> None:
    """Measures, prints and writes the table."""
    parser = argparse.ArgumentParser(prog="jaxrl bench ppo", description=__doc__)
    parser.add_argument("--rejax-python", default=None, help="interpreter that has rejax 0.1.3")
    parser.add_argument("--seeds", type=int, nargs="+", default=[8], help="in one program, each")
    parser.add_argument("--repeats", type=int, default=7)
    options = _harness.parse(parser, argv)
    steps = SETTINGS["total_steps"]
    cpu_devices.configure(max(options.seeds))

    candidates: dict[str, Callable[[], Any]] = {f"{n}": ours(n) for n in (1, *options.seeds)}
    peer_seconds: list[float] = []
    if options.rejax_python:
        script = Path(__file__).with_name("_rejax.py")
        rejax = Peer("rejax", [options.rejax_python, str(script), json.dumps(SETTINGS)])
        rejax.ask("go")  # compiles
        candidates["rejax"] = lambda: peer_seconds.append(float(rejax.ask("go")))
    times = _harness.interleave(candidates, options.repeats)
    rows = []

    ratios = {}

    def row(name: str, rates: list[float], ratio: list[float] | None) -> None:
        shown = "-"
        if ratio is not None:
            ratios[name] = _harness.spread(ratio)
            shown = _harness.show_ratio(ratios[name])
        rows.append([name, f"{_harness.spread(rates)['median'] / 1e3:,.0f} k", shown])

    row("one seed", [steps / t for t in times["1"]], None)
    for seeds in options.seeds:
        pairs = list(zip(times["1"], times[f"{seeds}"], strict=True))
        name = f"{seeds} seeds by vmap; ratio to {seeds} runs of one"
        row(name, [seeds * steps / b for _, b in pairs], [seeds * a / b for a, b in pairs])
    if options.rejax_python:
        seconds = peer_seconds[-options.repeats :]  # the peer's own clock: no pipe, no evaluation
        ratio = [b / a for a, b in zip(times["1"], seconds, strict=True)]
        row("rejax, one seed; ratio of ours to it", [steps / t for t in seconds], ratio)
    for line in rows:
        print(" | ".join(line))
    _harness.write(
        "ppo",
        title="PPO training steps per second",
        header=["what", "env steps/s", "ratio (min to max)"],
        rows=rows,
        notes=f"CartPole-v1, {SETTINGS['num_envs']} environments x {SETTINGS['rollout_length']} "
        f"steps, {SETTINGS['epochs']} epochs x {SETTINGS['minibatches']} minibatches, {steps:,} "
        f"steps a repeat, {options.repeats} interleaved repeats, medians; compilation not counted. "
        "Ours bootstraps from the final observation at every truncation, rejax does not.",
        data={
            "settings": SETTINGS,
            "ratios": ratios,
            "seconds": times,
            "rejax_seconds": peer_seconds,
        },
        folder=options.out,
    )


if __name__ == "__main__":
    main()
