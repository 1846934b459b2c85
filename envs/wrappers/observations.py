"""What is added to observations: a noise channel, a time counter."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from envs import core, spaces
from envs.wrappers.wrapper import CountState, Wrapper


def _as_dict(observation: Any) -> dict[str, Any]:
    return observation if isinstance(observation, dict) else {"observation": observation}


def _dict_space(space: spaces.Space) -> dict[str, Any]:
    return space.spaces if isinstance(space, spaces.Dict) else {"observation": space}


class NoiseChannel(Wrapper):
    """Adds `size` fresh uniform bits to every observation, as `noise` `[size]` float32.

    No observation repeats any more, which breaks bonuses that count observations (E3B, section 5.1;
    the noisy-TV setting).
    """

    def __init__(self, env: core.Environment, size: int):
        super().__init__(env)
        if size < 1:
            raise ValueError(f"noise={size!r}: at least 1 bit")
        self.size = size

    def _add(self, key: jax.Array, observation: Any) -> dict[str, Any]:
        noise = jax.random.bernoulli(key, shape=(self.size,)).astype(jnp.float32)
        return {**_as_dict(observation), "noise": noise}

    def reset(self, key: jax.Array, params: Any = None) -> tuple[Any, Any]:
        key, noise_key = jax.random.split(key)
        observation, state = self.env.reset(key, params)
        return self._add(noise_key, observation), state

    def step(self, key: jax.Array, state: Any, action: jax.Array, params: Any = None) -> Any:
        key, noise_key, final_key = jax.random.split(key, 3)
        observation, state, reward, terminated, truncated, info = self.env.step(
            key, state, action, params
        )
        observation = self._add(noise_key, observation)
        if "final_observation" in info:
            final = self._add(final_key, info["final_observation"])
            # while the episode goes on both are one and the same observation
            noise = jnp.where(terminated | truncated, final["noise"], observation["noise"])
            final = {**final, "noise": noise}
            info = {**info, "final_observation": final}
        return observation, state, reward, terminated, truncated, info

    def observation_space(self, params: Any = None) -> spaces.Dict:
        inside = _dict_space(self.env.observation_space(params))
        return spaces.Dict.of({**inside, "noise": spaces.Box(0.0, 1.0, (self.size,), jnp.float32)})


class TimeCounter(Wrapper):
    """Adds the number of steps since the episode began to every observation, as `time` `[1]` float32.

    Within an episode no observation repeats (E3B, section 3: NetHack's own status line does this).
    The counter is divided by `scale`.
    """

    def __init__(self, env: core.Environment, scale: float = 100.0):
        super().__init__(env)
        self.scale = scale

    def _add(self, count: jax.Array, observation: Any) -> dict[str, Any]:
        return {**_as_dict(observation), "time": (count[None] / self.scale).astype(jnp.float32)}

    def reset(self, key: jax.Array, params: Any = None) -> tuple[Any, CountState]:
        observation, state = self.env.reset(key, params)
        count = jnp.int32(0)
        return self._add(count, observation), CountState(state, count)

    def step(self, key: jax.Array, state: CountState, action: jax.Array, params: Any = None) -> Any:
        observation, env_state, reward, terminated, truncated, info = self.env.step(
            key, state.env_state, action, params
        )
        count = state.count + 1
        if "final_observation" in info:
            info = {**info, "final_observation": self._add(count, info["final_observation"])}
            count = jnp.where(terminated | truncated, 0, count)
        state = CountState(env_state, count)
        return self._add(count, observation), state, reward, terminated, truncated, info

    def observation_space(self, params: Any = None) -> spaces.Dict:
        inside = _dict_space(self.env.observation_space(params))
        return spaces.Dict.of({**inside, "time": spaces.Box(0.0, jnp.inf, (1,), jnp.float32)})

    def inner(self, state: CountState, params: Any = None) -> tuple[Any, Any]:
        return state.env_state, params
