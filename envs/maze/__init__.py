"""Mazes seen from above, as Neural-E3 has them: a picture of three planes, four moves, one goal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from envs.maze.world import Maze, MazeParams, MazeState
from envs.options import check_options, defaults_of, with_options

NAMES = {f"Maze-{size}": size for size in (5, 7, 10, 15, 20)}


def factory(name: str) -> Callable[..., tuple[Maze, str]]:
    """For the registry; the option `size` takes any other number than the name's."""
    own = {**defaults_of(Maze), "size": NAMES[name]}

    def build(**options: Any) -> tuple[Maze, str]:
        check_options(name, [*own], options, Maze)
        maze = Maze(**{"size": NAMES[name], **options})
        return maze, "exact" if maze.fixed else "bank"

    return with_options(build, own)


__all__ = ["NAMES", "Maze", "MazeParams", "MazeState", "factory"]
