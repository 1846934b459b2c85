"""What the three locks share: state, parameters, drawing a combination, episodes, pictures."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from envs import core, spaces
from envs.lock.model import Model, optimal
from envs.lock.observations import Observations

A, B, DEAD = range(3)  # the two good states of a step, and the one for good


@struct.dataclass
class LockState:
    """State of an episode.

    Attributes:
      place: `[]` int32, which of the lock's states (`Lock.place_names`).
      time: `[]` int32, actions taken.
    """

    place: jax.Array
    time: jax.Array


@struct.dataclass
class LockParams(core.EnvParams):
    """The lock itself.

    Attributes:
      combination: `[L, 2, T]` int32, the right action of lock l in good state a or b at its step t.
      prize: `[L]` float32, for the last right action of lock l.
      swap: `[]` float32, probability that a right action leads to the other good state.
      step_reward: `[]` float32, for every earlier right action.
      fall_reward: `[]` float32, for a wrong action in a good state...
      fall_chance: `[]` float32, ... paid with this probability.
      drawn: `[]` bool, `refresh` leaves this lock as it is.
    """

    max_steps_in_episode: int = 1
    combination: Any = None
    prize: Any = None
    swap: Any = 0.5
    step_reward: Any = 0.0
    fall_reward: Any = 0.0
    fall_chance: Any = 1.0
    drawn: Any = False


class Lock(core.Environment[LockState, LockParams]):
    """A lock without auto-reset; its horizon is part of the task, so an episode terminates there.

    Which actions are right is in the parameters. `draw(key, params)` gives them another combination.
    `refresh(key, params)`, which training calls with the keys of its seed, does so once: the first
    call draws the run's lock, later ones leave it alone. So every seed of a run plays a lock of its
    own. With `seed` everyone plays the one lock that it names.

    `info["place"]` is the true state after the step, `info["position"]` step and state, and
    `info["success"]` whether the step opened the lock (the best one, where there are several).

    Args:
      horizon: H, actions of an episode.
      num_actions: A.
      observation: "none", "bernoulli", "gaussian", "hadamard" or "hadamard_gaussian".
      deviation: of Gaussian noise.
      bits: of Bernoulli noise; None takes the lock's own number.
      seed: of the combination, or None for one of every run's own.
    """

    kind = ""
    place_names: tuple[str, ...] = ("a", "b", "dead")
    ones = 2  # in the clean code of a state
    observations: Observations
    prize: float  # for the last right action

    def __init__(self, horizon: int, num_actions: int, seed: int | None, **rewards: float):
        if horizon < 1:
            raise ValueError(f"horizon={horizon!r}: at least 1")
        if num_actions < 2:
            raise ValueError(f"num_actions={num_actions!r}: at least 2")
        for name in ("swap", "fall_chance"):
            if not 0.0 <= rewards.get(name, 0.0) <= 1.0:
                raise ValueError(f"{name}={rewards[name]!r}: from 0 to 1")
        self.horizon, self.num_actions, self.seed, self.rewards = (
            horizon,
            num_actions,
            seed,
            rewards,
        )

    @property
    def name(self) -> str:
        return f"{self.kind}-H{self.horizon}"

    @property
    def fixed_length(self) -> bool:
        return True

    @property
    def success_pays(self) -> bool:
        return True

    @property
    def place_classes(self) -> tuple[int, ...]:
        """The class of each place: those of one class are reached alike whatever one does.

        That is backward kinematic inseparability: P(s' | s, a) differs by a factor of s' alone.
        """
        return (0, 0, 1) if self.rewards["swap"] == 0.5 else (0, 1, 2)

    @property
    def num_places(self) -> int:
        """S, true states of a step."""
        return len(self.place_names)

    @property
    def default_params(self) -> LockParams:
        numbers = {name: jnp.float32(value) for name, value in self.rewards.items()}
        params = LockParams(
            max_steps_in_episode=self.horizon, drawn=jnp.asarray(self.seed is not None), **numbers
        )
        return self.draw(jax.random.key(self.seed or 0), params)

    def draw(self, key: jax.Array, params: LockParams) -> LockParams:
        """The same lock with a new combination."""
        shape = (1, 2, self.horizon)
        combination = jax.random.randint(key, shape, 0, self.num_actions)
        return params.replace(combination=combination, prize=jnp.full(1, jnp.float32(self.prize)))  # type: ignore[attr-defined]

    def refresh(self, key: jax.Array, params: LockParams) -> LockParams:
        """The run's own lock, drawn by the first call."""
        new = self.draw(key, params)
        kept = jax.tree.map(lambda old, fresh: jnp.where(params.drawn, old, fresh), params, new)
        return kept.replace(drawn=jnp.asarray(True))  # type: ignore

    def model(self, params: LockParams) -> Model:
        """The lock as tables over `place`."""
        raise NotImplementedError

    def optimal_value(self, params: LockParams) -> jax.Array:
        """`[]` float32, the expected return of a best policy (V*)."""
        return optimal(self.model(params))[0]

    def _start(self, key: jax.Array) -> jax.Array:
        """`[]` int32, the first place."""
        raise NotImplementedError

    def _move(
        self, key: jax.Array, state: LockState, action: jax.Array, params: LockParams
    ) -> tuple[jax.Array, jax.Array]:
        """`(place, reward)` after an action."""
        raise NotImplementedError

    def _code(self, state: LockState) -> jax.Array:
        """The clean code of a state."""
        raise NotImplementedError

    def _open(self, place: jax.Array, params: LockParams) -> jax.Array:
        """`[]` bool, whether this place after the last step is an open lock's."""
        return place != DEAD

    def observe(self, key: jax.Array, state: LockState) -> jax.Array:
        """A fresh observation of a state."""
        return self.observations(key, self._code(state))

    def action_space(self, params: LockParams | None = None) -> spaces.Discrete:
        return spaces.Discrete(self.num_actions)

    def observation_space(self, params: LockParams | None = None) -> spaces.Box:
        return self.observations.space(self.ones)

    def reset(self, key: jax.Array, params: LockParams | None = None) -> tuple[Any, LockState]:
        start_key, see_key = jax.random.split(key)
        state = LockState(self._start(start_key), jnp.int32(0))
        return self.observe(see_key, state), state

    def step(
        self,
        key: jax.Array,
        state: LockState,
        action: jax.Array,
        params: LockParams | None = None,
    ) -> tuple[jax.Array, LockState, jax.Array, jax.Array, jax.Array, core.Info]:
        params = self.default_params if params is None else params
        move_key, see_key = jax.random.split(key)
        place, reward = self._move(move_key, state, action, params)
        after = LockState(place, state.time + 1)
        over = after.time >= self.horizon
        info = {
            "place": place,
            "position": jnp.stack([after.time, place]),
            "success": over & self._open(place, params),
        }
        return self.observe(see_key, after), after, reward, over, jnp.asarray(False), info

    def render(self, state: LockState, params: LockParams | None = None) -> np.ndarray:
        """`[height, width, 3]` uint8: a column a step, a row a place, the present one filled."""
        cell = int(np.clip(640 // (self.horizon + 1), 5, 32))
        picture = np.full((self.num_places * cell, (self.horizon + 1) * cell, 3), 255, np.uint8)
        for row, place in enumerate(self.place_names):
            shade = (222, 214, 214) if place.startswith("dead") else (206, 226, 206)
            for column in range(self.horizon + 1):
                corner = np.s_[
                    row * cell : (row + 1) * cell - 1, column * cell : (column + 1) * cell - 1
                ]
                here = (row, column) == (int(state.place), int(state.time))
                picture[corner] = (200, 40, 40) if here else shade
        return picture


def turn(
    key: jax.Array, place: jax.Array, right: jax.Array, action: jax.Array, swap: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """One step of a diabolical chain: `(place, right action taken, fell just now)`.

    Args:
      key: for the swap.
      place: `[]` int32, A, B or DEAD.
      right: `[2]` int32, the right action in A and in B.
      action: `[]` int32, the one taken.
      swap: `[]`, probability of A and B changing places.
    """
    live = place != DEAD
    good = live & (action == right[jnp.minimum(place, B)])
    other = jax.random.bernoulli(key, swap).astype(jnp.int32)
    return jnp.where(good, jnp.minimum(place, B) ^ other, DEAD), good, live & ~good


def chain_tables(
    right: jax.Array, params: LockParams, prize: jax.Array, num_actions: int
) -> tuple[jax.Array, jax.Array]:
    """Transitions `[T, 3, A, 3]` and expected rewards `[T, 3, A]` of a diabolical chain.

    Args:
      right: `[2, T]` int32, its combination.
      params: swap and rewards.
      prize: `[]`, for its last right action.
      num_actions: A.
    """
    length = right.shape[1]
    good = right.T[:, :, None] == jnp.arange(num_actions)  # [T, 2, A]
    to_live = jnp.stack([jnp.stack([1 - params.swap, params.swap])] * 2)
    to_live = to_live.at[1].set(to_live[1, ::-1])  # [2, 2], from a and b to a and b
    live = good[..., None] * to_live[None, :, None, :]
    live = jnp.concatenate([live, (~good)[..., None]], -1)  # [T, 2, A, 3]
    dead = jnp.broadcast_to(jnp.eye(3)[DEAD], (length, 1, num_actions, 3))
    last = (jnp.arange(length) == length - 1)[:, None, None]
    step = jnp.where(last, prize, params.step_reward)
    reward = jnp.where(good, step, params.fall_reward * params.fall_chance)
    reward = jnp.concatenate([reward, jnp.zeros((length, 1, num_actions))], 1)
    return jnp.concatenate([live, dead], 1), reward
