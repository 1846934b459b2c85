"""Plays Farama MiniGrid and our engine side by side, for the tests of this folder."""

from __future__ import annotations

import functools
from collections import deque
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import minigrid  # noqa: F401  (registers its levels)
import numpy as np

import envs
from envs.grid.minigrid import import_level

LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE, DONE = range(7)
STEP = ((1, 0), (0, 1), (-1, 0), (0, -1))
CHUNK = 64
# levels that MiniGrid does not have
OURS_ALONE = {"Empty-Random-8x8", "Empty-Random-16x16", "MultiRoom-N6-Lava"} | {
    f"Corridors-N{n}" for n in ("2-L10", "3-L10", "4-L6", "4-L10", "4-L16")
}


@functools.cache
def source(name: str, **options: Any) -> Any:
    """The MiniGrid environment of one of our names."""
    full = name if name.endswith("-v1") else f"{name}-v0"
    return gymnasium.make(f"MiniGrid-{full}", disable_env_checker=True, **options).unwrapped


@functools.cache
def world(name: str, **options: Any) -> Any:
    """Our level without wrappers."""
    return envs.make(name, auto_reset="none", log=False, **options)[0]


class Trace(NamedTuple):
    """What an episode showed, a leading axis over steps; observations have one more."""

    image: np.ndarray
    direction: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


class Player:
    """Acts in a reset MiniGrid environment and writes down what it returns."""

    def __init__(self, env: Any, seed: int):
        self.env = env
        first, _ = env.reset(seed=seed)
        self.images, self.directions = [first["image"]], [first["direction"]]
        self.actions: list[int] = []
        self.rewards: list[float] = []
        self.flags: list[tuple[bool, bool]] = []

    @property
    def done(self) -> bool:
        return bool(self.flags) and any(self.flags[-1])

    @property
    def ahead(self) -> Any:
        return self.env.grid.get(*self.env.front_pos)

    def act(self, *actions: int) -> None:
        for action in actions:
            if self.done:
                return
            observation, reward, terminated, truncated, _ = self.env.step(action)
            self.actions.append(action)
            self.images.append(observation["image"])
            self.directions.append(observation["direction"])
            self.rewards.append(float(reward))
            self.flags.append((bool(terminated), bool(truncated)))

    def trace(self) -> Trace:
        flags = np.array(self.flags, bool).reshape(-1, 2)
        images, directions = np.array(self.images), np.array(self.directions)
        return Trace(images, directions, np.array(self.rewards), flags[:, 0], flags[:, 1])

    # what scripts are made of

    def find(self, kind: str, **attributes: Any) -> list[tuple[int, int]]:
        """Cells that hold a `kind` with these attributes."""
        width = self.env.width
        return [
            (i % width, i // width)
            for i, o in enumerate(self.env.grid.grid)
            if o is not None
            and o.type == kind
            and all(getattr(o, k) == v for k, v in attributes.items())
        ]

    def go(self, accept: Any) -> None:
        """The shortest way to a pose `(x, y, direction)` that `accept`s; opens doors on the way."""
        grid = self.env.grid
        start = (*map(int, self.env.agent_pos), int(self.env.agent_dir))
        before: dict[Any, Any] = {start: None}
        queue = deque([start])
        while queue:
            pose = queue.popleft()
            if accept(*pose):
                break
            x, y, d = pose
            moves = [((x, y, (d + 1) % 4), (RIGHT,)), ((x, y, (d - 1) % 4), (LEFT,))]
            to = (x + STEP[d][0], y + STEP[d][1])
            inside = 0 <= to[0] < self.env.width and 0 <= to[1] < self.env.height
            thing = grid.get(*to) if inside else grid.get(0, 0)
            if thing is None or (thing.type == "door" and thing.is_open):
                moves.append(((*to, d), (FORWARD,)))
            elif thing.type == "door" and not thing.is_locked:
                moves.append(((*to, d), (TOGGLE, FORWARD)))
            for after, actions in moves:
                if after not in before:
                    before[after] = (pose, actions)
                    queue.append(after)
        else:
            raise LookupError("no way there")
        way: list[int] = []
        while before[pose] is not None:
            pose, actions = before[pose]
            way = [*actions, *way]
        self.act(*way)

    def face(self, cell: tuple[int, int]) -> None:
        """Walks until `cell` is ahead."""
        self.go(lambda x, y, d: (x + STEP[d][0], y + STEP[d][1]) == cell)

    def take(self, cell: tuple[int, int]) -> None:
        self.face(cell)
        self.act(PICKUP)

    def put_aside(self) -> None:
        """Drops what is carried where it is in nobody's way."""

        def clear(x: int, y: int, d: int) -> bool:
            fx, fy = x + STEP[d][0], y + STEP[d][1]
            if self.env.grid.get(fx, fy) is not None:
                return False
            around = [self.env.grid.get(fx + dx, fy + dy) for dx, dy in STEP]
            return not any(thing is not None and thing.type == "door" for thing in around)

        self.go(clear)
        self.act(DROP)


def help_along(player: Player, value: int) -> int:
    """An action for a number from 0 to 19: below 7 itself, else one that gets somewhere."""
    if value < 7:
        return value
    thing, hands = player.ahead, player.env.carrying
    if thing is None:
        return DROP if hands is not None and value == 7 else FORWARD
    if thing.type == "door" and not thing.is_open:
        return TOGGLE
    if thing.type in ("key", "ball", "box") and value > 15 and hands is None:
        return TOGGLE if thing.type == "box" and value == 16 else PICKUP
    if thing.type in ("goal", "door"):
        return FORWARD
    return LEFT if value % 2 else RIGHT


@functools.cache
def _replay(our_world: Any) -> Any:
    def step(state: Any, action: jax.Array) -> Any:
        observation, state, reward, terminated, truncated, _ = our_world.step(
            jax.random.key(0), state, action
        )
        kept = (observation["image"], observation["direction"], reward, terminated, truncated)
        return state, kept

    return jax.jit(lambda state, actions: jax.lax.scan(step, state, actions))


@functools.cache
def _observe(our_world: Any) -> Any:
    return jax.jit(our_world.observe)


def replay(our_world: Any, state: Any, actions: list[int]) -> Trace:
    """Our episode from a state with the same actions."""
    first = _observe(our_world)(state)
    chunks = []
    for start in range(0, len(actions), CHUNK):
        part = np.full(CHUNK, DONE, np.int32)
        part[: len(actions[start : start + CHUNK])] = actions[start : start + CHUNK]
        state, kept = _replay(our_world)(state, jnp.asarray(part))
        chunks.append(jax.tree.map(np.asarray, kept))
    parts = [np.concatenate(p)[: len(actions)] for p in zip(*chunks, strict=True)]
    return Trace(
        np.concatenate([np.asarray(first["image"])[None], parts[0]]),
        np.concatenate([np.asarray(first["direction"])[None], parts[1]]),
        *parts[2:],
    )


def assert_equal(theirs: Trace, ours: Trace) -> None:
    """Every step shows the same."""
    np.testing.assert_array_equal(ours.image, theirs.image)
    np.testing.assert_array_equal(ours.direction, theirs.direction)
    np.testing.assert_allclose(ours.reward, theirs.reward, atol=1e-6)
    np.testing.assert_array_equal(ours.terminated, theirs.terminated)
    np.testing.assert_array_equal(ours.truncated, theirs.truncated)


def compare(name: str, seed: int, play: Any) -> Player:
    """Plays MiniGrid with `play(player)`, replays the actions here, and compares."""
    env, our_world = source(name), world(name)
    player = Player(env, seed)
    state = import_level(env, our_world)
    assert our_world.level.mission(np.asarray(state.mission)) == env.mission
    play(player)
    assert_equal(player.trace(), replay(our_world, state, player.actions))
    return player
