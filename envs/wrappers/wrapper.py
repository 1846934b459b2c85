"""What all wrappers share: they pass everything on to the environment inside."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from envs import core, spaces


class Wrapper(core.Environment[Any, Any]):
    """Passes everything on to `env`."""

    def __init__(self, env: core.Environment):
        self.env = env

    def __getattr__(self, attribute: str) -> Any:
        # a wrapper with a state of its own must not hand that state to the environment
        if attribute.startswith("__") or attribute in ("env", "observe", "compact", "expand"):
            raise AttributeError(attribute)
        return getattr(self.env, attribute)

    @property
    def name(self) -> str:
        return self.env.name

    @property
    def default_params(self) -> Any:
        return self.env.default_params

    @property
    def fixed_length(self) -> bool:
        return self.env.fixed_length

    @property
    def success_pays(self) -> bool:
        return bool(getattr(self.env, "success_pays", False))

    @property
    def unwrapped(self) -> core.Environment:
        """The innermost environment."""
        return self.env.unwrapped if isinstance(self.env, Wrapper) else self.env

    def reset(self, key: jax.Array, params: Any = None) -> tuple[Any, Any]:
        return self.env.reset(key, params)

    def step(self, key: jax.Array, state: Any, action: jax.Array, params: Any = None) -> Any:
        return self.env.step(key, state, action, params)

    def refresh(self, key: jax.Array, params: Any) -> Any:
        return self.env.refresh(key, params)

    def observation_space(self, params: Any = None) -> spaces.Space:
        return self.env.observation_space(params)

    def action_space(self, params: Any = None) -> spaces.Space:
        return self.env.action_space(params)

    def inner(self, state: Any, params: Any = None) -> tuple[Any, Any]:
        """The state and the parameters that the environment inside knows."""
        return state, params

    def render(self, state: Any, params: Any = None) -> Any:
        return self.env.render(*self.inner(state, params))

    def screen(self, state: Any, params: Any = None) -> Any:
        return self.env.screen(*self.inner(state, params))


def sends(env: core.Environment) -> bool:
    """Whether a step can be taken in two parts: `send` starts it, `recv` finishes it.

    Environments that are played outside of JAX offer it (`envs.host.bridge`); so does a wrapper that
    has the two methods itself.
    """
    while isinstance(env, Wrapper):
        if not hasattr(type(env), "send"):
            return False
        env = env.env
    return hasattr(env, "send")


def select(condition: jax.Array, if_true: Any, if_false: Any) -> Any:
    """`jnp.where` over two pytrees of the same structure, `condition` a scalar; keys are allowed."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), if_true, if_false)


@struct.dataclass
class CountState:
    """State of a wrapper that counts: the state inside and a step counter."""

    env_state: Any
    count: jax.Array
