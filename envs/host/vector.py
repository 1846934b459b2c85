"""Games of a pool as a vector environment of Gymnasium's, for learners in PyTorch or NumPy.

    env = VectorEnv("NetHackScore-v0?keys=glyphs,blstats", num_envs=64)
    observations, infos = env.reset(seed=0)
    observations, rewards, terminations, truncations, infos = env.step(env.action_space.sample())

JAX has no part in it, and nothing is logged for a replay as in the states of `envs.make`. Episodes
restart by themselves, in the step that ends them (Gymnasium's `AutoresetMode.SAME_STEP`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from envs.host import catalogue
from envs.host.games import Array
from envs.host.group import Batch
from envs.host.pool import Pool


class VectorEnv(gymnasium.vector.VectorEnv):
    """`num_envs` games, stepped together.

    Where an episode ends, the observation is the first of the next one, and `infos["final_obs"]` has the
    last, as in Gymnasium's own; `infos["lost"]` marks games whose worker died. Observations that are
    nested dictionaries are flat here, with keys joined by "/"; rewards are float32.

    Args:
      games: a name as `envs.make` takes it, of games on the host; or workers, that stay the caller's.
      num_envs: N.
      copy: observations are the caller's own; without it they are good until the step after the next.
      **options: of the environment and of its pool, where `games` is a name.

    Raises:
      ValueError: for a name, an option or a number that cannot be used.
      MissingExtra: when a package is missing that the games need.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012 - as Gymnasium has it

    def __init__(self, games: str | Pool, num_envs: int, *, copy: bool = True, **options: Any):
        self.closed = True  # nothing to close yet
        if num_envs < 1:
            raise ValueError(f"num_envs={num_envs!r}: at least 1")
        if isinstance(games, Pool) and options:
            raise ValueError(f"options {', '.join(options)}: the workers have theirs already")
        self.owned = not isinstance(games, Pool)
        self.pool = games if isinstance(games, Pool) else catalogue.pool(games, **options)
        self.num_envs, self.copy = num_envs, copy
        described = self.pool.description
        parts: dict[str, spaces.Space] = {
            key: _box(array) for key, array in described.observation.items()
        }
        self.single = described.single
        self.single_observation_space = parts.popitem()[1] if self.single else spaces.Dict(parts)
        action = described.action
        own: spaces.Space = _box(action) if isinstance(action, Array) else spaces.Discrete(action)
        self.single_action_space = own
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.group = self.pool.group(num_envs)
        self.closed = False

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """New episodes.

        Args:
          seed: game i and all its episodes follow from `seed + i`, or from the i-th of several; those
            without one from a generator of the environment's.
          options: none; games take them when they are made.
        """
        if options:
            raise ValueError(
                f"options={options!r}: VectorEnv(name, num_envs, **options) takes them"
            )
        if isinstance(seed, (int, np.integer)):
            super().reset(seed=int(seed))
            seed = [int(seed) + i for i in range(self.num_envs)]
        seeds = [None] * self.num_envs if seed is None else list(seed)
        if len(seeds) != self.num_envs:
            raise ValueError(f"seed: {len(seeds)} of them for {self.num_envs} games")
        drawn = self.np_random.integers(2**32, size=(self.num_envs, 2), dtype=np.uint32)
        for i, one in enumerate(seeds):
            if one is not None:
                drawn[i] = np.random.SeedSequence(one).generate_state(2)
        with self.pool.lock:
            return self._observed(self.group.reset(drawn).observation), {}

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step of all games.

        Raises:
          ValueError: for actions of another shape, or fractions where one of several is to be chosen.
          HostError: a game raised; the message says which.
        """
        with self.pool.lock:
            try:
                self.group.send(actions)
                batch = self.group.recv()
            except KeyboardInterrupt:
                self.pool.give_up_waiting()
                self.group.waiting = False
                raise
        ends = batch.terminated.copy(), batch.truncated.copy()
        return self._observed(batch.observation), batch.reward.copy(), *ends, self._infos(batch)

    def close_extras(self, **kwargs: Any) -> None:
        """Ends the games, and the workers where they are its own."""
        with self.pool.lock:
            if self.owned:
                self.pool.close()
            elif not self.pool.closed:
                self.group.close()

    def _observed(self, observation: dict[str, np.ndarray]) -> Any:
        if self.copy:
            observation = {key: array.copy() for key, array in observation.items()}
        return next(iter(observation.values())) if self.single else observation

    def _infos(self, batch: Batch) -> dict[str, Any]:
        infos: dict[str, Any] = {}
        ended = batch.terminated | batch.truncated
        if ended.any():
            last = np.full(self.num_envs, None, dtype=object)
            for i in np.flatnonzero(ended):
                one = {key: array[i].copy() for key, array in batch.last.items()}
                last[i] = next(iter(one.values())) if self.single else one
            infos.update(final_obs=last, _final_obs=ended, final_info={}, _final_info=ended)
        if batch.lost.any():
            infos.update(lost=batch.lost, _lost=batch.lost)
        return infos


def _box(array: Array) -> spaces.Box:
    low, high = (np.full(array.shape, bound, array.dtype) for bound in (array.low, array.high))
    return spaces.Box(low, high, array.shape, low.dtype.type)
