"""Reward-free exploration: a map's new places as the reward, to measure with, not to learn from."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from envs import core, wrappers


@struct.dataclass
class CoverageState:
    """State of `Coverage`: the state inside, and the places seen and free, `[columns, rows]` bool."""

    env_state: Any
    visited: jax.Array
    places: jax.Array


class Coverage(wrappers.Wrapper):
    """Pays the share of the map's free places that a step is the first of its episode to stand on.

    So an episode's return is the share of the map that was visited. The environment's own reward is
    left out; its episodes end as before.

    Args:
      env: an environment whose `places(state)` says which cells can be stood on, and whose
        `info["position"]` is the agent's cell.

    Raises:
      ValueError: for any other environment.
    """

    def __init__(self, env: core.Environment):
        super().__init__(env)
        if not hasattr(self.unwrapped, "places"):
            raise ValueError(f"coverage=True: {env.name} has no map of places")

    @property
    def success_pays(self) -> bool:
        return False

    def reset(self, key: jax.Array, params: Any = None) -> tuple[Any, CoverageState]:
        observation, state = self.env.reset(key, params)
        env, inside = self.env, state
        while isinstance(env, wrappers.Wrapper):
            (inside, _), env = env.inner(inside), env.env
        places = env.places(inside)  # type: ignore[attr-defined]
        return observation, CoverageState(state, jnp.zeros_like(places), places)

    def step(
        self, key: jax.Array, state: CoverageState, action: jax.Array, params: Any = None
    ) -> Any:
        observation, inside, _, terminated, truncated, info = self.env.step(
            key, state.env_state, action, params
        )
        column, row = info["position"][0], info["position"][1]
        new = ~state.visited[column, row]
        reward = new / jnp.maximum(jnp.sum(state.places), 1)
        visited = state.visited.at[column, row].set(True)
        state = CoverageState(inside, visited, state.places)
        return observation, state, reward.astype(jnp.float32), terminated, truncated, info

    def inner(self, state: CoverageState, params: Any = None) -> tuple[Any, Any]:
        return state.env_state, params
