"""A function of whole batches as a function of one item under any number of `vmap`s.

`vmap` over environments, over seeds and over settings each add an axis in front. They are flattened
into one before the function sees them, so that it is called once, and put back behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap


def batched(
    function: Callable[..., Any], front: Callable[..., tuple[int, ...]]
) -> Callable[..., Any]:
    """`function` of `[B, ...]` trees, for trees with any number of axes in front, none included.

    Args:
      function: of trees of arrays; returns one.
      front: the axes in front of an item, from the same arguments.
    """

    def flat(*arguments: Any) -> Any:
        axes = front(*arguments)
        count = int(np.prod(axes, dtype=np.int64))
        flattened = jax.tree.map(lambda x: x.reshape(count, *x.shape[len(axes) :]), arguments)
        result = function(*flattened)
        return jax.tree.map(lambda x: x.reshape(*axes, *x.shape[1:]), result)

    call = custom_vmap(flat)

    @call.def_vmap
    def rule(size: int, mapped: Any, *arguments: Any) -> Any:
        def widen(x: jax.Array, is_mapped: bool) -> jax.Array:
            return x if is_mapped else jnp.broadcast_to(x, (size, *x.shape))

        result = call(*jax.tree.map(widen, arguments, tuple(mapped)))
        return result, jax.tree.map(lambda _: True, result)

    return call
