"""What the models and the DQN of Neural-E3 learn from: pieces of whole real episodes."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

from jaxrl_suite.q_learning import Item


class Episode(NamedTuple):
    """A real episode, `[H, ...]`; `real` is False after its end.

    Attributes:
      state, after: `[H, ...]`, before and after each action.
      action, reward: `[H]`.
      over: `[H]` bool, the task ended there (not by running out of time).
      real: `[H]` bool.
    """

    state: jax.Array
    action: jax.Array
    reward: jax.Array
    after: jax.Array
    over: jax.Array
    real: jax.Array


class Segment(NamedTuple):
    """B pieces of T steps.

    Attributes:
      first: `[B, ...]`, where they begin.
      action, reward, weight: `[B, T]`; the weight is 0 after an episode's end.
      after: `[B, T, ...]`.
    """

    first: jax.Array
    action: jax.Array
    reward: jax.Array
    after: jax.Array
    weight: jax.Array


class Options(Protocol):
    """The settings that are needed, see `control_settings`."""

    @property
    def model_batch(self) -> int: ...
    @property
    def segment(self) -> int: ...
    @property
    def recent(self) -> float: ...
    @property
    def rewarded(self) -> float: ...
    @property
    def q_rewarded(self) -> float: ...


def draw(
    key: jax.Array, data: Episode, newest: jax.Array, known: jax.Array, options: Options
) -> Segment:
    """Random segments: shares of recent episodes, and of ends at the largest reward so far.

    Args:
      key: random key.
      data: `[episodes, H, ...]`.
      newest: `[]`, the first episode of the last update.
      known: `[]`, how many episodes there are.
      options: how many, how long, which shares.
    """
    number, length, steps = options.model_batch, options.segment, data.action.shape[1]
    which_key, time_key, end_key = jax.random.split(key, 3)
    recents, ends = round(options.recent * number), round(options.rewarded * number)
    lowest = jnp.where(jnp.arange(number) < recents, newest, 0)
    which = jax.random.randint(which_key, (number,), lowest, known)
    lengths = data.real.sum(1)
    time = jax.random.randint(time_key, (number,), 0, lengths[which])
    if ends:
        episode, end = ends_at_the_largest_reward(end_key, data, ends)
        which = which.at[-ends:].set(episode)
        time = time.at[-ends:].set(jnp.maximum(end - length + 1, 0))
    times = time[:, None] + jnp.arange(length)
    inside = times < steps
    times = jnp.minimum(times, steps - 1)
    piece: Episode = jax.tree.map(lambda x: x[which[:, None], times], data)
    weight = (piece.real & inside).astype(jnp.float32)
    return Segment(data.state[which, time], piece.action, piece.reward, piece.after, weight)


def ends_at_the_largest_reward(
    key: jax.Array, data: Episode, number: int
) -> tuple[jax.Array, jax.Array]:
    """Episodes and times `[number]` of random steps that paid as much as any so far."""
    reward = jnp.where(data.real, data.reward, -jnp.inf).reshape(-1)
    rank = jnp.cumsum(reward == reward.max())
    drawn = jax.random.randint(key, (number,), 1, rank[-1] + 1)
    return jnp.divmod(jnp.searchsorted(rank, drawn), data.action.shape[1])


def transitions(
    key: jax.Array, data: Episode, known: jax.Array, number: int, options: Options
) -> Item:
    """`number` random steps of the first `known` episodes, for Q-learning.

    A share `q_rewarded` of them lies in the `segment` steps up to one of the largest reward so far.
    """
    which_key, time_key, end_key, back_key = jax.random.split(key, 4)
    which = jax.random.randint(which_key, (number,), 0, known)
    time = jax.random.randint(time_key, (number,), 0, data.real.sum(1)[which])
    if ends := round(options.q_rewarded * number):
        episode, end = ends_at_the_largest_reward(end_key, data, ends)
        back = jax.random.randint(back_key, (ends,), 0, options.segment)
        which = which.at[-ends:].set(episode)
        time = time.at[-ends:].set(jnp.maximum(end - back, 0))
    x: Episode = jax.tree.map(lambda x: x[which, time], data)
    return Item(x.state, x.action, x.reward, x.after, x.over)
