"""Graphs from data, and coarser graphs from graphs (arXiv 1506.05163, section 4 and 3.2).

    w = graph_estimation.unsupervised(x)              # similarity of features over samples
    w = graph_estimation.supervised(first_weights)    # ... in the first layer of a trained network
    pools, coarse = graph_estimation.pooling(w, stride=2)
    levels = graph_estimation.levels(w, 3, stride=2)  # ... for each of three convolutions

Plain NumPy on the host: graphs are made once, before training.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy.sparse

from jaxrl_suite.networks.spectral_graph import eigenvectors


def distances(features: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """Squared Euclidean distances `[N, K]` from the rows of `[N, M]` to `[K, M]`'s or each other's.

    By products: differences `[N, K, M]` would be gigabytes on large graphs.
    """
    features = np.asarray(features, np.float64)
    others = features if (alone := others is None) else np.asarray(others, np.float64)
    squares = np.sum(features**2, 1)[:, None] + np.sum(others**2, 1)
    found = np.maximum(squares - 2 * features @ others.T, 0)
    if alone:
        np.fill_diagonal(found, 0)
    return found


def gaussian(d: np.ndarray, rank: float = 0.01, local: bool = False) -> np.ndarray:
    """Weights exp(-d / sigma^2) from squared distances (equations 4 and 5).

    Args:
      d: `[N, N]`.
      rank: sigma^2 is the distance to the neighbour of this rank, as a share of N; its mean over nodes.
      local: each node has a sigma of its own instead (self-tuning): exp(-d / (sigma_i sigma_j)).

    Returns:
      `[N, N]` symmetric, zeros on the diagonal.

    Raises:
      ValueError: for a rank outside of 0 to 1.
    """
    if not 0 < rank < 1:
        raise ValueError(f"rank={rank!r}: above 0, below 1")
    n = len(d)
    place = min(max(1, round(rank * n)), n - 1)  # place 0 is the node itself
    squares = np.maximum(np.sort(d, 1)[:, place], 1e-12)
    scale = np.sqrt(np.outer(squares, squares)) if local else squares.mean()
    weights = np.exp(-d / scale)
    np.fill_diagonal(weights, 0)
    return (weights + weights.T) / 2


def unsupervised(
    x: np.ndarray, rank: float = 0.01, local: bool = False, standardize: bool = False
) -> np.ndarray:
    """Weights `[N, N]` of features by how alike they are over samples `[S, N]`.

    Args:
      x: samples.
      rank, local: of the Gaussian kernel.
      standardize: divide each feature by its deviation first.
    """
    x = np.asarray(x, np.float64)
    if standardize:
        deviation = x.std(0)
        x = x / np.where(deviation > 0, deviation, 1)
    return gaussian(distances(x.T), rank, local)


def supervised(
    weights: np.ndarray, rank: float = 0.01, local: bool = False, keep: float | None = None
) -> np.ndarray:
    """Graph weights `[N, N]` of input features by the first layer of a trained network.

    Args:
      weights: `[N, M]`, of that layer.
      rank, local: of the Gaussian kernel.
      keep: share of its singular values to keep first, None for all.

    Raises:
      ValueError: for a share outside of 0 to 1.
    """
    if keep is not None:
        if not 0 < keep <= 1:
            raise ValueError(f"keep={keep!r}: above 0, at most 1")
        u, s, v = np.linalg.svd(weights, full_matrices=False)
        kept = max(1, round(keep * len(s)))
        weights = u[:, :kept] * s[:kept] @ v[:kept]
    return gaussian(distances(weights), rank, local)


def nearest(weights: np.ndarray, neighbours: int) -> scipy.sparse.csr_array:
    """The graph in which each node keeps its `neighbours` strongest edges, symmetric and sparse."""
    n = len(weights)
    columns = np.argsort(-weights, 1, kind="stable")[:, :neighbours]
    rows = np.repeat(np.arange(n), neighbours)
    values = weights[rows, columns.ravel()]
    kept = scipy.sparse.csr_array((values, (rows, columns.ravel())), shape=(n, n))
    return kept.maximum(kept.T)


def grid(side: int) -> np.ndarray:
    """The graph of a square grid, each pixel beside its four neighbours, `[side^2, side^2]`."""
    y, x = np.divmod(np.arange(side * side), side)
    gap = np.abs(y[:, None] - y) + np.abs(x[:, None] - x)
    return (gap == 1).astype(np.float64)


def overlap(weights: np.ndarray, true: np.ndarray) -> float:
    """Share of the true edges found when each node names as many neighbours as it truly has."""
    found = total = 0
    for row, wanted in zip(weights, true > 0, strict=True):
        count = int(wanted.sum())
        named = np.argsort(-row, kind="stable")[:count]
        found, total = found + int(wanted[named].sum()), total + count
    return found / total


def clusters(weights: np.ndarray, number: int, most: int, seed: int = 0) -> np.ndarray:
    """Spectral clustering into `number` clusters of at most `most` nodes: `[N]` labels.

    k-means on the rows, of length one, of the `number` smoothest eigenvectors; every node goes to the
    nearest centre with room, those that would lose most first.

    Raises:
      ValueError: where so few clusters of that size cannot hold all nodes.
    """
    n = len(weights)
    if number * most < n:
        raise ValueError(f"most={most!r}: {number} clusters of {most} do not hold {n} nodes")
    rows = eigenvectors(weights, number)[1]
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    rng, best, lowest = np.random.default_rng(seed), np.zeros(n, int), np.inf
    for _ in range(2):
        centres = rows[rng.choice(n, number, replace=False)]
        for _ in range(100):
            d = distances(rows, centres)
            labels = _with_room(d, most)
            moved = np.stack(
                [
                    rows[labels == j].mean(0) if (labels == j).any() else c
                    for j, c in enumerate(centres)
                ]
            )
            if np.allclose(moved, centres):
                break
            centres = moved
        cost = d[np.arange(n), labels].sum()
        if cost < lowest:
            best, lowest = labels, cost
    return best


def _with_room(d: np.ndarray, most: int) -> np.ndarray:
    """The nearest centre with fewer than `most` nodes, for `[N, K]` distances."""
    order = np.sort(d, 1)
    regret = order[:, 1] - order[:, 0] if d.shape[1] > 1 else order[:, 0]
    labels, room = np.zeros(len(d), int), np.full(d.shape[1], most)
    for i in np.argsort(-regret, kind="stable"):
        free = np.where(room > 0, d[i], np.inf)
        labels[i] = int(np.argmin(free))
        room[labels[i]] -= 1
    return labels


def pooling(
    weights: np.ndarray, stride: int, size: int | None = None, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """One level of the multiresolution graph.

    Args:
      weights: `[N, N]`.
      stride: about N / stride nodes are left.
      size: of a pool, 2 * stride by default; pools overlap.
      seed: of the clustering.

    Returns:
      Pools `[n, size]` of nodes, and the weights of the coarse graph `[n, n]`: sums of the weights
      between two clusters, without its diagonal.
    """
    n = len(weights)
    number, size = n // stride, 2 * stride if size is None else size
    labels = clusters(weights, number, size, seed)
    member = labels[:, None] == np.arange(number)
    member = member[:, member.any(0)]
    rows = eigenvectors(weights, number)[1]
    centres = np.stack([rows[m].mean(0) for m in member.T])
    anchors = np.argmin(distances(rows, centres), 0)
    near = weights[anchors].copy()
    near[np.arange(len(anchors)), anchors] = np.inf  # a pool holds its own anchor
    pools = np.argsort(-near, 1, kind="stable")[:, :size]
    coarse = member.T.astype(float) @ weights @ member.astype(float)
    np.fill_diagonal(coarse, 0)
    return pools, coarse


class Level(NamedTuple):
    """A convolution's graph `[N, N]` and the pools `[n, size]` behind it, or None.

    Of a convolution that knows the grid `weights` is `[N]`, the node at each pixel.
    """

    weights: np.ndarray
    pools: np.ndarray | None


def levels(weights: np.ndarray, number: int, stride: int) -> tuple[Level, ...]:
    """The graph of each of `number` convolutions, coarser and coarser; with a stride of 1 the same."""
    found = []
    for _ in range(number):
        if stride == 1 or len(weights) < 2 * stride:
            found.append(Level(weights, None))
            continue
        pools, coarse = pooling(weights, stride)
        found.append(Level(weights, pools))
        weights = coarse
    return tuple(found)


def grid_levels(order: np.ndarray, number: int, stride: int) -> tuple[Level, ...]:
    """Of convolutions that know the grid: pools of 2 x 2 after all of them but the last.

    Args:
      order: `[N]`, the node at each pixel of a square grid.
      number: of convolutions.
      stride: 1 pools nothing.
    """
    found = []
    for i in range(number):
        side = math.isqrt(len(order))
        if i == number - 1 or stride == 1 or side % 2:
            found.append(Level(order, None))
            continue
        blocks = order.reshape(side // 2, 2, side // 2, 2).swapaxes(1, 2).reshape(-1, 4)
        found.append(Level(order, blocks))
        order = np.arange(len(blocks))
    return tuple(found)
