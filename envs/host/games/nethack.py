"""NetHack through NLE's low-level class, its observations written in place, its tasks by name.

What `nle.env.base.NLE` does around `step` (walking through prompts, ending an episode) is done here
on the game's own buffers, without copies. Differences from NLE's Gymnasium classes, all on purpose:

* an episode cut at `max_steps` is `truncated`, not `terminated`;
* the last observation of an episode cut short or won is the one the agent saw, not what is on
  screen after NLE has typed "#quit" into the game;
* times of day and phases of the moon come from the seed, so a seed and actions fix an episode;
* `NetHackChallenge-v0` takes seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from nle import nethack
from nle.env import base, tasks

from envs.host.games import Array, Description
from envs.host.games.nethack_tasks import PENALTY_MODES, TASKS, Score, Staircase
from envs.host.seeds import Seeds, mix
from envs.host.viewer import SCREEN

KEYS = ("glyphs", "blstats", "message")
_ALWAYS = ("blstats", "message", "program_state", "internal")
_SPACE, _ESCAPE = ord(" "), base.ASCII_ESC
_GAME_OVER, _IN_MOVELOOP = 0, 3  # of `program_state`
_YES_NO, _TEXT, _WAITS = 1, 2, 3  # of `internal`
_NARROW = {"int64": "int32"}  # JAX has 32 bits; blstats' numbers fit


class NetHackGame:
    """One game; `rows` are its observations, written by the game itself."""

    def __init__(self, options: Mapping[str, Any], task: Score, rows: dict[str, np.ndarray]):
        self.task = task
        self.actions = [int(action) for action in options["actions"]]
        self.all_modes = options["allow_all_modes"]
        self.all_questions = options["allow_all_yn_questions"]
        self.max_steps = options["max_steps"]
        self.timeout = options["no_progress_timeout"]
        self.nethack = nethack.Nethack(
            observation_keys=(),
            playername="Agent-" + options["character"],
            ttyrec=None,
            options=options["options"],
            spawn_monsters=options["spawn_monsters"],
            fix_moon_phase=True,
        )
        buffers = dict(rows)
        for key in (*_ALWAYS, *task.needs):
            if key not in buffers:
                buffers[key] = np.zeros(**nethack.OBSERVATION_DESC[key])
        self.game = self.nethack._pynethack
        self.game.set_buffers(**buffers)
        self.in_normal_game = self.game.in_normal_game
        self.message, self.glyphs = buffers["message"], buffers.get("glyphs")
        # single numbers are read through memoryviews, faster than through arrays
        self.blstats = buffers["blstats"].data
        self.program_state = buffers["program_state"].data
        self.internal = buffers["internal"].data

    def reset(self, seeds: Seeds) -> None:
        core, disp = seeds
        while True:
            self.game.set_initial_seeds(core, disp, False, None)
            self.game.reset()
            for _ in range(1000):
                if self.program_state[_IN_MOVELOOP]:
                    break
                self.game.step(_SPACE)
            else:  # stuck before the first move (a prompt for a name): the next seed, always the same
                core, disp = mix(core + 1) >> 1, mix(disp + 1) >> 1
                continue
            break
        self.steps, self.idle, self.idle_turn = 0, 0, None
        self._over_time()
        self.task.start(self)

    def step(self, action: Any) -> tuple[float, bool, bool]:
        game = self.game
        if not 0 <= action < len(self.actions):  # Python would count negative ones from the end
            raise IndexError(f"action {action}: from 0 to {len(self.actions) - 1}")
        game.step(self.actions[action])
        if self.timeout:
            self._over_time()  # NLE looks twice a step, and counts both
        if self.program_state[_GAME_OVER] == 1 or not self.all_modes:
            self._pass_prompts()
        self.steps += 1
        done = game.done()
        over_time = self._over_time() and not done
        won = not done and not over_time and self.task.won(self)
        return self.task.reward(self, won), done or won, over_time

    def _over_time(self) -> bool:
        if self.timeout:
            turn = self.blstats[nethack.NLE_BL_TIME]
            self.idle = self.idle + 1 if turn == self.idle_turn else 0
            self.idle_turn = turn
            if self.idle >= self.timeout:
                return True
        return self.steps >= self.max_steps

    def _pass_prompts(self) -> None:
        """As `NLE._perform_known_steps`: goes past text the game wants read or answered."""
        step, internal = self.game.step, self.internal
        while not self.game.done():
            if internal[_WAITS]:
                step(_SPACE)
            elif internal[_TEXT]:
                step(_ESCAPE)
            elif internal[_YES_NO]:
                if self.all_questions:
                    return
                message = self.message.tobytes()
                if any(question in message for question in base.SKIP_EXCEPTIONS):
                    return
                step(_ESCAPE)
                return
            else:
                return

    def close(self) -> None:
        self.nethack.close()


class NetHack:
    """Games of one of NLE's tasks."""

    def __init__(self, name: str, options: dict[str, Any]):
        self.name, self.options = name, {**defaults(name), **options}
        self.keys = tuple(self.options["keys"])
        own = self.options["actions"]
        if isinstance(own, str):
            own = {"task": tasks.TASK_ACTIONS, "full": nethack.ACTIONS}[own]
            self.options["actions"] = own
        self.description = Description(
            observation={key: array_of(key) for key in self.keys},
            single=False,
            action=len(own),
            max_steps=int(self.options["max_steps"]),
            library=True,
            success=issubclass(TASKS[name], Staircase),
        )

    def staging(self) -> Mapping[str, tuple[tuple[int, ...], str]]:
        described = ((key, nethack.OBSERVATION_DESC[key]) for key in self.keys)
        return {key: (d["shape"], np.dtype(d["dtype"]).name) for key, d in described}

    def game(self, rows: dict[str, np.ndarray]) -> NetHackGame:
        penalty = (self.options[f"penalty_{part}"] for part in ("mode", "step", "time"))
        return NetHackGame(self.options, TASKS[self.name](*penalty), rows)

    def viewer(self) -> tuple[NetHackGame, Callable[[], Mapping[str, np.ndarray]]]:
        rows = with_screen(self.staging())
        return self.game(rows), lambda: {key: rows[key] for key in SCREEN}


def with_screen(staging: Mapping[str, tuple[tuple[int, ...], str]]) -> dict[str, np.ndarray]:
    """Arrays for one game's observations and its terminal."""
    rows = {key: np.zeros(shape, dtype) for key, (shape, dtype) in staging.items()}
    screen = {key: np.zeros(**nethack.OBSERVATION_DESC[key]) for key in SCREEN}
    return {**screen, **rows}


def array_of(key: str) -> Array:
    """Shape, dtype and bounds of one of NLE's observations, as JAX gets them."""
    space = dict(base.NLE_SPACE_ITEMS).get(key)
    described = nethack.OBSERVATION_DESC[key]
    dtype = np.dtype(described["dtype"]).name
    low, high = (-(2.0**31), 2.0**31 - 1) if space is None else (space.low.min(), space.high.max())
    return Array(described["shape"], _NARROW.get(dtype, dtype), float(low), float(high))


def defaults(name: str) -> dict[str, Any]:
    """A task's options and NLE's own values of them; `keys` are those most agents use."""
    challenge, options = name == "NetHackChallenge-v0", nethack.NETHACKOPTIONS
    if name == "NetHackGold-v0":
        options = ["pickup_types:$" if o.startswith("pickup_types") else o for o in options]
    return {
        "keys": KEYS,
        "character": "@" if challenge else "mon-hum-neu-mal",
        "options": tuple(options),
        "actions": "full" if challenge else "task",
        "max_steps": 1_000_000 if challenge else 5000,
        "allow_all_yn_questions": challenge,
        "allow_all_modes": challenge,
        "spawn_monsters": True,
        "penalty_mode": "constant",
        "penalty_step": 0.0 if challenge else -0.01,
        "penalty_time": 0.0,
        "no_progress_timeout": 10_000 if challenge else 0,
    }


def family(name: str, options: dict[str, Any]) -> NetHack:
    """Games of the task `name`.

    Raises:
      ValueError: for an option's value that cannot be used.
    """
    for key in options.get("keys", ()):
        if key not in nethack.OBSERVATION_DESC:
            raise ValueError(f"keys: {key!r} is none of {', '.join(nethack.OBSERVATION_DESC)}")
    if not options.get("keys", KEYS):
        raise ValueError("keys=(): at least one observation")
    mode = options.get("penalty_mode", "constant")
    if mode not in PENALTY_MODES:
        raise ValueError(f"penalty_mode={mode!r}: one of {', '.join(PENALTY_MODES)}")
    return NetHack(name, options)
