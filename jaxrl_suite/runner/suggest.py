"""Hints for misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def hint(name: str, known: Iterable[str]) -> str:
    """`did you mean X?` with up to three names about as close as the closest, else the list of all."""
    known = list(known)
    score = {k: difflib.SequenceMatcher(None, name.strip("-"), k.strip("-")).ratio() for k in known}
    best = max(score.values(), default=0.0)
    if best >= 0.55:
        close = sorted((k for k in known if score[k] >= best - 0.1), key=lambda k: -score[k])[:3]
        return f"did you mean {' or '.join(close)}?"
    return f"one of {', '.join(known)}" if known else "there are none"
