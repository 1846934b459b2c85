"""Checks of configs: what they refuse, what they let through, and what they say."""

from __future__ import annotations

import dataclasses
import math

import jax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxrl_suite import checks
from jaxrl_suite.experiment import ConfigError


@dataclasses.dataclass(frozen=True)
class Config:
    a: float | None = 1.0
    b: float | None = 1.0
    kind: str = "x"
    widths: tuple[int, ...] = (1,)


def refused(check, config, *arguments):
    try:
        check(config, *arguments)
    except ConfigError as error:
        return error.field
    return None


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_numbers(x):
    config = Config(b=x)
    assert (refused(checks.at_least, config, 0.5, "a", "b") is None) == (0.5 <= x < math.inf)
    assert (refused(checks.above, config, 0.5, "a", "b") is None) == (0.5 < x < math.inf)
    assert (refused(checks.within, config, -1, 1, "a", "b") is None) == (-1 <= x <= 1)
    assert (refused(checks.finite, config, "a", "b") is None) == math.isfinite(x)
    assert refused(checks.at_least, config, math.nextafter(math.inf, 0), "b", "a") in (
        None,
        "b",
        "a",
    )


def test_whole_numbers_fit_32_bits():
    assert refused(checks.at_least, Config(a=2**31 - 1), 1, "a") is None
    with pytest.raises(ConfigError, match=r"^a=2147483648: at most 2147483647$"):
        checks.at_least(Config(a=2**31), 1, "a")
    checks.at_least(Config(a=2**31), 1, "a", most=checks.MOST_STEPS)
    checks.batch(Config(a=2**16, b=2**14), "a", "b")
    with pytest.raises(ConfigError, match=r"^a=65536: a \* b is at most 2147483647"):
        checks.batch(Config(a=2**16, b=2**15), "a", "b")
    assert refused(checks.sizes, Config(widths=(3, 2**40)), "widths") == "widths"


def test_names_and_sizes():
    assert refused(checks.one_of, Config(kind="y"), ("x", "z"), "kind") == "kind"
    assert refused(checks.one_of, Config(), ("x", "z"), "kind") is None
    for widths in ((), (0,), (3, -1)):
        assert refused(checks.sizes, Config(widths=widths), "widths") == "widths"
    assert refused(checks.sizes, Config(widths=(3, 4)), "widths") is None


def test_none_and_traced_values_pass():
    assert refused(checks.above, Config(a=None), 0.0, "a", "b") is None

    def build(x):
        checks.above(Config(b=x), 5.0, "b")
        return x

    assert jax.jit(build)(1.0) == 1.0


def test_the_message_says_what_would_be_right():
    with pytest.raises(ConfigError, match=r"b=-1\.0: at least 0$"):
        checks.at_least(Config(b=-1.0), 0, "a", "b")
    with pytest.raises(ConfigError, match=r"kind='q': one of x, z"):
        checks.one_of(Config(kind="q"), ("x", "z"), "kind")
