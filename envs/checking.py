"""Whether an environment keeps the protocol: for those who write one of their own.

    env, params = envs.make("MyMaze")
    envs.check(env, params)

What the spaces promise is compared with what `reset` and `step` return, first by shapes and types,
then in a few episodes of random actions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from envs import spaces
from envs.core import Environment, StepInfo, batch_keys


class BrokenProtocol(ValueError):
    """An environment returns something else than it promises; the message lists all of it."""


def check(env: Environment, params: Any = None, steps: int = 200, num_envs: int = 4) -> None:
    """Checks an environment against its own spaces and the protocol of `envs.core`.

    Args:
      env, params: from `envs.make`, or bare.
      steps: random actions in each of `num_envs` copies.
      num_envs: under `vmap`.

    Raises:
      BrokenProtocol: shapes or types differ, between `reset` and `step` or from the spaces; an
        observation lies outside of its space, a reward is not finite, or the same keys do not give the
        same episode.
    """
    params = env.default_params if params is None else params
    space, actions = env.observation_space(params), env.action_space(params)
    key = jax.random.key(0)
    first, state = jax.eval_shape(env.reset, key, params)
    action = jax.eval_shape(actions.sample, key)
    outcome = jax.eval_shape(env.step, key, state, action, params)
    if not isinstance(outcome, tuple) or len(outcome) != len(StepInfo._fields):
        raise BrokenProtocol(f"{env.name}: step returns {', '.join(StepInfo._fields)}, in a tuple")
    then = StepInfo(*outcome)
    faults = [
        *misfits(space, first, "reset's observation"),
        *misfits(space, then.observation, "step's observation"),
        *_different(state, then.state),
        *_wrong("reward", then.reward, "float32"),
        *_wrong("terminated", then.terminated, "bool"),
        *_wrong("truncated", then.truncated, "bool"),
    ]
    if not isinstance(then.info, dict):
        faults.append(f"info is a dictionary of arrays, not {type(then.info).__name__}")
    if not faults:
        faults = list(_played(env, params, steps, num_envs))
    if faults:
        raise BrokenProtocol(f"{env.name}: " + "; ".join(faults))


def misfits(space: spaces.Space, observation: Any, what: str = "observation") -> Iterator[str]:
    """Where the shapes and types of one observation are not those of `space`; nothing is computed."""
    if isinstance(space, spaces.Dict):
        parts = space.spaces
        if not isinstance(observation, dict) or set(observation) != set(parts):
            got = sorted(observation) if isinstance(observation, dict) else _type(observation)
            yield f"{what} is a dictionary of {sorted(parts)} by its space, not {got}"
            return
        for name, part in parts.items():
            yield from misfits(part, observation[name], f"{what}[{name!r}]")
        return
    shape, dtype = getattr(observation, "shape", None), getattr(observation, "dtype", None)
    if shape != space.shape or dtype != jnp.dtype(space.dtype):
        wanted = jax.ShapeDtypeStruct(space.shape, jnp.dtype(space.dtype))
        yield f"{what} is {_type(wanted)} by its space, not {_type(observation)}"


def _wrong(name: str, value: Any, dtype: str) -> Iterator[str]:
    if getattr(value, "shape", None) != () or value.dtype != jnp.dtype(dtype):
        yield f"{name} is [] {dtype}, not {_type(value)}"


def _different(state: Any, after: Any) -> Iterator[str]:
    """A state goes round a loop, which wants the same types of it every time."""
    before, then = str(jax.tree.structure(state)), str(jax.tree.structure(after))
    if before != then:
        yield f"reset's state is {before}, step's {then}"
        return
    leaves = zip(jax.tree.leaves_with_path(state), jax.tree.leaves(after), strict=True)
    for (path, a), b in leaves:
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            name = f"state{jax.tree_util.keystr(path)}"
            yield f"{name} is {_type(a)} from reset, {_type(b)} from step"


def _played(env: Environment, params: Any, steps: int, num_envs: int) -> Iterator[str]:
    space, actions = env.observation_space(params), env.action_space(params)

    @jax.jit
    def play(key: jax.Array) -> Any:
        key, reset_key = jax.random.split(key)
        observation, state = jax.vmap(env.reset, (0, None))(batch_keys(reset_key, num_envs), params)
        started = jax.vmap(space.contains)(observation)

        def one(state: Any, key: jax.Array) -> Any:
            keys = jax.vmap(jax.random.split)(batch_keys(key, num_envs))
            action: Any = jax.vmap(actions.sample)(keys[:, 0])
            step = jax.vmap(env.step, (0, 0, 0, None))
            observation, state, reward, *_ = step(keys[:, 1], state, action, params)
            inside = jax.vmap(space.contains)(observation)
            return state, (inside, jnp.isfinite(reward), reward, observation)

        state, outcome = jax.lax.scan(one, state, jax.random.split(key, steps))
        return started, outcome

    started, (inside, finite, reward, observation) = jax.device_get(play(jax.random.key(1)))
    if not started.all():
        yield "reset's observation lies outside of its space"
    for name, good in (
        ("observation lies outside of its space", inside),
        ("reward is not finite", finite),
    ):
        if not good.all():
            yield f"{name} at step {int(np.argwhere(~good)[0, 0]) + 1} of random play"
    again = jax.device_get(play(jax.random.key(1)))[1][2:]
    same = jax.tree.map(
        lambda a, b: np.array_equal(np.nan_to_num(a), np.nan_to_num(b)),
        (reward, observation),
        again,
    )
    if not all(jax.tree.leaves(same)):
        yield "the same keys do not give the same episode twice"


def _type(x: Any) -> str:
    if not hasattr(x, "shape"):
        return type(x).__name__
    return f"{list(x.shape)} {x.dtype}"
