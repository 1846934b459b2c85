"""Random play as a program: what environments take of an agent's time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from envs.core import Environment, batch_keys


def program(
    env: Environment, params: Any, number: int, length: int, rounds: int = 1, restart: bool = False
) -> tuple[Callable[[Any], tuple[Any, Any]], Any]:
    """Uniform actions in `number` environments side by side.

    Args:
      env, params: as `envs.make` returns them.
      number: N.
      length: steps of a round.
      rounds: of a call.
      restart: whether a round begins new episodes, for environments that do not reset themselves.

    Returns:
      `state -> (state, what the last round saw)`, to be jitted, and the first state.
    """
    actions: Any = env.action_space(params)
    reset, step_env = jax.vmap(env.reset, (0, None)), jax.vmap(env.step, (0, 0, 0, None))

    def step(now: Any, key: jax.Array) -> tuple[Any, Any]:
        keys = batch_keys(key, number)
        seen, now, *others = step_env(keys, now, jax.vmap(actions.sample)(keys), params)
        return now, (seen, others[:3])

    def one(now: Any, key: jax.Array) -> tuple[Any, Any]:
        if restart:
            now = reset(batch_keys(key, number), params)[1]
        return jax.lax.scan(step, now, jax.random.split(key, length))

    def run(state: Any) -> tuple[Any, Any]:
        now, made = jax.lax.scan(one, state, jax.random.split(jax.random.key(1), rounds))
        return now, jax.tree.map(lambda x: x[-1], made)

    return run, jax.jit(reset)(batch_keys(jax.random.key(0), number), params)[1]
