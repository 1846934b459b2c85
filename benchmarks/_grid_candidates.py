"""Grid environments that `environments` measures: this suite's, navix's, XLand-MiniGrid's, Farama's.

Each but the last is a function without arguments that does a number of batched random steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

import envs
from jaxrl_suite import distributions

SIZES = ("5x5", "6x6", "8x8", "16x16")
NAVIX = {
    **{f"Empty-{n}": f"Navix-Empty-{n}-v0" for n in SIZES},
    **{f"Empty-Random-{n}": f"Navix-Empty-Random-{n}-v0" for n in SIZES},
    **{f"DoorKey-{n}": f"Navix-DoorKey-{n}-v0" for n in SIZES},
    "FourRooms": "Navix-FourRooms-v0",
    **{f"KeyCorridor{n}": f"Navix-KeyCorridor{n}-v0" for n in ("S3R1", "S3R2", "S3R3", "S6R3")},
    **{f"LavaGap{n}": f"Navix-LavaGap{n}-v0" for n in ("S5", "S6", "S7")},
    **{f"SimpleCrossing{n}": f"Navix-SimpleCrossing{n}-v0" for n in ("S9N1", "S9N2", "S11N5")},
    **{f"DistShift{n}": f"Navix-DistShift{n}-v0" for n in (1, 2)},
    **{f"Dynamic-Obstacles-{n}": f"Navix-Dynamic-Obstacles-{n}-v0" for n in SIZES},
    **{f"GoToDoor-{n}": f"Navix-GoToDoor-{n}-v0" for n in ("5x5", "6x6", "8x8")},
}
XMINIGRID = {
    **{f"Empty-{n}": f"MiniGrid-Empty-{n}" for n in SIZES},
    **{f"Empty-Random-{n}": f"MiniGrid-EmptyRandom-{n}" for n in SIZES},
    **{f"DoorKey-{n}": f"MiniGrid-DoorKey-{n}" for n in SIZES},
    "FourRooms": "MiniGrid-FourRooms",
    "LockedRoom": "MiniGrid-LockedRoom",
    "MemoryS9": "MiniGrid-MemoryS8",
    "Playground": "MiniGrid-Playground",
    "Unlock": "MiniGrid-Unlock",
    "UnlockPickup": "MiniGrid-UnlockPickUp",
    "BlockedUnlockPickup": "MiniGrid-BlockedUnlockPickUp",
}

# what a candidate is called in the results
OURS, OURS_FULL = "jaxrl_suite", "jaxrl_suite, full view"
NAVIX_FULL, NAVIX_OWN, XLAND = "navix, full view", "navix", "xminigrid"

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


def farama_rate(level: str, seconds: float = 0.5) -> float | None:
    """Steps per second of one Farama MiniGrid environment in one thread; None if it has no such."""
    import gymnasium
    import minigrid  # noqa: F401  registers the levels

    name, version = (level[:-3], level[-3:]) if level[-3:-1] == "-v" else (level, "-v0")
    if f"MiniGrid-{name}{version}" not in gymnasium.registry:
        return None
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
    found = {
        OURS: ours(level, num_envs, steps),
        OURS_FULL: ours(level, num_envs, steps, view="full"),
    }
    if level in NAVIX:
        found[NAVIX_OWN] = navix(level, num_envs, steps, first_person=True)
        found[NAVIX_FULL] = navix(level, num_envs, steps)
    if level in XMINIGRID:
        found[XLAND] = xminigrid(level, num_envs, steps)
    return found
