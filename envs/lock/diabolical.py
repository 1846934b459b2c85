"""The diabolical combination lock (Misra et al., 2020, arXiv 1911.05815, section 7)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from envs.lock.base import DEAD, Lock, LockParams, LockState, chain_tables, turn
from envs.lock.model import Model
from envs.lock.observations import Observations


class DiabolicalLock(Lock):
    """Two good states a step, a right action in each, ten actions, one mistake and it is over.

    An episode starts in a or b, either with probability 1/2. The right action goes on to one of the
    next step's two good states (the other one with probability `swap`); any other leads to the dead
    state for good, and pays a small `fall_reward` half of the time, so that greed leads astray. Only
    the last right action pays. The code of a state is one-hot(3) of the place and one-hot(H + 1) of
    the time.

    Args:
      horizon, num_actions, observation, deviation, bits, seed: see `Lock`; `bits` is H.
      swap: probability of the other good state.
      prize: for the last right action.
      fall_reward: paid with probability 1/2 on falling.
      step_reward: for every other right action; -1 / (H - 1) makes the way to the prize a loss.
    """

    kind = "DiabolicalLock"

    def __init__(
        self,
        horizon: int = 10,
        num_actions: int = 10,
        observation: str = "hadamard_gaussian",
        deviation: float = 0.1,
        bits: int | None = None,
        seed: int | None = None,
        swap: float = 0.5,
        prize: float = 5.0,
        fall_reward: float = 0.1,
        step_reward: float = 0.0,
    ):
        rewards = {"swap": swap, "fall_reward": fall_reward, "step_reward": step_reward}
        super().__init__(horizon, num_actions, seed, fall_chance=0.5, **rewards)
        self.prize = prize
        bits = horizon if bits is None else bits
        self.observations = Observations(observation, horizon + 4, bits, deviation)

    def model(self, params: LockParams) -> Model:
        start = jnp.asarray([0.5, 0.5, 0.0])
        tables = chain_tables(params.combination[0], params, params.prize[0], self.num_actions)
        return Model(start, *tables)

    def _start(self, key: jax.Array) -> jax.Array:
        return jax.random.randint(key, (), 0, DEAD)

    def _move(
        self, key: jax.Array, state: LockState, action: jax.Array, params: LockParams
    ) -> tuple[jax.Array, jax.Array]:
        swap_key, coin_key = jax.random.split(key)
        right = params.combination[0, :, state.time]
        place, good, fell = turn(swap_key, state.place, right, action, params.swap)
        paid = jax.random.bernoulli(coin_key, params.fall_chance)
        last = state.time == self.horizon - 1
        reward = jnp.where(good, jnp.where(last, params.prize[0], params.step_reward), 0.0)
        return place, reward + jnp.where(fell & paid, params.fall_reward, 0.0)

    def _code(self, state: LockState) -> jax.Array:
        return jnp.concatenate(
            [jax.nn.one_hot(state.place, 3), jax.nn.one_hot(state.time, self.horizon + 1)]
        )
