"""Every level by name: `LEVELS[name]` is `(factory, arguments)`, names as in MiniGrid.

Each module of this folder has a `LEVELS` table of its own; a new level needs a generator there and
a line in its table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from envs.grid.level import Level
from envs.grid.levels import (
    corridors,
    crossing,
    distshift,
    doorkey,
    dynamicobstacles,
    empty,
    fetch,
    fourrooms,
    goto,
    keycorridor,
    lavagap,
    lockedroom,
    memory,
    multiroom,
    obstructedmaze,
    playground,
    putnear,
    redbluedoors,
    unlock,
)

LEVELS: dict[str, tuple[Callable[..., Level], dict[str, Any]]] = {}
for _module in (
    corridors,
    crossing,
    distshift,
    doorkey,
    dynamicobstacles,
    empty,
    fetch,
    fourrooms,
    goto,
    keycorridor,
    lavagap,
    lockedroom,
    memory,
    multiroom,
    obstructedmaze,
    playground,
    putnear,
    redbluedoors,
    unlock,
):
    LEVELS.update(_module.LEVELS)
