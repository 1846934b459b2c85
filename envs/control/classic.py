"""gymnax environments behind this suite's protocol; gymnax maintains them, nothing is rewritten here.

gymnax's own `step` resets inside. The adapter goes to `step_env`, so that resetting, logging and the
rest are the suite's wrappers as for every other environment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from envs import core, spaces
from envs.control import pictures
from envs.options import check_options, with_options

NAMES = {  # and what they are, for people
    "CartPole-v1": "Balance a pole on a cart: 1 a step until it falls or the cart leaves the track.",
    "Acrobot-v1": "Swing two linked rods up by the joint between them: -1 a step until the tip is high.",
    "Pendulum-v1": "Swing a pendulum up and hold it: angle, speed and torque cost at every step.",
    "MountainCar-v0": "Drive out of a valley with too weak an engine: -1 a step until the top.",
    "MountainCarContinuous-v0": "Drive out of a valley with too weak an engine: 100 at the top, less "
    "what the forces cost.",
}


class GymnaxEnvironment(core.Environment[Any, Any]):
    """A gymnax 1.0 environment without auto-reset.

    A step that ends the task is `terminated` only, also when the time limit is reached in it.
    Continuous actions are `[size]` float32 in the environment's own bounds.
    """

    def __init__(self, env: Any):
        self.env = env

    @property
    def name(self) -> str:
        return self.env.name

    @property
    def default_params(self) -> Any:
        return self.env.default_params

    def reset(self, key: jax.Array, params: Any = None) -> tuple[Any, Any]:
        observation, state = self.env.reset_env(key, params or self.default_params)
        return _shown(observation), _strong(state)

    def step(self, key: jax.Array, state: Any, action: jax.Array, params: Any = None) -> Any:
        params = params or self.default_params
        observation, after, reward, terminated, info = self.env.step_env(key, state, action, params)
        truncated = self.env.is_truncated(after, params) & ~terminated
        # gymnax lets Python numbers into states: the same dtypes must come from `reset` and `step`
        after = jax.tree.map(
            lambda new, old: jnp.asarray(new, jnp.asarray(old).dtype), after, state
        )
        reward = jnp.asarray(reward, jnp.float32)
        info = {k: v for k, v in info.items() if k != "discount"}  # it says `terminated` once more
        return _shown(observation), after, reward, jnp.asarray(terminated), truncated, info

    def observation_space(self, params: Any = None) -> spaces.Space:
        with jax.ensure_compile_time_eval():  # gymnax computes bounds: also while being traced
            return convert_space(self.env.observation_space(params or self.default_params))

    def action_space(self, params: Any = None) -> spaces.Space:
        with jax.ensure_compile_time_eval():
            return convert_space(self.env.action_space(params or self.default_params))

    def render(self, state: Any, params: Any = None) -> np.ndarray:
        """`[200, 300, 3]` uint8.

        Raises:
          NotImplementedError: for tasks of gymnax's that nobody has drawn.
        """
        if self.name not in pictures.DRAWN:
            raise NotImplementedError(f"{self.name} draws no pictures")
        return pictures.DRAWN[self.name](state, params or self.default_params)


class Scaled(GymnaxEnvironment):
    """The same with observations scaled to 0 to 1 by the space's bounds, and 0 paid at the goal.

    Every other step pays -1 (Neural-E3's form of MountainCar and Acrobot).
    """

    def _scale(self, observation: jax.Array) -> jax.Array:
        space = self.env.observation_space(self.default_params)
        return (observation - space.low) / (space.high - space.low)

    def reset(self, key: jax.Array, params: Any = None) -> tuple[Any, Any]:
        observation, state = super().reset(key, params)
        return self._scale(observation), state

    def step(self, key: jax.Array, state: Any, action: jax.Array, params: Any = None) -> Any:
        observation, after, reward, terminated, *rest = super().step(key, state, action, params)
        reward = jnp.where(terminated, 0.0, reward)
        return self._scale(observation), after, reward, terminated, *rest

    def observation_space(self, params: Any = None) -> spaces.Space:
        inner: Any = super().observation_space(params)
        return spaces.Box(0.0, 1.0, inner.shape)


SCALABLE = ("MountainCar-v0", "Acrobot-v1")


def _strong(tree: Any) -> Any:
    """Arrays without weak types."""
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.asarray(x).dtype), tree)


def _shown(observation: Any) -> Any:
    """An observation of gymnax's as its space has it: float32, where JAX has 64 bits too."""
    return jax.tree.map(lambda x: x.astype(jnp.float32), _strong(observation))


def convert_space(space: Any) -> spaces.Discrete | spaces.Box:
    """A gymnax space as one of ours; bounds become the widest of their elements.

    Raises:
      ValueError: for spaces other than Discrete and Box.
    """
    if hasattr(space, "n"):
        return spaces.Discrete(int(space.n))
    if hasattr(space, "low"):
        low, high = float(np.min(space.low)), float(np.max(space.high))
        return spaces.Box(low, high, tuple(space.shape), space.dtype)
    raise ValueError(f"gymnax space {space!r}: only Discrete and Box are supported")


def factory(name: str) -> Callable[..., tuple[core.Environment, str]]:
    """For the registry; the one option is `scaled` (see `Scaled`)."""

    def build(scaled: bool = False, **options: Any) -> tuple[core.Environment, str]:
        """An environment of gymnax's.

        Args:
          scaled: observations from 0 to 1, and 0 paid at the goal, as in Neural-E3.
        """
        import gymnax  # computes at import, so not before it is needed

        if scaled and name not in SCALABLE:
            raise ValueError(f"scaled={scaled!r}: only {' and '.join(SCALABLE)} have this form")
        check_options(name, ["scaled"], {"scaled": scaled, **options}, build)
        env, _ = gymnax.make(name)
        return (Scaled if scaled else GymnaxEnvironment)(env), "exact"

    return with_options(build, {"scaled": False} if name in SCALABLE else {})
