"""First-person pictures of a map of blocks, by ray casting: straight-line array code, no loop.

A ray p + t d, d = heading + c * right for a column at camera coordinate c, can enter a block only
where it crosses a line x = k or y = k. All these crossings are tried at once; the nearest into a
block is what the column shows. As d has length 1 along the heading, t is the depth (the distance
from the camera's plane), which is what a picture without fish-eye needs.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# wall colours 1 to 8, as bytes; 0 is free
PALETTE = np.array(
    [
        (0, 0, 0),
        (200, 60, 60),
        (70, 110, 200),
        (210, 170, 60),
        (140, 80, 170),
        (70, 170, 170),
        (200, 120, 70),
        (150, 150, 150),
        (220, 130, 170),
    ],
    np.uint8,
)
COLORS = len(PALETTE) - 1
GOAL, FLOOR, CEILING = (60, 220, 60), (90, 80, 70), (50, 60, 80)
GOAL_RADIUS, GOAL_HEIGHT = 0.2, 0.35  # cells; half the height
HALF_WALL = 0.5  # the camera is half-way up
FOG = 0.15  # light at depth t is 1 / (1 + FOG t)


class Hit(NamedTuple):
    """What rays meet.

    Attributes:
      depth: `[W]` float32, from the camera's plane, in cells.
      color: `[W]` uint8, of the block.
      across: `[W]` bool, whether it was entered through a line x = k.
    """

    depth: jax.Array
    color: jax.Array
    across: jax.Array


def cast(blocks: jax.Array, position: jax.Array, rays: jax.Array) -> Hit:
    """The first block on each ray.

    Args:
      blocks: `[S, S]` uint8, `blocks[row, column]` a colour or 0; the border must be closed.
      position: `[2]` float32, x (column) and y (row) in cells; inside a free cell.
      rays: `[W, 2]` float32, directions of length 1 along the heading.
    """
    side = blocks.shape[0]
    lines = jnp.arange(side + 1, dtype=jnp.float32)

    def crossings(axis: int) -> tuple[jax.Array, jax.Array]:
        """`[W, S + 1]` depths of crossings into a block, infinite elsewhere, and the blocks."""
        along, other = rays[:, axis, None], rays[:, 1 - axis, None]
        t = (lines - position[axis]) / jnp.where(jnp.abs(along) < 1e-6, 1e-6, along)
        entered = (lines - (along < 0)).astype(jnp.int32)
        beside = jnp.floor(position[1 - axis] + t * other).astype(jnp.int32)
        column, row = (entered, beside) if axis == 0 else (beside, entered)
        inside = (t > 0) & (column >= 0) & (column < side) & (row >= 0) & (row < side)
        block = blocks.reshape(-1).at[row * side + column].get(mode="clip")
        return jnp.where(inside & (block > 0), t, jnp.inf), block

    (tx, block_x), (ty, block_y) = crossings(0), crossings(1)
    t, block = jnp.concatenate([tx, ty], 1), jnp.concatenate([block_x, block_y], 1)
    nearest = jnp.argmin(t, axis=1)
    color = jnp.take_along_axis(block, nearest[:, None], 1)[:, 0]
    return Hit(jnp.min(t, axis=1), color, nearest <= side)


def camera(heading: jax.Array, width: int, fov: float) -> jax.Array:
    """`[W, 2]` rays of a picture's columns, from left to right.

    Args:
      heading: `[]` float32, radians, 0 along x, growing towards y (clockwise on a map with y down).
      width: W, columns.
      fov: horizontal field of view, radians.
    """
    ahead = jnp.stack([jnp.cos(heading), jnp.sin(heading)])
    right = jnp.stack([-jnp.sin(heading), jnp.cos(heading)])
    at = (2 * (np.arange(width) + 0.5) / width - 1) * np.tan(fov / 2)
    return ahead + jnp.asarray(at, jnp.float32)[:, None] * right


def picture(
    blocks: jax.Array,
    position: jax.Array,
    heading: jax.Array,
    goal: jax.Array,
    size: tuple[int, int] = (42, 42),
    fov: float = np.pi / 2,
) -> jax.Array:
    """What a camera at `position` sees: `[H, W, 3]` uint8.

    Args:
      blocks: see `cast`.
      position, heading: see `cast` and `camera`.
      goal: `[2]` float32, where a green post stands; not finite for none.
      size: height and width in pixels.
      fov: horizontal field of view, radians.
    """
    height, width = size
    hit = cast(blocks, position, camera(heading, width, fov))
    scale = np.tan(fov / 2) / width  # pixels are square
    slope = jnp.asarray((2 * np.arange(height) + 1 - height) * scale, jnp.float32)[:, None]

    wall = jnp.abs(slope) * hit.depth < HALF_WALL
    paint = jnp.asarray(PALETTE, jnp.float32)[hit.color] * jnp.where(hit.across, 1.0, 0.75)[:, None]
    shown = _lit(paint, hit.depth[:, None])[None]
    ground = jnp.where(
        slope > 0, jnp.array([FLOOR], jnp.float32), jnp.array([CEILING], jnp.float32)
    )
    flat = _lit(ground, HALF_WALL / jnp.maximum(jnp.abs(slope), 1e-6))[:, None]
    image = jnp.where(wall[..., None], shown, flat)

    ahead = jnp.stack([jnp.cos(heading), jnp.sin(heading)])
    away = goal - position
    depth = away @ ahead
    aside = away[1] * ahead[0] - away[0] * ahead[1]
    columns = jnp.asarray((2 * np.arange(width) + 1 - width) * scale, jnp.float32)
    post = (jnp.abs(columns * depth - aside) < GOAL_RADIUS) & (depth > 0.05) & (depth < hit.depth)
    post = post[None, :] & (jnp.abs(slope) * depth < GOAL_HEIGHT)
    image = jnp.where(post[..., None], _lit(jnp.array(GOAL, jnp.float32), depth), image)
    return image.astype(jnp.uint8)


def _lit(color: jax.Array, depth: jax.Array) -> jax.Array:
    return color / (1.0 + FOG * depth)
