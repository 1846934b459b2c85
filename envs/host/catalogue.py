"""Names and options of host environments, for `envs.make`.

NetHack's tasks keep NLE's names. Options are those of NLE's classes, and of the pool:

    envs.make("NetHackScore-v0", keys=("glyphs", "blstats"), character="val-dwa-law-fem", workers=2)

MiniHack's tasks keep MiniHack's. `gym:NAME` is any environment that `gymnasium.make` knows (Atari's
`ALE/...` and `Vizdoom...` also without `gym:`), with options for its constructor and `preprocess`,
`picture_size` and `frame_stack` for its pictures (`envs.host.games.gymnasium`). All share the
options of the pool: `workers`, `deadline`, `ahead`, `share_pages`.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import importlib.util
import re
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from envs.host.bridge import HostEnvironment
from envs.host.games import MissingExtra, nethack_characters
from envs.host.pool import Pool
from envs.host.seeds import Contexts
from envs.options import check_like, check_types, defaults_of, merged, split_name, with_lists
from envs.suggest import hint

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

_shared: contextvars.ContextVar[dict[str, HostEnvironment] | None] = contextvars.ContextVar(
    "_shared", default=None
)
_pools: weakref.WeakValueDictionary[str, Pool] = weakref.WeakValueDictionary()
_PACKAGE = {"nethack": "nle", "minihack": "minihack", "gymnasium": "gymnasium"}
_INSTALL = {"minihack": "'jaxrl-suite[minihack]'"}
# MiniHack's tasks choose their own values: these say of which type they are
_MINIHACK_OPTIONS: dict[str, Any] = {
    "keys": ("glyphs",), "crop": 9, "bank": 4096, "character": "", "actions": None, "autopickup": True,
    "pet": False, "spawn_monsters": False, "reward_win": 1.0, "reward_lose": 0.0,
    "penalty_mode": "constant", "penalty_step": 0.0, "penalty_time": 0.0,
    "allow_all_yn_questions": False, "allow_all_modes": False,
}  # fmt: skip
# tasks whose levels come apart from MiniHack, and where in its `dat/boxoban-levels-master` they lie
_BOXOBAN = {
    "MiniHack-Boxoban-Unfiltered-v0": "unfiltered/train",
    "MiniHack-Boxoban-Medium-v0": "medium/train",
    "MiniHack-Boxoban-Hard-v0": "hard",
}
# what MiniHack's classes take and no name can hold
_LEVEL_OPTIONS = ("des_file", "reward_manager")
_OWN_LEVEL = (
    "a level or rewards of your own are a class that a module registers, gym:MODULE:NAME, as the guide "
    "to NetHack shows (docs/guides/nethack.md)"
)
_GYMNASIUM_OPTIONS = {"preprocess": True, "picture_size": 84, "frame_stack": 4}


def names() -> list[str]:
    """Environments that can be made here: those whose package, and files, are installed."""
    nethack = list(NETHACK) if importlib.util.find_spec("nle") else []
    return [*nethack, *(name for name in minihack_names() if not _lacks(name))]


def _lacks(name: str) -> Path | None:
    """The folder of level files that a task needs and that is empty or absent."""
    if name not in _BOXOBAN:
        return None
    folder = _minihack() / "dat" / "boxoban-levels-master" / _BOXOBAN[name]
    return None if any(folder.glob("*.txt")) else folder


def _minihack() -> Path:
    """Where MiniHack is installed."""
    spec = importlib.util.find_spec("minihack")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


@functools.cache
def minihack_names() -> tuple[str, ...]:
    """MiniHack's tasks, read from its sources: importing it takes a second."""
    if not importlib.util.find_spec("minihack"):
        return ()
    sources = sorted((_minihack() / "envs").glob("*.py"))
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
    module, own, rest = _checked(name, options, max_steps)
    label = repr((name, sorted(own.items()), sorted(rest.items()), contexts))
    pool = _pools.get(label)
    if pool is None or pool.closed:
        pool = _pools[label] = Pool(module, name, own, contexts=contexts, **rest)
    kept = _shared.get()
    if kept is None:
        return HostEnvironment(pool)
    if label not in kept or kept[label].pool is not pool:
        kept[label] = HostEnvironment(pool)
    return kept[label]


@contextlib.contextmanager
def sharing(kept: dict[str, HostEnvironment]) -> Iterator[None]:
    """Inside, `build` makes one environment of equal settings, not a new one: one set of games.

    Args:
      kept: holds them, for as long as the caller does.
    """
    before = _shared.set(kept)
    try:
        yield
    finally:
        _shared.reset(before)


def pool(
    name: str,
    *,
    max_steps: int | None = None,
    num_contexts: int | None = None,
    context_seed: int = 0,
    **options: Any,
) -> Pool:
    """Workers for loops without JAX (`Pool.group`), shared with nobody: close them.

    Args:
      name: as for `envs.make`, options in it too.
      max_steps, num_contexts, context_seed: as for `envs.make`.
      **options: of the environment and of the pool.

    Raises:
      UnknownOption: for an option it does not have, or that stands twice with two values.
      ValueError: for another name, or a value that cannot be used.
      MissingExtra: when its package is not installed.
    """
    name, inside = split_name(name)
    own: dict[str, Any] = {
        "max_steps": max_steps,
        "num_contexts": num_contexts,
        "context_seed": context_seed,
    }
    given = merged(inside, {**own, **options}, defaults_of(pool))
    check_types(name, given, pool)
    max_steps = given.pop("max_steps")
    contexts = Contexts(given.pop("num_contexts"), given.pop("context_seed"))
    module, own, rest = _checked(name, given, max_steps)
    return Pool(module, name, own, contexts=contexts, **rest)


def _checked(
    name: str, options: dict[str, Any], max_steps: int | None
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """The module of `envs.host.games`, the environment's options and the pool's; raises as `build`."""
    module = kind(name)
    if module is None:
        raise ValueError(f"{name!r} is no host environment")
    package = _PACKAGE[module]
    if not importlib.util.find_spec(package):
        raise MissingExtra(f"{name} needs {package}: pip install {_INSTALL.get(package, package)}")
    folder = _lacks(name)
    if folder is not None:
        script = "python -m minihack.scripts.download_boxoban_levels"
        raise MissingExtra(f"{name} needs Boxoban's levels, *.txt in {folder}: {script} gets them")
    examples = _examples(name, module)
    if module != "gymnasium":  # whose others are for the environment's own constructor
        allowed = sorted([*examples, *POOL_OPTIONS])
        for option in options:
            if option not in allowed:
                meant = _OWN_LEVEL if option in _LEVEL_OPTIONS else hint(option, allowed)
                raise ValueError(f"option {option!r}: {name} has none such; {meant}")
    options = with_lists(options, examples)
    check_types(name, {key: options[key] for key in POOL_OPTIONS if key in options}, Pool)
    check_like(name, options, {**examples, "actions": None})
    if module != "gymnasium":
        if options.get("character") is not None:
            nethack_characters.check(options["character"])
        _check_actions(options.get("actions"), ("task", "full") if module == "nethack" else ())
    own = {key: value for key, value in options.items() if key not in POOL_OPTIONS}
    if max_steps is not None:
        if max_steps < 1:
            raise ValueError(f"max_steps={max_steps!r}: at least 1")
        own["max_steps"] = max_steps
    if module == "nethack":  # its words about a bad value, without a worker's trace around them
        from envs.host.games import nethack

        nethack.family(name, own)
    rest = {key: options[key] for key in POOL_OPTIONS if key in options}
    return module, own, rest


def _check_actions(actions: Any, words: tuple[str, ...]) -> None:
    """Refuses what is neither one of `words` nor a list of key codes; raises as `build`."""
    if actions is None or (isinstance(actions, str) and actions in words):
        return
    listed = isinstance(actions, (tuple, list)) and len(actions) > 0
    if not listed or not all(isinstance(code, int) for code in actions):
        named = "".join(f"{word!r} or " for word in words)
        raise ValueError(f"actions={actions!r}: {named}a list of key codes, such as (107, 108)")


def _examples(name: str, module: str) -> dict[str, Any]:
    """Options of an environment, less the pool's, each with a value of its type."""
    if module == "nethack":
        from envs.host.games import nethack

        return nethack.defaults(name)
    return _MINIHACK_OPTIONS if module == "minihack" else _GYMNASIUM_OPTIONS


def options_of(name: str) -> dict[str, Any]:
    """Options of a host environment and their defaults; None: the task or the machine decides."""
    module = kind(name)
    own = _examples(name, module or "")
    if module != "nethack":
        own = dict.fromkeys(own)
    return {**own, **{key: defaults_of(Pool)[key] for key in POOL_OPTIONS}}
