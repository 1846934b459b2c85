"""Hints for misspelt names: what is close, in any case and without dashes, else what there is."""

from __future__ import annotations

import pytest

from envs.suggest import LISTED, hint


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("doorkey-8X8", ["DoorKey-8x8", "Empty-8x8"], "did you mean DoorKey-8x8?"),
        ("--seedz", ["--seed", "--seeds", "--env"], "did you mean --seed or --seeds?"),
        ("--x", ["--y", "--z"], "one of --y, --z"),  # dashes alone are not alike
        ("zzz", [], "there are none"),
    ],
)
def test_hints(name, known, said):
    assert hint(name, known) == said


def test_long_lists_are_cut():
    names = [f"name{i}" for i in range(LISTED + 1)]
    assert hint("zzz", names) == f"one of {', '.join(names[:-1])}, ..."
