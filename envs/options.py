"""Options of environments: read from names, checked, merged with those given beside the name.

`NAME?OPTION=VALUE&OPTION=VALUE`, as in an address; a list of words needs no quotes there,
`keys=glyphs,blstats` or `keys=glyphs+blstats`. Every option is held against the type of the
parameter or of the default that it replaces, wherever it comes from.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from envs.suggest import hint

MOST = 2**31 - 1  # that JAX's whole numbers, of 32 bits, can hold
_NO_NUMBER = (str, bytes, complex, tuple, list, dict, set, bool)  # of what literals can be
_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "tuple": "a list, such as (1, 2)",
}


class UnknownOption(ValueError):
    """No such option for this environment, or not with this value; the message says what is right."""


def split_name(name: str) -> tuple[str, dict[str, Any]]:
    """`NAME?OPTION=VALUE&...` as the name and its options; values are read as Python's literals,
    true and false in any case (none is text, an auto-reset mode; None is Python's).

    Raises:
      UnknownOption: for a part that is no `OPTION=VALUE`, and an option that stands there twice.
    """
    name, mark, query = name.partition("?")
    options: dict[str, Any] = {}
    for part in query.split("&") if mark else ():
        option, equals, value = part.partition("=")
        if not (equals and option.isidentifier()):
            raise UnknownOption(f"{part!r} after {name}?: must be OPTION=VALUE, joined by &")
        if option in options:
            raise UnknownOption(f"{option} stands twice after {name}?: give it once")
        if value.lower() in ("true", "false"):
            options[option] = value.lower() == "true"
            continue
        try:
            options[option] = ast.literal_eval(value)
        except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
            options[option] = value  # plain text
    return name, options


def merged(
    inside: Mapping[str, Any], beside: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Options of a name and those given beside it, where a value other than the default counts.

    Raises:
      UnknownOption: for an option with two values.
    """
    for option, value in inside.items():
        other = beside.get(option)
        left_out = option not in beside or other is defaults.get(option, inspect.Parameter.empty)
        if not left_out and not _same(value, other):
            raise UnknownOption(
                f"{option}={value!r} in the name and {option}={other!r} beside it: give one of them"
            )
    return {**beside, **inside}


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except (TypeError, ValueError):  # traced values, arrays
        return False


def with_lists(options: Mapping[str, Any], examples: Mapping[str, Any]) -> dict[str, Any]:
    """Options where text stands for a list of words: `a,b` or `a+b`, in brackets or not, or one alone.

    Args:
      options: to read.
      examples: a value of each; only those that are lists of text are looked at.
    """
    read = dict(options)
    for option, value in options.items():
        if isinstance(value, str) and _lists_words(examples.get(option)):
            bare = value[1:-1] if value[:1] + value[-1:] in ("()", "[]") else value
            plus = re.fullmatch(r"\w+(\+\w+)+", bare)
            words = [word.strip() for word in bare.split("+" if plus else ",")]
            read[option] = tuple(word for word in words if word)
    return read


def _lists_words(example: Any) -> bool:
    return isinstance(example, (tuple, list)) and any(isinstance(x, str) for x in example)


def defaults_of(*functions: Callable[..., Any], skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """Parameters of `functions` and their defaults (`inspect.Parameter.empty` without one)."""
    return {
        name: parameter.default
        for function in functions
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in skip
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    }


def with_options(factory: Any, options: Mapping[str, Any]) -> Any:
    """The factory, which tells its options and their defaults (`envs.registry.options_of`)."""
    factory.options = dict(options)
    return factory


def check_options(
    name: str, allowed: list[str], options: Mapping[str, Any], *functions: Callable[..., Any]
) -> None:
    """Refuses options that `name` does not have, or not of the types that `functions` take.

    Raises:
      UnknownOption: naming the option and close matches, or what would be right.
    """
    from envs.registry import make

    check_types(name, options, *functions)
    for option in options:
        if option not in allowed:
            own = [
                p for p, v in inspect.signature(make).parameters.items() if v.kind == v.KEYWORD_ONLY
            ]
            meant = hint(option, sorted({*own, *allowed}))
            raise UnknownOption(f"{name} has no option {option!r}: {meant}")


def check_types(name: str, options: Mapping[str, Any], *functions: Callable[..., Any]) -> None:
    """Refuses options whose type is not that of the parameter of `functions`; for text such as "no".

    Raises:
      UnknownOption: naming the option, the value and what would be right.
    """
    for function in functions:
        for option, parameter in inspect.signature(function).parameters.items():
            wants = str(parameter.annotation).split(" | ")
            kind = wants[0].partition("[")[0]
            # of texts the functions say themselves which they know
            if option in options and kind in ("bool", "int", "float", "tuple"):
                _check(name, option, options[option], kind, "None" in wants)


def check_like(name: str, options: Mapping[str, Any], examples: Mapping[str, Any]) -> None:
    """Refuses options of another type than their example's; None is let through.

    Raises:
      UnknownOption: naming the option, the value and what would be right.
    """
    for option, value in options.items():
        if option in examples:
            words = _lists_words(examples[option])
            _check(name, option, value, type(examples[option]).__name__, True, words)


def _check(
    name: str, option: str, value: Any, wants: str, may_be_none: bool, words: bool = False
) -> None:
    if value is None:
        good = may_be_none
    elif wants == "bool":
        good = isinstance(value, (bool, np.bool_))
    elif wants == "int":
        good = not isinstance(value, (*_NO_NUMBER, float))
    elif wants == "float":
        good = not isinstance(value, _NO_NUMBER)
    elif wants == "str":
        good = isinstance(value, str)
    else:
        good = wants != "tuple" or isinstance(value, (tuple, list))
    if not good:
        right = "a list of words, such as one,two" if words else _WORDS[wants]
        raise UnknownOption(f"{option}={value!r}: {name} takes {right}")
    most = 2 * MOST + 1 if option.endswith("seed") else MOST  # seeds have no sign
    if wants == "int" and isinstance(value, int) and not -MOST <= value <= most:
        raise UnknownOption(f"{option}={value!r}: {name} takes whole numbers up to {most}")
