"""Mazes seen from above, as Neural-E3 has them: a picture of three planes, four moves, one goal."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from envs.maze.world import Maze, MazeParams, MazeState

NAMES = {f"Maze-{size}": size for size in (5, 7, 10, 15, 20)}


def factory(name: str) -> Callable[..., tuple[Maze, str]]:
    """For the registry; the option `size` takes any other number than the name's."""

    def build(**options: Any) -> tuple[Maze, str]:
        from envs.options import check_options

        check_options(name, [*inspect.signature(Maze).parameters], options, Maze)
        maze = Maze(**{"size": NAMES[name], **options})
        return maze, "exact" if maze.fixed else "bank"

    return build


__all__ = ["NAMES", "Maze", "MazeParams", "MazeState", "factory"]
