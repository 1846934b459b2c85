"""Equal square rooms on a lattice, with doors and objects (MiniGrid `core/roomgrid.py`).

Rooms are `(column, row)` of the lattice and may be traced; walls are 0 right, 1 down, 2 left, 3 up
and static. A door's place is drawn once for every pair of neighbours, whether it is used or not.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from envs.grid import cells
from envs.grid.levels import draw

STEP_X, STEP_Y = np.array([1, 0, -1, 0]), np.array([0, 1, 0, -1])
Number = jax.typing.ArrayLike


class DoorPlaces(NamedTuple):
    """Where doors are or could be.

    Attributes:
      east: `[rows, columns - 1]` int32, the row of the door in each room's right wall.
      south: `[rows - 1, columns]` int32, the column of the door in each room's lower wall.
    """

    east: jax.Array
    south: jax.Array


@dataclasses.dataclass(frozen=True)
class Lattice:
    """The static part: `columns` x `rows` rooms of `size` x `size` cells that share walls."""

    columns: int
    rows: int
    size: int

    def __post_init__(self) -> None:
        if self.size < 3 or self.columns < 1 or self.rows < 1:
            raise ValueError(
                f"room_size={self.size!r}, columns={self.columns!r}, rows={self.rows!r}: "
                "at least 3, 1 and 1"
            )

    @property
    def pitch(self) -> int:
        return self.size - 1

    @property
    def width(self) -> int:
        return self.pitch * self.columns + 1

    @property
    def height(self) -> int:
        return self.pitch * self.rows + 1

    @property
    def middle(self) -> tuple[int, int]:
        """Where MiniGrid's agent is until it is placed; objects keep away from there."""
        half = self.size // 2
        return self.columns // 2 * self.pitch + half, self.rows // 2 * self.pitch + half

    def walls(self) -> np.ndarray:
        """`[height, width]` uint8, rooms without doors."""
        grid = np.full((self.height, self.width), cells.EMPTY_CELL)
        grid[:: self.pitch, :] = cells.WALL_CELL
        grid[:, :: self.pitch] = cells.WALL_CELL
        return grid

    def door_places(self, key: jax.Array, choices: int | None = None) -> DoorPlaces:
        """A uniform place in every wall between two rooms, among the first `choices` ones."""
        rows, columns = self.rows, self.columns
        count = rows * (columns - 1)
        bits = jax.random.bits(key, (count + (rows - 1) * columns,), jnp.uint32)
        offsets = (bits % np.uint32(choices or self.size - 2)).astype(jnp.int32) + 1
        east = offsets[:count].reshape(rows, columns - 1) + np.arange(rows)[:, None] * self.pitch
        south = offsets[count:].reshape(rows - 1, columns) + np.arange(columns) * self.pitch
        return DoorPlaces(east, south)

    def door(
        self, places: DoorPlaces, column: Number, row: Number, wall: int
    ) -> tuple[Number, Number]:
        """Column and row of the cell of a room's door."""
        if wall in (0, 2):
            left = column if wall == 0 else column - 1
            return (left + 1) * self.pitch, places.east[row, left]
        above = row if wall == 1 else row - 1
        return places.south[above, column], (above + 1) * self.pitch

    def place(
        self, key: jax.Array, grid: jax.Array, column: Number, row: Number, cell: Number
    ) -> jax.Array:
        """Puts `cell` on a uniform empty cell of a room, two steps or more from `middle`."""
        top, left = (jnp.asarray(n * self.pitch, jnp.int32) for n in (row, column))
        side = self.size
        room = jax.lax.dynamic_slice(grid, (top, left), (side, side))
        x, y = np.arange(side)[None, :], np.arange(side)[:, None]
        away = jnp.abs(left + x - self.middle[0]) + jnp.abs(top + y - self.middle[1]) >= 2
        score = jnp.where(
            (room == cells.EMPTY_CELL) & away, jax.random.bits(key, room.shape, jnp.uint32) | 1, 0
        )
        index = jnp.argmax(score.reshape(-1))
        cell = jnp.asarray(cell, jnp.uint8)
        return grid.at[top + index // side, left + index % side].set(cell)

    def place_agent(
        self, key: jax.Array, grid: jax.Array, column: Number, row: Number
    ) -> tuple[jax.Array, jax.Array]:
        """A uniform pose in a room that faces an empty cell or a wall: `[2]` and `[]` int32."""
        top, left = (jnp.asarray(n * self.pitch, jnp.int32) for n in (row, column))
        side = self.size
        padded = jnp.pad(grid, 1, constant_values=cells.WALL_CELL)
        around = jax.lax.dynamic_slice(padded, (top, left), (side + 2, side + 2))
        clear = (around == cells.EMPTY_CELL) | (around == cells.WALL_CELL)
        faces = jnp.stack(
            [
                clear[1 + dy : 1 + dy + side, 1 + dx : 1 + dx + side]
                for dx, dy in zip(STEP_X, STEP_Y, strict=True)
            ]
        )
        poses = faces & (around[1:-1, 1:-1] == cells.EMPTY_CELL)
        score = jnp.where(poses, jax.random.bits(key, poses.shape, jnp.uint32) | 1, 0)
        index = jnp.argmax(score.reshape(-1)).astype(jnp.int32)
        direction, here = index // side**2, index % side**2
        return jnp.stack([left + here % side, top + here // side]), direction

    @property
    def links(self) -> np.ndarray:
        """`[links, 2]` room numbers (`row * columns + column`), eastward links first."""
        number = np.arange(self.rows * self.columns).reshape(self.rows, self.columns)
        east = np.stack([number[:, :-1], number[:, 1:]], -1).reshape(-1, 2)
        south = np.stack([number[:-1], number[1:]], -1).reshape(-1, 2)
        return np.concatenate([east, south])

    def connect(self, key: jax.Array, linked: jax.Array, allowed: jax.Array) -> jax.Array:
        """MiniGrid's `connect_all`: which doors to add until every room can be reached.

        MiniGrid draws a room and a wall at random, skips the draw where no door can be, and stops
        when all rooms are connected. Every link is drawn from both of its sides, so among the draws
        that change something each remaining link is as likely: the links come in a uniformly random
        order, and those needed in that order are added, without repeating a draw.

        Args:
          key: a random key.
          linked: `[links]` bool, open from the start.
          allowed: `[links]` bool, may get a door.

        Returns:
          `[links]` bool, the links that get a door.
        """
        ends = jnp.asarray(self.links, jnp.int32)
        rooms = jnp.arange(self.rows * self.columns)

        def join(label: jax.Array, link: jax.Array, on: jax.Array) -> jax.Array:
            a, b = label[ends[link, 0]], label[ends[link, 1]]
            return jnp.where(on & (label == b), a, label)

        def initial(label: jax.Array, link: jax.Array) -> tuple[jax.Array, None]:
            return join(label, link, linked[link]), None

        def add(
            carry: tuple[jax.Array, jax.Array], _: None
        ) -> tuple[tuple[jax.Array, jax.Array], None]:
            label, score = carry
            link = jnp.argmax(score)
            on = (score[link] > 0) & jnp.any(label != label[0])
            score = jnp.where(on & (np.arange(len(ends)) == link), 0, score)
            return (join(label, link, on), score), None

        label, _ = jax.lax.scan(initial, rooms, jnp.arange(len(ends)))
        score = jnp.where(allowed & ~linked, jax.random.bits(key, allowed.shape, jnp.uint32) | 1, 0)
        (_, left), _ = jax.lax.scan(add, (label, score), None, length=len(ends))
        return (score > 0) & (left == 0)

    def add_doors(
        self, key: jax.Array, grid: jax.Array, places: DoorPlaces, added: jax.Array
    ) -> jax.Array:
        """Closed doors of random colours on the links in `added`."""
        row, column = np.divmod(self.links[:, 0], self.columns)
        count = self.rows * (self.columns - 1)
        y = jnp.concatenate([places.east.reshape(-1), (row[count:] + 1) * self.pitch])
        x = jnp.concatenate([(column[:count] + 1) * self.pitch, places.south.reshape(-1)])
        colors = jax.random.bits(key, added.shape, jnp.uint32) % np.uint32(6)
        doors = cells.cell(cells.CLOSED_DOOR, colors.astype(jnp.uint8))
        return grid.at[y, x].set(jnp.where(added, doors, grid[y, x]))


def random_cell_of(key: jax.Array, kind: int) -> tuple[jax.Array, jax.Array]:
    """A `kind` of a random colour: its cell and the colour, `[]` uint8."""
    color = draw.color(key)
    return cells.cell(kind, color), color
