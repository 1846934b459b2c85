"""From observations to features: small encoders that take any number of batch axes.

`encoder_for` picks one for an observation space. They are used as the body of a policy and, as a
second instance with weights of its own, as an embedding for exploration bonuses.
"""

from __future__ import annotations

import warnings
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from envs import spaces
from jaxrl_suite.networks import nethack
from jaxrl_suite.networks.image import ImageEncoder, has_pictures
from jaxrl_suite.networks.initializers import orthogonal
from jaxrl_suite.networks.patches import neighbourhoods

OBJECTS, COLORS, STATES, DIRECTIONS, MISSION = 11, 6, 4, 4, 16
NO_ENCODER = (
    "no encoder for such observations; there are some for vectors, pictures of bytes, boards of numbers "
    "from 0 to 1, choices (Discrete), dictionaries of these, MiniGrid's, and NetHack's with glyphs and "
    "blstats; reshape them by a wrapper, or pass a network of your own"
)
LARGE_BOARD = 15  # rows from which convolutions leave out every other place: at 20, 8 times faster
MOST_CHOICES = 100_000  # rows of a table for each; more are hardly labels
SQRT2 = float(np.sqrt(2.0))


def dense(features: int, scale: float = SQRT2, name: str | None = None) -> nn.Dense:
    """A linear layer with orthogonal weights and zero bias, as PPO implementations start them."""
    return nn.Dense(features, kernel_init=orthogonal(scale), name=name)


class MLPEncoder(nn.Module):
    """Dense layers over vectors; dictionaries of vectors are concatenated by key.

    Attributes:
      widths: of each layer; the last is the number of features.
      activation: name of a function of `flax.linen`.
    """

    widths: tuple[int, ...] = (64, 64)
    activation: str = "tanh"

    @nn.compact
    def __call__(self, observation: Any) -> jax.Array:
        x = observation
        if isinstance(x, dict):
            x = jnp.concatenate([x[k].astype(jnp.float32) for k in sorted(x)], -1)
        for width in self.widths:
            x = getattr(nn, self.activation)(dense(width)(x.astype(jnp.float32)))
        return x


class ChoiceEncoder(nn.Module):
    """A choice, as FrozenLake's and Taxi's state, or a dictionary with choices, numbers and vectors.

    Every choice has a row of features of its own for each of its values: a dense layer on one-hot
    vectors, looked up instead of multiplied. Everything else goes through a dense layer beside.

    Attributes:
      space: of the observations.
      widths: of the dense layers; the last is the number of features.
      activation: name of a function of `flax.linen`.
    """

    space: spaces.Space
    widths: tuple[int, ...] = (64, 64)
    activation: str = "tanh"

    @nn.compact
    def __call__(self, observation: Any) -> jax.Array:
        activate, first = getattr(nn, self.activation), self.widths[0]
        parts = {"": (self.space, observation)}
        if isinstance(self.space, spaces.Dict):
            parts = {name: (part, observation[name]) for name, part in self.space.items}
        codes, numbers = [], []
        for name, (space, x) in parts.items():
            if is_choice(space):
                start, size = choices(space)
                scale = nn.initializers.normal(SQRT2 / np.sqrt(first))  # a row is SQRT2 long
                table = self.param(f"{name or 'state'}_table", scale, (size, first))
                codes.append(table.at[x.astype(jnp.int32) - start].get(mode="clip"))
            else:
                batch = x.shape[: x.ndim - len(space.shape)]  # type: ignore[union-attr]
                numbers.append(x.reshape(*batch, -1).astype(jnp.float32))
        if numbers:
            codes.append(dense(first)(jnp.concatenate(numbers, -1)))
        x = activate(sum(codes))
        for width in self.widths[1:]:
            x = activate(dense(width)(x))
        return x


class GridEncoder(nn.Module):
    """MiniGrid observations: one small linear code a cell, then dense layers over all cells.

    A cell's (object, colour, state) are one-hot, then one dense layer. Dense layers over the cells
    cost a tenth of a convolution's time on a CPU and do as well on 7 x 7 views. `direction` is
    one-hot, `mission` too where `use_mission`; every other key (`noise`, `time`, ...) is
    concatenated as it is.

    Attributes:
      cell_features: length of a cell's code.
      widths: of the dense layers; the last is the number of features.
      use_mission: whether the level's mission is told to the network.
      final: "relu" or "linear", what follows the last dense layer.
    """

    cell_features: int = 8
    widths: tuple[int, ...] = (64, 64)
    use_mission: bool = False
    final: str = "relu"

    @nn.compact
    def __call__(self, observation: dict[str, jax.Array]) -> jax.Array:
        # each kind of cell goes through the layer once; cells then look their code up
        codes = nn.relu(nn.Dense(self.cell_features, name="cell")(_every_kind_of_cell()))
        image = observation["image"].astype(jnp.int32)
        kind = (image[..., 0] * COLORS + image[..., 1]) * STATES + image[..., 2]
        cells = codes.at[kind].get(mode="clip")
        parts = [cells.reshape(*cells.shape[:-3], -1)]
        for name in sorted(observation):
            x = observation[name]
            if name == "direction":
                parts.append(jax.nn.one_hot(x, DIRECTIONS))
            elif name == "mission" and self.use_mission:
                x = jax.nn.one_hot(x, MISSION)
                parts.append(x.reshape(*x.shape[:-2], -1))
            elif name not in ("image", "mission"):
                parts.append(x.astype(jnp.float32))
        x = jnp.concatenate(parts, -1)
        for width in self.widths[:-1]:
            x = nn.relu(dense(width)(x))
        x = dense(self.widths[-1])(x)
        return nn.relu(x) if self.final == "relu" else x


class BoardEncoder(nn.Module):
    """Boards `[S, S, C]` of numbers, planes seen from above: two 3 x 3 convolutions, dense layers.

    Attributes:
      widths: of the dense layers; the last is the number of features.
      channels: of the convolutions.
      stride: of the convolutions; `encoder_for` takes 2 for boards of `LARGE_BOARD` rows and more.
      final: "relu" or "linear", what follows the last dense layer.
    """

    widths: tuple[int, ...] = (64, 64)
    channels: tuple[int, ...] = (16, 16)
    stride: int = 1
    final: str = "relu"

    @nn.compact
    def __call__(self, observation: jax.Array) -> jax.Array:
        x = observation.astype(jnp.float32)
        for width in self.channels:
            x = nn.relu(dense(width)(neighbourhoods(x, self.stride)))
        x = x.reshape(*x.shape[:-3], -1)
        for width in self.widths[:-1]:
            x = nn.relu(dense(width)(x))
        x = dense(self.widths[-1])(x)
        return nn.relu(x) if self.final == "relu" else x


def is_board(space: spaces.Space) -> bool:
    """Whether observations of `space` are planes of floating-point numbers between 0 and 1."""
    return (
        isinstance(space, spaces.Box)
        and len(space.shape) == 3
        and jnp.issubdtype(space.dtype, jnp.floating)
        and bool(np.all(np.asarray(space.low) >= 0) and np.all(np.asarray(space.high) <= 1))
    )


def _every_kind_of_cell() -> jax.Array:
    """One-hot (object, colour, state) of every combination, `[11 * 6 * 4, 11 + 6 + 4]`."""
    index = np.indices((OBJECTS, COLORS, STATES)).reshape(3, -1)
    hot = [
        np.eye(n, dtype=np.float32)[i]
        for n, i in zip((OBJECTS, COLORS, STATES), index, strict=True)
    ]
    return jnp.asarray(np.concatenate(hot, -1))


def is_grid(space: spaces.Space) -> bool:
    """Whether observations of `space` are MiniGrid dictionaries."""
    return isinstance(space, spaces.Dict) and "image" in space.spaces


def is_vector(space: spaces.Space) -> bool:
    """Whether observations of `space` are vectors or numbers, or dictionaries of them."""
    parts = space.spaces.values() if isinstance(space, spaces.Dict) else [space]
    return all(_is_flat(part) and not is_choice(part) for part in parts)


def _is_flat(space: spaces.Space) -> bool:
    return isinstance(space, spaces.Box) and len(space.shape) <= 1


def is_choice(space: spaces.Space) -> bool:
    """Whether an observation of `space` is one of few whole numbers: a label, not a quantity.

    Gymnasium's `Discrete` comes as a `Box` of one whole number between bounds.
    """
    if isinstance(space, spaces.Discrete):
        return space.n <= MOST_CHOICES
    return (
        isinstance(space, spaces.Box)
        and space.shape == ()
        and jnp.issubdtype(space.dtype, jnp.integer)
        and space.high - space.low < MOST_CHOICES
    )


def choices(space: spaces.Space) -> tuple[int, int]:
    """The first of a choice's values, and how many there are."""
    if isinstance(space, spaces.Discrete):
        return 0, space.n
    assert isinstance(space, spaces.Box)
    return int(space.low), int(space.high) - int(space.low) + 1


def encoder_for(
    space: spaces.Space,
    widths: tuple[int, ...] = (64, 64),
    final: str = "relu",
    activation: str = "tanh",
    use_mission: bool = False,
) -> nn.Module:
    """An encoder for observations of `space` with `widths[-1]` features.

    Args:
      space: a MiniGrid-like or NetHack-like dictionary, a vector, a picture, a board of numbers
        (a maze from above), a dictionary of vectors and pictures, a choice (`Discrete`), or a
        dictionary of choices, numbers and vectors.
      widths: of the dense layers.
      final: grid, NetHack, board and image encoders only: "relu" or "linear".
      activation: vector and choice encoders only.
      use_mission: grid encoders only.

    Raises:
      ValueError: for any other space.
    """
    if is_grid(space):
        return GridEncoder(widths=widths, final=final, use_mission=use_mission)
    if isinstance(space, spaces.Dict) and nethack.is_nethack(set(space.spaces)):
        if left := nethack.unread(space):
            warnings.warn(f"NetHack's encoder does not read {', '.join(left)}", stacklevel=2)
        return nethack.NetHackEncoder(widths=widths, final=final)
    if has_pictures(space):
        return ImageEncoder(space, widths=widths, final=final)
    if isinstance(space, spaces.Box) and is_board(space):
        large = space.shape[0] >= LARGE_BOARD
        return BoardEncoder(widths=widths, stride=2 if large else 1, final=final)
    parts = space.spaces.values() if isinstance(space, spaces.Dict) else [space]
    if all(isinstance(part, spaces.Box) and len(part.shape) == 1 for part in parts):
        return MLPEncoder(widths=widths, activation=activation)
    if all(_is_flat(part) or is_choice(part) for part in parts):
        return ChoiceEncoder(space, widths=widths, activation=activation)
    raise ValueError(f"observation space {space!r}: {NO_ENCODER}")
