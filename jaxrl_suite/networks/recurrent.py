"""Recurrent cores that forget at episode boundaries, inside an unroll of several episodes."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrl_suite.networks import entity_network, orthogonal_rnn
from jaxrl_suite.networks.initializers import orthogonal

CELLS = {"gru": nn.GRUCell, "lstm": nn.OptimizedLSTMCell}
KINDS = (*CELLS, *orthogonal_rnn.KINDS, "entities")
SLOTS = 8  # of an entity memory


class _Step(nn.Module):
    kind: str
    features: int

    @nn.compact
    def __call__(self, carry: Any, inputs: tuple[jax.Array, jax.Array]) -> tuple[Any, jax.Array]:
        x, reset = inputs
        keep = 1.0 - reset.astype(jnp.float32)[..., None]
        carry = jax.tree.map(lambda c: c * keep, carry)  # the cells' initial carry is zero
        cell = CELLS[self.kind](self.features, recurrent_kernel_init=orthogonal())
        return cell(carry, x)


class Recurrent(nn.Module):
    """A GRU, an LSTM, a linear orthogonal memory or an entity memory over time-major inputs.

    Attributes:
      kind: one of `KINDS`.
      features: of its output.
    """

    kind: str
    features: int

    @nn.compact
    def __call__(self, carry: Any, x: jax.Array, reset: jax.Array) -> tuple[Any, jax.Array]:
        """`x` `[T, N, F]`, `reset` `[T, N]` bool (an episode begins at t): `(carry, [T, N, H])`."""
        if self.kind in orthogonal_rnn.KINDS:
            return orthogonal_rnn.OrthogonalRNN(self.kind, self.features)(carry, x, reset)
        if self.kind == "entities":
            return entity_network.EntityMemory(self.features, SLOTS)(carry, x, reset)
        scan = nn.scan(
            _Step, variable_broadcast="params", split_rngs={"params": False}, in_axes=0, out_axes=0
        )
        return scan(self.kind, self.features)(carry, (x, reset))


def initial_carry(kind: str, features: int, num_envs: int) -> Any:
    """Zero carry for `num_envs` environments; `()` for kind "none"."""
    if kind == "none":
        return ()
    if kind == "entities":
        return jnp.zeros((num_envs, SLOTS, features), jnp.float32)
    zeros = jnp.zeros((num_envs, features), jnp.float32)
    return (zeros, zeros) if kind == "lstm" else zeros
