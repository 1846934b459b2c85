"""Combination locks: one right action a step opens the next, a wrong one is never forgiven.

Random play solves a lock of horizon H and A actions once in A^H episodes, so whoever opens a long one
has explored. `DiabolicalLock` is HOMER's, `BidirectionalLock` PC-PG's, `StochasticLock` Neural-E3's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from envs.lock.base import Lock, LockParams, LockState
from envs.lock.bidirectional import BidirectionalLock
from envs.lock.diabolical import DiabolicalLock
from envs.lock.model import Model, optimal, visits
from envs.lock.stochastic import StochasticLock
from envs.options import check_options, defaults_of, with_options

KINDS: dict[str, type[Lock]] = {
    "DiabolicalLock": DiabolicalLock,
    "BidirectionalLock": BidirectionalLock,
    "StochasticLock": StochasticLock,
}
HORIZONS = (3, 4, 5, 6, 8, 10, 11, 12, 15, 16, 20, 25, 50, 51, 100, 200)
NAMES = {f"{kind}-H{h}": (kind, h) for kind in KINDS for h in HORIZONS}


def factory(name: str) -> Callable[..., tuple[Lock, str]]:
    """For the registry; the option `horizon` takes any other number than the name's."""
    kind, horizon = NAMES[name]
    own = {**defaults_of(KINDS[kind]), "horizon": horizon}

    def build(**options: Any) -> tuple[Lock, str]:
        check_options(name, [*own], options, KINDS[kind])
        return KINDS[kind](**{"horizon": horizon, **options}), "exact"

    return with_options(build, own)


__all__ = [
    "BidirectionalLock",
    "DiabolicalLock",
    "Lock",
    "LockParams",
    "LockState",
    "Model",
    "StochasticLock",
    "factory",
    "optimal",
    "visits",
]
