"""Wrappers: environments around environments, each one idea, all with the same protocol.

`envs.make` puts them together in this order, innermost first: a fixed number of contexts, a time
limit, auto-reset, the episode log, then what is added to observations (noise, a time counter).
"""

from __future__ import annotations

import functools
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


@struct.dataclass
class CountState:
    """State of a wrapper that counts: the state inside and a step counter."""

    env_state: Any
    count: jax.Array


class TimeLimit(Wrapper):
    """Truncates every episode after `steps` steps, whatever the environment's own limit."""

    def __init__(self, env: core.Environment, steps: int):
        super().__init__(env)
        if steps < 1:
            raise ValueError(f"max_steps={steps!r}: at least 1")
        self.steps = steps

    def reset(self, key: jax.Array, params: Any = None) -> tuple[Any, CountState]:
        observation, state = self.env.reset(key, params)
        return observation, CountState(state, jnp.int32(0))

    def step(self, key: jax.Array, state: CountState, action: jax.Array, params: Any = None) -> Any:
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
