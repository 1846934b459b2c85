"""Search inside an ensemble of deterministic models (Neural-E3, section 4.2 and appendix B).

A vertex is a set of E states, what each member predicts for the same actions. Vertices that lie far
from all found before them are expanded first, so that the search spreads over the states that the
models think can be reached. The way there whose steps are worth most on average is the plan:

    explore: u = max over pairs (i, j) of |s_i - s_j|^2        exploit: the mean predicted reward

The released code expands one vertex at a time and stops at the first way above a threshold. Here a
batch of them is expanded at once and the search always runs to its end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

# (states [E, K, ...], actions [K]) -> (next states [E, K, ...], rewards [E, K])
Predict = Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]
SMALL = 32  # numbers in a state up to which distances are sums of squares; products beyond


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """How much to search.

    Attributes:
      vertices: N, at most as many states are looked at.
      expand: B, vertices whose A actions are tried at once.
      deepest: steps of the longest plan.
      top: share of the best vertices, of which an exploring plan is drawn.
    """

    vertices: int = 2000
    expand: int = 8
    deepest: int = 150
    top: float = 0.01


class Graph(NamedTuple):
    """What was found, N places of which the first `size` are taken.

    Attributes:
      states: `[N, E, ...]`.
      mean: `[N, D]`, over members, flat.
      parent, action, depth: `[N]` int32.
      worth: `[N]` float32, the sum along the way.
      priority: `[N]` float32, -inf where there is nothing to expand.
      size: `[]` int32.
    """

    states: jax.Array
    mean: jax.Array
    parent: jax.Array
    action: jax.Array
    depth: jax.Array
    worth: jax.Array
    priority: jax.Array
    size: jax.Array


class Path(NamedTuple):
    """Actions to take, `[deepest]` int32, of which the first `length` count."""

    actions: jax.Array
    length: jax.Array


def spread(states: jax.Array) -> jax.Array:
    """max over pairs of members of the squared distance of their states, `[E, K, ...]` -> `[K]`."""
    flat = jnp.moveaxis(states.reshape(*states.shape[:2], -1), 0, 1)
    gaps = flat[:, :, None] - flat[:, None]
    return jnp.max(jnp.sum(gaps**2, -1), (-2, -1))


def distances(a: jax.Array, b: jax.Array) -> jax.Array:
    """Squared distances, `[K, D]`, `[N, D]` -> `[K, N]`."""
    if a.shape[-1] <= SMALL:
        return jnp.sum((a[:, None] - b[None]) ** 2, -1)
    product = jnp.matmul(a, b.T)
    return jnp.maximum(jnp.sum(a**2, -1)[:, None] + jnp.sum(b**2, -1)[None] - 2 * product, 0.0)


def grow(
    predict: Predict,
    state: jax.Array,
    config: SearchConfig,
    members: int,
    actions: int,
    explore: bool,
) -> Graph:
    """All vertices found from `state`, `[...]`."""
    count, batch = config.vertices, config.expand
    number, dim = batch * actions, state.size
    never = jnp.full(count, -jnp.inf)
    everyone = jnp.broadcast_to(state, (members, *state.shape))
    zeros = jnp.zeros(count, jnp.int32)
    graph = Graph(
        states=jnp.zeros((count, members, *state.shape)).at[0].set(everyone),
        mean=jnp.zeros((count, dim)).at[0].set(state.reshape(-1)),
        parent=zeros,
        action=zeros,
        depth=zeros,
        worth=jnp.zeros(count),
        priority=never.at[0].set(jnp.inf),
        size=jnp.int32(1),
    )
    tried = jnp.tile(jnp.arange(actions, dtype=jnp.int32), batch)
    earlier = jnp.tril(jnp.ones((number, number), bool), -1)

    def expand(graph: Graph, _: None) -> tuple[Graph, None]:
        first, picked = jax.lax.top_k(graph.priority, batch)
        parent = jnp.repeat(picked, actions)
        real = jnp.repeat(first > -jnp.inf, actions)
        before = jnp.moveaxis(graph.states[parent], 0, 1)
        states, reward = predict(before, tried)
        worth = spread(states) if explore else reward.mean(0)
        mean = states.mean(0).reshape(number, dim)
        # the real ones first, so that no place is left empty
        place = graph.size + jnp.cumsum(real) - 1
        place = jnp.where(real & (place < count), place, count)
        known = jnp.where(jnp.arange(count) < graph.size, distances(mean, graph.mean), jnp.inf)
        among = jnp.where(earlier & real[None], distances(mean, mean), jnp.inf)
        far = jnp.minimum(known.min(-1), among.min(-1))
        depth = graph.depth[parent] + 1
        new = {
            "states": jnp.moveaxis(states, 0, 1),
            "mean": mean,
            "parent": parent,
            "action": tried,
            "depth": depth,
            "worth": graph.worth[parent] + worth,
            "priority": jnp.where(depth < config.deepest, far, -jnp.inf),
        }
        graph = graph._replace(priority=graph.priority.at[picked].set(-jnp.inf))
        put = {k: getattr(graph, k).at[place].set(v, mode="drop") for k, v in new.items()}
        size = jnp.minimum(graph.size + real.sum(), count).astype(jnp.int32)
        return graph._replace(**put, size=size), None

    # the first expands one vertex, so a few more than count / number are needed
    return jax.lax.scan(expand, graph, None, length=-(-count // number) + 1)[0]


def way_to(graph: Graph, vertex: jax.Array, deepest: int) -> Path:
    """The actions that lead to a vertex."""
    length = graph.depth[vertex]

    def back(_: int, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        vertex, found = carry
        place = jnp.where(vertex > 0, graph.depth[vertex] - 1, deepest)
        return graph.parent[vertex], found.at[place].set(graph.action[vertex], mode="drop")

    blank = jnp.zeros(deepest, jnp.int32)
    return Path(jax.lax.fori_loop(0, deepest, back, (vertex, blank))[1], length)


def search(
    key: jax.Array,
    predict: Predict,
    state: jax.Array,
    config: SearchConfig,
    members: int,
    actions: int,
    explore: bool,
) -> Path:
    """A plan from `state`, at least one step long.

    Args:
      key: random key.
      predict: the models.
      state: `[...]`, where the agent stands.
      config: how much to search.
      members, actions: E and A.
      explore: draw one of the `top` ways by mean disagreement, else take the best by mean reward.
    """
    graph = grow(predict, state, config, members, actions, explore)
    there = (jnp.arange(config.vertices) < graph.size) & (graph.depth > 0)
    mean = jnp.where(there, graph.worth / jnp.maximum(graph.depth, 1), -jnp.inf)
    number = max(1, int(config.top * config.vertices)) if explore else 1
    best, index = jax.lax.top_k(mean, number)
    drawn = jax.random.categorical(key, jnp.where(best > -jnp.inf, 0.0, -jnp.inf))
    return way_to(graph, index[drawn], config.deepest)
