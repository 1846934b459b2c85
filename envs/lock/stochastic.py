"""The stochastic lock (Henaff, 2019, arXiv 1911.00617): two right actions, one for each next state."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from envs.lock.base import DEAD, A, B, Lock, LockParams, LockState
from envs.lock.model import Model
from envs.lock.observations import Observations


class StochasticLock(Lock):
    """In a good state one of four actions stays, the next one (cyclically) crosses over, two fall.

    An episode starts in a. Except in the last step, staying and crossing are exchanged with
    probability `swap`. The last right action pays 5; on the way right actions cost 1 / H each and
    falling pays `fall_reward`, except in the last step. `fall_reward=0` takes both away. The code of
    a state is one-hot(3) of the place: time is not shown (`time=True` adds one-hot(H + 1) of it).

    Args:
      horizon, num_actions, observation, deviation, bits, seed: see `Lock`; `bits` is H.
      swap: probability that a right action does what the other one should.
      prize: for the last right action.
      fall_reward: for falling before the last step.
      time: put it into the code.
    """

    kind = "StochasticLock"

    def __init__(
        self,
        horizon: int = 10,
        num_actions: int = 4,
        observation: str = "bernoulli",
        deviation: float = 0.1,
        bits: int | None = None,
        seed: int | None = None,
        swap: float = 0.1,
        prize: float = 5.0,
        fall_reward: float = 0.1,
        time: bool = False,
    ):
        step_reward = -1.0 / horizon if fall_reward > 0 else 0.0
        rewards = {"swap": swap, "fall_reward": fall_reward, "step_reward": step_reward}
        super().__init__(horizon, num_actions, seed, **rewards)
        self.prize, self.time = prize, time
        bits = horizon if bits is None else bits
        self.ones = 2 if time else 1
        size = 3 + (horizon + 1) * time
        self.observations = Observations(observation, size, bits, deviation)

    def model(self, params: LockParams) -> Model:
        right = params.combination[0].T[:, :, None]  # [H, 2, 1]
        actions = jnp.arange(self.num_actions)
        stays, crosses = actions == right, actions == (right + 1) % self.num_actions
        last = jnp.arange(self.horizon) == self.horizon - 1
        swap = jnp.where(last, 0.0, params.swap)[:, None, None]
        stay = stays * (1 - swap) + crosses * swap  # [H, 2, A]
        cross = stays * swap + crosses * (1 - swap)
        fall = 1.0 - stay - cross
        from_a = jnp.stack([stay[:, A], cross[:, A], fall[:, A]], -1)
        from_b = jnp.stack([cross[:, B], stay[:, B], fall[:, B]], -1)
        dead = jnp.broadcast_to(jnp.eye(3)[DEAD], from_a.shape)
        last = last[:, None, None]
        good = jnp.where(last, params.prize[0], params.step_reward)
        reward = jnp.where(stays | crosses, good, jnp.where(last, 0.0, params.fall_reward))
        reward = jnp.concatenate([reward, jnp.zeros_like(reward[:, :1])], 1)
        return Model(jnp.eye(3)[A], jnp.stack([from_a, from_b, dead], 1), reward)

    def _start(self, key: jax.Array) -> jax.Array:
        return jnp.int32(A)

    def _move(
        self, key: jax.Array, state: LockState, action: jax.Array, params: LockParams
    ) -> tuple[jax.Array, jax.Array]:
        last, live = state.time == self.horizon - 1, state.place != DEAD
        here = jnp.minimum(state.place, B)
        right = params.combination[0, here, state.time]
        crosses = action == (right + 1) % self.num_actions
        good = live & (crosses | (action == right))
        flipped = jax.random.bernoulli(key, params.swap) & ~last
        place = jnp.where(good, here ^ (crosses ^ flipped).astype(jnp.int32), DEAD)
        pay = jnp.where(last, params.prize[0], params.step_reward)
        fallen = jnp.where(live & ~good & ~last, params.fall_reward, 0.0)
        return place, jnp.where(good, pay, fallen)

    def _code(self, state: LockState) -> jax.Array:
        code = jax.nn.one_hot(state.place, 3)
        if not self.time:
            return code
        return jnp.concatenate([code, jax.nn.one_hot(state.time, self.horizon + 1)])
