"""Episodes: their return and length in `info`, a time limit, levels from a fixed set."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from envs import core
from envs.wrappers.wrapper import CountState, Wrapper

LOGGED = ("episode_return", "episode_length", "episode_done")  # what `EpisodeLog` adds to `info`


@struct.dataclass
class LogState:
    """State of `EpisodeLog`: the state inside, and return and length so far."""

    env_state: Any
    episode_return: jax.Array
    episode_length: jax.Array


class EpisodeLog(Wrapper):
    """Adds `episode_return`, `episode_length` (this step included) and `episode_done` to `info`."""

    def reset(self, key: jax.Array, params: Any = None) -> tuple[Any, LogState]:
        observation, state = self.env.reset(key, params)
        return observation, LogState(state, jnp.float32(0), jnp.int32(0))

    def step(self, key: jax.Array, state: LogState, action: jax.Array, params: Any = None) -> Any:
        return self._counted(state, self.env.step(key, state.env_state, action, params))

    def send(self, key: jax.Array, state: LogState, action: jax.Array, params: Any = None) -> Any:
        sent = self.env.send(key, state.env_state, action, params)  # type: ignore[attr-defined]
        return state.replace(env_state=sent)  # type: ignore[attr-defined]

    def recv(self, sent: LogState, params: Any = None, after: Any = None) -> Any:
        after = None if after is None else after.env_state
        result = self.env.recv(sent.env_state, params, after)  # type: ignore[attr-defined]
        return self._counted(sent, result)

    def _counted(self, state: LogState, result: Any) -> Any:
        observation, env_state, reward, terminated, truncated, info = result
        episode_return = state.episode_return + reward
        episode_length = state.episode_length + 1
        done = terminated | truncated
        info = {
            **info,
            "episode_return": episode_return,
            "episode_length": episode_length,
            "episode_done": done,
        }
        state = LogState(
            env_state, jnp.where(done, 0.0, episode_return), jnp.where(done, 0, episode_length)
        )
        return observation, state, reward, terminated, truncated, info

    def inner(self, state: LogState, params: Any = None) -> tuple[Any, Any]:
        return state.env_state, params


class TimeLimit(Wrapper):
    """Truncates every episode after `steps` steps, whatever the environment's own limit.

    A shorter limit leaves the environment as it is; for a longer one its own is put off, which a reward
    that depends on it, as MiniGrid's does, sees too.

    Raises:
      ValueError: for `steps` below 1.
    """

    def __init__(self, env: core.Environment, steps: int):
        super().__init__(env)
        if steps < 1:
            raise ValueError(f"max_steps={steps!r}: at least 1")
        self.steps = steps

    @property
    def default_params(self) -> Any:
        params = self.env.default_params
        if getattr(params, "max_steps_in_episode", self.steps) >= self.steps:
            return params
        return params.replace(max_steps_in_episode=self.steps)

    def reset(self, key: jax.Array, params: Any = None) -> tuple[Any, CountState]:
        params = self.default_params if params is None else params
        observation, state = self.env.reset(key, params)
        return observation, CountState(state, jnp.int32(0))

    def step(self, key: jax.Array, state: CountState, action: jax.Array, params: Any = None) -> Any:
        params = self.default_params if params is None else params
        observation, env_state, reward, terminated, truncated, info = self.env.step(
            key, state.env_state, action, params
        )
        count = state.count + 1
        truncated = truncated | (count >= self.steps)
        return observation, CountState(env_state, count), reward, terminated, truncated, info

    def inner(self, state: CountState, params: Any = None) -> tuple[Any, Any]:
        return state.env_state, params


class FixedContexts(Wrapper):
    """Draws episodes from `num_contexts` fixed levels (a contextual MDP with |C| contexts).

    Which levels follows from `seed` alone, so a training and an evaluation environment may share
    them (the same seed) or not.
    """

    def __init__(self, env: core.Environment, num_contexts: int, seed: int = 0):
        super().__init__(env)
        if not isinstance(num_contexts, jax.core.Tracer) and num_contexts < 1:
            raise ValueError(f"num_contexts={num_contexts!r}: at least 1")
        self.num_contexts, self.seed = num_contexts, seed
        for part in ("compact", "expand"):
            if hasattr(env, part):
                setattr(self, part, getattr(env, part))

    def reset(self, key: jax.Array, params: Any = None) -> tuple[Any, Any]:
        context = jax.random.randint(key, (), 0, self.num_contexts)
        return self.env.reset(jax.random.fold_in(jax.random.key(self.seed), context), params)
