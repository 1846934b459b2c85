"""The elliptical episodic bonus of E3B, b_t = phi_t^T C_{t-1}^-1 phi_t, by the step or the block.

C_{t-1} = ridge I + sum of phi phi^T over the earlier steps of the episode (Henaff et al., NeurIPS
2022, arXiv 2210.05805, equation 1). With one-hot embeddings b = 1 / (count + ridge): a count-based
bonus for continuous features.

What is kept is a root R with C^-1 = R^T R, so that rounding cannot make C^-1 indefinite, however
long an episode is. `update` is the paper's rank-one step (Sherman-Morrison): with w = R phi and
l = sqrt(1 + w^T w), R <- R - w w^T R / (l (1 + l)). `update_block` gives the same numbers for T
steps at once. With Phi the [T, D] embeddings and W = Phi R^T, one Cholesky factor I + W W^T = L L^T
holds every bonus: by the determinant lemma the leading minors grow by 1 + b_t, so b_t = L_tt^2 - 1;
and R <- R - W^T (I + L)^-T L^-1 W R (Andrews, 1968). Where an episode begins inside the block, W W^T
is zero between episodes, W = Phi / sqrt(ridge) after the first reset (less a rank-one term where a
first state is in C from the start), and only the last episode's rows enter the new root. The root is
read and written once a block and not once a step, and the work is matrix products.

Rounding: float32 gives b to about 1e-7 |phi|^2 / ridge, absolute, so |phi|^2 / ridge should stay
below 1e6 (a LayerNorm on phi sees to it). A state visited often has a bonus far below that scale;
there the rank-one step adds up its rounding step by step, and blocks round once a block.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl_suite.experiment import known
from jaxrl_suite.exploration import factor

METHODS = ("auto", "block", "scan")


class EllipticalState(NamedTuple):
    """The ellipsoid of one episode.

    Attributes:
      root: `[D, D]` float32, R with C^-1 = R^T R.
      ridge: `[]` float32, C = ridge I when an episode begins.
    """

    root: jax.Array
    ridge: jax.Array

    @property
    def inverse_covariance(self) -> jax.Array:
        """C^-1, `[..., D, D]` of states `[...]`."""
        return jnp.matmul(jnp.swapaxes(self.root, -1, -2), self.root, precision="highest")


def init(dim: int, ridge: float) -> EllipticalState:
    """The state at the start of an episode, C = ridge I.

    Args:
      dim: D, the size of an embedding.
      ridge: lambda in the paper (0.1 there), positive.

    Raises:
      ValueError: for `dim` below 1 or a `ridge` that is not positive.
    """
    if dim < 1:
        raise ValueError(f"dim={dim!r}: at least 1")
    if known(ridge) and not ridge > 0:
        raise ValueError(f"ridge={ridge!r}: must be positive")
    scale = jnp.asarray(ridge, jnp.float32)
    return EllipticalState(jnp.eye(dim, dtype=jnp.float32) * jax.lax.rsqrt(scale), scale)


def reset(
    state: EllipticalState, where: jax.Array | bool = True, first: jax.Array | None = None
) -> EllipticalState:
    """`state` at the start of an episode if `where` (`[]` bool) holds, else `state` itself.

    With `first`, `[D]`, the covariance begins as ridge I + first first^T.

    Raises:
      ValueError: for a `first` or a `where` of another shape.
    """
    dim = _dim(state)
    fresh = jnp.eye(dim, dtype=jnp.float32)
    if jnp.shape(where) != ():
        raise ValueError(f"where of shape {jnp.shape(where)}: must be []; vmap over environments")
    if first is not None:
        if jnp.shape(first) != (dim,):
            raise ValueError(f"first of shape {jnp.shape(first)}: must be [{dim}]")
        fresh = fresh - _shrink(jnp.sum(first**2) / state.ridge) / state.ridge * jnp.outer(
            first, first
        )
    fresh = fresh * jax.lax.rsqrt(state.ridge)
    return state._replace(root=jnp.where(where, fresh, state.root))


def _dim(state: EllipticalState) -> int:
    """D.

    Raises:
      ValueError: for the states of several environments.
    """
    if state.root.ndim != 2:
        shape = state.root.shape
        raise ValueError(f"state.root of shape {shape}: must be [D, D]; vmap over environments")
    return int(state.root.shape[-1])


def _shrink(b: jax.Array) -> jax.Array:
    """c with (I - c w w^T)^2 = (I + w w^T)^-1, of b = w^T w."""
    length = jnp.sqrt(1.0 + b)
    return 1.0 / (length * (1.0 + length))


def update(state: EllipticalState, embedding: jax.Array) -> tuple[jax.Array, EllipticalState]:
    """One step: the bonus of `embedding`, which then enters the covariance.

    Args:
      state: as from `init`.
      embedding: phi, `[D]`.

    Returns:
      b, `[]` float32, and the new state.

    Raises:
      ValueError: for an embedding of another shape than the state's.
    """
    dim, embedding = _dim(state), jnp.asarray(embedding, jnp.float32)
    if embedding.shape != (dim,):
        many = "; vmap over environments, `update_block` takes steps"
        raise ValueError(f"embedding of shape {embedding.shape}: must be [{dim}]{many}")
    w = jnp.matmul(state.root, embedding, precision="highest")
    bonus = jnp.sum(w**2)
    row = jnp.matmul(w, state.root, precision="highest")
    return bonus, state._replace(root=state.root - jnp.outer(_shrink(bonus) * w, row))


def update_block(
    state: EllipticalState,
    embeddings: jax.Array,
    resets: jax.Array,
    *,
    first: jax.Array | None = None,
    method: str = "auto",
    block_size: int | None = None,
) -> tuple[jax.Array, EllipticalState]:
    """T steps, equal to `update` (after `reset` where an episode begins) for each in turn.

    Args:
      state: the state before the first step.
      embeddings: `[T, D]`.
      resets: `[T]` bool, an episode begins at step t: C = ridge I before b_t.
      first: `[T, D]`, read where an episode begins: an embedding that is in its covariance from the
        start, C = ridge I + first_t first_t^T before b_t. None for none.
      method: "block", "scan" (of rank-one steps), or "auto": the faster one for this T and D, see
        `plan`. The mathematics is the same.
      block_size: steps a block; None takes the fastest for this D.

    Returns:
      `[T]` float32 bonuses, and the state after the last step.

    Raises:
      ValueError: for shapes that do not fit each other, or an unknown method.
    """
    dim = _dim(state)
    embeddings, resets = jnp.asarray(embeddings, jnp.float32), jnp.asarray(resets, bool)
    first = None if first is None else jnp.asarray(first, jnp.float32)
    if embeddings.ndim != 2 or embeddings.shape[1] != dim:
        many = "; vmap over environments" if embeddings.ndim > 2 else ""
        raise ValueError(f"embeddings of shape {embeddings.shape}: must be [T, {dim}]{many}")
    steps = embeddings.shape[0]
    if resets.shape != (steps,):
        raise ValueError(f"resets of shape {resets.shape}: must be [{steps}], one a step")
    if first is not None and first.shape != embeddings.shape:
        raise ValueError(f"first of shape {first.shape}: must be [{steps}, {dim}]")
    if method not in METHODS:
        raise ValueError(f"method={method!r}: one of {', '.join(METHODS)}")
    if block_size is not None and block_size < 1:
        raise ValueError(f"block_size={block_size!r}: at least 1")
    if steps == 0:
        return jnp.zeros(0, jnp.float32), state
    xs: tuple[jax.Array, ...] = (
        (embeddings, resets) if first is None else (embeddings, resets, first)
    )
    chosen, size = plan(steps, dim)
    if method == "scan" or (method == "auto" and chosen == "scan"):
        return _scan(state, *xs)
    size = _power_of_two(min(block_size or size, steps))
    blocks = -(-steps // size)
    # a zero embedding has bonus 0 and leaves C as it is, so it may fill the last block
    padding = blocks * size - steps
    xs = jax.tree.map(lambda x: jnp.pad(x, ((0, padding), *((0, 0),) * (x.ndim - 1))), xs)
    if blocks == 1:
        bonuses, state = _block(state, *xs)
        return bonuses[:steps], state

    def body(state, xs):
        bonuses, state = _block(state, *xs)
        return state, bonuses

    xs = jax.tree.map(lambda x: x.reshape(blocks, size, *x.shape[1:]), xs)
    state, bonuses = jax.lax.scan(body, state, xs)
    return bonuses.reshape(-1)[:steps], state


def plan(steps: int, dim: int) -> tuple[str, int]:
    """Method and block size that "auto" takes for T = `steps`, D = `dim`.

    From `benchmarks/e3b_update.py` on two CPU cores, 16 and 64 environments: below D = 32 the scan
    stays in cache and wins; above, blocks win, and the wider the matrix the longer the best block,
    because a block costs T^3 for its factor and saves T - 1 passes over D x D numbers.
    """
    if dim < 32 or steps < 2:
        return "scan", 1
    return "block", 16 if dim <= 64 else 32 if dim <= 256 else 64


def _scan(state, embeddings, resets, first=None):
    def body(state, xs):
        embedding, starts, *first = xs
        bonus, state = update(reset(state, starts, *first), embedding)
        return state, bonus

    xs = (embeddings, resets) if first is None else (embeddings, resets, first)
    state, bonuses = jax.lax.scan(body, state, xs)
    return bonuses, state


def _block(state, phi, resets, first=None):
    root, ridge = state
    episode = jnp.cumsum(resets.astype(jnp.int32))
    fresh = phi
    begun = None
    if first is not None:
        steps = jnp.arange(len(resets))
        begun = first[jnp.maximum(jax.lax.cummax(jnp.where(resets, steps, -1)), 0)]
        share = jnp.sum(begun * phi, 1) * _shrink(jnp.sum(begun**2, 1) / ridge) / ridge
        fresh = fresh - share[:, None] * begun
    old = jnp.matmul(phi, root.T, precision="highest")
    w = jnp.where((episode == 0)[:, None], old, fresh * jax.lax.rsqrt(ridge))
    k = jnp.matmul(w, w.T, precision="highest")
    k = jnp.where(episode[:, None] == episode[None, :], k, 0.0)
    diagonal = jnp.diagonal(k)
    # 1, until embeddings are so long that rounding could make the matrix indefinite
    rounding = 8.0 * jnp.finfo(jnp.float32).eps * jnp.sum(phi**2, axis=1) / ridge
    identity = 1.0 + jnp.maximum(rounding - 0.1, 0.0)
    # halves are many small kernels, so accelerators take their library's batched factorisation
    lower, inverse_lower, inverse_sum = jax.lax.platform_dependent(
        k + jnp.diag(identity), jnp.sqrt(identity), cpu=factor.by_halves, default=factor.by_library
    )
    # L_tt^2 - 1 without the subtraction of 1, which would lose the digits of small bonuses
    bonuses = jnp.maximum(diagonal - jnp.sum(jnp.tril(lower, -1) ** 2, axis=1), 0.0)
    start = None if begun is None else begun[-1]
    base = reset(state, episode[-1] > 0, start).root
    last = jnp.where((episode == episode[-1])[:, None], w, 0.0)
    y = jnp.matmul(last, base, precision="highest")
    y = jnp.matmul(inverse_lower, y, precision="highest")
    y = jnp.matmul(inverse_sum.T, y, precision="highest")
    return bonuses, state._replace(root=base - jnp.matmul(last.T, y, precision="highest"))


def _power_of_two(n: int) -> int:
    return 1 << (n - 1).bit_length()
