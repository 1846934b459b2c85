"""Host games behind the suite's pure protocol: `reset` and `step` under jit, scan and any vmaps.

A call for one environment becomes one call for the whole batch (`batching`). Calls are unordered for
XLA; what orders them is data: each needs the `time` that the one before returned. On CPUs they are
those of `handler`, elsewhere JAX's callbacks.

The state says where every game stands (the seeds of its environment, the number of its episode, the
step in it, the actions since its start), not which process plays it. When a state comes that no
running games stand at (a checkpoint was restored, or an old state is stepped again), new games are
played forward to it. So resuming is exact, and stepping a state twice gives the same twice.

`send` and `recv` are the two parts of a step. They let two halves of a batch take turns: one is
played while the policy looks at the other.

Callbacks do not run on several CPU devices at once: programs with host games want one
(`catalogue.on_host` tells).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jax.experimental import io_callback

from envs import core, spaces
from envs.host import handler
from envs.host.batching import batched
from envs.host.games import Array, Description
from envs.host.pool import Pool
from envs.host.running import HANDLERS, NUMBERS, Running
from envs.host.viewer import PICTURE, SCREEN
from envs.screen import Screen
from envs.screen import picture as draw

MOST_LOGGED = 20_000  # actions a state remembers; longer episodes restart when they are restored


@struct.dataclass
class HostParams(core.EnvParams):
    """Nothing can be changed once the games exist: see the options of `envs.make`."""


@struct.dataclass
class HostState:
    """Where one environment's game stands.

    Attributes:
      group, row: `[]` int32, the running batch of games and the place in it, a mere hint.
      base: `[2]` uint32, what the seeds of all its episodes follow from.
      episode: `[]` int32, number of the episode.
      time: `[]` int32, steps in it.
      log: `[length, ...]`, the episode's actions so far.
    """

    group: jax.Array
    row: jax.Array
    base: jax.Array
    episode: jax.Array
    time: jax.Array
    log: jax.Array


@struct.dataclass
class HostSent:
    """A step under way.

    Attributes:
      state: `HostState` before it, the action in its log.
      action: `[...]`.
      order: `[]` int32, grows from send to send; a `recv` that reads it comes after that send.
    """

    state: HostState
    action: jax.Array
    order: jax.Array


class HostEnvironment(core.Environment[HostState, HostParams]):
    """Games of a pool. They reset themselves: the next episode's first observation comes with the
    step that ends one, and `info["final_observation"]` has the last; `info["lost"]` marks episodes
    cut short because their worker died.

    Args:
      pool: the workers.
      most_groups: batches of games kept running; the longest unused ends when one more is needed.
    """

    def __init__(self, pool: Pool, most_groups: int = 4):
        self.pool = pool
        self.description: Description = pool.description
        self.running = Running(pool, most_groups)
        pool.environments.add(self)
        self._number = handler.number(self.running)
        self._reset, self._step, self._send, self._recv = (
            batched(function, _front)
            for function in (
                self._reset_batch,
                self._step_batch,
                self._send_batch,
                self._recv_batch,
            )
        )
        action = self.description.action
        if isinstance(action, Array):
            self._log_shape, self._log_dtype = action.shape, jnp.dtype(action.dtype)
        else:
            self._log_shape, self._log_dtype = (), jnp.dtype("uint8" if action <= 256 else "int32")
        self._log_length = min(self.description.max_steps, MOST_LOGGED)

    @property
    def name(self) -> str:
        return self.pool.name

    @property
    def default_params(self) -> HostParams:
        return HostParams(max_steps_in_episode=self.description.max_steps)

    @property
    def success_pays(self) -> bool:
        return self.description.success

    def observation_space(self, params: Any = None) -> spaces.Space:
        parts = {key: _box(array) for key, array in self.description.observation.items()}
        return next(iter(parts.values())) if self.description.single else spaces.Dict.of(parts)

    def action_space(self, params: Any = None) -> spaces.Space:
        action = self.description.action
        return _box(action) if isinstance(action, Array) else spaces.Discrete(action)

    def reset(self, key: jax.Array, params: Any = None) -> tuple[Any, HostState]:
        base = jax.random.bits(key, (2,), jnp.uint32)
        observation, group, row = self._reset(base)
        zero = jnp.zeros_like(row)
        log = jnp.zeros((self._log_length, *self._log_shape), self._log_dtype)
        return self._shown(observation), HostState(group, row, base, zero, zero, log)

    def step(self, key: jax.Array, state: HostState, action: jax.Array, params: Any = None) -> Any:
        action = self._taken(action)
        state = self._logged(state, action)
        return self._outcome(state, self._step(state, action))

    def send(
        self, key: jax.Array, state: HostState, action: jax.Array, params: Any = None
    ) -> HostSent:
        """Starts a step, for `recv` to finish."""
        action = self._taken(action)
        state = self._logged(state, action)
        return HostSent(state, action, self._send(state, action))

    def recv(self, sent: HostSent, params: Any = None, after: HostSent | None = None) -> Any:
        """Finishes a step that was sent; returns what `step` does.

        Args:
          sent: from `send`.
          params: as everywhere.
          after: another step, which has to be on its way before this one is waited for.
        """
        order = sent.order if after is None else jnp.maximum(sent.order, after.order)
        return self._outcome(sent.state, self._recv(sent.state, sent.action, order))

    def _taken(self, action: Any) -> jax.Array:
        """`action` as an array.

        Raises:
          ValueError: where one of several is to be chosen and it is no whole number.
        """
        action, choices = jnp.asarray(action), self.description.action
        if not isinstance(choices, Array) and jnp.issubdtype(action.dtype, jnp.inexact):
            right = f"{self.name} takes whole numbers below {choices}"
            raise ValueError(f"action of type {action.dtype}: {right}")
        return action

    def _logged(self, state: HostState, action: jax.Array) -> HostState:
        log = state.log.at[state.time].set(action.astype(self._log_dtype), mode="drop")
        return state.replace(log=log)  # type: ignore[attr-defined, no-any-return]

    def _outcome(self, state: HostState, result: Any) -> Any:
        observation, final, numbers = result
        after = HostState(
            numbers["group"],
            numbers["row"],
            state.base,
            numbers["episode"],
            numbers["time"],
            state.log,
        )
        info = {"final_observation": self._shown(final), "lost": numbers["lost"]}
        reward = numbers["reward"]
        return (
            self._shown(observation),
            after,
            reward,
            numbers["terminated"],
            numbers["truncated"],
            info,
        )

    def screen(self, state: HostState, params: Any = None) -> Screen | None:
        shown = self._show(state)
        return None if PICTURE in shown else Screen(*(shown[key] for key in SCREEN))

    def render(self, state: HostState, params: Any = None) -> Any:
        shown = self._show(state)
        if PICTURE in shown:
            return shown[PICTURE]
        return draw(Screen(*(shown[key] for key in SCREEN)))

    def close(self) -> None:
        """Ends the games, and the workers where no other environment of equal settings plays on them."""
        self.pool.environments.discard(self)
        self.running.close()
        if not self.pool.environments:
            self.pool.close()

    # --- the traced side -----------------------------------------------------------------------

    def _shown(self, observation: dict[str, jax.Array]) -> Any:
        return next(iter(observation.values())) if self.description.single else observation

    def _call(self, method: str, shapes: Any, *arguments: jax.Array) -> Any:
        """A method of `running`, when the program runs."""
        if handler.usable():
            return handler.call(self._number, HANDLERS.index(method), shapes, *arguments)
        return io_callback(getattr(self.running, method), shapes, *arguments)

    def _observations(self, count: int) -> dict[str, jax.ShapeDtypeStruct]:
        described = self.description.observation.items()
        return {k: jax.ShapeDtypeStruct((count, *a.shape), a.dtype) for k, a in described}

    def _reset_batch(self, base: jax.Array) -> Any:
        count = base.shape[0]
        word = jax.ShapeDtypeStruct((count,), jnp.int32)
        return self._call("reset", (self._observations(count), word, word), base)

    def _step_batch(self, state: HostState, action: jax.Array) -> Any:
        where = _where(state, jnp.zeros_like(state.time))
        return self._played("step", where, state, action)

    def _send_batch(self, state: HostState, action: jax.Array) -> jax.Array:
        where = _where(state, jnp.zeros_like(state.time))
        return self._call("send", jax.ShapeDtypeStruct(where.shape[:1], jnp.int32), where, action)

    def _recv_batch(self, state: HostState, action: jax.Array, order: jax.Array) -> Any:
        return self._played("recv", _where(state, order), state, action)

    def _played(self, on_host: str, where: jax.Array, state: HostState, action: jax.Array) -> Any:
        """What the games answer to `on_host`, or, if none stand where they should, restored ones."""
        count = where.shape[0]
        word = jax.ShapeDtypeStruct((count,), jnp.int32)
        numbers = jax.ShapeDtypeStruct((count, len(NUMBERS)), jnp.int32)
        observations = self._observations(count)
        shapes = jax.ShapeDtypeStruct((), jnp.bool_), observations, numbers
        known, observation, packed = self._call(on_host, shapes, where, action)

        def restore(_: Any) -> Any:
            return self._call("restore", (observations, numbers), where, state.log, action)

        # a real branch, as this is the whole batch: the log goes to the host only where it must
        observation, packed = jax.lax.cond(known, lambda x: x, restore, (observation, packed))
        result = _unpacked(packed)

        def last(result: Any) -> Any:
            # the step after must come later: `time` goes through the call
            final, time = self._call("final", (observations, word), result["group"], result["time"])
            return final, {**result, "time": time}

        ended = jnp.any(result["terminated"] | result["truncated"])
        final, result = jax.lax.cond(ended, last, lambda result: (observation, result), result)
        return observation, final, result

    # --- for people ----------------------------------------------------------------------------

    def _show(self, state: HostState) -> dict[str, Any]:
        """A game of its own is played to where `state` stands: looking changes nothing."""
        state = jax.device_get(state)
        if state.time.ndim:
            raise ValueError(f"a state of {state.time.shape} environments: one is shown at a time")
        time = int(state.time)
        if time > len(state.log):
            raise NotImplementedError(f"{self.name} is shown up to step {len(state.log)}")
        return self.pool.show(state.base, int(state.episode), state.log[:time])


def _unpacked(packed: jax.Array) -> dict[str, jax.Array]:
    """The columns `NUMBERS` of what the host returned, with their own types."""
    numbers = {name: packed[:, column] for column, name in enumerate(NUMBERS)}
    flags = {name: numbers[name] != 0 for name in ("terminated", "truncated", "lost")}
    reward = jax.lax.bitcast_convert_type(numbers["reward"], jnp.float32)
    return {**numbers, **flags, "reward": reward}


def _where(state: HostState, order: jax.Array) -> jax.Array:
    """`[B, 7]` int32: one array instead of many, as each costs some 20 microseconds to the host."""
    low, high = jax.lax.bitcast_convert_type(state.base, jnp.int32).T
    columns = state.group, state.row, low, high, state.episode, state.time, order
    return jnp.stack(columns, -1)


def _front(first: HostState | jax.Array, *_: Any) -> tuple[int, ...]:
    """The axes in front of an item: `base` is `[..., 2]` wherever it comes from."""
    base = first.base if isinstance(first, HostState) else first
    return base.shape[:-1]


def _box(array: Array) -> spaces.Box:
    return spaces.Box(array.low, array.high, array.shape, jnp.dtype(array.dtype))
