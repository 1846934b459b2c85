"""Hints for misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LISTED = 24  # names that an error lists at most


def hint(name: str, known: Iterable[str]) -> str:
    """`did you mean X?` with up to three names about as close as the closest, else what there is."""
    known = list(known)

    def ratio(other: str) -> float:
        one, two = (text.lower().strip("-") for text in (name, other))
        return difflib.SequenceMatcher(None, one, two).ratio()

    score = {k: ratio(k) for k in known}
    best = max(score.values(), default=0.0)
    if best >= 0.5:
        close = sorted((k for k in known if score[k] >= best - 0.1), key=lambda k: -score[k])[:3]
        return f"did you mean {' or '.join(close)}?"
    if not known:
        return "there are none"
    return f"one of {', '.join(known[:LISTED])}{', ...' if len(known) > LISTED else ''}"
