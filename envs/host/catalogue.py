"""Names and options of host environments, for `envs.make`.

NetHack's tasks keep NLE's names. Options are those of NLE's classes, and of the pool:

    envs.make("NetHackScore-v0", keys=("glyphs", "blstats"), character="val-dwa-law-fem", workers=2)
"""

from __future__ import annotations

import difflib
import importlib.util
import weakref
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
POOL_OPTIONS = ("workers", "deadline", "ahead")

_pools: weakref.WeakValueDictionary[str, Pool] = weakref.WeakValueDictionary()


def names() -> list[str]:
    """Environments that can be made here: those whose package is installed."""
    return list(NETHACK) if importlib.util.find_spec("nle") else []


def on_host(name: str) -> bool:
    """Whether `name` is played on the host; such programs need a single CPU device."""
    return name in NETHACK


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
      ImportError: when its package is not installed.
    """
    if not importlib.util.find_spec("nle"):
        raise ImportError(f"{name} needs NLE: pip install nle")
    from envs.host.games import nethack

    known = nethack.defaults(name)
    allowed = sorted([*known, *POOL_OPTIONS])
    for option in options:
        if option not in allowed:
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
    nethack.family(name, own)  # its words about a bad value, without a worker's trace around them
    rest = {key: options[key] for key in POOL_OPTIONS if key in options}
    label = repr((name, sorted(own.items()), sorted(rest.items()), contexts))
    pool = _pools.get(label)
    if pool is None or pool.closed:
        pool = _pools[label] = Pool("nethack", name, own, contexts=contexts, **rest)
    return HostEnvironment(pool)
