"""Vector observations with mean 0 and deviation 1 under random play.

The moments are taken once and stay: policies of a cover must see the same numbers as when they joined
it, which running moments do not give them.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from envs import core, spaces
from envs.wrappers import Wrapper, select
from jaxrl_suite.agents.acting import to_bounds
from jaxrl_suite.agents.pcpg.episodes import uniform_actions


@struct.dataclass
class StandardizedParams:
    """Parameters of `Standardized`.

    Attributes:
      env: of the environment inside.
      mean, deviation: `[size]` float32, of the observations of random play.
      drawn: `[]` bool, they have been taken.
    """

    env: Any
    mean: jax.Array
    deviation: jax.Array
    drawn: jax.Array


class Standardized(Wrapper):
    """Observations minus their mean, over their deviation; `refresh` takes both, once.

    Args:
      env: an environment without auto-reset and with vectors as observations.
      horizon: steps of an episode.
      episodes: of random play.
    """

    def __init__(self, env: core.Environment, horizon: int, episodes: int = 64):
        super().__init__(env)
        self.horizon, self.episodes = horizon, episodes

    @property
    def default_params(self) -> StandardizedParams:
        inside = self.env.default_params
        (size,) = self.env.observation_space(inside).shape  # type: ignore[union-attr]
        return StandardizedParams(inside, jnp.zeros(size), jnp.ones(size), jnp.asarray(False))

    def refresh(self, key: jax.Array, params: StandardizedParams) -> StandardizedParams:
        """The moments of random play, unless there are some."""
        inner_key, key = jax.random.split(key)
        inside = self.env.refresh(inner_key, params.env)
        mean, deviation = self._moments(key, inside)
        new = StandardizedParams(inside, mean, deviation, jnp.asarray(True))
        return select(params.drawn, params.replace(env=inside), new)  # type: ignore[attr-defined]

    def _moments(self, key: jax.Array, inside: Any) -> tuple[jax.Array, jax.Array]:
        """Mean and deviation, `[size]`, over the steps of random episodes up to their ends."""
        action_space = self.env.action_space()  # of static parameters: some spaces are computed
        reset_key, key = jax.random.split(key)
        first, state = jax.vmap(self.env.reset, (0, None))(
            core.batch_keys(reset_key, self.episodes), inside
        )

        def step(carry: Any, key: jax.Array) -> Any:
            observation, state, alive = carry
            act_key, step_key = jax.random.split(key)
            action = to_bounds(action_space, uniform_actions(act_key, action_space, self.episodes))
            after, state, _, terminated, truncated, _ = jax.vmap(self.env.step, (0, 0, 0, None))(
                core.batch_keys(step_key, self.episodes), state, action, inside
            )
            return (after, state, alive & ~(terminated | truncated)), (observation, alive)

        start = first, state, jnp.ones(self.episodes, bool)
        _, (seen, alive) = jax.lax.scan(step, start, jax.random.split(key, self.horizon))
        weight = alive[..., None] / jnp.sum(alive)
        mean = jnp.sum(weight * seen, (0, 1))
        return mean, jnp.sqrt(jnp.sum(weight * (seen - mean) ** 2, (0, 1))) + 1e-6

    def reset(self, key: jax.Array, params: Any = None) -> tuple[Any, Any]:
        params = self.default_params if params is None else params
        observation, state = self.env.reset(key, params.env)
        return (observation - params.mean) / params.deviation, state

    def step(self, key: jax.Array, state: Any, action: jax.Array, params: Any = None) -> Any:
        params = self.default_params if params is None else params
        observation, *rest = self.env.step(key, state, action, params.env)
        return (observation - params.mean) / params.deviation, *rest

    def observation_space(self, params: Any = None) -> spaces.Space:
        inside: Any = self.env.observation_space(None if params is None else params.env)
        return spaces.Box(-float("inf"), float("inf"), inside.shape)

    def action_space(self, params: Any = None) -> spaces.Space:
        return self.env.action_space(None if params is None else params.env)

    def inner(self, state: Any, params: Any = None) -> tuple[Any, Any]:
        return state, None if params is None else params.env
