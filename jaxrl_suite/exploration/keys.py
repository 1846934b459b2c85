"""What a count depends on: functions of a state, and their hashes.

A key is a function `(observation, info) -> pytree of arrays` of one state. Three have names:

- "position": where the agent stands, `info["position"]`. An oracle: it tells the count what matters.
  Only steps have an `info`, so counts of positions leave out s_0, which the paper counts too.
- "message": what a NetHack player would be told. In NetHack itself the message line; in grid worlds,
  which have none, what the agent carries and what lies in front of it.
- "observation": all of it. The honest choice, and of no use once no two observations are equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from envs.grid import cells
from jaxrl_suite.experiment import ConfigError

KeyFunction = Callable[[Any, dict[str, jax.Array]], Any]


def position(observation: Any, info: dict[str, jax.Array]) -> jax.Array:
    """`[2]` int32, from `info`."""
    del observation
    if "position" not in info:
        raise ConfigError("key", "position", "this environment has no info['position']")
    return info["position"]


def message(observation: Any, info: dict[str, jax.Array]) -> Any:
    """NetHack's message, or the cell the agent stands on (what it carries) and the one before it.

    A full view does not show what is carried.
    """
    del info
    if isinstance(observation, dict) and "message" in observation:
        return observation["message"]
    image = observation.get("image") if isinstance(observation, dict) else None
    if image is None or image.ndim != 3 or image.shape[-1] != 3:
        raise ConfigError("key", "message", "this environment has no messages")
    image = jnp.asarray(image)
    width, height = image.shape[:2]
    # the agent is drawn in full views only; elsewhere it stands in the middle of the last row
    kinds = image[..., 0].reshape(-1)
    drawn, index = jnp.any(kinds == cells.AGENT), jnp.argmax(kinds == cells.AGENT)
    x, y = index // height, index % height
    turned = image[x, y, 2] % 4
    ahead = jnp.asarray([[1, 0], [0, 1], [-1, 0], [0, -1]])[turned] + jnp.stack([x, y])
    before = image[ahead[0], ahead[1]]
    middle = width // 2
    return jnp.where(drawn, jnp.stack([jnp.zeros_like(before), before]), image[middle, -2:])


def everything(observation: Any, info: dict[str, jax.Array]) -> Any:
    """The observation."""
    del info
    return observation


NAMED: dict[str, KeyFunction] = {
    "position": position,
    "message": message,
    "observation": everything,
}
FROM_OBSERVATION = ("message", "observation")  # known before an episode's first step too


def find(key: str | KeyFunction) -> KeyFunction:
    """The function behind a name.

    Raises:
      ConfigError: for an unknown name.
    """
    if callable(key):
        return key
    if key not in NAMED:
        raise ConfigError("key", key, f"one of {', '.join(NAMED)}, or a function")
    return NAMED[key]


def hash_words(key: Any) -> jax.Array:
    """Two independent 32-bit hashes of one state's key.

    Each word of the key is mixed with constants of its own place, the mixed words are added, and
    the sum is mixed once more (the finaliser of MurmurHash3).

    Args:
      key: pytree of arrays; floats are taken bit by bit.

    Returns:
      `[2]` uint32.
    """
    words = jnp.concatenate([_words(leaf) for leaf in jax.tree.leaves(key)])
    rng = np.random.default_rng(0x5EED)
    constants = rng.integers(1, 2**32, size=(2, 2, words.shape[0]), dtype=np.uint32)
    mixed = _mix(words * (constants[:, 0] | np.uint32(1)) + constants[:, 1])
    return _mix(jnp.sum(mixed, axis=-1, dtype=jnp.uint32))


def _words(x: jax.Array) -> jax.Array:
    x = jnp.asarray(x).reshape(-1)
    if jnp.issubdtype(x.dtype, jnp.floating):
        x = jnp.where(x == 0, 0.0, x.astype(jnp.float32))  # -0 is 0; a sum with 0 is folded away
        x = jax.lax.bitcast_convert_type(x, jnp.uint32)
    return x.astype(jnp.uint32)


def _mix(h: jax.Array) -> jax.Array:
    h = (h ^ (h >> 16)) * jnp.uint32(0x85EBCA6B)
    h = (h ^ (h >> 13)) * jnp.uint32(0xC2B2AE35)
    return h ^ (h >> 16)
