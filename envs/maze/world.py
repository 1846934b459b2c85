"""The maze task of Neural-E3 (Henaff, 2019, arXiv 1911.00617, after the released code)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from envs import core, spaces
from envs.maze.dig import MOVES, dig

WALL, AGENT, GOAL = range(3)  # planes of an observation
STEP, BUMP, REACHED = -0.2, -0.5, 2.0


@struct.dataclass
class MazeState:
    """State of an episode.

    Attributes:
      walls: `[S, S]` bool.
      position, goal: `[2]` int32, row and column; the goal is outside where there is none.
      time: `[]` int32.
    """

    walls: jax.Array
    position: jax.Array
    goal: jax.Array
    time: jax.Array


@struct.dataclass
class MazeParams(core.EnvParams):
    """What may be varied.

    Attributes:
      first: the state that every episode begins in, or None for new mazes.
      drawn: `[]` bool, `refresh` leaves it as it is.
    """

    first: Any = None
    drawn: Any = False


class Maze(core.Environment[MazeState, MazeParams]):
    """Walk to the goal of a random maze of `size` x `size` cells, border included, seen from above.

    Observations are `[S, S, 3]` float32: planes of walls, agent and goal, one where something is.
    Actions: up, right, down, left. A step costs 0.2, a bump into a wall 0.5; the goal pays 2 and ends
    the episode. Agent and goal begin in different open cells. There is no auto-reset.

    New mazes are drawn for every episode. With `fixed` every episode of a run begins in the same state:
    `refresh`, called with the keys of a run's seed, draws it the first time and leaves it alone later.

    Args:
      size: S, at least 4.
      goal: whether there is one; without, every reward is 0 and episodes run to the time limit.
      fixed: one maze for the whole run.
      steps: after which an episode is cut. The released code has 100.

    Raises:
      ValueError: for a size or a number of steps that is too small.
    """

    def __init__(self, size: int = 10, goal: bool = True, fixed: bool = False, steps: int = 100):
        if size < 4:
            raise ValueError(f"size={size!r}: at least 4, two of which are border")
        if steps < 1:
            raise ValueError(f"steps={steps!r}: at least 1")
        self.size, self.has_goal, self.fixed, self.steps = size, goal, fixed, steps

    @property
    def name(self) -> str:
        return f"Maze-{self.size}"

    @property
    def success_pays(self) -> bool:
        return self.has_goal

    @property
    def default_params(self) -> MazeParams:
        first = self._draw(jax.random.key(0)) if self.fixed else None
        return MazeParams(max_steps_in_episode=self.steps, first=first, drawn=jnp.asarray(False))

    def refresh(self, key: jax.Array, params: MazeParams) -> MazeParams:
        """The run's own maze, drawn by the first call."""
        if not self.fixed:
            return params
        new = self._draw(key)
        first = jax.tree.map(lambda old, new: jnp.where(params.drawn, old, new), params.first, new)
        return params.replace(first=first, drawn=jnp.asarray(True))  # type: ignore[attr-defined]

    def action_space(self, params: MazeParams | None = None) -> spaces.Discrete:
        return spaces.Discrete(4)

    def observation_space(self, params: MazeParams | None = None) -> spaces.Box:
        return spaces.Box(0.0, 1.0, (self.size, self.size, 3), jnp.float32)

    def _draw(self, key: jax.Array) -> MazeState:
        dig_key, place_key = jax.random.split(key)
        opened = jnp.pad(dig(dig_key, self.size - 2), 1)
        # two different open cells: the two highest of random ranks
        ranks = jnp.where(opened, jax.random.uniform(place_key, opened.shape), -1.0)
        _, cells = jax.lax.top_k(ranks.reshape(-1), 2)
        places = jnp.stack([cells // self.size, cells % self.size], -1)
        goal = places[1] if self.has_goal else jnp.full(2, -1, jnp.int32)
        return MazeState(~opened, places[0], goal, jnp.int32(0))

    def reset(
        self, key: jax.Array, params: MazeParams | None = None
    ) -> tuple[jax.Array, MazeState]:
        if self.fixed:
            state = (self.default_params if params is None else params).first
        else:
            state = self._draw(key)
        return self.observe(state), state

    def observe(self, state: MazeState) -> jax.Array:
        """The three planes of a state."""
        planes = jnp.zeros((self.size, self.size, 3), jnp.float32).at[..., WALL].set(state.walls)
        planes = planes.at[state.position[0], state.position[1], AGENT].set(1.0)
        if self.has_goal:
            planes = planes.at[state.goal[0], state.goal[1], GOAL].set(1.0)
        return planes

    def places(self, state: MazeState) -> jax.Array:
        """`[S, S]` bool by column and row: open cells."""
        return ~state.walls.T

    def step(
        self,
        key: jax.Array,
        state: MazeState,
        action: jax.Array,
        params: MazeParams | None = None,
    ) -> tuple[jax.Array, MazeState, jax.Array, jax.Array, jax.Array, core.Info]:
        limit = self.steps if params is None else params.max_steps_in_episode
        there = state.position + jnp.array(MOVES, jnp.int32)[action]
        bump = state.walls[there[0], there[1]]
        after = state.replace(  # type: ignore[attr-defined]
            position=jnp.where(bump, state.position, there), time=state.time + 1
        )
        terminated = (after.position == state.goal).all()
        reward = jnp.where(terminated, REACHED, jnp.where(bump, BUMP, STEP))
        reward = reward.astype(jnp.float32) if self.has_goal else jnp.float32(0)
        info = {"position": after.position[::-1], "success": terminated}
        truncated = after.time >= limit
        # the goal's plane is empty once it is reached, as in the released code
        observation = self.observe(after).at[..., GOAL].multiply(~terminated)
        return observation, after, reward, terminated, truncated, info

    def render(self, state: MazeState, params: MazeParams | None = None) -> np.ndarray:
        """`[height, width, 3]` uint8: walls dark, the agent green, the goal blue."""
        picture = np.full((self.size, self.size, 3), 255, np.uint8)
        picture[np.asarray(state.walls)] = (44, 42, 60)
        if self.has_goal:
            picture[tuple(np.asarray(state.goal))] = (52, 152, 219)
        picture[tuple(np.asarray(state.position))] = (91, 220, 123)
        cell = max(4, 320 // self.size)
        return np.kron(picture, np.ones((cell, cell, 1), np.uint8))
