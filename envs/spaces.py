"""Spaces: what observations and actions look like. Hashable, so they may be static under `jit`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


@dataclasses.dataclass(frozen=True)
class Discrete:
    """Integers `0 .. n - 1`, as `[]` int32."""

    n: int

    @property
    def shape(self) -> tuple[int, ...]:
        return ()

    @property
    def dtype(self) -> Any:
        return jnp.int32

    def sample(self, key: jax.Array) -> jax.Array:
        """A uniform draw."""
        return jax.random.randint(key, (), 0, self.n, jnp.int32)

    def contains(self, x: Any) -> jax.Array:
        """`[]` bool."""
        return jnp.logical_and(jnp.asarray(x) >= 0, jnp.asarray(x) < self.n)


@dataclasses.dataclass(frozen=True)
class Box:
    """Arrays of one shape between two scalar bounds, inclusive."""

    low: float
    high: float
    shape: tuple[int, ...]
    dtype: Any = jnp.float32

    def sample(self, key: jax.Array) -> jax.Array:
        """A uniform draw (standard normal where a bound is infinite)."""
        if np.issubdtype(self.dtype, np.integer):
            if self.high - self.low >= 2**32 - 1:  # all of an int32: no upper end to give
                return jax.random.bits(key, self.shape, jnp.uint32).astype(self.dtype)
            return jax.random.randint(key, self.shape, int(self.low), int(self.high) + 1).astype(
                self.dtype
            )
        if not (np.isfinite(self.low) and np.isfinite(self.high)):
            return jax.random.normal(key, self.shape, self.dtype)
        return jax.random.uniform(key, self.shape, self.dtype, self.low, self.high)

    def contains(self, x: Any) -> jax.Array:
        """`[]` bool: shape, dtype and bounds."""
        x = jnp.asarray(x)
        if x.shape != self.shape or x.dtype != jnp.dtype(self.dtype):
            return jnp.asarray(False)
        return jnp.all((x >= self.low) & (x <= self.high))


@dataclasses.dataclass(frozen=True)
class Dict:
    """A dictionary of spaces; observations of it are dictionaries with the same keys."""

    items: tuple[tuple[str, Discrete | Box], ...]

    @classmethod
    def of(cls, spaces: Mapping[str, Discrete | Box]) -> Dict:
        """From a mapping."""
        return cls(tuple(sorted(spaces.items())))

    @property
    def spaces(self) -> dict[str, Discrete | Box]:
        return dict(self.items)

    def __getitem__(self, name: str) -> Discrete | Box:
        return self.spaces[name]

    def sample(self, key: jax.Array) -> dict[str, jax.Array]:
        """A draw from each."""
        keys = jax.random.split(key, len(self.items))
        return {name: space.sample(k) for (name, space), k in zip(self.items, keys, strict=True)}

    def contains(self, x: Mapping[str, Any]) -> jax.Array:
        """`[]` bool."""
        if set(x) != set(self.spaces):
            return jnp.asarray(False)
        return jnp.all(jnp.stack([space.contains(x[name]) for name, space in self.items]))


Space = Discrete | Box | Dict
