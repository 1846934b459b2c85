"""The arguments of `jaxrl run` and `jaxrl sweep`: a config and the runner's options, and a grid."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from jaxrl_suite.runner.arguments import parse
from jaxrl_suite.runner.errors import RunError

if TYPE_CHECKING:
    from jaxrl_suite.experiment import Spec


def take_grid(spec: Spec, arguments: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Takes `--grid FIELD=A,B` out of a command line: the rest, and the values by field."""
    others, fields, waiting = [], {}, iter(arguments)
    known = {field.name for field in dataclasses.fields(spec.config)}
    for argument in waiting:
        flag, equals, text = argument.partition("=")
        if flag != "--grid":
            others.append(argument)
            continue
        text = text if equals else next(waiting, "")
        name, values = _grid_field(text)
        if name in ("seed", "seeds"):
            raise RunError(
                f"grid={text!r}: seeds are no field; --seeds N gives every cell N of them"
            )
        if name not in known:
            from envs.suggest import hint  # this late, as `envs` imports JAX

            raise RunError(f"grid={text!r}: {spec.name} has no {name!r}: {hint(name, known)}")
        fields[name] = values
    return others, fields


def grid_fields(arguments: Sequence[str]) -> dict[str, list[str]]:
    """The values by field of every `--grid FIELD=A,B` in a command line that was taken once."""
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    texts = [a.partition("=")[2] or after for a, after in pairs if a.partition("=")[0] == "--grid"]
    return dict(map(_grid_field, texts))


def _grid_field(text: str) -> tuple[str, list[str]]:
    """`FIELD=A,B` as the field and its values."""
    name, equals, values = text.partition("=")
    if not equals or not values:
        raise RunError(f"grid={text!r}: FIELD=A,B,C")
    return name.replace("-", "_"), values.split(",")


def without(arguments: Sequence[str], names: Collection[str]) -> list[str]:
    """A command line without the options `names` and their values."""
    kept, left = [], list(arguments)
    while left:
        argument = left.pop(0)
        flag, equals, _ = argument.partition("=")
        name = flag.removeprefix("--").replace("-", "_")
        if not flag.startswith("--") or name.removeprefix("no_") not in names:
            kept.append(argument)
        elif not equals and left and not left[0].startswith("--"):
            left.pop(0)
    return kept


def as_option(spec: Spec, name: str, value: str) -> list[str]:
    """`--name value`, or the flag of a field that is true or false."""
    flag, default = name.replace("_", "-"), getattr(spec.config(), name)
    if value.lower() == "none" and type(None) in get_args(get_type_hints(spec.config)[name]):
        value = "None"
    if isinstance(default, bool):
        words = {"true": f"--{flag}", "false": f"--no-{flag}"}
        if value.lower() not in words:
            raise RunError(f"grid={name}={value}: true or false")
        return [words[value.lower()]]
    return [f"--{flag}", value]


def parse_run(spec: Spec, arguments: Sequence[str], prog: str) -> tuple[Any, Any]:
    """An experiment's config and the runner's options from a command line.

    With `--resume`, the run's own config and seeds are the defaults, so that none need repeating.

    Raises:
      RunError: for an unknown option or an unusable value.
    """
    from jaxrl_suite.runner import folder
    from jaxrl_suite.runner.options import Options

    shared = {f.name for f in dataclasses.fields(spec.config)} & {
        f.name for f in dataclasses.fields(Options)
    }
    if shared:
        raise RunError(f"config of {spec.name}: {sorted(shared)} are the runner's own options")
    defaults = {"config": spec.config(), "options": Options()}
    about = f"{spec.summary} {spec.paper}".strip()
    meant = _lengths(spec)
    parsed = parse(defaults, arguments, prog, about, meant=meant)
    first = parsed["options"]
    stored = folder.read(first.out) if first.resume and first.out is not None else None
    if stored is not None and stored["experiment"] == spec.name:
        defaults = {
            "config": folder.with_values(spec.config(), stored["config"]),
            "options": folder.with_values(Options(), stored["runner"]),
        }
        parsed = parse(defaults, arguments, prog, about, meant=meant)
    return parsed["config"], parsed["options"]


def _lengths(spec: Spec) -> dict[str, str]:
    """What to say to somebody who sets a run's length as that of another experiment."""
    fields = [field.name for field in dataclasses.fields(spec.config)]
    own = [name for name in (*spec.length, *spec.budget) if name in fields]
    listed = ", ".join(f"--{name.replace('_', '-')}" for name in own)
    others = [name for name in ("total_steps", "num_updates") if name not in fields]
    text = f"{spec.name} is as long as {listed} say{'s' if len(own) == 1 else ''}"
    return {f"--{name.replace('_', '-')}": text for name in others if own}


def directories_first(arguments: Sequence[str]) -> list[str]:
    """`--metric A B DIR` as `DIR --metric A B`: it takes all words up to the next option."""
    moved: list[str] = []
    before = None  # where the `--metric` stands whose words these are
    for argument in arguments:
        if argument.startswith("--"):
            before = len(moved) if argument == "--metric" else None
        if before is not None and Path(argument).is_dir():
            moved.insert(before, argument)
            before += 1
        else:
            moved.append(argument)
    return moved
