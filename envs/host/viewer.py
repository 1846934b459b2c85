"""A game beside those of the groups, for people to look at: in the worker, one at a time.

It plays the logged actions of the environment that is being watched. When the next state is one that
the same episode leads to, only the actions that are new are played.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from envs.host.games import Family
from envs.host.seeds import Contexts, episode_seeds

SCREEN = ("tty_chars", "tty_colors", "tty_cursor")  # NLE's names
PICTURE = "picture"


class Viewer:
    """One game of `family`."""

    def __init__(self, family: Family):
        self._game, self._look = family.viewer()
        self._episode: tuple[int, ...] | None = None
        self._played = np.zeros(0)

    def show(
        self, base: np.ndarray, episode: int, log: np.ndarray, contexts: Contexts
    ) -> Mapping[str, np.ndarray]:
        """What is to be seen once the actions of `log` have been played in an episode.

        Returns:
          The arrays `SCREEN`, or `PICTURE`.
        """
        low, high = (int(word) for word in base)
        at, count = (low, high, episode), len(self._played)
        if self._episode != at or not np.array_equal(self._played, log[:count]):
            self._episode, count = None, 0
            self._game.reset(episode_seeds((low, high), episode, contexts))
        for action in log[count:]:
            self._game.step(action)
        self._episode, self._played = at, log
        return {key: np.array(array) for key, array in self._look().items()}

    def close(self) -> None:
        self._game.close()
