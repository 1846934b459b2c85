"""The MiniGrid step, observation and episode rules for any level, as straight-line array code.

Everything that differs between levels is in a `Level` record of pure functions: how to draw one, and
what ends an episode. The rest follows `MiniGridEnv.step` of Farama MiniGrid (Chevalier-Boisvert et
al., 2023) cell for cell; `tests/envs/grid` holds both against each other.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from envs import core, spaces
from envs.grid import cells, layout, view
from envs.grid.cells import DROP, FORWARD, LEFT, PICKUP, RIGHT, TOGGLE
from envs.grid.level import GridState, Layout, Level, Transition


class GridWorld(core.Environment[GridState, core.EnvParams]):
    """One level as an environment without auto-reset.

    Observations are dictionaries: `image` `[view_size, view_size, 3]` uint8 as MiniGrid encodes it
    (`[column, row, (object, colour, state)]`), `direction` `[]` int32, `mission` `[4]` uint8. With
    `view="full"` the image is the whole level, `[width, height, 3]`, the agent drawn in as
    MiniGrid's `FullyObsWrapper` does. With `coordinates`, the agent's column and row are there too,
    one-hot, `[width + height]` float32. `info` holds `position` `[2]` int32 and `direction`.

    Args:
      level: the level.
      view: "egocentric" or "full".
      view_size: odd side of the egocentric view, 3 to 15.
      coordinates: tell the agent where it stands, as NetHack's status line does.
    """

    def __init__(
        self,
        level: Level,
        view: str = "egocentric",
        view_size: int = 7,
        coordinates: bool = False,
    ):
        if view not in ("egocentric", "full"):
            raise ValueError(f"view={view!r}: 'egocentric' or 'full'")
        if view_size % 2 == 0 or not 3 <= view_size <= 15:
            raise ValueError(f"view_size={view_size!r}: an odd number from 3 to 15")
        self.level, self.view, self.view_size = level, view, view_size
        self.coordinates = coordinates

    @property
    def name(self) -> str:
        return self.level.name

    @property
    def default_params(self) -> core.EnvParams:
        return core.EnvParams(max_steps_in_episode=self.level.max_steps)

    @property
    def num_actions(self) -> int:
        return self.level.num_actions

    def action_space(self, params: core.EnvParams | None = None) -> spaces.Discrete:
        return spaces.Discrete(self.level.num_actions)

    def observation_space(self, params: core.EnvParams | None = None) -> spaces.Dict:
        side = (self.view_size, self.view_size)
        shape = side if self.view == "egocentric" else (self.level.width, self.level.height)
        parts: dict[str, spaces.Discrete | spaces.Box] = {
            "image": spaces.Box(0, 10, (*shape, 3), jnp.uint8),
            "direction": spaces.Discrete(4),
            "mission": spaces.Box(0, 255, (4,), jnp.uint8),
        }
        if self.coordinates:
            length = self.level.width + self.level.height
            parts["coordinates"] = spaces.Box(0.0, 1.0, (length,), jnp.float32)
        return spaces.Dict.of(parts)

    def start(self, layout: Layout) -> GridState:
        """The state at the beginning of an episode on a given level."""
        return GridState(
            columns=jnp.asarray(layout.grid, jnp.uint8).T,
            position=jnp.asarray(layout.position, jnp.int32),
            direction=jnp.asarray(layout.direction, jnp.int32),
            carrying=jnp.asarray(cells.EMPTY, jnp.uint8),
            time=jnp.asarray(0, jnp.int32),
            mission=jnp.asarray(layout.mission, jnp.uint8),
            extra=jax.tree.map(jnp.asarray, layout.extra),
        )

    def reset(
        self, key: jax.Array, params: core.EnvParams | None = None
    ) -> tuple[dict[str, jax.Array], GridState]:
        state = self.start(self.level.generate(key))
        return self.observe(state), state

    def compact(self, state: GridState) -> tuple[jax.Array, ...]:
        """An observation in few words, for `expand`: `[cells]` uint32, direction, mission, position."""
        if self.view == "full":
            words = view.full(state.columns, state.position, state.direction)
        else:
            words = view.egocentric(
                state.columns,
                state.position,
                state.direction,
                state.carrying,
                self.view_size,
                self.level.see_through_walls,
            )
        return words, state.direction, state.mission, state.position

    def expand(self, compact: tuple[jax.Array, ...]) -> dict[str, jax.Array]:
        """The observation that `compact` stands for."""
        words, direction, mission, position = compact
        shape = (self.view_size, self.view_size, 3)
        if self.view == "full":
            shape = (self.level.width, self.level.height, 3)
        image = cells.split_words(words).reshape(shape)
        parts = {"image": image, "direction": direction, "mission": mission}
        if self.coordinates:
            column = jax.nn.one_hot(position[0], self.level.width, dtype=jnp.float32)
            row = jax.nn.one_hot(position[1], self.level.height, dtype=jnp.float32)
            parts["coordinates"] = jnp.concatenate([column, row])
        return parts

    @property
    def success_pays(self) -> bool:
        return True

    def places(self, state: GridState) -> jax.Array:
        """`[width, height]` bool: cells that can be walked to, all doors open."""
        return layout.reachable(state.columns, state.position)

    def observe(self, state: GridState) -> dict[str, jax.Array]:
        """The observation of a state."""
        return self.expand(self.compact(state))

    def step(
        self,
        key: jax.Array,
        state: GridState,
        action: jax.Array,
        params: core.EnvParams | None = None,
    ) -> tuple[dict[str, jax.Array], GridState, jax.Array, jax.Array, jax.Array, core.Info]:
        max_steps = (params or self.default_params).max_steps_in_episode
        level = self.level
        before, moved = state, state
        if level.before_step is not None:
            moved = level.before_step(key, state, action)
        if level.remap is not None:
            action = level.remap(action)
        after, ahead, ahead_index = act(moved, action)

        forward, ahead_kind = action == FORWARD, cells.kind(ahead)
        success = 1.0 - 0.9 * (after.time / max_steps)
        reward = jnp.where(forward & (ahead_kind == cells.GOAL), success, 0.0)
        terminated = forward & ((ahead_kind == cells.GOAL) | (ahead_kind == cells.LAVA))
        if level.outcome is not None:
            reward, terminated = level.outcome(
                Transition(before, after, action, ahead, ahead_index, reward, terminated, success)
            )
        truncated = after.time >= max_steps
        info = {"position": after.position, "direction": after.direction}
        return self.observe(after), after, reward.astype(jnp.float32), terminated, truncated, info

    def render(
        self, state: GridState, params: core.EnvParams | None = None, tile_size: int = 16
    ) -> np.ndarray:
        """`[height * tile_size, width * tile_size, 3]` uint8 picture, the agent's view highlighted."""
        from envs.grid import render  # pictures are for people: nothing else loads NumPy drawing

        return render.picture(self, state, tile_size)


def act(state: GridState, action: jax.Array) -> tuple[GridState, jax.Array, jax.Array]:
    """One action by MiniGrid's common rules: turn, walk, pick up, drop, toggle.

    Returns:
      The next state, the cell that was in front of the agent (uint8), and its `[2]` int32 column
      and row.
    """
    x, y, d = state.position[0], state.position[1], state.direction
    ahead_x = x + (d == 0).astype(jnp.int32) - (d == 2).astype(jnp.int32)
    ahead_y = y + (d == 1).astype(jnp.int32) - (d == 3).astype(jnp.int32)
    flat = state.columns.reshape(-1)
    index = ahead_x * state.columns.shape[1] + ahead_y
    ahead = flat.at[index].get(mode="clip")
    kind, color_bits = cells.kind(ahead), ahead & ~cells.KIND_MASK
    empty_hands = state.carrying == cells.EMPTY

    walks = (action == FORWARD) & cells.walkable(ahead)
    picks = (action == PICKUP) & cells.portable(ahead) & empty_hands
    drops = (action == DROP) & (kind == cells.EMPTY) & ~empty_hands
    has_key = state.carrying == (color_bits | cells.KEY)

    toggled = jnp.where(kind == cells.OPEN_DOOR, color_bits | cells.CLOSED_DOOR, ahead)
    opens = (kind == cells.CLOSED_DOOR) | ((kind == cells.LOCKED_DOOR) & has_key)
    toggled = jnp.where(opens, color_bits | cells.OPEN_DOOR, toggled)
    toggled = jnp.where(kind == cells.KEY_BOX, color_bits | cells.KEY, toggled)
    toggled = jnp.where(kind == cells.BOX, cells.EMPTY_CELL, toggled)

    now_ahead = jnp.where(action == TOGGLE, toggled, ahead)
    now_ahead = jnp.where(picks, cells.EMPTY_CELL, jnp.where(drops, state.carrying, now_ahead))
    after = dataclasses.replace(
        state,
        columns=flat.at[index].set(now_ahead, mode="drop").reshape(state.columns.shape),
        position=jnp.stack([jnp.where(walks, ahead_x, x), jnp.where(walks, ahead_y, y)]),
        direction=(d + (action == RIGHT) - (action == LEFT)) & 3,
        carrying=jnp.where(picks, ahead, jnp.where(drops, cells.EMPTY_CELL, state.carrying)),
        time=state.time + 1,
    )
    return after, ahead, jnp.stack([ahead_x, ahead_y])
