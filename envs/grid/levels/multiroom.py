"""MultiRoom: a chain of rooms joined by closed doors, the goal in the last (MiniGrid `MultiRoomEnv`).

MiniGrid grows a chain room by room: it draws a size and an exit wall, gives each next room eight
tries to fit without overlap, and starts again from another corner when the chain comes out too
short. The same procedure here, as a scan over rooms inside a rejection loop.

`MultiRoom-N4-S5` is what MiniGrid registers as `-v0`, which has six rooms in spite of its name;
`MultiRoom-N4-S5-v1` is MiniGrid's corrected level with four.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from envs.grid import cells, layout
from envs.grid.level import Layout, Level

MIN_ROOM_SIZE = 4
TRIES = 8  # to fit a next room behind the last
DRAWS = 7  # random words a try takes


class Chain(NamedTuple):
    """Rooms placed so far. Few arrays, because every one of them costs compilation time.

    Attributes:
      rooms: `[rooms, 6]` int32: left, top, width, height, and the column and row of the door by which
        the room is entered.
      last: `[7]` int32, the last of them and the wall of its door (0 right, 1 down, 2 left, 3 up).
      count: `[]` int32, rooms placed.
      ok: `[]` bool, false once a room did not fit.
    """

    rooms: jax.Array
    last: jax.Array
    count: jax.Array  # type: ignore[assignment]
    ok: jax.Array


def _fits(room: jax.Array, chain: Chain, width: int, height: int) -> jax.Array:
    """MiniGrid's test: inside the grid, and apart from every room but the one it is entered from.

    Args:
      room: `[tries, 7]` int32, as `Chain.last`.
      chain: the rooms so far.
      width, height: of the grid.

    Returns:
      `[tries]` bool.
    """
    low, high = room[:, :2], room[:, :2] + room[:, 2:4]
    inside = jnp.all(low >= 0, axis=1) & (high[:, 0] <= width) & (high[:, 1] < height)
    # the asymmetry (< here, <= there) is MiniGrid's own
    placed_low, placed_high = chain.rooms[:, :2], chain.rooms[:, :2] + chain.rooms[:, 2:4]
    apart = (high[:, None] < placed_low) | (placed_high <= low[:, None])
    earlier = jnp.arange(chain.rooms.shape[0]) < chain.count - 1
    return inside & jnp.all(jnp.any(apart, axis=2) | ~earlier, axis=1)


def _propose(bits: jax.Array, last: jax.Array, max_size: int) -> jax.Array:
    """Next rooms behind random exits of the last one: `[tries, 7]` int32 as `Chain.last`.

    Args:
      bits: `[tries, 7]` uint32 random words.
      last: `[7]` int32, the last room.
      max_size: largest side of a room.
    """

    def uniform(k: int, low: Any, high: Any) -> jax.Array:
        span = (jnp.asarray(high) - low).astype(jnp.uint32)
        return (bits[:, k] % span).astype(jnp.int32) + low

    left, top, width, height = last[0], last[1], last[2], last[3]
    exit_wall = uniform(0, 0, 3)  # one of the three walls that are not the entry
    exit_wall = exit_wall + (exit_wall >= last[6])
    along_x, along_y = left + uniform(1, 1, width - 1), top + uniform(2, 1, height - 1)
    door_x = jnp.where(exit_wall == 0, left + width - 1, jnp.where(exit_wall == 2, left, along_x))
    door_y = jnp.where(exit_wall == 1, top + height - 1, jnp.where(exit_wall == 3, top, along_y))
    entry = (exit_wall + 2) % 4
    new_width = uniform(3, MIN_ROOM_SIZE, max_size + 1)
    new_height = uniform(4, MIN_ROOM_SIZE, max_size + 1)
    side_x = uniform(5, door_x - new_width + 2, door_x)
    side_y = uniform(6, door_y - new_height + 2, door_y)
    new_left = jnp.where(entry == 0, door_x - new_width + 1, jnp.where(entry == 2, door_x, side_x))
    new_top = jnp.where(entry == 1, door_y - new_height + 1, jnp.where(entry == 3, door_y, side_y))
    fields = [new_left, new_top, new_width, new_height, door_x, door_y, entry]
    return jnp.stack(fields, axis=1)


def _chain(
    draws: jax.Array, rooms: int, length: jax.Array, max_size: int, width: int, height: int
) -> Chain:
    """One attempt at a chain of `length` rooms (at most `rooms`) from `[_draws(rooms)]` uint32."""
    bits = draws[4:].reshape(rooms - 1, TRIES, DRAWS)
    corner = draws[:2] % np.uint32(width - 2)
    sizes = draws[2:4] % np.uint32(max_size + 1 - MIN_ROOM_SIZE) + np.uint32(MIN_ROOM_SIZE)
    first = jnp.concatenate([corner, sizes, corner, jnp.full(1, 2, jnp.uint32)]).astype(jnp.int32)
    nothing = Chain(jnp.zeros((rooms, 6), jnp.int32), first, jnp.int32(0), jnp.asarray(True))
    ok = _fits(first[None], nothing, width, height)[0]
    start = nothing._replace(rooms=nothing.rooms.at[0].set(first[:6]), count=jnp.int32(1), ok=ok)

    def extend(chain: Chain, bits: jax.Array) -> tuple[Chain, None]:
        proposals = _propose(bits, chain.last, max_size)
        fits = _fits(proposals, chain, width, height)
        room = proposals[jnp.argmax(fits)]  # the first of the eight tries that fits
        wanted = chain.ok & (chain.count < length)
        placed = wanted & jnp.any(fits)
        here = (jnp.arange(rooms) == chain.count) & placed
        return Chain(
            rooms=jnp.where(here[:, None], room[:6], chain.rooms),
            last=jnp.where(placed, room, chain.last),
            count=chain.count + placed,
            ok=chain.ok & (placed | ~wanted),
        ), None

    return jax.lax.scan(extend, start, bits)[0]


def _draws(rooms: int) -> int:
    """How many random words an attempt at a chain takes."""
    return 4 + (rooms - 1) * TRIES * DRAWS


def multi_room(
    min_rooms: int = 6,
    max_rooms: int = 6,
    max_room_size: int = 10,
    width: int = 25,
    height: int = 25,
    max_steps: int | None = None,
    name: str = "MultiRoom",
    lava: bool = False,
) -> Level:
    """A chain of `min_rooms` to `max_rooms` rooms with sides of 4 to `max_room_size` cells.

    With `lava`, rooms are bounded by lava in the place of walls (as MiniHack's MultiRoom-N6-Lava): the
    agent sees past it, and dies in it.

    Args:
      min_rooms: fewest rooms.
      max_rooms: most rooms.
      max_room_size: longest side of a room, walls included.
      width: columns of the grid.
      height: its rows.
      max_steps: length of an episode.
      name: its name.
      lava: rooms are bounded by lava in the place of walls.
    """
    if not 1 <= min_rooms <= max_rooms:
        raise ValueError(f"min_rooms={min_rooms!r}: from 1 to max_rooms={max_rooms!r}")
    if max_room_size < MIN_ROOM_SIZE:
        raise ValueError(f"max_room_size={max_room_size!r}: at least {MIN_ROOM_SIZE}")

    words, size = _draws(max_rooms), (max_room_size, width, height)

    def generate(key: jax.Array) -> Layout:
        # the words of an attempt and, with the first, of all that is drawn once: every draw of its own
        # would cost half a second of compilation
        once = 7 + max_rooms

        def attempt(carry: tuple[jax.Array, jax.Array, Chain]) -> tuple[Any, ...]:
            count, draws, _ = carry
            now = jax.random.bits(jax.random.fold_in(key, count), (once + words,), jnp.uint32)
            draws = jnp.where(count == 0, now[:once], draws)
            spread = draws[0] % np.uint32(max_rooms + 1 - min_rooms)
            length = spread.astype(jnp.int32) + min_rooms
            return count + 1, draws, _chain(now[once:], max_rooms, length, *size)

        nothing = Chain(
            jnp.zeros((max_rooms, 6), jnp.int32),
            jnp.zeros(7, jnp.int32),
            jnp.int32(0),
            jnp.asarray(False),
        )
        start = (jnp.int32(0), jnp.zeros(once, jnp.uint32), nothing)
        _, draws, chain = jax.lax.while_loop(lambda c: ~c[2].ok, attempt, start)

        shape = (height, width)
        # a door's colour differs from the one before: a step of 1 to 5 around the six colours
        steps = 1 + draws[7:] % np.uint32(5)
        colors = (draws[1] % np.uint32(6) + jnp.cumsum(steps)) % np.uint32(6)
        used = jnp.arange(max_rooms) < chain.count
        outlines = jax.vmap(functools.partial(layout.outline, shape))(*chain.rooms[:, :4].T)
        walls = jnp.any(outlines & used[:, None, None], axis=0)
        around = cells.LAVA_CELL if lava else cells.WALL_CELL
        grid = jnp.where(walls, around, cells.EMPTY_CELL)
        # no later room reaches the wall that two rooms share, so doors can all be drawn last
        rows = jnp.where(used & (jnp.arange(max_rooms) > 0), chain.rooms[:, 5], height)
        doors = cells.cell(cells.CLOSED_DOOR, colors)
        grid = grid.at[rows, chain.rooms[:, 4]].set(doors, mode="drop")

        def inside(room: jax.Array, bits: jax.Array) -> jax.Array:
            span = (room[2:4] - 2).astype(jnp.uint32)
            return room[:2] + 1 + (bits % span).astype(jnp.int32)

        # a room's inner cells are all free, so a draw of column and row is uniform over them
        agent = inside(chain.rooms[0], draws[3:5])
        goal = inside(chain.last, draws[5:7])
        if min_rooms == 1:  # agent and goal may share a room
            room = layout.rectangle(shape, *chain.last[:4])
            goal = layout.random_free(
                jax.random.fold_in(key, np.uint32(2**32 - 1)), grid, room, agent
            )
        grid = layout.put(grid, goal[0], goal[1], cells.GOAL_CELL)
        return Layout(grid, agent, (draws[2] % np.uint32(4)).astype(jnp.int32))

    steps = 20 * max_rooms if max_steps is None else max_steps
    mission = "traverse the rooms to get to the goal"
    return Level(name, width, height, steps, generate, mission=lambda _: mission)


LEVELS = {
    "MultiRoom-N2-S4": (multi_room, {"min_rooms": 2, "max_rooms": 2, "max_room_size": 4}),
    "MultiRoom-N4-S5": (multi_room, {"min_rooms": 6, "max_rooms": 6, "max_room_size": 5}),
    "MultiRoom-N4-S5-v1": (multi_room, {"min_rooms": 4, "max_rooms": 4, "max_room_size": 5}),
    "MultiRoom-N6": (multi_room, {"min_rooms": 6, "max_rooms": 6}),
    "MultiRoom-N6-Lava": (multi_room, {"min_rooms": 6, "max_rooms": 6, "lava": True}),
}
