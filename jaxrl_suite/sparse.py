"""Functions of a few steps of a rollout, without paying for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def apply_where(
    f: Callable[[Any], jax.Array], where: jax.Array, xs: Any, otherwise: jax.Array
) -> jax.Array:
    """`f(xs)` at the steps where `where` holds, `otherwise` at all others.

    The steps are gathered and go through `f` in groups of N, as many groups as there are: under jit
    the cost follows the number of steps looked at, not T. Under `vmap` it is that of the seed with the
    most.

    Args:
      f: pytree of `[N, ...]` -> `[N, *out]`, each row by itself.
      where: `[T, N]` bool.
      xs: pytree of `[T, N, ...]`.
      otherwise: `[T, N, *out]`.
    """
    length, width = where.shape
    size = length * width
    places = jnp.nonzero(where.reshape(-1), size=size, fill_value=size)[0]
    rows = jax.tree.map(lambda x: x.reshape(size, *x.shape[2:]), xs)

    def look(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        number, found = carry
        here = jax.lax.dynamic_slice(places, (number,), (width,))
        part = f(jax.tree.map(lambda x: x.at[here].get(mode="clip"), rows))
        return number + width, found.at[here].set(part, mode="drop")

    count = jnp.sum(where)
    first = jnp.int32(0), otherwise.reshape(size, *otherwise.shape[2:])
    _, found = jax.lax.while_loop(lambda carry: carry[0] < count, look, first)
    return found.reshape(otherwise.shape)
