"""NetHack observations to features: the encoders of the E3B papers, whole or in parts.

The networks are those of Henaff et al. (2022, arXiv 2210.05805, appendix; from Samvelyan et al., 2021,
MiniHack): an embedding for every glyph, convolutions over a crop around the agent and over the whole
map, dense layers over the status line, a character-level network over the message. The defaults are
small enough to learn on a few cores: dense layers in the place of convolutions.

    NetHackEncoder()                                         # crop, status, message
    NetHackEncoder(**PUBLISHED)                              # E3B's first network
    NetHackEncoder(**FASTER)                                 # the smaller one released later

The parts (`crop_around`, `MapTrunk`, `Status`, `Message`, `Inventory`) work alone as well.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxrl_suite.networks.embedding import Embedding, bag
from jaxrl_suite.networks.patches import windows

GLYPHS = 5977  # NetHack 3.6's glyphs, and one for what lies outside the map
OUTSIDE = GLYPHS - 1
READ = ("glyphs", "blstats", "message", "inv_glyphs")  # keys that `NetHackEncoder` knows
CHARACTERS = 256
# what each number of blstats is divided by, to be of order 1
SCALE = np.array([
    79, 21,  # column, row
    25, 125, 25, 25, 25, 25, 25,  # strength twice, other attributes
    1e4, 50, 50, 50, 1e3, 50, 50,  # score, hit points, depth, gold, energy
    10, 20, 30, 1e4, 1e4,  # armour class, monster level, experience level and points, time
    5, 10, 10, 50, 1e3, 5,  # hunger, burden, dungeon, level, conditions, alignment
], np.float32)  # fmt: skip


def crop_around(glyphs: jax.Array, blstats: jax.Array, size: int) -> jax.Array:
    """The square of glyphs around the agent.

    Args:
      glyphs: `[..., height, width]` integers.
      blstats: `[..., 27]` integers; column and row are its first two numbers.
      size: side of the square. The agent stands in its middle, for an even `size` just right of and
        below it.

    Returns:
      `[..., size, size]` int32, `OUTSIDE` beyond the map.
    """
    *batch, height, width = glyphs.shape
    before = size // 2
    flat = glyphs.reshape(-1, height, width).astype(jnp.int32)
    around = ((0, 0), (before, size), (before, size))
    padded = jnp.pad(flat, around, constant_values=OUTSIDE)
    x, y = (jnp.clip(blstats.reshape(-1, blstats.shape[-1])[:, i], 0) for i in (0, 1))

    def one(level: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice(level, (y, x), (size, size))

    return jax.vmap(one)(padded, x, y).reshape(*batch, size, size)


class Convolution(nn.Module):
    """A convolution of stride 1 as one matrix product, for many seeds (see `networks.patches`).

    Attributes:
      features: of the output.
      kernel: size along each of the axes before the last.
      same: zeros around keep the size; else the field shrinks by `kernel - 1`.
    """

    features: int
    kernel: tuple[int, ...]
    same: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i, size in enumerate(self.kernel):
            x = windows(x, i - 1 - len(self.kernel), size, self.same)
        return nn.Dense(self.features)(x)


class MapTrunk(nn.Module):
    """Convolutions of 3 x 3 over embedded glyphs: `[..., height, width, E]` -> `[..., features]`.

    Attributes:
      channels: of each layer; the field's size stays.
    """

    channels: tuple[int, ...] = (16, 16, 8)

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for channels in self.channels:
            x = nn.elu(Convolution(channels, (3, 3))(x))
        return x.reshape(*x.shape[:-3], -1)


class Status(nn.Module):
    """Dense layers over the status line, `[..., 27]` integers, each scaled to order 1.

    Attributes:
      widths: of the layers.
    """

    widths: tuple[int, ...] = (64, 64)

    @nn.compact
    def __call__(self, blstats: jax.Array) -> jax.Array:
        scale = jnp.asarray(SCALE[: blstats.shape[-1]])
        x = jnp.clip(blstats.astype(jnp.float32) / scale, -5.0, 5.0)
        for width in self.widths:
            x = nn.relu(nn.Dense(width)(x))
        return x


class Message(nn.Module):
    """The message line, `[..., 256]` characters with zeros after the text.

    Attributes:
      kind: "ngrams" adds up embeddings of the hashed pairs and triples of characters (order is lost,
        wording is not, and it costs next to nothing); "conv" is the published network, an embedding
        and six convolutions; "conv_small" that of the faster variant: half as wide, three
        convolutions, the first 128 characters.
      features: of the result.
      buckets: of the hash.
      length: characters of it that "ngrams" reads; a line of NetHack's screen has 80.
    """

    kind: str = "ngrams"
    features: int = 64
    buckets: int = 4096
    length: int = 80

    @nn.compact
    def __call__(self, message: jax.Array) -> jax.Array:
        if self.kind == "conv":
            return self._conv(message, 64, (7, 7, 3, 3, 3, 3), (0, 1, 5), 128)
        if self.kind == "conv_small":
            return self._conv(message[..., :128], 32, (7, 7, 3), (0, 1, 2), 32)
        first = message[..., : self.length].astype(jnp.uint32)
        second = jnp.pad(first[..., 1:], [(0, 0)] * (first.ndim - 1) + [(0, 1)])
        third = jnp.pad(first[..., 2:], [(0, 0)] * (first.ndim - 1) + [(0, 2)])
        table = self.param(
            "ngrams", nn.initializers.normal(1.0), (2, self.buckets, self.features // 2)
        )
        pairs = (first * 257 + second) * jnp.uint32(0x9E3779B1) >> 16
        triples = ((first * 257 + second) * 257 + third) * jnp.uint32(0x85EBCA6B) >> 16
        there = (first > 0).astype(jnp.float32)
        count = jnp.sqrt(jnp.maximum(jnp.sum(there, -1, keepdims=True), 1.0))
        sums = [
            bag(table[i], (index % self.buckets).astype(jnp.int32), there) / count
            for i, index in enumerate((pairs, triples))
        ]
        return nn.relu(nn.Dense(self.features)(jnp.concatenate(sums, -1)))

    def _conv(
        self,
        message: jax.Array,
        channels: int,
        kernels: tuple[int, ...],
        pooled: tuple[int, ...],
        hidden: int,
    ) -> jax.Array:
        batch = message.shape[:-1]
        x = Embedding(CHARACTERS, channels // 2)(message.astype(jnp.int32))
        for i, kernel in enumerate(kernels):
            x = nn.relu(Convolution(channels, (kernel,), same=False)(x))
            if i in pooled:
                length = x.shape[-2] // 3
                x = x[..., : 3 * length, :].reshape(*batch, length, 3, -1).max(-2)
        x = nn.relu(nn.Dense(hidden)(x.reshape(*batch, -1)))
        return nn.relu(nn.Dense(self.features)(x))


class Inventory(nn.Module):
    """What is carried: `inv_glyphs` `[..., 55]`, embedded and added up over the items there are.

    Attributes:
      features: of the result.
    """

    features: int = 64

    @nn.compact
    def __call__(self, inv_glyphs: jax.Array) -> jax.Array:
        there = (inv_glyphs < OUTSIDE).astype(jnp.float32)  # OUTSIDE marks an empty slot
        index = jnp.clip(inv_glyphs, 0, OUTSIDE).astype(jnp.int32)
        items = Embedding(GLYPHS, self.features, name="items").bag(index, there)
        return nn.relu(nn.Dense(self.features)(items))


class NetHackEncoder(nn.Module):
    """All parts an observation has keys for, concatenated, then dense layers.

    Keys it knows: `glyphs` with `blstats` (map and status), `message`, `inv_glyphs`. Others, like
    `noise` and `time`, are concatenated as they are if they are vectors of floats, or else not read
    (`unread`).

    Raises:
      ValueError: where called, for observations without a key it reads, or with `glyphs` alone.

    Attributes:
      crop: side of the square around the agent, 0 for none.
      whole_map: convolutions over the whole map too.
      channels: of the convolutions over either; without any, the embeddings go to the dense layers
        as they are, which learns ten times faster on a CPU.
      embedding: size of a glyph's embedding, shared by crop and map.
      message: "ngrams", "conv", "conv_small" or "none".
      message_features: size of what is made of the message.
      widths: of the dense layers; the last is the number of features.
      final: "relu", "linear" or "norm" (layer normalisation), what follows the last dense layer.
    """

    crop: int = 9
    whole_map: bool = False
    channels: tuple[int, ...] = ()
    embedding: int = 8
    message: str = "ngrams"
    message_features: int = 64
    widths: tuple[int, ...] = (256, 256)
    final: str = "relu"

    @nn.compact
    def __call__(self, observation: dict[str, jax.Array]) -> jax.Array:
        parts = []
        if "glyphs" in observation:
            if self.crop and "blstats" not in observation:
                raise ValueError(f"glyphs without blstats, the middle of a crop: crop={self.crop}")
            embed = Embedding(GLYPHS, self.embedding, name="glyph")
            glyphs = observation["glyphs"]
            if self.crop:
                near = crop_around(glyphs, observation["blstats"], self.crop)
                parts.append(MapTrunk(self.channels, name="crop")(embed(near)))
            if self.whole_map:
                parts.append(MapTrunk(self.channels, name="map")(embed(glyphs.astype(jnp.int32))))
        if "blstats" in observation:
            parts.append(Status(name="status")(observation["blstats"]))
        if "message" in observation and self.message != "none":
            text = Message(self.message, self.message_features, name="message_text")
            parts.append(text(observation["message"]))
        if "inv_glyphs" in observation:
            parts.append(Inventory(name="inventory")(observation["inv_glyphs"]))
        for name in sorted(set(observation) - set(READ)):
            if jnp.issubdtype(observation[name].dtype, jnp.floating):
                parts.append(observation[name])
        if not parts:
            raise ValueError(f"nothing to read in {', '.join(observation)}: {', '.join(READ)} are")
        x = jnp.concatenate(parts, -1)
        for width in self.widths[:-1]:
            x = nn.relu(nn.Dense(width)(x))
        x = nn.Dense(self.widths[-1])(x)
        if self.final == "norm":
            return nn.LayerNorm()(x)
        return nn.relu(x) if self.final == "relu" else x


PUBLISHED: dict[str, Any] = {
    "crop": 9,
    "whole_map": True,
    "channels": (16, 16, 16, 16, 8),
    "embedding": 64,
    "message": "conv",
    "widths": (1024, 1024),
}
# of the E3B authors' Sample Factory port
FASTER: dict[str, Any] = {
    "crop": 16,
    "channels": (16, 8),
    "embedding": 64,
    "message": "conv_small",
    "message_features": 32,
    "widths": (256, 256),
    "final": "norm",
}


def unread(space: Any) -> list[str]:
    """Which parts of a dictionary space `NetHackEncoder` leaves out."""
    others = ((name, part) for name, part in space.spaces.items() if name not in READ)
    return [name for name, part in others if not jnp.issubdtype(part.dtype, jnp.floating)]


def is_nethack(names: set[str]) -> bool:
    """Whether a dictionary observation with these keys is NetHack's."""
    return {"glyphs", "blstats"} <= names
