"""`make` and `registered`: environments by name, with clear errors for names and options.

A name is looked up in the grid levels (MiniGrid's names without `MiniGrid-` and `-v0`), in classic
control, mazes and locks. Options that `make` takes itself choose wrappers; all others go to the
environment's own factory (`size=12`, `view_size=9`, ...). Options may stand in the name too, as in an
address, so that whatever takes a name takes them:
`NetHackScore-v0?character=val-dwa-law-fem&workers=2`.
"""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Callable
from typing import Any

from envs import checking, lock, maze, wrappers
from envs.control import classic
from envs.core import Environment
from envs.coverage import Coverage
from envs.grid.engine import GridWorld
from envs.grid.levels import LEVELS
from envs.host import catalogue
from envs.host.seeds import Contexts
from envs.options import (
    UnknownOption,
    check_options,
    check_types,
    defaults_of,
    merged,
    split_name,
    with_options,
)
from envs.raycast import world as raycast
from envs.suggest import hint

Factory = Callable[..., tuple[Environment, str]]

_registry: dict[str, Factory] = {}


class UnknownEnvironment(ValueError):
    """No environment has this name; the message lists close ones."""


def register(name: str, factory: Factory) -> None:
    """Adds an environment.

    Args:
      name: its name for `make`.
      factory: `(**options) -> (environment without auto-reset, its default auto-reset mode)`.

    Raises:
      ValueError: if the name is taken.
    """
    if name in _registry:
        raise ValueError(f"environment {name!r} is registered already")
    _registry[name] = factory


def registered() -> list[str]:
    """Names for `make`, in alphabetical order, numbers in them by their size."""

    def parts(name: str) -> list[tuple[str, int]]:
        return [(text, int(n or 0)) for text, n in re.findall(r"(\D*)(\d*)", name)]

    return sorted([*_registry, *catalogue.names()], key=parts)


def make(
    name: str,
    *,
    auto_reset: str | None = None,
    bank_size: int = 256,
    max_steps: int | None = None,
    num_contexts: int | None = None,
    context_seed: int = 0,
    distractors: int = 0,
    noise: int = 0,
    time_counter: bool = False,
    coverage: bool = False,
    log: bool = True,
    **options: Any,
) -> tuple[Environment, Any]:
    """An environment and its default parameters.

    Args:
      name: as `registered()` lists them; MiniGrid's full ids (`MiniGrid-DoorKey-8x8-v0`) work too.
        Options may follow: `NAME?OPTION=VALUE&OPTION=VALUE`.
      auto_reset: "exact", "bank" or "none" (see `wrappers.AutoReset`); None takes the
        environment's default, "bank" where drawing a level is expensive.
      bank_size: levels in a bank.
      max_steps: episode length; None keeps the environment's own.
      num_contexts: draw episodes from this many fixed levels only.
      context_seed: which levels those are.
      distractors: coloured balls that drift over the floor of a grid level, seen but never touched.
      noise: fresh random bits in every observation.
      time_counter: put the step number into every observation.
      coverage: pay new places in the place of the environment's own reward (`Coverage`).
      log: put `episode_return`, `episode_length`, `episode_done` into `info`.
      **options: for the environment itself.

    Raises:
      UnknownEnvironment: for a name nobody registered, with close matches.
      UnknownOption: for an option the environment does not have, with the ones it has.
      MissingExtra: where it needs a package that is not installed; an ImportError, too.
      BrokenProtocol: for a registered environment that does not keep to the protocol.
      ValueError: for a value that cannot be used. The others are ValueErrors, too.
    """
    given: dict[str, Any] = {
        "auto_reset": auto_reset, "bank_size": bank_size, "max_steps": max_steps,
        "num_contexts": num_contexts, "context_seed": context_seed,
        "distractors": distractors, "noise": noise, "time_counter": time_counter,
        "coverage": coverage, "log": log,
    }  # fmt: skip
    if "?" in name:
        name, inside = split_name(name)
        return make(name, **merged(inside, {**given, **options}, defaults_of(make)))
    check_types(name, given, make)
    known = own_name(name)
    if catalogue.on_host(known):
        env = _on_host(known, auto_reset, max_steps, num_contexts, context_seed, options)
        if distractors:
            raise UnknownOption(f"distractors={distractors!r}: {name} is not a grid level")
        if coverage:
            raise UnknownOption(f"coverage={coverage!r}: {name} has no map of places")
        return _described(env, log, noise, time_counter)
    if known not in _registry:
        raise _unknown(name)
    env, default_reset = _registry[known](**options)
    if isinstance(getattr(env, "unwrapped", env), catalogue.HostEnvironment):
        _check_resets_itself(name, given)
    if known not in _own:
        checking.check_shapes(env)
    if distractors:
        from envs.grid.distractors import MovingDistractors

        if not isinstance(env, GridWorld):
            raise UnknownOption(f"distractors={distractors!r}: {name} is not a grid level")
        env = MovingDistractors(env, distractors)
    if coverage:
        env = Coverage(env)
    if num_contexts is not None:
        env = wrappers.FixedContexts(env, num_contexts, context_seed)
    if max_steps is not None:
        horizon = getattr(env, "horizon", max_steps)  # of a lock: what its task is
        if max_steps > horizon:
            raise UnknownOption(f"max_steps={max_steps!r}: at most {name}'s {horizon}")
        env = wrappers.TimeLimit(env, max_steps)
    mode = default_reset if auto_reset is None else auto_reset
    if mode not in ("exact", "bank", "none"):
        raise UnknownOption(f"auto_reset={mode!r}: 'exact', 'bank' or 'none'")
    if mode != "none":
        env = wrappers.AutoReset(env, mode, bank_size)
    return _described(env, log, noise, time_counter)


def _check_resets_itself(name: str, given: dict[str, Any]) -> None:
    """Refuses what would cut or begin episodes around games that do so themselves."""
    for option in ("auto_reset", "max_steps", "num_contexts"):
        if given[option] not in (None, "none"):
            raise UnknownOption(
                f"{option}={given[option]!r}: the games of {name} reset themselves; give it to the "
                "envs.make that makes them"
            )


def options_of(name: str) -> dict[str, Any]:
    """An environment's own options with their defaults, beside those that `make` takes for all.

    A default may be None (what the task or the machine says) or `inspect.Parameter.empty` (none).

    Raises:
      UnknownEnvironment: for a name nobody registered.
    """
    known = own_name(name)
    if catalogue.on_host(known):
        return catalogue.options_of(known)
    if known not in _registry:
        raise _unknown(name)
    factory = _registry[known]
    told = getattr(factory, "options", None)
    return dict(defaults_of(factory) if told is None else told)


def maker(name: str) -> Factory | None:
    """What makes an environment that is not played on the host; its documentation tells the options.

    None for a name nobody registered.
    """
    return _registry.get(own_name(name))


def _unknown(name: str) -> UnknownEnvironment:
    import gymnasium  # this late, as making grid levels does not need it

    known = own_name(name)
    meant = hint(known, registered())
    with contextlib.suppress(ImportError):
        importlib.import_module("ale_py")  # which tells Gymnasium of Atari's games
    atari = [n for n in (f"ALE/{known}", f"ALE/{known}-v5") if n in gymnasium.registry]
    if atari:
        meant = f"did you mean {atari[0]}?"
    elif known in gymnasium.registry:
        meant = f"Gymnasium has it: gym:{name}"
    return UnknownEnvironment(f"environment {name!r} is not known: {meant}")


def own_name(name: str) -> str:
    """The name an environment is registered under, of MiniGrid's ids and names with options, too."""
    name = name.partition("?")[0]
    short = name.removeprefix("MiniGrid-")
    return name if short == name else short.removesuffix("-v0")


def _described(
    env: Environment, log: bool, noise: int, time_counter: bool
) -> tuple[Environment, Any]:
    """The wrappers around an environment that resets itself."""
    if log:
        env = wrappers.EpisodeLog(env)
    if noise:
        env = wrappers.NoiseChannel(env, noise)
    if time_counter:
        env = wrappers.TimeCounter(env)
    return env, env.default_params


def _on_host(
    name: str,
    auto_reset: str | None,
    max_steps: int | None,
    num_contexts: int | None,
    context_seed: int,
    options: dict[str, Any],
) -> Environment:
    """A host environment: it resets itself, and draws contexts and cuts episodes in the workers.

    Raises:
      UnknownOption: for an option it does not have.
    """
    if auto_reset is not None:
        raise UnknownOption(f"auto_reset={auto_reset!r}: {name} resets itself")
    try:
        contexts = Contexts(num_contexts, context_seed)
        return catalogue.build(name, options, max_steps, contexts)
    except catalogue.MissingExtra:
        raise
    except ValueError as error:
        raise UnknownOption(str(error)) from None


def _grid_factory(name: str) -> Factory:
    build, arguments = LEVELS[name]
    level_options = {**defaults_of(build, skip=("name",)), **arguments}
    world_options = defaults_of(GridWorld, skip=("level",))

    def factory(**options: Any) -> tuple[Environment, str]:
        check_options(name, [*level_options, *world_options], options, build, GridWorld)
        world = {k: options.pop(k) for k in world_options if k in options}
        level = build(**{**arguments, **options}, name=name)
        return GridWorld(level, **world), "exact" if level.cheap else "bank"

    factory.__doc__ = build.__doc__
    return with_options(factory, {**level_options, **world_options})


for _name in LEVELS:
    register(_name, _grid_factory(_name))
for _name in classic.NAMES:
    register(_name, classic.factory(_name))


def _raycast_factory(name: str) -> Factory:
    own = {**defaults_of(raycast.RaycastMaze, skip=("name",)), **raycast.NAMES[name]}

    def factory(**options: Any) -> tuple[Environment, str]:
        check_options(name, [*own], options, raycast.RaycastMaze)
        return raycast.RaycastMaze(name, **{**raycast.NAMES[name], **options}), "bank"

    return with_options(factory, own)


for _name in raycast.NAMES:
    register(_name, _raycast_factory(_name))
for _name in lock.NAMES:
    register(_name, lock.factory(_name))
for _name in maze.NAMES:
    register(_name, maze.factory(_name))
_own = frozenset(_registry)  # others' environments are checked where they are made
