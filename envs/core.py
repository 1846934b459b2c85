"""The environment protocol: pure `reset` and `step`, in gymnax 1.0's order.

An environment is a stateless Python object; everything that changes lives in the `state` it returns
and everything numeric that may be varied lives in `params`. Both are pytrees, so `jax.vmap` over
environments, over seeds and over parameters needs nothing from the environment itself:

    env, params = envs.make("MultiRoom-N6")
    obs, state = env.reset(key, params)
    obs, state, reward, terminated, truncated, info = env.step(key, state, action, params)

What `envs.make` returns resets itself when an episode ends (`envs.wrappers`); `info` then holds
`final_observation`, the last observation of the episode that ended, to bootstrap from at a
truncation. Environments without a wrapper do not reset themselves.
"""

from __future__ import annotations

from typing import Any, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from flax import struct

from envs import spaces
from envs.screen import Screen

Observation = Any  # a pytree of arrays, the same shapes and dtypes from `reset` and from `step`
State = Any  # a pytree of arrays
Info = dict[str, Any]

TState = TypeVar("TState")
TParams = TypeVar("TParams", bound="EnvParams")


def batch_keys(key: jax.Array, count: int) -> jax.Array:
    """`[count]` different keys for the environments of a batch, for much less than `split` costs.

    They are `key` with its last word changed by an index each. Threefry is a counter-based generator
    (Salmon et al., 2011): its streams are independent for any keys that differ, consecutive ones
    included. A key that is used here should be used for nothing else.

    Args:
      key: a typed key, `[]`.
      count: how many.
    """
    data = jax.random.key_data(key)
    words = jnp.broadcast_to(data, (count, *data.shape))
    words = words.at[:, -1].set(data[-1] ^ jnp.arange(count, dtype=data.dtype))
    return jax.random.wrap_key_data(words, impl=jax.random.key_impl(key))


def succeeded(info: Info, episode_return: jax.Array) -> jax.Array:
    """Whether an episode did its task, `[...]` bool like `episode_return`.

    Args:
      info: of its last step. `info["success"]` says so where an environment also pays for other
        things; elsewhere a return above 0 is taken for it.
      episode_return: with the last step's reward.
    """
    if "success" in info:
        return jnp.asarray(info["success"]).astype(bool)
    return episode_return > 0


class StepInfo(NamedTuple):
    """What `step` returns, in its order: a plain tuple with names, for code that prefers them.

    Attributes:
      observation: pytree, as from `reset`.
      state: pytree, the environment's next state.
      reward: `[]` float32.
      terminated: `[]` bool, the task itself ended (its value from here on is zero).
      truncated: `[]` bool, the episode was cut short (bootstrap from `info["final_observation"]`).
      info: dictionary of arrays.
    """

    observation: Observation
    state: State
    reward: jax.Array
    terminated: jax.Array
    truncated: jax.Array
    info: Info


@struct.dataclass
class EnvParams:
    """Numbers of an environment that may differ between members of a batch.

    Attributes:
      max_steps_in_episode: `[]` int32, an episode is truncated after this many steps.
    """

    max_steps_in_episode: int = 1000


class Environment(Generic[TState, TParams]):
    """What every environment and every wrapper offers. Duck-typed: nothing checks for this class."""

    @property
    def name(self) -> str:
        """The name it is registered under."""
        return type(self).__name__

    @property
    def default_params(self) -> TParams:
        """Parameters with the published values."""
        raise NotImplementedError

    @property
    def fixed_length(self) -> bool:
        """Whether every episode takes all of its steps, whatever is done."""
        return False

    @property
    def success_pays(self) -> bool:
        """Whether `succeeded` of an episode's last step says that its task was done."""
        return False

    def reset(self, key: jax.Array, params: TParams | None = None) -> tuple[Observation, TState]:
        """Starts an episode: `(observation, state)`."""
        raise NotImplementedError

    def step(
        self, key: jax.Array, state: TState, action: jax.Array, params: TParams | None = None
    ) -> tuple[Observation, TState, jax.Array, jax.Array, jax.Array, Info]:
        """One step: `(observation, state, reward, terminated, truncated, info)`."""
        raise NotImplementedError

    def refresh(self, key: jax.Array, params: TParams) -> TParams:
        """New parameters for the next rollout (a new bank of levels, say); the same ones by default."""
        del key
        return params

    def observation_space(self, params: TParams | None = None) -> spaces.Space:
        """Shapes, dtypes and bounds of the observation."""
        raise NotImplementedError(f"{self.name} has no observation_space")

    def action_space(self, params: TParams | None = None) -> spaces.Space:
        """Shapes, dtypes and bounds of an action."""
        raise NotImplementedError(f"{self.name} has no action_space")

    def render(self, state: TState, params: TParams | None = None) -> Any:
        """`[height, width, 3]` uint8 NumPy picture of one unbatched state, for people."""
        raise NotImplementedError(f"{self.name} draws no pictures")

    def screen(self, state: TState, params: TParams | None = None) -> Screen | None:
        """The terminal of one unbatched state of a text game, for people; None for other games."""
        return None
