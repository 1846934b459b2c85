"""The rewards and goals of NLE's tasks (Küttler et al., 2020), as `nle.env.tasks` computes them.

A task reads a game's own buffers after every step, instead of copies of five observations before
and after: the same numbers for a fraction of the time. The tests play both side by side. One
difference: NLE's count of frozen steps runs on into the next episode, here it starts at 0 (it
matters only to the penalty modes "exp", "square" and "linear").
"""

from __future__ import annotations

from typing import Any

import numpy as np
from nle import nethack

SCORE, GOLD, TIME = nethack.NLE_BL_SCORE, nethack.NLE_BL_GOLD, nethack.NLE_BL_TIME
DUNGEON, LEVEL = nethack.NLE_BL_DNUM, nethack.NLE_BL_DLEVEL
ON_STAIRS_DOWN, HUNGER = 4, 7  # of `internal`
PENALTY_MODES = ("constant", "exp", "square", "linear", "always")


class Score:
    """Change of the in-game score, and a penalty for steps in which no game time passes.

    Attributes:
      mode, step, time: of the penalty, as in `nle.env.tasks.NetHackScore`.
    """

    needs: tuple[str, ...] = ()  # observations beside those every game reads

    def __init__(self, mode: str, step: float, time: float):
        self.mode, self.step, self.time = mode, step, time

    def start(self, game: Any) -> None:
        """An episode begins; the game's buffers hold its first observation."""
        self.frozen, self.turn = 0, game.blstats[TIME]
        self.before = self.quantity(game)

    def quantity(self, game: Any) -> Any:
        return game.blstats[SCORE]

    def won(self, game: Any) -> bool:
        """Whether the goal is reached."""
        return False

    def reward(self, game: Any, won: bool) -> float:
        """Of the step just done."""
        now = self.quantity(game)
        # before a game starts and after it has ended all quantities are zero
        change = now - self.before if game.in_normal_game() else 0.0
        self.before = now
        return change + self.penalty(game)

    def penalty(self, game: Any) -> float:
        turn, before = game.blstats[TIME], self.turn
        self.turn = turn
        self.frozen = self.frozen + 1 if turn == before else 0
        if self.mode == "constant":
            value = self.step if self.frozen > 0 else 0.0
        elif self.mode == "exp":
            value = 2.0**self.frozen * self.step
        elif self.mode == "square":
            value = self.frozen**2 * self.step
        elif self.mode == "linear":
            value = self.frozen * self.step
        else:
            value = self.step
        return value + (turn - before) * self.time


class Staircase(Score):
    """1 for standing on the stairs down."""

    def quantity(self, game: Any) -> Any:
        return 0

    def won(self, game: Any) -> bool:
        return bool(game.internal[ON_STAIRS_DOWN])

    def reward(self, game: Any, won: bool) -> float:
        return (1.0 if won else 0.0) + self.penalty(game)


class StaircasePet(Staircase):
    """1 for standing on the stairs down with a pet beside."""

    needs = ("glyphs",)

    def won(self, game: Any) -> bool:
        if not game.internal[ON_STAIRS_DOWN]:
            return False
        return bool(np.any(nethack.glyph_is_pet(_neighbours(game))))


class Oracle(Staircase):
    """1 for standing beside the Oracle."""

    needs = ("glyphs",)
    glyph = next(
        g
        for g in range(nethack.GLYPH_MON_OFF, nethack.GLYPH_PET_OFF)
        if nethack.permonst(nethack.glyph_to_mon(g)).mname == "Oracle"
    )

    def won(self, game: Any) -> bool:
        return bool(np.any(_neighbours(game) == self.glyph))


class Gold(Score):
    """Change of the gold carried."""

    def quantity(self, game: Any) -> Any:
        return game.blstats[GOLD]

    def reward(self, game: Any, won: bool) -> float:
        now, before = self.quantity(game), self.before
        self.before = now
        if not game.in_normal_game():
            self.turn = game.blstats[TIME]
            return 0.0
        return now - before + self.penalty(game)


class Eat(Score):
    """What a step adds to the character's nutrition."""

    def quantity(self, game: Any) -> Any:
        return game.internal[HUNGER]

    def reward(self, game: Any, won: bool) -> float:
        now, before = self.quantity(game), self.before
        self.before = now
        if not game.in_normal_game():
            self.turn = game.blstats[TIME]
            return 0.0
        return max(0, now - before) + self.penalty(game)


class Scout(Score):
    """Map squares seen for the first time."""

    needs = ("glyphs",)

    def start(self, game: Any) -> None:
        super().start(game)
        self.explored: dict[tuple[int, int], int] = {}

    def quantity(self, game: Any) -> Any:
        return 0

    def reward(self, game: Any, won: bool) -> float:
        if not game.in_normal_game():
            self.turn = game.blstats[TIME]
            return 0.0
        place = (game.blstats[DUNGEON], game.blstats[LEVEL])
        explored = int(np.count_nonzero(game.glyphs != nethack.GLYPH_CMAP_OFF))
        gain = explored - self.explored.get(place, 0)
        self.explored[place] = explored
        return gain + self.penalty(game)


def _neighbours(game: Any) -> np.ndarray:
    x, y = game.blstats[0], game.blstats[1]
    return game.glyphs[y - 1 : y + 2, x - 1 : x + 2]


TASKS: dict[str, type[Score]] = {
    "NetHackScore-v0": Score,
    "NetHackStaircase-v0": Staircase,
    "NetHackStaircasePet-v0": StaircasePet,
    "NetHackOracle-v0": Oracle,
    "NetHackGold-v0": Gold,
    "NetHackEat-v0": Eat,
    "NetHackScout-v0": Scout,
    "NetHackChallenge-v0": Score,
}
