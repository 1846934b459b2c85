"""Environment steps per second: jit + vmap + scan, random policy, observations consumed.

    jaxrl bench environments [--levels Empty-8x8 DoorKey-8x8 ...] [--envs 1024] [--repeats 7]

Every candidate of a level runs in one process, interleaved, after a warm-up; a repeat is one jitted
scan of `--steps` steps of all environments with auto-reset on, and adds every observation to a total
of its shape, so that no work can be left out. navix and xminigrid run with their own defaults (navix
observes the whole grid) and navix also with its first-person view; Farama MiniGrid runs one
environment in one thread, as it is used. Written to `docs/results/environments.{json,md}`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

import envs
from benchmarks import _harness
from jaxrl_suite import distributions

NAVIX = {
    "Empty-8x8": "Navix-Empty-8x8-v0",
    "Empty-16x16": "Navix-Empty-16x16-v0",
    "DoorKey-8x8": "Navix-DoorKey-8x8-v0",
    "FourRooms": "Navix-FourRooms-v0",
    "KeyCorridorS3R3": "Navix-KeyCorridorS3R3-v0",
    "LavaGapS7": "Navix-LavaGap-S7-v0",
    "SimpleCrossingS9N2": "Navix-SimpleCrossingS9N2-v0",
    "DistShift1": "Navix-DistShift1-v0",
    "Dynamic-Obstacles-8x8": "Navix-Dynamic-Obstacles-8x8-v0",
}
XMINIGRID = {
    "Empty-8x8": "MiniGrid-Empty-8x8",
    "Empty-16x16": "MiniGrid-Empty-16x16",
    "DoorKey-8x8": "MiniGrid-DoorKey-8x8",
    "FourRooms": "MiniGrid-FourRooms",
    "LockedRoom": "MiniGrid-LockedRoom",
    "MemoryS9": "MiniGrid-MemoryS8",
    "Unlock": "MiniGrid-Unlock",
    "UnlockPickup": "MiniGrid-UnlockPickUp",
    "BlockedUnlockPickup": "MiniGrid-BlockedUnlockPickUp",
}
LEVELS = (
    "Empty-8x8",
    "Empty-16x16",
    "DoorKey-8x8",
    "FourRooms",
    "MultiRoom-N2-S4",
    "MultiRoom-N4-S5",
    "MultiRoom-N6",
    "KeyCorridorS3R3",
    "LavaGapS7",
    "SimpleCrossingS9N2",
    "DistShift1",
    "Dynamic-Obstacles-8x8",
    "LockedRoom",
    "MemoryS9",
    "Unlock",
    "UnlockPickup",
    "BlockedUnlockPickup",
    "RedBlueDoors-8x8",
    "PutNear-8x8-N3",
    "ObstructedMaze-1Dlh",
)

Candidate = Callable[[], Any]


def _flat(x: jax.Array) -> jax.Array:
    return x.reshape(x.shape[0], -1)


def _consume(total: Any, seen: Any) -> Any:
    """Adds every element to its own total, modulo its dtype: nothing can be left out."""

    # not one sum over all: that reduction would take longer than the fastest environments
    def add(t: jax.Array, x: jax.Array) -> jax.Array:
        return t ^ _flat(x) if x.dtype == bool else t + _flat(x)

    return jax.tree.map(add, total, seen)


def _scan(
    step: Callable[[Any, jax.Array, jax.Array], tuple[Any, Any]],
    state: Any,
    num_envs: int,
    actions: int,
    steps: int,
) -> Candidate:
    """A zero-argument function that runs `steps` batched random steps and waits for them.

    Args:
      step: `(state, key, action) -> (state, what is seen)`, batched; actions are `[num_envs]` int32.
      state: to start from.
      num_envs: environments in the batch.
      actions: how many there are.
      steps: per call.
    """

    # what is seen is carried to the next step, as a policy that chooses by it would need
    def body(carry: tuple[Any, jax.Array, Any, Any], _: None) -> tuple[Any, None]:
        state, key, _, total = carry
        key, action_key, step_key = jax.random.split(key, 3)
        action = jax.random.bits(action_key, (num_envs,), jnp.uint32) % jnp.uint32(actions)
        state, seen = step(state, step_key, action.astype(jnp.int32))
        return (state, key, seen, _consume(total, seen)), None

    key = jax.random.key(1)
    shapes = jax.eval_shape(step, state, key, jnp.zeros(num_envs, jnp.int32))[1]

    @jax.jit
    def run(state: Any, key: jax.Array) -> Any:
        nothing = jax.tree.map(jnp.zeros_like, shapes)
        start = (state, key, nothing, jax.tree.map(_flat, nothing))
        return jax.lax.scan(body, start, None, length=steps)[0][2:]

    return lambda: jax.block_until_ready(run(state, key))


def ours(level: str, num_envs: int, steps: int, **options: Any) -> Candidate:
    """This suite, as `envs.make` returns it."""
    env, params = envs.make(level, **options)
    actions = distributions.action_size(env.action_space(params))
    keys = jax.random.split(jax.random.key(0), num_envs)
    _, state = jax.vmap(env.reset, in_axes=(0, None))(keys, params)

    def step(state: Any, key: jax.Array, action: jax.Array) -> tuple[Any, Any]:
        keys = envs.batch_keys(key, num_envs)
        observation, state, reward, terminated, truncated, _ = jax.vmap(
            env.step, in_axes=(0, 0, 0, None)
        )(keys, state, action, params)
        return state, (observation, reward, terminated, truncated)

    return _scan(step, state, num_envs, actions, steps)


def navix(level: str, num_envs: int, steps: int, first_person: bool = False) -> Candidate:
    """navix; resets itself inside `step`."""
    import navix as nx

    options = {"observation_fn": nx.observations.symbolic_first_person} if first_person else {}
    env = nx.make(NAVIX[level], **options)
    state = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), num_envs))

    def step(timestep: Any, key: jax.Array, action: jax.Array) -> tuple[Any, Any]:
        del key
        timestep = jax.vmap(env.step)(timestep, action)
        return timestep, (timestep.observation, timestep.reward, timestep.step_type)

    return _scan(step, state, num_envs, len(env.action_set), steps)


def xminigrid(level: str, num_envs: int, steps: int) -> Candidate:
    """XLand-MiniGrid with its Gym-style auto-reset."""
    import xminigrid as xm
    from xminigrid.wrappers import GymAutoResetWrapper

    env, params = xm.make(XMINIGRID[level])
    env = GymAutoResetWrapper(env)
    keys = jax.random.split(jax.random.key(0), num_envs)
    state = jax.vmap(env.reset, in_axes=(None, 0))(params, keys)

    def step(timestep: Any, key: jax.Array, action: jax.Array) -> tuple[Any, Any]:
        del key
        timestep = jax.vmap(env.step, in_axes=(None, 0, 0))(params, timestep, action)
        return timestep, (timestep.observation, timestep.reward, timestep.step_type)

    return _scan(step, state, num_envs, env.num_actions(params), steps)


def farama_rate(level: str, seconds: float = 1.0) -> float:
    """Steps per second of one Farama MiniGrid environment in one thread."""
    import gymnasium
    import minigrid  # noqa: F401  registers the levels

    name, version = (level[:-3], level[-3:]) if level[-3:-1] == "-v" else (level, "-v0")
    env = gymnasium.make(f"MiniGrid-{name}{version}").unwrapped
    env.reset(seed=0)
    env.action_space.seed(0)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in range(50):
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            if terminated or truncated:
                env.reset()
        count += 50
    return count / (time.perf_counter() - start)


def candidates(level: str, num_envs: int, steps: int) -> dict[str, Candidate]:
    """Everything that can run `level`, by name."""
    found: dict[str, Candidate] = {"jaxrl_suite": ours(level, num_envs, steps)}
    if level in NAVIX:
        found["jaxrl_suite, full view"] = ours(level, num_envs, steps, view="full")
        found["navix"] = navix(level, num_envs, steps)
        found["navix first person"] = navix(level, num_envs, steps, first_person=True)
    if level in XMINIGRID:
        found["xminigrid"] = xminigrid(level, num_envs, steps)
    return found


def measure(level: str, num_envs: int, steps: int, repeats: int) -> dict[str, Any]:
    """One row of the table: steps/s of every candidate and ratios to the fastest peer."""
    times = _harness.interleave(candidates(level, num_envs, steps), repeats)
    rates = {name: [num_envs * steps / t for t in ts] for name, ts in times.items()}
    own = rates["jaxrl_suite"]
    ratios = {
        name: _harness.spread([a / b for a, b in zip(own, rate, strict=True)])
        for name, rate in rates.items()
        if not name.startswith("jaxrl_suite")
    }
    return {
        "level": level,
        "steps_per_second": {name: _harness.spread(rate) for name, rate in rates.items()},
        "minigrid": farama_rate(level),
        "ratio_to": ratios,
    }


def _row(result: dict[str, Any]) -> list[str]:
    rates, ratios = result["steps_per_second"], result["ratio_to"]

    def rate(name: str) -> str:
        return f"{rates[name]['median'] / 1e6:.2f} M" if name in rates else "-"

    peers = {k: v for k, v in ratios.items()}
    slowest = min(peers.values(), key=lambda r: r["median"], default=None)
    ratio = "-" if slowest is None else _harness.show_ratio(slowest)
    farama = rates["jaxrl_suite"]["median"] / result["minigrid"]
    return [
        result["level"],
        rate("jaxrl_suite"),
        rate("jaxrl_suite, full view"),
        rate("navix"),
        rate("navix first person"),
        rate("xminigrid"),
        f"{result['minigrid'] / 1e3:.1f} k",
        ratio,
        f"{farama:.0f}",
    ]


def main(argv: list[str] | None = None) -> None:
    """Measures, prints and writes the table."""
    parser = argparse.ArgumentParser(prog="jaxrl bench environments", description=__doc__)
    parser.add_argument("--levels", nargs="*", default=list(LEVELS))
    parser.add_argument("--envs", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args(argv)
    results = []
    for level in options.levels:
        results.append(measure(level, options.envs, options.steps, options.repeats))
        print(" | ".join(_row(results[-1])), flush=True)
    _harness.write(
        "environments",
        title="Environment steps per second",
        header=[
            "level",
            "jaxrl_suite",
            "jaxrl_suite, full view",
            "navix",
            "navix, first person",
            "xminigrid",
            "MiniGrid, 1 env",
            "ratio to the fastest JAX peer (min to max)",
            "ratio to MiniGrid",
        ],
        rows=[_row(r) for r in results],
        notes=f"{options.envs} environments, {options.steps} steps a repeat, "
        f"{options.repeats} interleaved repeats, medians; random actions, observations added up, "
        "auto-reset on (`bank` where it is the level's default).",
        data={"options": vars(options), "results": results},
    )


if __name__ == "__main__":
    main()
