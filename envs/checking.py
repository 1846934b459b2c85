"""Whether an environment keeps the protocol: for those who write one of their own.

    env, params = envs.make("MyMaze")
    envs.check(env, params)

What the spaces promise is compared with what `reset` and `step` return, first by shapes and types,
then in a few episodes of random actions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from envs import spaces, wrappers
from envs.core import Environment, StepInfo, batch_keys

_COUNTERPARTS = {
    "Box": "Box(low, high, shape, dtype), low and high two numbers",
    "Discrete": "Discrete(n)",
    "MultiBinary": "Box(0, 1, shape, jnp.int8)",
    "Dict": "Dict.of({name: space, ...})",
}


class BrokenProtocol(ValueError):
    """An environment returns something else than it promises; the message lists all of it."""


def check(env: Environment, params: Any = None, steps: int = 200, num_envs: int = 4) -> None:
    """Checks an environment against its own spaces and the protocol of `envs.core`.

    The environment inside of the wrappers is looked at first: wrappers may hide what is wrong with it.

    Args:
      env, params: from `envs.make`, or bare.
      steps: random actions in each of `num_envs` copies. Whether episodes end in time is seen where
        these are `max_steps_in_episode` or more.
      num_envs: under `vmap`.

    Raises:
      BrokenProtocol: shapes or types differ, between `reset` and `step` or from the spaces; an
        observation lies outside of its space, an observation or a reward is not finite, episodes do not
        end, or the same keys do not give the same episode.
    """
    params = env.default_params if params is None else params
    bare, bare_params = _unwrapped(env, params)
    check_shapes(bare, bare_params)
    if bare is not env:
        check_shapes(env, params)
    limit = getattr(bare_params, "max_steps_in_episode", None)
    faults = list(_played(env, params, steps, num_envs, None if limit is None else int(limit)))
    if faults:
        raise BrokenProtocol(f"{env.name}: " + "; ".join(faults))


def check_shapes(env: Environment, params: Any = None) -> None:
    """The part of `check` that computes nothing: spaces, structures, shapes and types.

    `envs.make` asks it of what others have registered.

    Raises:
      BrokenProtocol: for all that is wrong.
    """
    params = env.default_params if params is None else params
    faults = list(_misshapen(env, params))
    if faults:
        raise BrokenProtocol(f"{getattr(env, 'name', type(env).__name__)}: " + "; ".join(faults))


def _unwrapped(env: Environment, params: Any) -> tuple[Environment, Any]:
    """The innermost environment and its own parameters."""
    while isinstance(env, wrappers.Wrapper):
        params = params.env if isinstance(env, wrappers.AutoReset) else params
        env = env.env
    return env, params


def _misshapen(env: Environment, params: Any) -> Iterator[str]:
    space, actions = env.observation_space(params), env.action_space(params)
    strange = [*foreign(space, "observation_space"), *foreign(actions, "action_space")]
    if strange:
        yield from strange
        return
    key = jax.eval_shape(jax.random.key, 0)
    begun, wrong = _shapes(_reset_faults, env.reset, key, params)
    if wrong:
        yield from wrong
        return
    first, state = begun
    action = jax.eval_shape(actions.sample, key)
    outcome, wrong = _shapes(_step_faults, env.step, key, state, action, params)
    yield from misfits(space, first, "reset's observation")
    if wrong:
        yield from wrong
        return
    then = StepInfo(*outcome)
    yield from misfits(space, then.observation, "step's observation")
    yield from _different(state, then.state)
    yield from _wrong("reward", then.reward, "float32")
    yield from _wrong("terminated", then.terminated, "bool")
    yield from _wrong("truncated", then.truncated, "bool")


def foreign(space: Any, what: str) -> Iterator[str]:
    """Why a space is none of `envs.spaces`; gymnax and gymnasium have classes of the same names."""
    if isinstance(space, spaces.Discrete | spaces.Box | spaces.Dict):
        parts = space.spaces if isinstance(space, spaces.Dict) else {}
        for name, part in parts.items():
            yield from foreign(part, f"{what}[{name!r}]")
        return
    kind = type(space)
    counterpart = _COUNTERPARTS.get(kind.__name__, "Box, Discrete or Dict")
    yield (
        f"{what} is a {kind.__name__} of {kind.__module__}: must be of envs.spaces, here "
        f"envs.spaces.{counterpart}"
    )


def _shapes(
    faults: Callable[[Any], Iterator[str]], function: Any, *arguments: Any
) -> tuple[Any, list[str]]:
    """Shapes and types of `function(*arguments)`, and `faults` in how the result is put together."""
    found: list[str] = []

    @functools.wraps(function)  # JAX names it in errors of its own
    def traced(*arguments: Any) -> Any:
        result = function(*arguments)
        found[:] = faults(result)
        return () if found else result  # JAX could not describe what is wrong

    return jax.eval_shape(traced, *arguments), found


def _reset_faults(result: Any) -> Iterator[str]:
    if not isinstance(result, tuple) or len(result) != 2:
        yield f"reset returns observation and state in a tuple, not {_length(result)}"
        return
    yield from _no_arrays({"observation": result[0], "state": result[1]}, "reset's ")


def _step_faults(result: Any) -> Iterator[str]:
    if not isinstance(result, tuple) or len(result) != len(StepInfo._fields):
        names = ", ".join(StepInfo._fields)
        yield f"step returns {names}, in a tuple, not {_length(result)}"
        return
    *_, info = result
    if not isinstance(info, dict):
        yield f"info is a dictionary of arrays, {{}} where there is nothing to tell, not {_type(info)}"
    else:
        yield from _no_arrays(dict(zip(StepInfo._fields, result, strict=True)), "step's ")


def _no_arrays(parts: dict[str, Any], whose: str) -> Iterator[str]:
    for name, part in parts.items():
        for path, leaf in jax.tree.leaves_with_path(part):
            if not hasattr(leaf, "dtype") and not isinstance(leaf, bool | int | float):
                yield f"{whose}{name}{jax.tree_util.keystr(path)} must be an array, not {_type(leaf)}"


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


def _played(
    env: Environment, params: Any, steps: int, num_envs: int, limit: int | None
) -> Iterator[str]:
    space, actions = env.observation_space(params), env.action_space(params)

    def seen(observation: Any) -> tuple[jax.Array, jax.Array]:
        """Whether observations are finite, and lie in their space."""
        finite = [jnp.isfinite(x).all() for x in jax.tree.leaves(observation)]
        return jnp.all(jnp.array(finite)), space.contains(observation)

    @jax.jit
    def play(key: jax.Array) -> Any:
        key, reset_key = jax.random.split(key)
        observation, state = jax.vmap(env.reset, (0, None))(batch_keys(reset_key, num_envs), params)
        started = jax.vmap(seen)(observation)

        def one(state: Any, key: jax.Array) -> Any:
            keys = jax.vmap(jax.random.split)(batch_keys(key, num_envs))
            action: Any = jax.vmap(actions.sample)(keys[:, 0])
            step = jax.vmap(env.step, (0, 0, 0, None))
            observation, state, reward, terminated, truncated, _ = step(
                keys[:, 1], state, action, params
            )
            told = *jax.vmap(seen)(observation), jnp.isfinite(reward), terminated | truncated
            return state, (told, (reward, observation))

        state, outcome = jax.lax.scan(one, state, jax.random.split(key, steps))
        return started, outcome

    (finite, inside), (told, episode) = jax.device_get(play(jax.random.key(1)))
    if not finite.all():
        yield "reset's observation is not finite"
    elif not inside.all():
        yield "reset's observation lies outside of its space"
    finite, inside, paid, over = told
    for name, good in (
        ("observation is not finite", finite),
        ("observation lies outside of its space", inside | ~finite),
        ("reward is not finite", paid),
    ):
        if not good.all():
            yield f"{name} at step {int(np.argwhere(~good)[0, 0]) + 1} of random play"
    if limit is not None and limit <= steps and not over[:limit].any(0).all():
        yield (
            f"no end of the episode in max_steps_in_episode={limit} steps of random play: must be "
            "truncated then"
        )
    again = jax.device_get(play(jax.random.key(1)))[1][1]
    same = jax.tree.map(
        lambda a, b: np.array_equal(np.nan_to_num(a), np.nan_to_num(b)), episode, again
    )
    if not all(jax.tree.leaves(same)):
        yield "the same keys do not give the same episode twice"


def _length(result: Any) -> str:
    return f"{len(result)} values" if isinstance(result, tuple) else _type(result)


def _type(x: Any) -> str:
    if not hasattr(x, "shape"):
        return type(x).__name__
    return f"{list(x.shape)} {x.dtype}"
