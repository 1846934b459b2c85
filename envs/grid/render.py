"""Pictures of grid levels for people, in MiniGrid's look: NumPy only, one cached tile per cell.

Shapes are masks over a fine grid of points in the unit square, averaged down to the tile: the same
way MiniGrid's `utils/rendering.py` gets smooth edges. Sizes of shapes as in Farama MiniGrid.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

import jax
import numpy as np

from envs.grid import cells, view
from envs.grid.engine import GridWorld
from envs.grid.level import GridState

PALETTE = np.array(
    [(255, 0, 0), (0, 255, 0), (0, 0, 255), (112, 39, 195), (255, 255, 0), (100, 100, 100)],
    np.float64,
)
LAVA_ORANGE, BLACK, GRID_GREY = (255, 128, 0), (0, 0, 0), (100, 100, 100)
SAMPLES = 3  # points a pixel, along each axis
HIGHLIGHT = 0.3


class Canvas:
    """A square of `SAMPLES * size` points a side, painted shape over shape."""

    def __init__(self, size: int):
        self.size = size
        points = (np.arange(size * SAMPLES) + 0.5) / (size * SAMPLES)
        self.x, self.y = points[None, :], points[:, None]
        self.points = np.zeros((size * SAMPLES, size * SAMPLES, 3))

    def paint(self, mask: np.ndarray, color: Any) -> None:
        self.points[np.broadcast_to(mask, self.points.shape[:2])] = color

    def box(self, left: float, right: float, top: float, bottom: float, color: Any) -> None:
        across = (self.x >= left) & (self.x <= right)
        self.paint(across & (self.y >= top) & (self.y <= bottom), color)

    def disc(self, x: float, y: float, radius: float, color: Any) -> None:
        self.paint((self.x - x) ** 2 + (self.y - y) ** 2 <= radius**2, color)

    def stroke(self, x0: float, y0: float, x1: float, y1: float, radius: float, color: Any) -> None:
        """A line with round ends."""
        dx, dy = x1 - x0, y1 - y0
        along = ((self.x - x0) * dx + (self.y - y0) * dy) / (dx**2 + dy**2)
        along = np.clip(along, 0.0, 1.0)
        distance2 = (self.x - x0 - along * dx) ** 2 + (self.y - y0 - along * dy) ** 2
        self.paint(distance2 <= radius**2, color)

    def pixels(self) -> np.ndarray:
        shape = (self.size, SAMPLES, self.size, SAMPLES, 3)
        return self.points.reshape(shape).mean(axis=(1, 3))


def _door(canvas: Canvas, kind: int, color: np.ndarray) -> None:
    if kind == cells.OPEN_DOOR:
        canvas.box(0.88, 1.0, 0.0, 1.0, color)
        canvas.box(0.92, 0.96, 0.04, 0.96, BLACK)
    elif kind == cells.LOCKED_DOOR:
        canvas.box(0.0, 1.0, 0.0, 1.0, color)
        canvas.box(0.06, 0.94, 0.06, 0.94, 0.45 * color)
        canvas.box(0.52, 0.75, 0.5, 0.56, color)  # the keyhole
    else:
        for inset, shade in ((0.0, color), (0.04, BLACK), (0.08, color), (0.12, BLACK)):
            canvas.box(inset, 1 - inset, inset, 1 - inset, shade)
        canvas.disc(0.75, 0.5, 0.08, color)  # the handle


def _thing(canvas: Canvas, kind: int, color: np.ndarray) -> None:
    if kind in (cells.WALL, cells.GOAL):
        canvas.box(0.0, 1.0, 0.0, 1.0, color)
    elif kind == cells.FLOOR:
        canvas.box(0.031, 1.0, 0.031, 1.0, color / 2)
    elif kind == cells.LAVA:
        canvas.box(0.0, 1.0, 0.0, 1.0, LAVA_ORANGE)
        for low in (0.3, 0.5, 0.7):
            wave = [(0.1, low), (0.3, low + 0.1), (0.5, low), (0.7, low + 0.1), (0.9, low)]
            for start, end in itertools.pairwise(wave):
                canvas.stroke(*start, *end, 0.03, BLACK)
    elif kind in (cells.OPEN_DOOR, cells.CLOSED_DOOR, cells.LOCKED_DOOR):
        _door(canvas, kind, color)
    elif kind == cells.KEY:
        canvas.box(0.5, 0.63, 0.31, 0.88, color)
        canvas.box(0.38, 0.5, 0.59, 0.66, color)
        canvas.box(0.38, 0.5, 0.81, 0.88, color)
        canvas.disc(0.56, 0.28, 0.19, color)
        canvas.disc(0.56, 0.28, 0.064, BLACK)
    elif kind == cells.BALL:
        canvas.disc(0.5, 0.5, 0.31, color)
    elif kind in (cells.BOX, cells.KEY_BOX):
        color = PALETTE[cells.GREY] if kind == cells.KEY_BOX else color
        canvas.box(0.12, 0.88, 0.12, 0.88, color)
        canvas.box(0.18, 0.82, 0.18, 0.82, BLACK)
        canvas.box(0.16, 0.84, 0.47, 0.53, color)


def _agent(canvas: Canvas, direction: int) -> None:
    """A red triangle that points where the agent looks."""
    x, y = canvas.x - 0.5, canvas.y - 0.5
    for _ in range(direction):  # quarter turns of the plane
        x, y = y, -x
    x, y = x + 0.5, y + 0.5
    rise = (0.5 - 0.19) * (x - 0.12) / (0.87 - 0.12)
    canvas.paint((x >= 0.12) & (y >= 0.19 + rise) & (y <= 0.81 - rise), PALETTE[cells.RED])


@functools.lru_cache(maxsize=4096)
def tile(cell: int, direction: int | None, highlighted: bool, size: int) -> np.ndarray:
    """`[size, size, 3]` uint8 picture of one cell, with the agent on it if a direction is given."""
    canvas = Canvas(size)
    canvas.box(0.0, 0.031, 0.0, 1.0, GRID_GREY)
    canvas.box(0.0, 1.0, 0.0, 0.031, GRID_GREY)
    _thing(canvas, cell & int(cells.KIND_MASK), PALETTE[(cell >> cells.COLOR_SHIFT) % 6])
    if direction is not None:
        _agent(canvas, direction)
    pixels = canvas.pixels()
    if highlighted:
        pixels = pixels + HIGHLIGHT * (255 - pixels)
    picture = pixels.astype(np.uint8)
    picture.setflags(write=False)  # shared by the cache
    return picture


@functools.partial(jax.jit, static_argnums=(4, 5))
def _seen(
    columns: jax.Array,
    position: jax.Array,
    direction: jax.Array,
    carrying: jax.Array,
    size: int,
    see_through_walls: bool,
) -> jax.Array:
    words = view.egocentric(columns, position, direction, carrying, size, see_through_walls)
    return (words & 255 != cells.UNSEEN).reshape(size, size)


def highlighted(world: GridWorld, state: GridState) -> np.ndarray:
    """`[height, width]` bool, the cells that the agent sees."""
    size = world.view_size
    mask = np.asarray(
        _seen(
            state.columns,
            state.position,
            state.direction,
            state.carrying,
            size,
            world.level.see_through_walls,
        )
    )
    d = int(state.direction)
    forward = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])[d]
    right = np.array([-forward[1], forward[0]])
    columns, rows = np.nonzero(mask)
    places = (
        np.asarray(state.position)
        + (size - 1 - rows)[:, None] * forward
        + (columns - size // 2)[:, None] * right
    )
    height, width = state.grid.shape
    inside = np.all((places >= 0) & (places < (width, height)), axis=1)
    seen = np.zeros((height, width), bool)
    seen[places[inside, 1], places[inside, 0]] = True
    return seen


def picture(world: GridWorld, state: GridState, tile_size: int = 16) -> np.ndarray:
    """The whole level, the agent's view highlighted.

    Args:
      world: the environment.
      state: one unbatched state of it.
      tile_size: pixels a cell.

    Returns:
      `[height * tile_size, width * tile_size, 3]` uint8.

    Raises:
      ValueError: for a batched state or a tile without pixels.
    """
    grid = np.asarray(state.grid)
    if grid.ndim != 2:
        raise ValueError(f"state.grid of shape {grid.shape}: one state without a batch axis")
    if tile_size < 1:
        raise ValueError(f"tile_size={tile_size!r}: at least 1")
    seen = highlighted(world, state)
    here, direction = tuple(map(int, state.position)), int(state.direction)
    rows = [
        np.concatenate(
            [
                tile(int(c), direction if (x, y) == here else None, bool(seen[y, x]), tile_size)
                for x, c in enumerate(row)
            ],
            axis=1,
        )
        for y, row in enumerate(grid)
    ]
    return np.concatenate(rows, axis=0)
