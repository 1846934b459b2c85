"""A new episode begins in the step that ends one: from a fresh level, or from a bank of them."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from envs import core, spaces
from envs.wrappers.wrapper import Wrapper, select


def _hash(key: jax.Array) -> jax.Array:
    """A word, `[]` uint32, from a random key: MurmurHash3's finaliser over the words of the key.

    Keys are random words already where they come from `split`, and the finaliser spreads those of
    `jax.random.key(0), key(1), ...`. A draw from the key proper costs more than a whole step.
    """
    word = jnp.uint32(0)
    for part in jax.random.key_data(key):
        word = word ^ part
        word = (word ^ (word >> 16)) * jnp.uint32(0x85EBCA6B)
        word = (word ^ (word >> 13)) * jnp.uint32(0xC2B2AE35)
        word = word ^ (word >> 16)
    return word


@struct.dataclass
class AutoResetParams:
    """Parameters of an auto-resetting environment.

    Attributes:
      env: parameters of the environment inside.
      bank: `(observations, states)` with a leading axis of `bank_size`, or None when resets are
        exact; observations are in compact form where the environment has one.
    """

    env: Any
    bank: Any = None


class AutoReset(Wrapper):
    """Starts a new episode in the step that ends one, as gymnax's `step` does.

    The observation returned at the end of an episode is the first of the next one; the last of the
    ended one is `info["final_observation"]` (equal to the observation while the episode goes on).

    `mode="exact"` draws a fresh level for every episode. Under `vmap` that draws one level for every
    environment in every step, used or not. `mode="bank"` draws `bank_size` levels at once
    (`refresh`, which training loops call before every rollout) and starts each episode on a uniform
    choice of them: the same distribution of levels and a fraction of the cost, but several
    environments may get the same level between two refreshes.

    An environment may offer `compact(state)`, an observation in few words, and `expand(compact)`, the
    observation itself. The first observation of the next episode is then chosen in compact form.

    Args:
      env: any environment without auto-reset.
      mode: "exact" or "bank".
      bank_size: levels in a bank.
    """

    def __init__(self, env: core.Environment, mode: str = "exact", bank_size: int = 256):
        super().__init__(env)
        if mode not in ("exact", "bank"):
            raise ValueError(f"auto_reset={mode!r}: 'exact' or 'bank'")
        if bank_size < 1:
            raise ValueError(f"bank_size={bank_size!r}: at least 1")
        self.mode, self.bank_size = mode, bank_size

    @functools.cached_property
    def _first_bank(self) -> Any:
        return jax.jit(self._draw_bank)(jax.random.key(0), self.env.default_params)

    @property
    def default_params(self) -> AutoResetParams:
        bank = self._first_bank if self.mode == "bank" else None
        return AutoResetParams(self.env.default_params, bank)

    @functools.cached_property
    def _expand(self) -> Any:
        return getattr(self.env, "expand", lambda observation: observation)

    def _compact(self, observation: Any, state: Any) -> Any:
        # what the environment's own step made of the same state is the same code, and made once
        return self.env.compact(state) if hasattr(self.env, "compact") else observation

    def _fresh(self, key: jax.Array, env_params: Any) -> tuple[Any, Any]:
        observation, state = self.env.reset(key, env_params)
        return self._compact(observation, state), state

    def _draw_bank(self, key: jax.Array, env_params: Any) -> Any:
        keys = core.batch_keys(key, self.bank_size)
        return jax.vmap(self._fresh, in_axes=(0, None))(keys, env_params)

    def refresh(self, key: jax.Array, params: AutoResetParams) -> AutoResetParams:
        """New levels in the bank."""
        inner_key, key = jax.random.split(key)
        env_params = self.env.refresh(inner_key, params.env)
        bank = self._draw_bank(key, env_params) if self.mode == "bank" else None
        return AutoResetParams(env_params, bank)

    def _start(self, key: jax.Array, params: AutoResetParams) -> tuple[Any, Any]:
        if self.mode == "exact":
            return self._fresh(key, params.env)
        index = _hash(key) % jnp.uint32(self.bank_size)
        return jax.tree.map(lambda x: x.at[index].get(mode="promise_in_bounds"), params.bank)

    def reset(self, key: jax.Array, params: AutoResetParams | None = None) -> tuple[Any, Any]:
        first, state = self._start(key, self.default_params if params is None else params)
        return self._expand(first), state

    def step(
        self, key: jax.Array, state: Any, action: jax.Array, params: AutoResetParams | None = None
    ) -> Any:
        params = self.default_params if params is None else params
        # a hash of the key picks a level of the bank, so the key itself is still unused
        step_key, reset_key = jax.random.split(key) if self.mode == "exact" else (key, key)
        final, state, reward, terminated, truncated, info = self.env.step(
            step_key, state, action, params.env
        )
        first, fresh = self._start(reset_key, params)
        done = terminated | truncated
        observation = self._expand(select(done, first, self._compact(final, state)))
        state = select(done, fresh, state)
        info = {**info, "final_observation": final}
        return observation, state, reward, terminated, truncated, info

    def observation_space(self, params: Any = None) -> spaces.Space:
        return self.env.observation_space(None if params is None else params.env)

    def action_space(self, params: Any = None) -> spaces.Space:
        return self.env.action_space(None if params is None else params.env)

    def inner(self, state: Any, params: Any = None) -> tuple[Any, Any]:
        return state, None if params is None else params.env
