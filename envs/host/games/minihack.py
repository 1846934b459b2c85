"""MiniHack (Samvelyan et al., 2021): its tasks by name, with its actions, crops and rewards.

One environment of MiniHack's own is made in each worker; actions, characters, options, levels and
rewards are read from it. Tasks whose goal is the stairs down are then played on NLE's low-level class
like NetHack's tasks. Tasks with a reward manager, a `step` of their own or Boxoban's levels are
played by MiniHack's own classes, slower (`GymnasiumGame`'s way).

Differences from MiniHack's classes, all on purpose: those of `nethack`, and `MiniHack-MultiRoom-*`
takes seeds (its own `seed` fails) and draws its maps from a bank (see `minihack_levels`); the lava
crossings can be made with today's MiniGrid. MiniHack's classes always ask NLE for
`screen_descriptions`, and describing an object on screen makes it known to the character, which can
decide whether two stack: ask for that key too to get the very same game.
"""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Callable, Mapping
from typing import Any
from unittest import mock

import gymnasium
import numpy as np
from nle import nethack

from envs.host.games import Array, Description
from envs.host.games.minihack_levels import Levels
from envs.host.games.nethack import NetHackGame, array_of, with_screen
from envs.host.games.nethack_tasks import PENALTY_MODES, Staircase
from envs.host.seeds import Seeds
from envs.host.viewer import SCREEN

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MiniHack uses pkg_resources
    import minihack
    from minihack.envs.minigrid import MiniGridHack

KEYS = ("glyphs", "blstats", "message")
BANK = 4096
_OWN = ("keys", "max_steps", "crop", "bank")
_make = gymnasium.make  # before `MiniHack.make` puts `_minigrid` in its place
_ABORTED = -1  # of MiniHack's `StepStatus`


class Goal(Staircase):
    """The stairs down, worth `win`; an episode that ends otherwise `lose`."""

    def __init__(self, mode: str, step: float, time: float, win: float, lose: float):
        super().__init__(mode, step, time)
        self.win, self.lose = win, lose

    def reward(self, game: Any, won: bool) -> float:
        if won:
            gain = self.win
        else:
            gain = self.lose if game.game.done() or game.steps >= game.max_steps else 0.0
        return gain + self.penalty(game)


class MiniHackGame:
    """A NetHack game on MiniHack's levels, with crops around the agent."""

    def __init__(self, family: MiniHack, rows: dict[str, np.ndarray]):
        assert family.levels is not None
        self.levels, template = family.levels, family.template
        self.crops = [(rows[k], k.removesuffix("_crop")) for k in rows if k.endswith("_crop")]
        self.pad = template.obs_crop_pad
        full = {key: array for key, array in rows.items() if not key.endswith("_crop")}
        for _, key in self.crops:
            full.setdefault(key, np.zeros(**nethack.OBSERVATION_DESC[key]))
        self.full = full
        full.setdefault("blstats", np.zeros(**nethack.OBSERVATION_DESC["blstats"]))
        if any(key.startswith("tty") for _, key in self.crops):
            full.setdefault("tty_cursor", np.zeros(**nethack.OBSERVATION_DESC["tty_cursor"]))
        task = Goal(
            template.penalty_mode,
            template.penalty_step,
            template.penalty_time,
            template.reward_win,
            template.reward_lose,
        )
        self.inner = NetHackGame(family.settings, task, full)
        self.nethack = self.inner.nethack
        self.level = self.levels.install(self.nethack._vardir)

    def reset(self, seeds: Seeds) -> None:
        self.levels.place(self.level, seeds.core)
        self.inner.reset(seeds)
        self._crop()

    def step(self, action: Any) -> tuple[float, bool, bool]:
        result = self.inner.step(action)
        self._crop()
        return result

    def _crop(self) -> None:
        for out, key in self.crops:
            if key.startswith("tty"):
                y, x = (int(v) for v in self.full["tty_cursor"])
            else:
                x, y = (int(v) for v in self.full["blstats"][:2])
            source = self.full[key]
            half = out.shape[0] // 2
            top, left = y - half, x - half
            rows = slice(max(0, top), min(source.shape[0], y + half + 1))
            columns = slice(max(0, left), min(source.shape[1], x + half + 1))
            out[...] = self.pad
            out[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = (
                source[rows, columns]
            )

    def close(self) -> None:
        if self.level is not None:
            os.close(self.level)
            self.level = None
        self.inner.close()


class OwnGame:
    """MiniHack's own environment, for tasks that bring their own rules."""

    def __init__(self, family: MiniHack, rows: dict[str, np.ndarray]):
        self.rows, self.env = rows, family.make(tuple(rows))
        self.actions = self.env.action_space.n
        self.nethack = self.env.nethack

    def reset(self, seeds: Seeds) -> None:
        random.seed(seeds.core)  # Boxoban draws its level there
        self.env.seed(seeds.core, seeds.disp, False)
        self._write(self.env.reset()[0])

    def step(self, action: Any) -> tuple[float, bool, bool]:
        if not 0 <= action < self.actions:
            raise IndexError(f"action {action}: from 0 to {self.actions - 1}")
        observation, reward, done, _, info = self.env.step(action)
        self._write(observation)
        cut = int(info["end_status"]) == _ABORTED
        return float(reward), done and not cut, cut

    def _write(self, observation: Mapping[str, np.ndarray]) -> None:
        for key, row in self.rows.items():
            row[...] = observation[key]

    def close(self) -> None:
        self.env.close()


def _minigrid(name: str, width: int, height: int) -> gymnasium.Env:
    """The map drawer MiniHack asks for; MiniGrid's crossings refuse a width and have their own."""
    return _make(name) if "Crossing" in name else _make(name, width=width, height=height)


class MiniHack:
    """Games of one MiniHack task."""

    def __init__(self, name: str, options: dict[str, Any]):
        self.name, self.options = name, options
        self.keys = tuple(options.get("keys", KEYS))
        self.template = template = self.make()
        kind = type(template)
        plain = (minihack.MiniHack, MiniGridHack)
        own = [
            method
            for method in ("step", "reset", "_is_episode_end", "_reward_fn")
            if getattr(kind, method) not in [getattr(base, method) for base in plain]
        ]
        self.plain = not own and template.reward_manager is None
        self.levels = Levels(template, options.get("bank", BANK)) if self.plain else None
        playername = next(o for o in template.nethack.options if o.startswith("name:"))
        self.settings = {
            "character": playername.removeprefix("name:Agent-"),
            "options": tuple(o for o in template.nethack.options if not o.startswith("name:")),
            "actions": template.actions,
            "max_steps": template._max_episode_steps,
            "allow_all_yn_questions": template._allow_all_yn_questions,
            "allow_all_modes": template._allow_all_modes,
            "spawn_monsters": options.get("spawn_monsters", False),
            "no_progress_timeout": 0,
        }
        space = template.observation_space.spaces
        self.description = Description(
            observation={key: _key_array(key, space[key]) for key in self.keys},
            single=False,
            action=len(template.actions),
            max_steps=int(template._max_episode_steps),
            # 4 to 10 ms where a map is drawn and compiled, else 1 ms, in MiniHack's own classes too
            slow_reset=hasattr(template, "minigrid_env") or "reset" in own,
            library=True,
            success=self.plain and template.reward_win > 0 >= template.reward_lose,
        )

    def make(self, more: tuple[str, ...] = ()) -> Any:
        """MiniHack's own environment, without wrappers, that observes `more` than was asked for."""
        rest = {key: value for key, value in self.options.items() if key not in _OWN}
        crop = self.options.get("crop", 9)
        if self.options.get("max_steps") is not None:
            rest["max_episode_steps"] = self.options["max_steps"]
        entry = gymnasium.spec(self.name)
        kind = gymnasium.envs.registration.load_env_creator(str(entry.entry_point))
        with warnings.catch_warnings(), mock.patch("minihack.envs.minigrid.gym.make", _minigrid):
            warnings.simplefilter("ignore")
            return kind(
                **{
                    **entry.kwargs,
                    "observation_keys": list(dict.fromkeys((*self.keys, *more))),
                    "obs_crop_h": crop,
                    "obs_crop_w": crop,
                    "fix_moon_phase": True,  # from the seed, not from today's date
                    **rest,
                }
            )

    def staging(self) -> Mapping[str, tuple[tuple[int, ...], str]]:
        spaces = self.template.observation_space.spaces
        return {key: (spaces[key].shape, np.dtype(spaces[key].dtype).name) for key in self.keys}

    def game(self, rows: dict[str, np.ndarray]) -> MiniHackGame | OwnGame:
        return MiniHackGame(self, rows) if self.plain else OwnGame(self, rows)

    def viewer(self) -> tuple[MiniHackGame | OwnGame, Callable[[], Mapping[str, np.ndarray]]]:
        rows = with_screen(self.staging())
        return self.game(rows), lambda: {key: rows[key] for key in SCREEN}


def _key_array(key: str, space: Any) -> Array:
    if key in nethack.OBSERVATION_DESC:
        return array_of(key)
    low, high = float(space.low.min()), float(space.high.max())
    return Array(space.shape, np.dtype(space.dtype).name, low, high)


def family(name: str, options: dict[str, Any]) -> MiniHack:
    """Games of the task `name` (`MiniHack-...-v0`).

    Raises:
      ValueError: for an option's value that cannot be used.
    """
    crop, bank = options.get("crop", 9), options.get("bank", BANK)
    if not isinstance(crop, int) or crop < 1 or crop % 2 == 0:
        raise ValueError(f"crop={crop!r}: an odd number, as the agent is in the middle")
    if bank is not None and bank < 1:
        raise ValueError(f"bank={bank!r}: at least 1 level, or None for a new one every episode")
    mode = options.get("penalty_mode", PENALTY_MODES[0])
    if mode not in PENALTY_MODES:
        raise ValueError(f"penalty_mode={mode!r}: one of {', '.join(PENALTY_MODES)}")
    if not options.get("keys", KEYS):
        raise ValueError("keys=(): at least one observation")
    for key in options.get("keys", ()):
        full = key.removesuffix("_crop")
        if full not in nethack.OBSERVATION_DESC or "pixel" in key:
            known = ", ".join(nethack.OBSERVATION_DESC)
            raise ValueError(f"keys: {key!r} is none of {known}, nor one of these with _crop")
    return MiniHack(name, options)
