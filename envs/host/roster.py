"""A worker's games of one group: the slots it plays and the spares it has ready.

Each slot is one environment. A game writes its observations into its own row of `staging`; after a
step the rows of all slots are copied to the shared memory at once. Where games are started ahead,
there are as many spares as slots: a spare is started with the seeds of its slot's next episode while
the worker has nothing else to do, and takes the slot over when the episode ends.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from envs.host.games import Family, Game
from envs.host.games.shared_pages import Refused, SharedPages
from envs.host.seeds import Contexts, episode_seeds


class GameFailed(RuntimeError):
    """A game raised; says which one, and how to see it again."""


class Roster:
    """The slots `[low, high)` of a group.

    Args:
      family: what the games are.
      arrays: the group's shared arrays, by name (see `group.layout`).
      low, high: this worker's slots.
      ahead: whether episodes are started ahead.
      contexts: fixed levels to draw episodes from.
      pages: what the games share, if they do.

    Attributes:
      refused: why sharing pages was given up.
    """

    def __init__(
        self,
        family: Family,
        arrays: dict[str, np.ndarray],
        low: int,
        high: int,
        ahead: bool,
        contexts: Contexts,
        pages: SharedPages | None = None,
    ):
        self.pages, self.refused = pages, ""
        self.low, self.slots, self.contexts = low, high - low, contexts
        mine = slice(low, high)
        # the shared arrays' parts; outputs come in two banks, written in turns
        self.shared = {name: array[mine] for name, array in arrays.items()}
        count = self.slots * (2 if ahead else 1)
        self.staging = {
            key: np.zeros((count, *shape), dtype)
            for key, (shape, dtype) in family.staging().items()
        }
        self.games: list[Game] = []
        for row in range(count):
            # `[row : row + 1]` keeps scalars arrays, so that games can write into them
            rows = {
                key: array[row : row + 1].reshape(array.shape[1:])
                for key, array in self.staging.items()
            }
            self.games.append(family.game(rows))
        self.rows = np.arange(self.slots)  # row of the game that plays each slot
        self.spare = np.arange(self.slots, count)  # row of each slot's spare, if any
        self.ready = np.full(self.slots, -1)  # episode each spare stands at the start of, or -1

    def close(self) -> None:
        """Ends all games."""
        for game in self.games:
            game.close()
        self.games = []

    def start(self, bank: int, log: np.ndarray | None = None) -> None:
        """Starts each slot's episode of `base` and `episode`, and plays `time` logged actions.

        Args:
          bank: which of the two outputs to write.
          log: `[slots, length, ...]` actions, or None to stay at the start.
        """
        self.ready[:] = -1
        for slot in range(self.slots):
            self._begin(int(self.rows[slot]), slot, int(self.shared["episode"][slot]))
            if log is None:
                self.shared["time"][slot] = 0
                continue
            game = self.games[self.rows[slot]]
            for time in range(int(self.shared["time"][slot])):
                self._step(game, slot, log[slot, time], time)
        self._publish(bank)

    def step(self, bank: int) -> None:
        """One step of every slot, and the next episode where one ends."""
        shared, games = self.shared, self.games
        rewards, terminated, truncated, ended = [], [], [], []
        rows, actions = self.rows.tolist(), shared["action"]
        actions = actions.tolist() if actions.ndim == 1 else actions
        for slot, row in enumerate(rows):
            try:
                reward, over, cut = games[row].step(actions[slot])
            except Exception as error:
                raise self._failure(error, slot, int(shared["time"][slot])) from error
            rewards.append(reward)
            terminated.append(over)
            truncated.append(cut)
            if over or cut:
                ended.append(slot)
        if not math.isfinite(sum(rewards)):
            self._check(rewards)
        shared["time"] += 1
        shared[f"reward.{bank}"][:] = rewards
        shared[f"terminated.{bank}"][:] = terminated
        shared[f"truncated.{bank}"][:] = truncated
        for slot in ended:
            for key, array in self.staging.items():
                shared[f"final.{bank}.{key}"][slot] = array[rows[slot]]
            self._next_episode(slot)
        self._publish(bank)

    def _check(self, rewards: list[float]) -> None:
        """Refuses rewards that are not finite, but for a NaN that answers a NaN (see `Game.step`)."""
        for slot, reward in enumerate(rewards):
            asked = np.isfinite(self.shared["action"][slot]).all()
            if asked and not math.isfinite(reward):
                error = ValueError(f"the game's reward is {float(reward)}: must be a finite number")
                raise self._failure(error, slot, int(self.shared["time"][slot]))

    def prepare(self) -> bool:
        """Starts one spare, if any is not started yet; whether there was something to do."""
        for slot in range(len(self.spare)):
            if self.ready[slot] < 0:
                episode = int(self.shared["episode"][slot]) + 1
                self._begin(int(self.spare[slot]), slot, episode)
                self.ready[slot] = episode
                return True
        return False

    def _next_episode(self, slot: int) -> None:
        shared = self.shared
        shared["episode"][slot] += 1
        shared["time"][slot] = 0
        episode = int(shared["episode"][slot])
        if len(self.spare) and self.ready[slot] == episode:
            self.rows[slot], self.spare[slot] = self.spare[slot], self.rows[slot]
            self.ready[slot] = -1
        else:
            self._begin(int(self.rows[slot]), slot, episode)

    def _begin(self, row: int, slot: int, episode: int) -> None:
        game = self.games[row]
        try:
            game.reset(episode_seeds(self.shared["base"][slot], episode, self.contexts))
        except Exception as error:
            raise self._failure(error, slot, None, episode) from error
        if self.pages is not None:
            try:
                self.pages.share(game)
            except Refused as error:
                self.pages, self.refused = None, str(error)

    def _step(self, game: Game, slot: int, action: Any, time: int) -> None:
        try:
            game.step(action)
        except Exception as error:
            raise self._failure(error, slot, time) from error

    def _publish(self, bank: int) -> None:
        for key, array in self.staging.items():
            self.shared[f"observation.{bank}.{key}"][:] = array[self.rows]

    def _failure(
        self, error: Exception, slot: int, time: int | None, episode: int | None = None
    ) -> GameFailed:
        episode = int(self.shared["episode"][slot]) if episode is None else episode
        base = self.shared["base"][slot]
        seeds = episode_seeds(base, episode, self.contexts)
        when = "in reset" if time is None else f"in step {time} of its episode"
        return GameFailed(
            f"{type(error).__name__}: {error} ({when}; environment {self.low + slot}, episode "
            f"{episode}, seeds core={seeds.core} disp={seeds.disp})"
        )
