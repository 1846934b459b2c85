"""Command line options from dataclasses: every field an option, all at the top level.

Switches (fields of type bool, or bool or None) may be given bare, negated or with a value:
`--clip-value`, `--no-clip-value`, `--clip-value False`. Whole numbers may be written `1e6`.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jaxrl_suite.runner.errors import RunError

_WORDS = {"true": True, "false": False}


def parse(
    defaults: dict[str, Any],
    arguments: Sequence[str],
    prog: str,
    about: str,
    spare: list[str] | None = None,
    meant: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Parses options into the dataclass instances of `defaults`, all at the top level.

    Args:
      defaults: the dataclass instances, by any name.
      arguments: the command line.
      prog: how the command is called.
      about: what it does.
      spare: takes the arguments that are no options; None refuses them.
      meant: what to say about options that others have, by their names.

    Raises:
      RunError: in one line, with close matches for an unknown option.
    """
    import contextlib
    import io
    from typing import Annotated

    import tyro

    both = dataclasses.make_dataclass(
        "Arguments",
        [
            (name, Annotated[type(value), tyro.conf.arg(name="")])  # type: ignore[misc]
            for name, value in defaults.items()
        ],
        frozen=True,
    )
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            parsed, unknown = tyro.cli(
                both,
                default=both(**defaults),
                args=list(_spelt_out(defaults, arguments)),
                prog=prog,
                description=about,
                return_unknown_args=True,
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise RunError(_first_sentence(errors.getvalue())) from None
    if spare is not None:
        spare += [argument for argument in unknown if not argument.startswith("-")]
        unknown = [argument for argument in unknown if argument.startswith("-")]
    if unknown:
        known = [f"--{n}" for value in defaults.values() for n in _option_names(value)]
        asked = unknown[0].partition("=")[0].replace("_", "-")
        if not asked.startswith("-"):
            raise RunError(f"unexpected argument {unknown[0]!r}; options start with --")
        from envs.suggest import hint  # this late, as `envs` imports JAX

        short = [name for name in known if asked == "--" + "".join(w[0] for w in _words(name))]
        close = (meant or {}).get(asked) or hint(asked, known)
        if short and asked not in (meant or {}):  # the words' first letters: --lr
            close = f"did you mean {' or '.join(short)}?"
        if asked not in (meant or {}) and not close.startswith("did you mean"):
            close = f"{prog} --help lists them"
        raise RunError(f"unknown option {asked}: {close}")
    return {name: getattr(parsed, name) for name in defaults}


def _words(option: str) -> list[str]:
    return option.strip("-").split("-")


def _option_names(value: Any, prefix: str = "") -> list[str]:
    names = []
    for field in dataclasses.fields(value):
        inner = getattr(value, field.name)
        name = prefix + field.name.replace("_", "-")
        if dataclasses.is_dataclass(inner):
            names += _option_names(inner, f"{name}.")
        else:
            names += [name, f"no-{name}"] if isinstance(inner, bool) else [name]
    return names


def _first_sentence(boxed: str) -> str:
    """tyro's error without its frame: the text above the first rule."""
    lines = []
    for line in boxed.splitlines()[1:]:
        text = line.strip("│╭╮╰╯ ")
        if text and set(text) <= {"─"}:
            break
        lines.append(text)
    return " ".join(lines) or boxed.strip()


def _spelt_out(defaults: dict[str, Any], arguments: Sequence[str]) -> Iterator[str]:
    """The arguments as tyro wants them: switches bare for bool, with a value for bool or None, and whole
    numbers in digits.
    """
    plain, optional, whole = set(), set(), set()
    for value in defaults.values():
        for name, kind in typing.get_type_hints(type(value)).items():
            if kind is bool:
                plain.add(name)
            elif kind == (bool | None):
                optional.add(name)
            elif kind in (int, int | None):
                whole.add(name)
    left = list(arguments)
    while left:
        argument = left.pop(0)
        flag, equals, given = argument.partition("=")
        name = flag.removeprefix("--").replace("-", "_")
        if flag.startswith("--") and name in whole:
            if not equals and left:
                given = left.pop(0)
            yield from (flag, _in_digits(flag, given)) if equals or given else (flag,)
            continue
        positive = name.removeprefix("no_") if name not in plain | optional else name
        if not flag.startswith("--") or positive not in plain | optional:
            yield argument
            continue
        if not equals and left and left[0].lower() in (*_WORDS, "none"):
            given = left.pop(0)
        if given.lower() == "none" and positive in optional and positive == name:
            yield from (f"--{positive.replace('_', '-')}", "None")
            continue
        if given and given.lower() not in _WORDS:
            raise RunError(f"{flag}={given!r}: True or False")
        on = _WORDS[given.lower()] if given else True
        on = on == (positive == name)
        option = positive.replace("_", "-")
        if positive in optional:
            yield from (f"--{option}", str(on))
        else:
            yield f"--{option}" if on else f"--no-{option}"


def _in_digits(flag: str, text: str) -> str:
    """`1e6` as `1000000`; what is no number as it is, for tyro to refuse.

    Raises:
      RunError: for a number that is not whole.
    """
    try:
        number = float(text)
    except ValueError:
        return text
    if not number.is_integer():
        raise RunError(f"{flag}={text!r}: a whole number")
    return str(int(number)) if not text.strip("+-").isdigit() else text
