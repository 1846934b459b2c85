"""One byte a cell: how the engine stores what MiniGrid writes as (object, colour, state).

The low four bits are the kind, the next three the colour. MiniGrid's kinds keep their numbers; doors
become three kinds (open, closed, locked), and a grey box that hides a key of the given colour is one
more, so that every cell of every MiniGrid level fits a byte and a step is byte arithmetic.
Constants as in Farama MiniGrid, `minigrid/core/constants.py`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

UNSEEN, EMPTY, WALL, FLOOR, OPEN_DOOR, KEY, BALL, BOX, GOAL, LAVA, AGENT = range(11)
CLOSED_DOOR, LOCKED_DOOR, KEY_BOX = 11, 12, 13

RED, GREEN, BLUE, PURPLE, YELLOW, GREY = range(6)
COLORS = ("red", "green", "blue", "purple", "yellow", "grey")
OBJECTS = (
    "unseen", "empty", "wall", "floor", "door", "key", "ball", "box", "goal", "lava", "agent"
)  # fmt: skip

LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(7)

KIND_MASK = np.uint8(15)
COLOR_SHIFT = 4


def cell(kind: jax.typing.ArrayLike, color: jax.typing.ArrayLike = 0) -> jax.Array:
    """The byte of a `kind` in a `color`, uint8, any (broadcast) shape."""
    return jnp.asarray(kind, jnp.uint8) | (jnp.asarray(color, jnp.uint8) << COLOR_SHIFT)


def code(kind: int, color: int = 0) -> int:
    """The same for plain numbers, at trace time."""
    return kind | color << COLOR_SHIFT


WALL_CELL = np.uint8(code(WALL, GREY))
EMPTY_CELL = np.uint8(code(EMPTY))
GOAL_CELL = np.uint8(code(GOAL, GREEN))
LAVA_CELL = np.uint8(code(LAVA, RED))


def kind(cells: jax.Array) -> jax.Array:
    """Kinds of cells, uint8."""
    return cells & KIND_MASK


def color(cells: jax.Array) -> jax.Array:
    """Colours of cells, uint8."""
    return cells >> COLOR_SHIFT


def opaque(cells: jax.Array) -> jax.Array:
    """Whether a cell hides what is behind it (walls, doors that are not open), bool."""
    k = kind(cells)
    return (k == WALL) | (k == CLOSED_DOOR) | (k == LOCKED_DOOR)


def walkable(cells: jax.Array) -> jax.Array:
    """Whether the agent may step onto a cell, bool."""
    k = kind(cells)
    return (k == EMPTY) | (k == FLOOR) | (k == OPEN_DOOR) | (k == GOAL) | (k == LAVA)


def portable(cells: jax.Array) -> jax.Array:
    """Whether a cell holds something that can be picked up, bool."""
    k = kind(cells)
    return (k == KEY) | (k == BALL) | (k == BOX) | (k == KEY_BOX)


def words(cells: jax.Array) -> jax.Array:
    """MiniGrid's encoding of cells in a uint32 each: object, colour and state from the low byte up."""
    wide = cells.astype(jnp.uint32)
    k, c = wide & 15, wide >> COLOR_SHIFT
    state = jnp.where(k == CLOSED_DOOR, 1, jnp.where(k == LOCKED_DOOR, 2, 0))
    c = jnp.where(k == KEY_BOX, GREY, c)
    k = jnp.where(state > 0, OPEN_DOOR, jnp.where(k == KEY_BOX, BOX, k))
    return (k | c << 8 | state << 16).astype(jnp.uint32)


def split_words(words: jax.Array) -> jax.Array:
    """The bytes of `words`: `[...]` uint32 to `[..., 3]` uint8 (object, colour, state)."""
    # words and a shift, because three selects and a concatenation vectorise badly, and written out
    # as `[cells, 3]`, the one shape for which the compiler interleaves whole vectors
    flat = materialize(words).reshape(-1, 1)
    flat = ((flat >> np.array([0, 8, 16], np.uint32)) & 255).astype(jnp.uint8)
    return materialize(flat).reshape(*words.shape, 3)


def triples(cells: jax.Array) -> jax.Array:
    """MiniGrid's encoding of cells: `[...]` uint8 to `[..., 3]` uint8 (object, colour, state)."""
    return split_words(words(cells))


def from_triples(image: np.ndarray) -> np.ndarray:
    """The inverse of `triples`, on the host: `[..., 3]` MiniGrid encoding to `[...]` uint8 cells."""
    k, c, state = (np.asarray(image[..., i], np.uint8) for i in range(3))
    k = np.where(k == AGENT, EMPTY, k)
    k = np.where((k == OPEN_DOOR) & (state == 1), CLOSED_DOOR, k)
    k = np.where((k == OPEN_DOOR) & (state == 2), LOCKED_DOOR, k)
    return (k | np.where(k == EMPTY, 0, c) << COLOR_SHIFT).astype(np.uint8)


def materialize(x: jax.Array) -> jax.Array:
    """The identity on unsigned integers other than their largest, kept out of XLA's fusions.

    XLA's CPU compiler fuses a cheap producer into every element of its consumer, which computes a
    per-environment word once per cell of the view. An integer remainder counts as expensive and is
    not repeated, so its result is written out once. (`optimization_barrier` is removed before
    fusion there.) Measured: observations take a quarter of the time.
    """
    return jax.lax.rem(x, x.dtype.type(np.iinfo(x.dtype).max))
