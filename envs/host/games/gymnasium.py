"""Any Gymnasium environment as a game of the pool: `gym:CartPole-v1`, `gym:ALE/Pong-v5`, ...

An environment that a module of one's own registers is `gym:MODULE:NAME`, as for `gymnasium.make`: games
are played by worker processes, which import the module; what a script registers they do not see.

Observations may be arrays, discrete, or (nested) dictionaries of these; nested keys are joined by
"/", text is left out. Actions are discrete or one array. 64-bit numbers become 32-bit ones, as in JAX.

An episode's seed goes to `reset(seed=)`, and to the game itself where an environment is of NLE's
classes, which ignore that. Environments that draw from anything else cannot be resumed exactly.

Pictures are made ready for learning unless `preprocess=False`. Atari games get the usual treatment
(Machado et al., 2018): up to 30 no-ops, 4 frames an action, 84 x 84 greys, 4 of them stacked. VizDoom's
screens are scaled to `picture_size`, 42 pixels high and wide as in the ICM and E3B papers.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces, wrappers

from envs.host.games import Array, Description, MissingExtra, doom_home
from envs.host.seeds import Seeds
from envs.host.viewer import PICTURE

UNLIMITED = 1_000_000  # steps of an episode, where the environment names no limit
OWN_OPTIONS = ("max_steps", "preprocess", "picture_size", "frame_stack")
_NARROW = {"int64": "int32", "uint64": "uint32", "float64": "float32"}
_REGISTERED_BY = {"ALE/": "ale_py", "Vizdoom": "vizdoom.gymnasium_wrapper", "MiniGrid": "minigrid"}
_DRAWN = "rgb_array"  # Gymnasium's name of the render mode
_OWN = (
    "An environment of your own is gym:MODULE:NAME, of a module that registers it: worker processes "
    "import MODULE, which has to lie beside your script or on PYTHONPATH"
)
_REST = "_"  # key of an observation that is no dictionary


def _is_missing(name: str, error: ModuleNotFoundError) -> bool:
    """Whether the module of `MODULE:NAME` itself cannot be found."""
    module, colon, _ = name.partition(":")
    try:
        return bool(colon) and importlib.util.find_spec(module) is None
    except ModuleNotFoundError:  # a package above it is missing
        return True


def make(name: str, options: Mapping[str, Any]) -> gymnasium.Env:
    """`gymnasium.make`, after importing the package that registers `name` where one is known.

    Raises:
      ValueError: for a name that is not registered, or whose module is not found, and options that it
        refuses.
      MissingExtra: when a package is missing that it needs.
    """
    if not name:
        raise ValueError("gym:NAME names an environment of Gymnasium, gym:CartPole-v1 say")
    for prefix, module in _REGISTERED_BY.items():
        if name.startswith(prefix) and importlib.util.find_spec(module.partition(".")[0]):
            imported = importlib.import_module(module)
            if prefix == "ALE/":
                gymnasium.register_envs(imported)
            if name in doom_home.STARTS:
                doom_home.register(name)
    rest = {key: value for key, value in options.items() if key not in OWN_OPTIONS}
    preprocess = options.get("preprocess", True)
    atari = preprocess and name.startswith("ALE/") and "ram" not in name
    limit = options.get("max_steps")
    if atari:
        rest.setdefault("frameskip", 1)
    try:
        env = gymnasium.make(name, max_episode_steps=None if atari else limit, **rest)
    except gymnasium.error.UnregisteredEnv as error:
        raise ValueError(f"{error} {_OWN}") from None
    except (gymnasium.error.DependencyNotInstalled, ImportError) as error:
        if isinstance(error, ModuleNotFoundError) and _is_missing(name, error):
            module = error.name or name.partition(":")[0]
            raise ValueError(f"no module {module!r} here. {_OWN}") from None
        raise MissingExtra(f"{name} needs a package that is missing: {error}") from error
    except gymnasium.error.Error as error:
        raise ValueError(str(error)) from error
    except Exception as error:
        if not rest:  # nothing was asked for: the environment's own error, to be seen whole
            raise
        given = ", ".join(f"{key}={value!r}" for key, value in rest.items())
        raise ValueError(f"{given}: {name} refuses it: {error}") from error
    for option in ("picture_size", "frame_stack"):
        if options.get(option) is not None and options[option] < 1:
            raise ValueError(f"{option}={options[option]!r}: at least 1")
    size = options.get("picture_size")
    if atari:
        env = wrappers.AtariPreprocessing(env, screen_size=size or 84)
        env = wrappers.FrameStackObservation(env, options.get("frame_stack") or 4)
        return env if limit is None else wrappers.TimeLimit(env, limit)
    if preprocess and name.startswith("Vizdoom"):
        size = size or 42
    if size:
        env = scaled(env, size)
    if options.get("frame_stack"):
        env = wrappers.FrameStackObservation(env, options["frame_stack"])
    return env


def scaled(env: gymnasium.Env, size: int) -> gymnasium.Env:
    """`env` with every picture, in a dictionary or alone, scaled to `size` x `size`.

    Raises:
      ValueError: where there is none.
    """
    import cv2

    def is_picture(space: spaces.Space) -> bool:
        return isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) == 3

    def small(space: spaces.Space) -> spaces.Space:
        return spaces.Box(0, 255, (size, size, space.shape[2]), np.uint8)  # type: ignore[index]

    def scale(x: np.ndarray) -> np.ndarray:
        return cv2.resize(x, (size, size), interpolation=cv2.INTER_AREA).reshape(size, size, -1)

    whole = env.observation_space
    if isinstance(whole, spaces.Dict):
        names = {key for key, part in whole.spaces.items() if is_picture(part)}
        if names:
            after: spaces.Space = spaces.Dict(
                {k: small(part) if k in names else part for k, part in whole.spaces.items()}
            )
            return wrappers.TransformObservation(
                env, lambda x: {k: scale(v) if k in names else v for k, v in x.items()}, after
            )
    elif is_picture(whole):
        return wrappers.TransformObservation(env, scale, small(whole))
    raise ValueError(f"picture_size={size!r}: observation space {whole} has no pictures")


def leaves(space: spaces.Space, key: str = "") -> Iterator[tuple[str, spaces.Space]]:
    """The arrays an observation consists of.

    Raises:
      ValueError: for a space that is no array.
    """
    if isinstance(space, spaces.Dict):
        for name, part in space.spaces.items():
            yield from leaves(part, f"{key}/{name}" if key else name)
    elif space.dtype is not None and space.dtype.kind == "U":
        return  # text
    elif isinstance(space, (spaces.Box, spaces.Discrete, spaces.MultiBinary, spaces.MultiDiscrete)):
        yield key or _REST, space
    else:
        raise ValueError(f"observation {key or 'space'}: {space} is no array; wrap the environment")


def array(space: spaces.Space) -> Array:
    """Shape, dtype and scalar bounds as JAX gets them."""
    dtype = np.dtype(space.dtype).name
    if isinstance(space, spaces.Discrete):
        low, high = float(space.start), float(space.start + space.n - 1)
    elif isinstance(space, spaces.MultiDiscrete):
        low, high = float(np.min(space.start)), float(np.max(space.start + space.nvec - 1))
    elif isinstance(space, spaces.MultiBinary):
        low, high = 0.0, 1.0
    else:
        assert isinstance(space, spaces.Box)
        low, high = float(np.min(space.low)), float(np.max(space.high))
    return Array(tuple(space.shape or ()), _NARROW.get(dtype, dtype), low, high)


class GymnasiumGame:
    """One environment; `rows` are its observations."""

    def __init__(self, env: gymnasium.Env, rows: dict[str, np.ndarray]):
        self.env, self.rows = env, rows
        action = env.action_space
        self.start = int(action.start) if isinstance(action, spaces.Discrete) else None
        # NLE's classes, MiniHack's too, ignore `reset(seed=)`; what is one has imported the module
        nle = sys.modules.get("nle.env.base")
        self.nethack = env.unwrapped.nethack if nle and isinstance(env.unwrapped, nle.NLE) else None

    def reset(self, seeds: Seeds) -> None:
        if self.nethack is not None:
            self.nethack.set_initial_seeds(seeds.core, seeds.disp, False)
        observation, _ = self.env.reset(seed=seeds.core % 2**31)
        self._write(observation, "")

    def step(self, action: Any) -> tuple[float, bool, bool]:
        diverged = False
        if self.start is not None:
            action = self.start + int(action)
        else:
            space = self.env.action_space
            assert isinstance(space, spaces.Box)
            diverged = not np.isfinite(action).all()
            if diverged:  # few games say so themselves, some of them crash
                action = np.nan_to_num(action)
            action = np.clip(action, space.low, space.high).astype(space.dtype)
        observation, reward, terminated, truncated, _ = self.env.step(action)
        self._write(observation, "")
        return math.nan if diverged else float(reward), bool(terminated), bool(truncated)

    def _write(self, observation: Any, key: str) -> None:
        if isinstance(observation, Mapping):
            for name, part in observation.items():
                if not isinstance(part, str):
                    self._write(part, f"{key}/{name}" if key else name)
        else:
            row = self.rows[key or _REST]
            value = np.asarray(observation)
            if value.shape != row.shape:
                name = f"observation {key!r}" if key else "the observation"
                raise ValueError(f"{name} has shape {value.shape}, its space says {row.shape}")
            row[...] = value

    def close(self) -> None:
        self.env.close()


class GymnasiumFamily:
    """Environments of one name and the same options."""

    def __init__(self, name: str, options: dict[str, Any]):
        self.name, self.options = name, options
        env = make(name, options)
        observation = {key: array(space) for key, space in leaves(env.observation_space)}
        limit = options.get("max_steps") or (env.spec.max_episode_steps if env.spec else None)
        action = env.action_space
        if not isinstance(action, (spaces.Discrete, spaces.Box)):
            raise ValueError(f"action space {action}: discrete or one array")
        self.description = Description(
            observation=observation,
            single=set(observation) == {_REST},
            action=int(action.n) if isinstance(action, spaces.Discrete) else array(action),
            max_steps=int(limit or UNLIMITED),
        )
        self.modes = list(env.metadata.get("render_modes") or [])
        env.close()

    def staging(self) -> Mapping[str, tuple[tuple[int, ...], str]]:
        return {key: (a.shape, a.dtype) for key, a in self.description.observation.items()}

    def game(self, rows: dict[str, np.ndarray]) -> GymnasiumGame:
        return GymnasiumGame(make(self.name, self.options), rows)

    def viewer(self) -> tuple[GymnasiumGame, Callable[[], Mapping[str, np.ndarray]]]:
        modes = self.modes
        if _DRAWN not in modes:
            raise NotImplementedError(f"render modes {modes}, {_DRAWN!r} is not among them")
        env = make(self.name, {**self.options, "render_mode": _DRAWN})
        rows = {key: np.zeros(shape, dtype) for key, (shape, dtype) in self.staging().items()}
        return GymnasiumGame(env, rows), lambda: {PICTURE: np.asarray(env.render())}


def family(name: str, options: dict[str, Any]) -> GymnasiumFamily:
    """Games of `name`, with or without `gym:` in front.

    Raises:
      ValueError: for spaces that arrays cannot hold.
    """
    name = name.removeprefix("gym:")
    if name.startswith("Vizdoom"):
        os.chdir(tempfile.gettempdir())  # it leaves files where it runs; this is the worker's own
    return GymnasiumFamily(name, options)
