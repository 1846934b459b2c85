"""Names and options of host environments, for `envs.make`.

NetHack's tasks keep NLE's names. Options are those of NLE's classes, and of the pool:

    envs.make("NetHackScore-v0", keys=("glyphs", "blstats"), character="val-dwa-law-fem", workers=2)

MiniHack's tasks keep MiniHack's. `gym:NAME` is any environment that `gymnasium.make` knows (Atari's
`ALE/...` and `Vizdoom...` also without `gym:`), with options for its constructor and `preprocess`,
`picture_size` and `frame_stack` for its pictures (`envs.host.games.gymnasium`). All share the
options of the pool: `workers`, `deadline`, `ahead`, `share_pages`.
"""

from __future__ import annotations

import difflib
import functools
import importlib.util
import re
import weakref
from pathlib import Path
from typing import Any

from envs.host.bridge import HostEnvironment
from envs.host.pool import Pool
from envs.host.seeds import Contexts

NETHACK = tuple(
    f"NetHack{task}-v0"
    for task in (
        "Score",
        "Staircase",
        "StaircasePet",
        "Oracle",
        "Gold",
        "Eat",
        "Scout",
        "Challenge",
    )
)
POOL_OPTIONS = ("workers", "deadline", "ahead", "share_pages")

_pools: weakref.WeakValueDictionary[str, Pool] = weakref.WeakValueDictionary()
_PACKAGE = {"nethack": "nle", "minihack": "minihack", "gymnasium": "gymnasium"}
_INSTALL = {"minihack": "'jaxrl-suite[minihack]'"}
_MINIHACK_OPTIONS = (
    "keys", "crop", "bank", "character", "actions", "autopickup", "pet", "spawn_monsters",
    "reward_win", "reward_lose", "penalty_mode", "penalty_step", "penalty_time",
    "allow_all_yn_questions", "allow_all_modes",
)  # fmt: skip


class MissingExtra(ImportError, ValueError):
    """A package that an environment needs is not installed."""


def names() -> list[str]:
    """Environments that can be made here: those whose package is installed."""
    nethack = list(NETHACK) if importlib.util.find_spec("nle") else []
    return [*nethack, *minihack_names()]


@functools.cache
def minihack_names() -> tuple[str, ...]:
    """MiniHack's tasks, read from its sources: importing it takes a second."""
    spec = importlib.util.find_spec("minihack")
    if spec is None or spec.origin is None:
        return ()
    sources = sorted((Path(spec.origin).parent / "envs").glob("*.py"))
    found = (re.findall(r'id="(MiniHack-[^"{}]+)"', source.read_text()) for source in sources)
    every = {name for some in found for name in some}
    # where there is a -v1, Gymnasium refuses the -v0
    return tuple(sorted(n for n in every if n[:-1] + str(int(n[-1]) + 1) not in every))


def kind(name: str) -> str | None:
    """The module of `envs.host.games` that plays `name`, or None: it is no host environment."""
    name = name.partition("?")[0]  # options may follow
    if name in NETHACK:
        return "nethack"
    if name.startswith(("gym:", "ALE/", "Vizdoom")):
        return "gymnasium"
    # a misspelt name is for `make` to tell about, with close matches
    known = minihack_names()
    if name in known or (not known and name.startswith("MiniHack-")):
        return "minihack"
    return None


def on_host(name: str) -> bool:
    """Whether `name` is played on the host; such programs need a single CPU device."""
    return kind(name) is not None


def build(
    name: str,
    options: dict[str, Any],
    max_steps: int | None = None,
    contexts: Contexts = Contexts(),  # noqa: B008 - frozen
) -> HostEnvironment:
    """The environment; equal settings share worker processes.

    Args:
      name: one that `on_host` knows.
      options: of the environment and of the pool.
      max_steps: episode length, or None for the environment's own.
      contexts: fixed levels to draw episodes from.

    Raises:
      ValueError: for an option it does not have, or a value that cannot be used.
      MissingExtra: when its package is not installed.
    """
    module = kind(name)
    if module is None:
        raise ValueError(f"{name!r} is no host environment")
    package = _PACKAGE[module]
    if not importlib.util.find_spec(package):
        raise MissingExtra(f"{name} needs {package}: pip install {_INSTALL.get(package, package)}")
    known: tuple[str, ...] | None = _MINIHACK_OPTIONS
    if module == "nethack":
        from envs.host.games import nethack

        known = tuple(nethack.defaults(name))
    elif module == "gymnasium":
        known = None  # they are for the environment's own constructor
    allowed = sorted([*(known or ()), *POOL_OPTIONS])
    for option in options:
        if known is not None and option not in allowed:
            close = difflib.get_close_matches(option, allowed, n=3, cutoff=0.5)
            hint = (
                f"did you mean {' or '.join(close)}?" if close else f"one of {', '.join(allowed)}"
            )
            raise ValueError(f"option {option!r}: {name} has none such; {hint}")
    own = {key: value for key, value in options.items() if key not in POOL_OPTIONS}
    if max_steps is not None:
        if max_steps < 1:
            raise ValueError(f"max_steps={max_steps!r}: at least 1")
        own["max_steps"] = max_steps
    if module == "nethack":  # its words about a bad value, without a worker's trace around them
        nethack.family(name, own)
    rest = {key: options[key] for key in POOL_OPTIONS if key in options}
    label = repr((name, sorted(own.items()), sorted(rest.items()), contexts))
    pool = _pools.get(label)
    if pool is None or pool.closed:
        pool = _pools[label] = Pool(module, name, own, contexts=contexts, **rest)
    return HostEnvironment(pool)
