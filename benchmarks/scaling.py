"""Environment steps and PPO over several devices: strong and weak scaling, and equal numbers.

    jaxrl bench scaling [--devices 1 2] [--repeats 5]

CPU devices are forced (`--xla_force_host_platform_device_count`), each number of them in a process of
its own; the processes stay up and are timed in turns. Strong: the same work over more devices. Weak:
the same work for each device. Efficiency is what is left of the ideal speedup, which ends at the
number of cores; one device may already use several cores, so `--pin` gives N devices N cores, to
compare like with like. What a machine has to give is seen in as many processes, each with one device,
a core and a seed of its own, and nothing in common but the memory: `alone`. Also checked: a seed's
numbers do not depend on how many devices there are, up to rounding. Written to
`docs/results/scaling.{json,md}`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Any

import numpy as np

from benchmarks import _harness
from benchmarks._peer import Peer

ENVS = 1024  # a seed
JOBS = ("steps", "ppo")
FORMS = ("strong", "weak")


def _steps(seeds: int) -> tuple[Any, Any, int]:
    """Random play on DoorKey-8x8: `(advance, states, env steps)`, sharded over all devices."""
    import jax
    import jax.numpy as jnp

    import envs

    env, params = envs.make("DoorKey-8x8")
    length = 200

    def start(key: jax.Array) -> Any:
        return jax.vmap(env.reset, (0, None))(jax.random.split(key, ENVS), params)[1]

    def advance(state: Any, key: jax.Array) -> Any:
        def step(state: Any, key: jax.Array) -> Any:
            keys = jax.random.split(key, ENVS)
            action = jax.random.randint(key, (ENVS,), 0, 7)
            seen, state, reward, *_ = jax.vmap(env.step, (0, 0, 0, None))(
                keys, state, action, params
            )
            return state, reward.sum() + seen["image"].astype(jnp.float32).sum()

        return jax.lax.scan(step, state, jax.random.split(key, length))

    keys = _over_devices(jax.vmap(jax.random.key)(jnp.arange(seeds)))
    states = jax.jit(jax.vmap(start))(keys)
    run = jax.jit(jax.vmap(advance))
    return lambda states: run(states, keys), states, seeds * ENVS * length


def _ppo(seeds: int) -> tuple[Any, Any, int]:
    """Updates of PPO on the same level."""
    import jax
    import jax.numpy as jnp

    import envs
    from jaxrl_suite.agents import ppo

    experiment = ppo.make(*envs.make("DoorKey-8x8"), ppo.PPOConfig(num_envs=64, rollout_length=64))
    updates = 4

    def advance(state: Any) -> Any:
        return jax.lax.scan(
            lambda state, _: (experiment.update(state)[0], None), state, None, length=updates
        )[0]

    keys = _over_devices(jax.vmap(jax.random.key)(jnp.arange(seeds)))
    states = jax.jit(jax.vmap(experiment.init))(keys)
    run = jax.jit(jax.vmap(advance))

    def go(states: Any) -> tuple[Any, Any]:
        states = run(states)
        return states, jax.tree.map(lambda x: jnp.abs(x).sum(), states.params)

    return go, states, seeds * experiment.steps_per_update * updates


def _over_devices(keys: Any) -> Any:
    import jax
    from jax.sharding import AxisType, NamedSharding, PartitionSpec

    mesh = jax.make_mesh((len(jax.devices()),), ("seed",), axis_types=(AxisType.Auto,))
    return jax.device_put(keys, NamedSharding(mesh, PartitionSpec("seed")))


def _serve(seeds: int) -> None:
    """In a process with its devices: a line `JOB` on stdin is answered by seconds, steps, a sum."""
    import jax

    made: dict[str, Any] = {}
    for line in sys.stdin:
        job = line.strip()
        if job not in made:
            advance, states, count = {"steps": _steps, "ppo": _ppo}[job](seeds)
            after = jax.block_until_ready(advance(states))
            total = sum(float(abs(x).sum()) for x in jax.tree.leaves(after[1]))
            made[job] = [advance, after[0], count, total]
        advance, states, count, total = made[job]
        start = time.perf_counter()
        made[job][1], _ = jax.block_until_ready(advance(states))
        print(time.perf_counter() - start, count, total, flush=True)


def _process(devices: int, seeds: int, pin: bool, first_core: int = 0) -> Peer:
    """A process with so many devices; asked for a job, it answers as `_measured` reads."""
    command = [sys.executable, "-m", "benchmarks.scaling", "--serve", str(seeds)]
    if pin:
        mine = sorted(os.sched_getaffinity(0))[first_core : first_core + devices]
        command = ["taskset", "-c", ",".join(map(str, mine)), *command]
    flag = f"--xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "XLA_FLAGS": flag, "JAX_PLATFORMS": "cpu"}
    return Peer(f"{devices}-device", command, environment)


def _measured(answer: str) -> tuple[float, int, float]:
    """Seconds, environment steps, and the sum of all numbers that came out."""
    seconds, count, total = answer.split()
    return float(seconds), int(count), float(total)


def _alone(count: int, repeats: int) -> dict[str, Any]:
    """Efficiency of `count` processes with a core and a seed each, at once, beside one of them."""
    processes = [_process(1, 1, True, core) for core in range(count)]
    found = {}
    for job in JOBS:
        for process in processes:
            process.ask(job)  # compiles
        left = []
        for _ in range(repeats):
            single = _measured(processes[0].ask(job))[0]
            for process in processes:
                process.send(job)
            left.append(single / max(_measured(process.answer())[0] for process in processes))
        found[job] = _harness.spread(left)
    for process in processes:
        process.close()
    return found


def main(argv: list[str] | None = None) -> None:
    """Measures, prints and writes the table."""
    parser = argparse.ArgumentParser(
        prog="jaxrl bench scaling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--pin", action="store_true", help="N devices get N cores (Linux)")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = _harness.parse(parser, argv)
    if options.serve is not None:
        return _serve(options.serve)
    if options.devices[0] != 1:
        parser.error("--devices: the first is 1, which the others are compared with")

    rows: list[list[str]] = []
    data: dict[str, Any] = {"pinned": options.pin}
    for form in FORMS:
        seeds = [max(options.devices) if form == "strong" else n for n in options.devices]
        processes = [
            _process(n, count, options.pin) for n, count in zip(options.devices, seeds, strict=True)
        ]
        for job in JOBS:
            first = [_measured(process.ask(job)) for process in processes]  # compiles
            turns = [[_measured(p.ask(job))[0] for p in processes] for _ in range(options.repeats)]
            rates = np.array(
                [[f[1] / t for f, t in zip(first, turn, strict=True)] for turn in turns]
            )
            for column, devices in enumerate(options.devices):
                ideal = devices / options.devices[0]
                left = (rates[:, column] / rates[:, 0] / ideal).tolist()
                ratio = _harness.spread(left)
                rate = float(np.median(rates[:, column]))
                apart = abs(first[column][2] / first[0][2] - 1) if form == "strong" else None
                row = [f"{job}, {form}", str(devices), f"{rate:,.0f}", _harness.show_ratio(ratio)]
                rows.append([*row, "-" if apart is None else f"{apart:.0e}"])
                data[f"{job}/{form}/{devices}"] = {
                    "rate": rate,
                    "ratios": ratio,
                    "difference": apart,
                }
                print(" | ".join(rows[-1]), flush=True)
        for process in processes:
            process.close()
    most = max(options.devices)
    if options.pin and 1 < most <= len(os.sched_getaffinity(0)):
        for job, ratio in _alone(most, options.repeats).items():
            rows.append(
                [f"{job}, alone", f"{most} processes", "-", _harness.show_ratio(ratio), "-"]
            )
            data[f"{job}/alone/{most}"] = {"ratios": ratio}
            print(" | ".join(rows[-1]), flush=True)
    pinned = (
        "N devices had N cores"
        if options.pin
        else "all had all cores, which one device uses in part"
    )
    _harness.write(
        "scaling",
        "Several devices",
        [
            "what",
            "devices",
            "env steps/s",
            "efficiency (min to max)",
            "relative difference to one device",
        ],
        rows,
        f"DoorKey-8x8; steps: random play, {ENVS} environments a seed; ppo: 64 environments x 64 "
        f"steps a seed. Strong: {max(options.devices)} seeds over the devices, weak: a seed a device; "
        "alone: as many processes that share nothing, what the machine has to give. "
        f"{options.repeats} turns, medians; {pinned}. Difference: of the sums of rewards and "
        "observations, and of the absolute values of parameters after four updates.",
        data,
        options.out,
    )


if __name__ == "__main__":
    main()
