"""What a lock shows of its state: a vector of one-hot codes, as it is or hidden in noise."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from envs import spaces

KINDS = ("none", "bernoulli", "gaussian", "hadamard", "hadamard_gaussian")


def sylvester(size: int) -> np.ndarray:
    """`[n, n]` float32, Sylvester's Hadamard matrix, n the first power of two from `size` on."""
    matrix = np.ones((1, 1), np.float32)
    while matrix.shape[0] < size:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


class Observations:
    """Turns the clean code v `[size]` of a state into an observation.

    - "none": v
    - "bernoulli": v, then `bits` fresh fair bits
    - "gaussian": v + e, e ~ N(0, deviation^2) in every coordinate
    - "hadamard": A v, A the first `size` columns of Sylvester's Hadamard matrix
    - "hadamard_gaussian": A (v + e)

    Args:
      kind: one of them.
      size: of v.
      bits: for "bernoulli".
      deviation: of e.
      filler: "none" has `bits` zeros where "bernoulli" has bits.

    Raises:
      ValueError: for a kind it does not know, or numbers out of range.
    """

    def __init__(self, kind: str, size: int, bits: int, deviation: float, filler: bool = False):
        if kind not in KINDS:
            raise ValueError(f"observation={kind!r}: one of {', '.join(KINDS)}")
        if deviation < 0:
            raise ValueError(f"deviation={deviation!r}: at least 0")
        if bits < 0:
            raise ValueError(f"bits={bits!r}: at least 0")
        self.kind, self.clean, self.deviation = kind, size, deviation
        self.bits = bits if kind == "bernoulli" or (kind == "none" and filler) else 0
        self.matrix = sylvester(size)[:, :size] if kind.startswith("hadamard") else None

    @property
    def size(self) -> int:
        """Coordinates of an observation."""
        return self.clean + self.bits if self.matrix is None else self.matrix.shape[0]

    def __call__(self, key: jax.Array, v: jax.Array) -> jax.Array:
        """`[size]` float32, the observation of a state with the code v."""
        v = v.astype(jnp.float32)
        if self.kind.endswith("gaussian"):
            v = v + self.deviation * jax.random.normal(key, v.shape, v.dtype)
        if self.matrix is not None:
            return jnp.asarray(self.matrix) @ v
        if self.kind == "bernoulli":
            noise = jax.random.bernoulli(key, shape=(self.bits,)).astype(jnp.float32)
            return jnp.concatenate([v, noise])
        return jnp.concatenate([v, jnp.zeros(self.bits, v.dtype)])

    def space(self, ones: int) -> spaces.Box:
        """Its space, for codes with up to `ones` ones."""
        low, high = 0.0, 1.0
        if self.kind.endswith("gaussian"):
            low, high = -np.inf, np.inf
        elif self.kind == "hadamard":
            low, high = -float(ones), float(ones)
        return spaces.Box(low, high, (self.size,), jnp.float32)
