"""The bidirectional lock (Agarwal et al., 2020, arXiv 2007.08459, section 6): two to choose from."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from envs import spaces
from envs.lock.base import DEAD, Lock, LockParams, LockState, chain_tables, turn
from envs.lock.model import Model
from envs.lock.observations import Observations

START = 6  # the place before a lock is chosen; 3 l + p is place p of lock l


class BidirectionalLock(Lock):
    """The first action picks one of two diabolical locks of H - 1 steps; one pays 5, the other 2.

    Which of them is the better one is drawn with the combinations. Right actions cost 1 / (H - 2)
    each up to the last, so that both locks look like a loss until they are open. A best policy
    returns 5 - 1; the worse lock is worth 2 - 1; falling at once, 0.

    The code of a state is one-hot(3) of the place, one-hot(H) of the steps inside the lock, H - 1
    zeros and the lock's number; before the choice all zeros. So an agent that has found the worse
    lock must still want to know what the other one holds.

    Args:
      horizon, num_actions, observation, deviation, bits, seed: see `Lock`. "bernoulli" and "none"
        have `bits` random bits or zeros, H - 1 if None; noise is never on the lock's number.
      swap: probability of the other good state.
      prizes: of the better lock and of the worse.
      step_cost: all right actions but the last cost this together.
    """

    kind = "BidirectionalLock"
    place_names = ("a0", "b0", "dead0", "a1", "b1", "dead1", "start")

    def __init__(
        self,
        horizon: int = 6,
        num_actions: int = 10,
        observation: str = "none",
        deviation: float = 0.1,
        bits: int | None = None,
        seed: int | None = None,
        swap: float = 0.5,
        prizes: tuple[float, float] = (5.0, 2.0),
        step_cost: float = 1.0,
    ):
        if horizon < 3:
            raise ValueError(f"horizon={horizon!r}: at least 3")
        step_reward = -step_cost / (horizon - 2)
        super().__init__(horizon, num_actions, seed, swap=swap, step_reward=step_reward)
        if len(prizes) != 2:
            raise ValueError(f"prizes={prizes!r}: two numbers")
        self.prizes = prizes
        bits = horizon - 1 if bits is None else bits
        self.observations = Observations(observation, horizon + 3, bits, deviation, filler=True)

    @property
    def place_classes(self) -> tuple[int, ...]:
        return (0, 0, 1, 2, 2, 3, 4) if self.rewards["swap"] == 0.5 else tuple(range(7))

    def observation_space(self, params: LockParams | None = None) -> spaces.Box:
        inside = self.observations.space(self.ones)
        return dataclasses.replace(inside, shape=(inside.shape[0] + 1,))

    def draw(self, key: jax.Array, params: LockParams) -> LockParams:
        key, better_key = jax.random.split(key)
        shape = (2, 2, self.horizon - 1)
        combination = jax.random.randint(key, shape, 0, self.num_actions)
        prize = jnp.asarray(self.prizes, jnp.float32)
        prize = jnp.where(jax.random.bernoulli(better_key), prize[::-1], prize)
        return params.replace(combination=combination, prize=prize)  # type: ignore[attr-defined]

    def model(self, params: LockParams) -> Model:
        h, a = self.horizon, self.num_actions
        transition = jnp.zeros((h, 7, a, 7)).at[:, START, :, START].set(1.0)
        reward = jnp.zeros((h, 7, a))
        for lock in range(2):
            own = slice(3 * lock, 3 * lock + 3)
            chain, pay = chain_tables(params.combination[lock], params, params.prize[lock], a)
            transition = transition.at[1:, own, :, own].set(chain)
            reward = reward.at[1:, own].set(pay)
            for place in range(3):  # nobody is in a lock before the choice
                transition = transition.at[0, 3 * lock + place, :, 3 * lock + place].set(1.0)
            chosen = (jnp.arange(a) >= a // 2) == bool(lock)
            into = 0.5 * jnp.asarray([1.0, 1.0, 0.0])
            transition = transition.at[0, START, :, own].set(chosen[:, None] * into)
        transition = transition.at[0, START, :, START].set(0.0)
        return Model(jnp.eye(7)[START], transition, reward)

    def _start(self, key: jax.Array) -> jax.Array:
        return jnp.int32(START)

    def _move(
        self, key: jax.Array, state: LockState, action: jax.Array, params: LockParams
    ) -> tuple[jax.Array, jax.Array]:
        turn_key, enter_key = jax.random.split(key)
        choosing = state.time == 0
        lock = jnp.where(choosing, action >= self.num_actions // 2, state.place >= 3)
        lock = lock.astype(jnp.int32)
        step = jnp.maximum(state.time - 1, 0)
        right = params.combination[lock, :, step]
        place, good, _ = turn(turn_key, state.place - 3 * lock, right, action, params.swap)
        entered = jax.random.randint(enter_key, (), 0, DEAD, jnp.int32)
        last = state.time == self.horizon - 1
        pay = jnp.where(last, params.prize[lock], params.step_reward)
        reward = jnp.where(good & ~choosing, pay, 0.0)
        return 3 * lock + jnp.where(choosing, entered, place), reward

    def _open(self, place: jax.Array, params: LockParams) -> jax.Array:
        best = params.prize[place // 3] >= params.prize.max()
        return (place % 3 != DEAD) & best

    def observe(self, key: jax.Array, state: LockState) -> jax.Array:
        lock, place = state.place // 3, state.place % 3
        inside = jnp.concatenate(
            [jax.nn.one_hot(place, 3), jax.nn.one_hot(state.time - 1, self.horizon)]
        )
        seen = jnp.append(self.observations(key, inside), lock.astype(jnp.float32))
        return jnp.where(state.place == START, 0.0, seen)
