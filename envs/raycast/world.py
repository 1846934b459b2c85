"""RaycastMaze: find the goal in a random maze from first-person pictures, in JAX throughout.

It stands for the vision-based settings of the exploration papers (VizDoom's MyWayHome, Habitat): a
sparse reward, pictures of places that look alike, a map that is new every episode.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from envs import core, spaces
from envs.raycast import maze, view

LEFT, RIGHT, FORWARD = range(3)
BODY = 0.2  # cells from the agent's middle to its side
REACH = 0.6  # cells from which the goal counts as reached


@struct.dataclass
class RaycastState:
    """State of an episode.

    Attributes:
      blocks: `[S, S]` uint8, a wall's colour or 0.
      position: `[2]` float32, column and row in cells.
      heading: `[]` int32, in turns of the environment's angle.
      goal: `[2]` float32, not finite where there is none.
      time: `[]` int32.
    """

    blocks: jax.Array
    position: jax.Array
    heading: jax.Array
    goal: jax.Array
    time: jax.Array


class RaycastMaze(core.Environment[RaycastState, core.EnvParams]):
    """Find the goal in a random maze of `rooms` x `rooms` rooms, seen in first-person pictures.

    Observations are `[*picture, 3]` uint8 pictures with a field of view of 90 degrees. Actions:
    turn left, turn right, go forward; walls stop the agent, sliding along them is allowed. Reaching
    the goal, a green post, is worth 1 and ends the episode. Every wall of the map has one of
    `view.COLORS` colours, drawn with the map. `info["position"]` is the `[2]` int32 column and row
    of the agent's cell. There is no auto-reset.

    Args:
      name: its name.
      rooms: rooms a side, 2 to 32.
      loops: share of the maze's inner walls that are opened at random, 0 to 1.
      goal: whether there is one; without, rewards are 0 and episodes run to the time limit.
      picture: height and width in pixels.
      stride: cells a step forward, up to 0.5.
      turns: turns to go round once.

    Raises:
      ValueError: for an argument out of range.
    """

    def __init__(
        self,
        name: str = "RaycastMaze",
        rooms: int = 5,
        loops: float = 0.1,
        goal: bool = True,
        picture: tuple[int, int] = (42, 42),
        stride: float = 0.5,
        turns: int = 12,
    ):
        if not 2 <= rooms <= 32:
            raise ValueError(f"rooms={rooms!r}: from 2 to 32")
        if not 0.0 <= loops <= 1.0:
            raise ValueError(f"loops={loops!r}: from 0 to 1")
        if len(picture) != 2 or min(picture) < 1:
            raise ValueError(f"picture={picture!r}: height and width in pixels")
        if not 0.0 < stride <= 0.5:
            raise ValueError(f"stride={stride!r}: above 0, up to 0.5 cells")
        if turns < 4:
            raise ValueError(f"turns={turns!r}: at least 4")
        self._name, self.rooms, self.loops, self.has_goal = name, rooms, loops, goal
        self.picture_size = (int(picture[0]), int(picture[1]))
        self.stride, self.turns = stride, turns

    @property
    def name(self) -> str:
        return self._name

    @property
    def default_params(self) -> core.EnvParams:
        return core.EnvParams(max_steps_in_episode=20 * self.rooms**2)

    @property
    def num_actions(self) -> int:
        return 3

    def action_space(self, params: core.EnvParams | None = None) -> spaces.Discrete:
        return spaces.Discrete(3)

    def observation_space(self, params: core.EnvParams | None = None) -> spaces.Box:
        return spaces.Box(0, 255, (*self.picture_size, 3), jnp.uint8)

    def reset(
        self, key: jax.Array, params: core.EnvParams | None = None
    ) -> tuple[jax.Array, RaycastState]:
        maze_key, color_key, place_key, heading_key = jax.random.split(key, 4)
        walls = maze.walls(*maze.openings(maze_key, self.rooms, self.loops))
        colors = jax.random.randint(color_key, walls.shape, 1, view.COLORS + 1)
        first, second = jax.random.choice(place_key, self.rooms**2, (2,), replace=False)
        goal = self._middle(second) if self.has_goal else jnp.full(2, jnp.inf, jnp.float32)
        state = RaycastState(
            blocks=jnp.where(walls, colors, 0).astype(jnp.uint8),
            position=self._middle(first),
            heading=jax.random.randint(heading_key, (), 0, self.turns),
            goal=goal,
            time=jnp.int32(0),
        )
        return self.observe(state), state

    def _middle(self, room: jax.Array) -> jax.Array:
        place = jnp.stack([room % self.rooms, room // self.rooms])
        return 2.0 * place.astype(jnp.float32) + 1.5

    def _angle(self, heading: jax.Array) -> jax.Array:
        return heading * jnp.float32(2 * np.pi / self.turns)

    @property
    def success_pays(self) -> bool:
        return True

    def places(self, state: RaycastState) -> jax.Array:
        """`[S, S]` bool by column and row: cells without a wall."""
        return state.blocks.T == 0

    def observe(self, state: RaycastState) -> jax.Array:
        """The picture of a state."""
        angle = self._angle(state.heading)
        return view.picture(state.blocks, state.position, angle, state.goal, self.picture_size)

    def step(
        self,
        key: jax.Array,
        state: RaycastState,
        action: jax.Array,
        params: core.EnvParams | None = None,
    ) -> tuple[jax.Array, RaycastState, jax.Array, jax.Array, jax.Array, core.Info]:
        params = params or self.default_params
        turn = (action == RIGHT).astype(jnp.int32) - (action == LEFT).astype(jnp.int32)
        heading = (state.heading + turn) % self.turns
        angle = self._angle(state.heading)
        stride = jnp.where(action == FORWARD, jnp.float32(self.stride), 0.0)
        position = _walk(state.blocks, state.position, stride * _direction(angle))
        after = state.replace(position=position, heading=heading, time=state.time + 1)  # type: ignore[attr-defined]
        terminated = jnp.sum((position - state.goal) ** 2) < REACH**2
        truncated = after.time >= params.max_steps_in_episode
        reward = terminated.astype(jnp.float32)
        info = {"position": jnp.floor(position).astype(jnp.int32)}
        return self.observe(after), after, reward, terminated, truncated, info

    def render(
        self, state: RaycastState, params: core.EnvParams | None = None, size: int = 336
    ) -> np.ndarray:
        """`[size, 2 size, 3]` uint8: what the agent sees, and the map beside it."""
        angle = self._angle(jnp.asarray(state.heading))
        seen = view.picture(state.blocks, state.position, angle, state.goal, (size, size))
        return np.concatenate([np.asarray(seen), self._map(state, size)], 1)

    def _map(self, state: RaycastState, size: int) -> np.ndarray:
        side = state.blocks.shape[0]
        at = (np.arange(size) + 0.5) * side / size
        x, y = at[None, :], at[:, None]
        picture = view.PALETTE[np.asarray(state.blocks)[at.astype(int)][:, at.astype(int)]].copy()

        def disc(middle: Any, radius: float, color: tuple[int, int, int]) -> None:
            picture[(x - middle[0]) ** 2 + (y - middle[1]) ** 2 < radius**2] = color

        if self.has_goal:
            disc(np.asarray(state.goal), 0.35, view.GOAL)
        place, ahead = (
            np.asarray(state.position),
            np.asarray(_direction(self._angle(state.heading))),
        )
        disc(place, 0.35, (250, 60, 60))
        disc(place + 0.25 * ahead, 0.15, (255, 255, 255))
        return picture


def _direction(angle: jax.Array) -> jax.Array:
    return jnp.stack([jnp.cos(angle), jnp.sin(angle)])


def _walk(blocks: jax.Array, position: jax.Array, move: jax.Array) -> jax.Array:
    """One axis after the other, so that the agent slides along walls."""
    side = blocks.shape[0]
    flat = blocks.reshape(-1)
    for axis in range(2):
        there = position.at[axis].add(move[axis])
        front = there.at[axis].add(BODY * jnp.sign(move[axis]))
        column, row = jnp.floor(front).astype(jnp.int32)
        blocked = flat.at[row * side + column].get(mode="clip") > 0
        position = jnp.where(blocked, position, there)
    return position


NAMES = {f"RaycastMaze-{n}x{n}": {"rooms": n} for n in (3, 5, 7, 9)}
