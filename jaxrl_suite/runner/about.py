"""What `jaxrl list` and `jaxrl envs` print: the names there are, and what an environment looks like."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import rich.box
from rich.console import Console
from rich.table import Table

import envs
from envs import registry
from envs.control import classic
from envs.grid.engine import GridWorld
from envs.grid.levels import LEVELS
from envs.host import catalogue, texts
from envs.host.pool import Pool
from envs.options import defaults_of, split_name

_ANY = """\
and any environment of Gymnasium's: gym:NAME, gym:CartPole-v1 say, gym:ALE/Pong-v5 or gym:MODULE:NAME of
a module that registers its own; Atari's ALE/... and Vizdoom... work without gym:"""
_LONGEST = 40  # characters of a default


def list_all(package: str) -> None:
    """Experiments, bonuses and environments."""
    from jaxrl_suite import experiment
    from jaxrl_suite.exploration import catalog

    console = Console()
    table = Table("experiment", "what it is", "paper", box=rich.box.SIMPLE, title_justify="left")
    for spec in experiment.registered(package).values():
        table.add_row(spec.name, spec.summary, spec.paper)
    console.print(table)
    names = ", ".join(catalog.names())
    console.print(f"bonuses (--bonus NAME, or e.g. 'e3b*noveld'):\n  {names}\n", highlight=False)
    console.print("environments (--env NAME; `jaxrl envs NAME` tells more):", highlight=False)
    list_environments(console)


def list_environments(console: Console | None = None) -> None:
    """The names that `envs.make` takes."""
    console = console or Console()
    if console.is_terminal:
        from rich.columns import Columns

        console.print(Columns(envs.registered(), padding=(0, 2)))
    else:
        print("\n".join(f"  {name}" for name in envs.registered()))
    console.print(_ANY, highlight=False, markup=False, soft_wrap=True)


def describe(name: str, console: Console | None = None) -> None:
    """Prints an environment's description, spaces, length of an episode, and options.

    Raises:
      ConfigError: for a name or an option that `envs.make` refuses.
    """
    from jaxrl_suite.evaluation import horizon
    from jaxrl_suite.experiment import ConfigError

    try:
        inside = split_name(name)[1]
        env, params = envs.make(name)
        own = registry.options_of(name)
    except ValueError as error:
        raise ConfigError("env", name, str(error)) from None
    inner = getattr(env, "unwrapped", env)
    told = _told(name, inner)
    shared = _shared(name, inner)
    own = {option: default for option, default in own.items() if option not in shared}
    console = console or Console()

    def line(text: str) -> None:
        console.print(text, highlight=False, markup=False)

    line(f"{name}: {_about(name, inner)}\n")
    for key, space in _spaces(env.observation_space(params)):
        line(f"observation  {key}{_space(space)}")
    line(f"action       {_space(env.action_space(params))}")
    line(f"episode      at most {horizon(env):,} steps\n")
    for title, options in (("its own options", own), ("options of many", shared)):
        table = Table(title, "value", "", box=rich.box.SIMPLE, show_edge=False, pad_edge=False)
        for option, default in sorted(options.items()):
            table.add_row(option, _shown(inside.get(option, default)), told.get(option, ""))
        if options:
            console.print(table)
            line("")
    if catalogue.kind(name) == "gymnasium":
        line("Options of the environment's constructor work, too.")
    first = min(set(own) - set(inside) or set(shared) - set(inside))
    line(f"One is set by --env '{name}{'&' if inside else '?'}{first}=...'")


def _told(name: str, inner: Any) -> dict[str, str]:
    """What an environment's options mean."""
    told = _documented(registry.make) | _documented(Pool, "name", "options")
    for kind in reversed(type(inner).__mro__):
        told |= _documented(kind)
    told |= _documented(registry.maker(name), "name", "max_steps")
    played = catalogue.kind(registry.own_name(name))
    return told if played is None else told | texts.options(played)


def _shared(name: str, inner: Any) -> dict[str, Any]:
    """Options that `make` takes itself, less those that this environment has no use for."""
    useless = {"name"}
    if catalogue.on_host(name):
        useless |= {"auto_reset", "bank_size", "distractors", "coverage"}
    if not isinstance(inner, GridWorld):
        useless.add("distractors")
    if not hasattr(inner, "places"):
        useless.add("coverage")
    return {k: v for k, v in defaults_of(registry.make).items() if k not in useless}


def _spaces(space: Any) -> list[tuple[str, Any]]:
    parts = getattr(space, "spaces", None)
    return [("", space)] if parts is None else [(f"{key}: ", part) for key, part in parts.items()]


def _space(space: Any) -> str:
    if hasattr(space, "n"):
        return f"one of {space.n}"
    shape = ", ".join(map(str, space.shape))
    return f"{np.dtype(space.dtype).name}[{shape}] from {space.low:.4g} to {space.high:.4g}"


def _shown(value: Any) -> str:
    if value is None or value is inspect.Parameter.empty:
        return "-"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _about(name: str, inner: Any) -> str:
    """What an environment is, in a sentence or two."""
    known = registry.own_name(name)
    kind = catalogue.kind(known)
    if kind is not None:
        return texts.about(kind, known)
    if known in classic.NAMES:
        return classic.NAMES[known]
    if known not in LEVELS:
        return _paragraph(getattr(inner, "env", inner))
    build = LEVELS[known][0]
    # the module says "NAME: what the task is (where it is from).", the function what is in the level
    task = _paragraph(inspect.getmodule(build)).partition(": ")[2]
    task = re.sub(r" \(MiniGrid[^)]*\)", "", task)
    return f"{task[:1].upper()}{task[1:]} {_paragraph(build)}"


def _paragraph(documented: Any) -> str:
    """The first paragraph of a documentation, in one line."""
    text = inspect.cleandoc(documented.__doc__ or "").partition("\n\n")[0]
    return " ".join(text.split())


def _documented(documented: Any, *less: str) -> dict[str, str]:
    """What a function's or a class's documentation says of its arguments, `less` of some."""
    _, _, block = inspect.cleandoc(documented.__doc__ or "").partition("Args:\n")
    found: dict[str, str] = {}
    names = ""
    for line in block.partition("\n\n")[0].splitlines():
        start = re.match(r"  (\w[\w, ]*): (.*)", line)
        if start:
            names, found[start[1]] = start[1], start[2]
        elif names and line.startswith("    "):
            found[names] += f" {line.strip()}"
    split = {name: text for names, text in found.items() for name in names.split(", ")}
    return {n: text for n, text in split.items() if n not in less and not text.startswith("see ")}
