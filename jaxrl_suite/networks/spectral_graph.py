"""Convolutions on graphs in the spectral domain (Henaff, Bruna and LeCun, 2015, arXiv 1506.05163).

With V the eigenvectors of a graph's Laplacian L (smallest eigenvalues first), maps x over its N nodes
are filtered by a multiplier a frequency (section 3):

    y_g = V sum_f diag(w_gf) V^T x_f

Filters that are local in space are smooth in frequency, so w_gf = K c_gf takes k numbers, interpolated
to all frequencies: k does not depend on N. Three layers, all `[S, N, f]` -> `[S, N, g]`:

    SpectralConv       the eigenvectors of a part or all of the spectrum, N x n numbers
    ChebyshevConv      sum_k T_k(L) x c_k: sparse products only, for graphs of any size
    GridConv           the ordinary convolution, for comparison where the grid is known
"""

from __future__ import annotations

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import scipy.interpolate
import scipy.sparse
import scipy.sparse.linalg
from jax.experimental import sparse

Weights = Any  # a NumPy array or a sparse array of SciPy


def laplacian(weights: Weights) -> Any:
    """I - D^-1/2 W D^-1/2 of symmetric weights `[N, N]`, dense or sparse as they are.

    Nodes without neighbours have a row and column of zeros but for the 1 on the diagonal.

    Raises:
      ValueError: for weights that are not square, symmetric and at least 0.
    """
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1]:
        raise ValueError(f"weights of shape {weights.shape}: square")
    gap, least = abs(weights - weights.T).max(), weights.min()
    if gap > 1e-6 * max(abs(weights).max(), 1e-30) or least < 0:
        raise ValueError(
            f"weights: symmetric (differ by {gap:.2g}), at least 0 (least {least:.2g})"
        )
    degree = np.asarray(weights.sum(axis=1), np.float64).ravel()
    scale = np.where(degree > 0, 1 / np.sqrt(np.where(degree > 0, degree, 1)), 0.0)
    n = weights.shape[0]
    if scipy.sparse.issparse(weights):
        d = scipy.sparse.diags_array(scale)
        return scipy.sparse.eye_array(n).tocsr() - (d @ weights @ d).tocsr()
    return np.eye(n) - scale[:, None] * weights * scale[None]


def eigenvectors(weights: Weights, frequencies: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The smoothest eigenvectors of the Laplacian.

    Args:
      weights: `[N, N]`; sparse ones go to Lanczos's method (ARPACK) unless nearly all are asked for.
      frequencies: how many, all N by default.

    Returns:
      Eigenvalues `[n]`, ascending, and eigenvectors `[N, n]`, float64.

    Raises:
      ValueError: for more than N or fewer than 1.
    """
    n = weights.shape[0]
    frequencies = n if frequencies is None else frequencies
    if not 1 <= frequencies <= n:
        raise ValueError(f"frequencies={frequencies!r}: from 1 to {n}")
    found = laplacian(weights)
    if scipy.sparse.issparse(found) and frequencies < n // 2:
        # the smallest of L are the largest of 2 I - L, which is where Lanczos converges fast
        flipped = 2 * scipy.sparse.eye_array(n) - found
        values, vectors = scipy.sparse.linalg.eigsh(
            flipped, k=frequencies, which="LA", v0=np.ones(n)
        )
        order = np.argsort(-values)
        return 2 - values[order], vectors[:, order]
    dense = found.toarray() if scipy.sparse.issparse(found) else found
    values, vectors = np.linalg.eigh(dense)
    return values[:frequencies], vectors[:, :frequencies]


def interpolation(frequencies: int, knots: int, kind: str = "cubic") -> np.ndarray:
    """K `[frequencies, knots]`: from values at equally spaced knots to all frequencies.

    Args:
      frequencies: n.
      knots: k; as many as frequencies or more give each frequency a number of its own.
      kind: "cubic" (natural splines, as the paper says) or "linear" (as its code does).

    Raises:
      ValueError: for another kind, or fewer than one knot.
    """
    if kind not in ("cubic", "linear"):
        raise ValueError(f"kind={kind!r}: 'cubic' or 'linear'")
    if knots < 1:
        raise ValueError(f"knots={knots!r}: at least 1")
    if knots >= frequencies:
        return np.eye(frequencies)
    if knots == 1:
        return np.ones((frequencies, 1))
    at, where = np.linspace(0, 1, knots), np.linspace(0, 1, frequencies)
    if kind == "linear" or knots == 2:
        return np.stack([np.interp(where, at, row) for row in np.eye(knots)], 1)
    return scipy.interpolate.CubicSpline(at, np.eye(knots), bc_type="natural")(where)


def _spread(fan_in: int) -> Any:
    """Uniform within 1 / sqrt(fan-in), as the paper's code."""
    most = 1.0 / math.sqrt(fan_in)

    def init(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return jax.random.uniform(key, shape, minval=-most, maxval=most)

    return init


class SpectralConv(nn.Module):
    """Smooth multipliers on the eigenvectors of a graph.

    Attributes:
      vectors: `[N, n]`, as of `eigenvectors`; n below N leaves the highest frequencies out.
      features: g, of the output.
      knots: k, numbers a multiplier has.
      kind: of interpolation.
    """

    vectors: np.ndarray
    features: int
    knots: int
    kind: str = "cubic"

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """`[S, N, f]` -> `[S, N, g]`."""
        v = jnp.asarray(self.vectors, x.dtype)
        k = jnp.asarray(interpolation(v.shape[1], self.knots, self.kind), x.dtype)
        init = _spread(x.shape[-1] * k.shape[1])
        c = self.param("multipliers", init, (k.shape[1], x.shape[-1], self.features))
        # a multiplier near one per input map passes it on: K's columns sum to one over k knots
        w = jnp.einsum("nk,kfg->nfg", k, c) * math.sqrt(k.shape[1])
        y = jnp.einsum("sNf,Nn->nsf", x, v)
        y = jnp.einsum("nsg,Nn->sNg", jnp.matmul(y, w), v)
        return y + self.param("bias", nn.initializers.zeros, (self.features,))


class ChebyshevConv(nn.Module):
    """Polynomials of the Laplacian: what k steps along edges reach, without any eigenvectors.

    A smooth multiplier is a polynomial of low degree in the frequency; in Chebyshev's basis, L scaled
    from [0, 2] to [-1, 1], it takes k - 1 products with a sparse matrix (Hammond et al., 2011).

    Attributes:
      laplacian: `[N, N]` dense, or sparse of SciPy.
      features: g, of the output.
      order: k, polynomials of degree below k.
    """

    laplacian: Any
    features: int
    order: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """`[S, N, f]` -> `[S, N, g]`."""
        s, n, f = x.shape
        init = _spread(f * self.order)
        c = self.param("multipliers", init, (self.order, f, self.features))
        terms = jnp.stack(
            chebyshev(self.laplacian, jnp.moveaxis(x, 1, 0).reshape(n, -1), self.order)
        )
        y = jnp.einsum("knsf,kfg->sng", terms.reshape(self.order, n, s, f), c)
        return y + self.param("bias", nn.initializers.zeros, (self.features,))


def chebyshev(laplacian: Any, x: jax.Array, order: int) -> list[jax.Array]:
    """T_0 to T_{order-1} of L - I, each times `x` `[N, B]`: order arrays `[N, B]`.

    Raises:
      ValueError: for an order below 1.
    """
    if order < 1:
        raise ValueError(f"order={order!r}: at least 1")
    n = laplacian.shape[0]
    if scipy.sparse.issparse(laplacian):
        shifted = (laplacian - scipy.sparse.eye_array(n)).astype(np.float32)
        matrix: Any = sparse.BCSR.from_scipy_sparse(scipy.sparse.csr_array(shifted))
    else:
        matrix = jnp.asarray(laplacian - np.eye(n), x.dtype)
    terms = [x]
    if order > 1:
        terms.append(matrix @ x)
    for _ in range(order - 2):
        terms.append(2 * (matrix @ terms[-1]) - terms[-2])
    return terms


class GridConv(nn.Module):
    """An ordinary convolution for nodes that are the pixels of a known grid.

    Attributes:
      order: `[N]`, the node at each pixel, row by row.
      features: g.
      side: of the kernel.
    """

    order: np.ndarray
    features: int
    side: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """`[S, N, f]` -> `[S, N, g]`, N a square."""
        width = math.isqrt(x.shape[1])
        picture = x[:, self.order].reshape(len(x), width, width, -1)
        y = nn.Conv(self.features, (self.side, self.side))(picture)
        return y.reshape(len(x), x.shape[1], -1)[:, np.argsort(self.order)]
