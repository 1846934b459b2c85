"""Episodes of a fixed policy: averages under `vmap`, and one of them step by step, to look at."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap

from envs.core import Environment, batch_keys, succeeded
from envs.screen import Screen

# (key, memory, observation [N, ...], reset [N]) -> (memory, action [N, ...])
Act = Callable[[jax.Array, Any, Any, jax.Array], tuple[Any, jax.Array]]

LONGEST = 27_000
"""an evaluated episode is cut then: 108,000 frames of an Atari game (Machado et al., 2018)"""


def horizon(env: Environment) -> int:
    """Steps after which an episode is over in any case."""
    params = getattr(env, "unwrapped", env).default_params
    own = int(params.max_steps_in_episode)
    limit = getattr(env, "steps", None)  # a TimeLimit wrapper's
    return own if limit is None else int(limit)


def headline(env: Environment, *more: str) -> tuple[str, ...]:
    """Metrics to show first: `solved` only where it means that the task was done."""
    solved = ("solved",) if getattr(env, "success_pays", False) else ()
    return ("episode_return", *solved, *more)


def episodes(
    key: jax.Array, env: Environment, env_params: Any, act: Act, memory: Any, number: int
) -> dict[str, jax.Array]:
    """Averages over `number` episodes, one an environment, of at most `LONGEST` steps.

    The loop ends with the last episode; under `vmap`, with the last of all seeds.

    Returns:
      `return`, `length` and `solved` (share of episodes, see `envs.core.succeeded`), `[]` float32.
    """
    refresh_key, reset_key, key = jax.random.split(key, 3)
    env_params = env.refresh(refresh_key, env_params)
    most = min(horizon(env), LONGEST)
    keys = jax.random.split(key, most)
    step_env = jax.vmap(env.step, in_axes=(0, 0, 0, None))
    observation, state = jax.vmap(env.reset, in_axes=(0, None))(
        batch_keys(reset_key, number), env_params
    )

    def step(carry: Any) -> Any:
        count, (state, observation, reset, memory, over, total, length, won) = carry
        action_key, step_key = jax.random.split(keys[count])
        memory, action = act(action_key, memory, observation, reset)
        batch = batch_keys(step_key, number)
        observation, state, reward, terminated, truncated, info = step_env(
            batch, state, action, env_params
        )
        total = total + jnp.where(over, 0.0, reward)
        length = length + ~over
        won = jnp.where(over, won, succeeded(info, total))
        reset = terminated | truncated
        return count + 1, (state, observation, reset, memory, over | reset, total, length, won)

    def unfinished(carry: Any) -> jax.Array:
        count, (*_, over, _, _, _) = carry
        return _anywhere((count < most) & ~over.all())

    never, zeros = jnp.zeros(number, bool), jnp.zeros(number)
    counted = (zeros, jnp.zeros(number, jnp.int32), never)
    first = (state, observation, ~never, memory, never, *counted)
    _, (*_, total, length, won) = jax.lax.while_loop(unfinished, step, (jnp.int32(0), first))
    return {
        "return": total.mean(),
        "length": length.astype(jnp.float32).mean(),
        "solved": won.astype(jnp.float32).mean(),
    }


@custom_vmap
def _anywhere(flag: jax.Array) -> jax.Array:
    """Whether `flag` is true, under `vmap` anywhere in the batch.

    A loop's condition that is the same for the whole batch leaves no row behind. Rows that stand
    still while others go on would have host games played forward again at every step.
    """
    return flag.any()


@_anywhere.def_vmap
def _(size: int, batched: Any, flag: jax.Array) -> tuple[jax.Array, bool]:
    del size, batched
    return _anywhere(flag.any()), False


@dataclasses.dataclass(frozen=True)
class Moment:
    """A step of an episode that somebody looks at.

    Attributes:
      step: how many actions were taken.
      action: the last one, or None at the start.
      reward: that it brought.
      total: the episode's return so far.
      over: whether the episode has ended; what is shown is the state before.
    """

    step: int
    action: Any
    reward: float
    total: float
    over: bool
    _env: Environment
    _params: Any
    _state: Any

    def picture(self) -> np.ndarray:
        """`[height, width, 3]` uint8.

        Raises:
          NotImplementedError: for an environment that draws no pictures.
        """
        return np.array(self._env.render(self._state, self._params))

    def screen(self) -> Screen | None:
        """What a text game shows in a terminal; None for other games."""
        return self._env.screen(self._state, self._params)


def play(
    key: jax.Array, env: Environment, env_params: Any, act: Act, memory: Any
) -> Iterator[Moment]:
    """One episode, on the host, step by step."""
    refresh_key, reset_key, key = jax.random.split(key, 3)
    env_params = jax.jit(env.refresh)(refresh_key, env_params)
    observation, state = jax.jit(env.reset)(reset_key, env_params)

    @jax.jit
    def advance(key: jax.Array, memory: Any, observation: Any, reset: jax.Array, state: Any) -> Any:
        action_key, step_key = jax.random.split(key)
        batched = jax.tree.map(lambda x: x[None], observation)
        memory, action = act(action_key, memory, batched, reset[None])
        observation, state, reward, terminated, truncated, _ = env.step(
            step_key, state, action[0], env_params
        )
        return memory, observation, state, action[0], reward, terminated | truncated

    yield Moment(0, None, 0.0, 0.0, False, env, env_params, state)
    reset, total = jnp.asarray(True), 0.0
    for step in range(1, horizon(env) + 1):
        before = state
        now = jax.random.fold_in(key, step)
        memory, observation, state, action, reward, over = advance(
            now, memory, observation, reset, state
        )
        reset = jnp.asarray(False)
        total += float(reward)
        # at the end `state` is the next episode's already
        shown = before if over else state
        action, gain = np.asarray(action), float(reward)
        yield Moment(step, action, gain, total, bool(over), env, env_params, shown)
        if over:
            break
