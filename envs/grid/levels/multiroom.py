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
from envs.grid.engine import Layout, Level

MIN_ROOM_SIZE = 4
TRIES = 8  # to fit a next room behind the last
DRAWS = 7  # random words a try takes


class Chain(NamedTuple):
    """Rooms placed so far: `[rooms]` int32 each, and `[]` bool `ok` while the chain is unbroken."""

    left: jax.Array
    top: jax.Array
    width: jax.Array
    height: jax.Array
    door_x: jax.Array  # where room i is entered
    door_y: jax.Array
    count: jax.Array  # type: ignore[assignment]
    ok: jax.Array


class Proposal(NamedTuple):
    """A room that may or may not fit."""

    left: jax.Array
    top: jax.Array
    width: jax.Array
    height: jax.Array
    door_x: jax.Array
    door_y: jax.Array
    entry_wall: jax.Array


def _fits(room: Proposal, chain: Chain, width: int, height: int) -> jax.Array:
    """MiniGrid's test: inside the grid, and apart from every room but the one it is entered from."""
    inside = (
        (room.left >= 0)
        & (room.top >= 0)
        & (room.left + room.width <= width)
        & (room.top + room.height < height)
    )
    # the asymmetry (< here, <= there) is MiniGrid's own
    apart = (
        (room.left + room.width < chain.left)
        | (chain.left + chain.width <= room.left)
        | (room.top + room.height < chain.top)
        | (chain.top + chain.height <= room.top)
    )
    earlier = jnp.arange(chain.left.shape[0]) < chain.count - 1
    return inside & jnp.all(apart | ~earlier)


def _propose(bits: jax.Array, chain: Chain, entry_wall: jax.Array, max_size: int) -> Proposal:
    """A next room behind a random exit of the last one; walls are 0 right, 1 down, 2 left, 3 up."""

    def uniform(k: int, low: Any, high: Any) -> jax.Array:
        span = (jnp.asarray(high) - low).astype(jnp.uint32)
        return (bits[k] % span).astype(jnp.int32) + low

    last = chain.count - 1
    left, top = chain.left[last], chain.top[last]
    width, height = chain.width[last], chain.height[last]
    exit_wall = uniform(0, 0, 3)  # one of the three walls that are not the entry
    exit_wall = exit_wall + (exit_wall >= entry_wall)
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
    return Proposal(new_left, new_top, new_width, new_height, door_x, door_y, entry)


def _chain(
    key: jax.Array, rooms: int, length: jax.Array, max_size: int, width: int, height: int
) -> Chain:
    """One attempt at a chain of `length` rooms (at most `rooms`)."""
    # every draw of the attempt at once: each separate draw would cost a second of compilation
    draws = jax.random.bits(key, (4 + (rooms - 1) * TRIES * DRAWS,))
    bits = draws[4:].reshape(rooms - 1, TRIES, DRAWS)
    zeros = jnp.zeros(rooms, jnp.int32)
    x = (draws[0] % np.uint32(width - 2)).astype(jnp.int32)
    y = (draws[1] % np.uint32(width - 2)).astype(jnp.int32)
    sizes = (draws[2:4] % np.uint32(max_size + 1 - MIN_ROOM_SIZE)).astype(jnp.int32) + MIN_ROOM_SIZE
    empty = Chain(zeros, zeros, zeros, zeros, zeros, zeros, jnp.int32(0), jnp.asarray(True))
    first = Proposal(x, y, sizes[0], sizes[1], x, y, jnp.int32(2))

    def add(chain: Chain, room: Proposal, fits: jax.Array) -> Chain:
        here = (jnp.arange(rooms) == chain.count) & fits
        fields = [jnp.where(here, new, old) for new, old in zip(room[:6], chain[:6], strict=True)]
        return Chain(*fields, count=chain.count + fits, ok=chain.ok)  # type: ignore[misc]

    chain = add(empty, first, _fits(first, empty, width, height))
    chain = chain._replace(ok=chain.count == 1)

    def extend(carry: tuple[Chain, jax.Array], bits: jax.Array) -> tuple[Any, None]:
        chain, entry_wall = carry
        proposals = jax.vmap(lambda b: _propose(b, chain, entry_wall, max_size))(bits)
        fits = jax.vmap(lambda p: _fits(p, chain, width, height))(proposals)
        which = jnp.argmax(fits)  # the first of the eight tries that fits
        room = jax.tree.map(lambda x: x[which], proposals)
        wanted = chain.ok & (chain.count < length)
        placed = wanted & fits[which]
        chain = add(chain, room, placed)._replace(ok=chain.ok & (placed | ~wanted))
        return (chain, jnp.where(placed, room.entry_wall, entry_wall)), None

    (chain, _), _ = jax.lax.scan(extend, (chain, jnp.int32(2)), bits)
    return chain


def multi_room(
    min_rooms: int = 6,
    max_rooms: int = 6,
    max_room_size: int = 10,
    width: int = 25,
    height: int = 25,
    max_steps: int | None = None,
    name: str = "MultiRoom",
) -> Level:
    """A chain of `min_rooms` to `max_rooms` rooms with sides of 4 to `max_room_size` cells."""
    if not 1 <= min_rooms <= max_rooms:
        raise ValueError(f"min_rooms={min_rooms!r}: from 1 to max_rooms={max_rooms!r}")
    if max_room_size < MIN_ROOM_SIZE:
        raise ValueError(f"max_room_size={max_room_size!r}: at least {MIN_ROOM_SIZE}")

    def generate(key: jax.Array) -> Layout:
        chain_key, draws_key, goal_key = jax.random.split(key, 3)
        draws = jax.random.bits(draws_key, (7 + max_rooms,))
        length = (draws[0] % np.uint32(max_rooms + 1 - min_rooms)).astype(jnp.int32) + min_rooms

        def attempt(carry: tuple[jax.Array, Chain]) -> tuple[jax.Array, Chain]:
            count, _ = carry
            now = jax.random.fold_in(chain_key, count)
            return count + 1, _chain(now, max_rooms, length, max_room_size, width, height)

        zeros = jnp.zeros(max_rooms, jnp.int32)
        nothing = Chain(*(zeros,) * 6, count=jnp.int32(0), ok=jnp.asarray(False))
        _, chain = jax.lax.while_loop(lambda c: ~c[1].ok, attempt, (jnp.int32(0), nothing))

        shape = (height, width)
        # a door's colour differs from the one before: a step of 1 to 5 around the six colours
        steps = 1 + draws[7:] % np.uint32(5)
        colors = (draws[1] % np.uint32(6) + jnp.cumsum(steps)) % np.uint32(6)
        used = jnp.arange(max_rooms) < chain.count
        outlines = jax.vmap(functools.partial(layout.outline, shape))(*chain[:4])
        walls = jnp.any(outlines & used[:, None, None], axis=0)
        grid = jnp.where(walls, cells.WALL_CELL, cells.EMPTY_CELL)
        # no later room reaches the wall that two rooms share, so doors can all be drawn last
        rows = jnp.where(used.at[0].set(False), chain.door_y, height)
        doors = cells.cell(cells.CLOSED_DOOR, colors)
        grid = grid.at[rows, chain.door_x].set(doors, mode="drop")

        def inside(i: jax.typing.ArrayLike, x: jax.Array, y: jax.Array) -> jax.Array:
            left, top, wide, high = (field[i] for field in chain[:4])
            x = left + 1 + (x % (wide - 2).astype(jnp.uint32)).astype(jnp.int32)
            y = top + 1 + (y % (high - 2).astype(jnp.uint32)).astype(jnp.int32)
            return jnp.stack([x, y])

        # a room's inner cells are all free, so a draw of column and row is uniform over them
        agent = inside(0, draws[3], draws[4])
        goal = inside(chain.count - 1, draws[5], draws[6])
        if min_rooms == 1:  # agent and goal may share a room
            room = layout.rectangle(shape, *(field[chain.count - 1] for field in chain[:4]))
            goal = layout.random_free(goal_key, grid, room, agent)
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
}
