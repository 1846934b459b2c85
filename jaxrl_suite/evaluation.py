"""Episodes of a fixed policy: averages under `vmap`, and pictures of one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from envs.core import Environment, batch_keys

# (key, memory, observation [N, ...], reset [N]) -> (memory, action [N, ...])
Act = Callable[[jax.Array, Any, Any, jax.Array], tuple[Any, jax.Array]]


def horizon(env: Environment) -> int:
    """Steps after which an episode is over in any case."""
    params = getattr(env, "unwrapped", env).default_params
    own = int(params.max_steps_in_episode)
    limit = getattr(env, "steps", None)  # a TimeLimit wrapper's
    return own if limit is None else min(own, int(limit))


def episodes(
    key: jax.Array, env: Environment, env_params: Any, act: Act, memory: Any, number: int
) -> dict[str, jax.Array]:
    """Averages over `number` episodes, one an environment.

    Returns:
      `return`, `length` and `solved` (share of episodes with a positive return), `[]` float32.
    """
    refresh_key, reset_key, key = jax.random.split(key, 3)
    env_params = env.refresh(refresh_key, env_params)
    step_env = jax.vmap(env.step, in_axes=(0, 0, 0, None))
    observation, state = jax.vmap(env.reset, in_axes=(0, None))(
        batch_keys(reset_key, number), env_params
    )

    def step(carry: Any, key: jax.Array) -> tuple[Any, None]:
        state, observation, reset, memory, over, total, length = carry
        action_key, step_key = jax.random.split(key)
        memory, action = act(action_key, memory, observation, reset)
        keys = batch_keys(step_key, number)
        observation, state, reward, terminated, truncated, _ = step_env(
            keys, state, action, env_params
        )
        total = total + jnp.where(over, 0.0, reward)
        length = length + ~over
        reset = terminated | truncated
        return (state, observation, reset, memory, over | reset, total, length), None

    never, zeros = jnp.zeros(number, bool), jnp.zeros(number)
    first = (state, observation, ~never, memory, never, zeros, jnp.zeros(number, jnp.int32))
    last, _ = jax.lax.scan(step, first, jax.random.split(key, horizon(env)))
    total, length = last[-2:]
    return {
        "return": total.mean(),
        "length": length.astype(jnp.float32).mean(),
        "solved": (total > 0).astype(jnp.float32).mean(),
    }


def can_render(env: Environment) -> bool:
    """Whether the environment draws pictures."""
    base = getattr(env, "unwrapped", env)
    return type(base).render is not Environment.render


def record(key: jax.Array, env: Environment, env_params: Any, act: Act, memory: Any) -> list[Any]:
    """Pictures of one episode, on the host: a list of `[height, width, 3]` uint8 arrays."""
    refresh_key, reset_key, key = jax.random.split(key, 3)
    env_params = jax.jit(env.refresh)(refresh_key, env_params)
    observation, state = jax.jit(env.reset)(reset_key, env_params)

    @jax.jit
    def step(key: jax.Array, memory: Any, observation: Any, reset: jax.Array, state: Any) -> Any:
        action_key, step_key = jax.random.split(key)
        batched = jax.tree.map(lambda x: x[None], observation)
        memory, action = act(action_key, memory, batched, reset[None])
        observation, state, _, terminated, truncated, _ = env.step(
            step_key, state, action[0], env_params
        )
        return memory, observation, state, terminated | truncated

    frames, reset = [env.render(state, env_params)], jnp.asarray(True)
    for now in jax.random.split(key, horizon(env)):
        memory, observation, state, over = step(now, memory, observation, reset, state)
        if over:  # the state is already the next episode's
            break
        reset = jnp.asarray(False)
        frames.append(env.render(state, env_params))
    return frames
