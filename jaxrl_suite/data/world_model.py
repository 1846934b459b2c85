"""Two agents walk over a grid and the reader keeps track (arXiv 1612.03969, section 5.1).

A story is T statements of two words, an agent and an event: where it is (a cell), which way it faces,
how far it moves. The first four place both agents and turn them; in each of the rest a random agent
turns or moves 1 to 5 cells, never over the edge. Then comes the question where an agent is; the
answer is one of 100 cells. What has been told up to any statement is a story of its own, so one walk
can be asked about at several places.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

SIDE, AGENTS, LONGEST = 10, 2, 5
CELLS = SIDE * SIDE
# words: padding, agents, cells, directions, lengths
AGENT, CELL = 1, 1 + AGENTS
FACES = CELL + CELLS
MOVES = FACES + 4 - 1  # + length, from 1
WORDS = MOVES + LONGEST + 1
_STEPS = ((0, -1), (1, 0), (0, 1), (-1, 0))


class Walks(NamedTuple):
    """A batch.

    Attributes:
      sentences: `[N, S, 2]` int32 words, 0 behind the last question.
      lengths: `[N, Q]` int32, statements before each question.
      question: `[N, Q]` int32, the agent asked for, as a word.
      answer: `[N, Q]` int32, its cell, 0 to 99.
    """

    sentences: jax.Array
    lengths: jax.Array
    question: jax.Array
    answer: jax.Array


def draw(
    key: jax.Array, number: int, longest: int, shortest: int | None = None, questions: int = 1
) -> Walks:
    """`number` walks, each asked about `questions` times: after `longest` statements or `shortest` on.

    Raises:
      ValueError: for fewer than four statements, which is what placing both agents takes.
    """
    least = longest if shortest is None else shortest
    if not 4 <= least <= longest:
        raise ValueError(f"shortest={least!r}: from 4 to longest={longest!r}")
    keys = jax.random.split(key, 4)
    lengths = jax.random.randint(keys[0], (number, questions), least, longest + 1)
    asked = jax.random.randint(keys[1], (number, questions), 0, AGENTS)
    place = jax.random.randint(keys[2], (number, AGENTS, 2), 0, SIDE)
    sentences, cells = jax.vmap(_walk, (0, 0, None))(
        jax.random.split(keys[3], number), place, longest
    )
    told = jnp.arange(longest)[None, :, None] < lengths.max(1)[:, None, None]
    rows = jnp.arange(number)[:, None]
    answer = cells[rows, lengths - 1, asked]
    return Walks(jnp.where(told, sentences, 0), lengths, AGENT + asked, answer)


def _walk(key: jax.Array, place: jax.Array, longest: int) -> tuple[jax.Array, jax.Array]:
    """Statements `[S, 2]`, and both agents' cells after each `[S, 2]`."""
    steps = jnp.asarray(_STEPS)

    def cell(place: jax.Array) -> jax.Array:
        return place[..., 1] * SIDE + place[..., 0]

    def tell(carry: tuple[jax.Array, jax.Array], now: tuple[jax.Array, jax.Array]) -> Any:
        place, facing = carry
        t, key = now
        keys = jax.random.split(key, 4)
        agent = jnp.where(t < 4, t // 2, jax.random.randint(keys[0], (), 0, AGENTS))
        length = jax.random.randint(keys[1], (), 1, LONGEST + 1)
        goal = place[agent] + length * steps[facing[agent]]
        inside = jnp.all((goal >= 0) & (goal < SIDE))
        moves = (t >= 4) & inside & jax.random.bernoulli(keys[2])
        turn = jax.random.randint(keys[3], (), 0, 4)
        places = (t < 4) & (t % 2 == 0)
        word = jnp.where(moves, MOVES + length, FACES + turn)
        word = jnp.where(places, CELL + cell(place[agent]), word)
        place = place.at[agent].set(jnp.where(moves, goal, place[agent]))
        facing = facing.at[agent].set(jnp.where(moves | places, facing[agent], turn))
        return (place, facing), (jnp.stack([AGENT + agent, word]), cell(place))

    start = place, jnp.zeros(AGENTS, jnp.int32)
    story = jnp.arange(longest), jax.random.split(key, longest)
    return jax.lax.scan(tell, start, story)[1]


def spell(word: int) -> str:
    """A word in letters, for pictures and messages."""
    if word == 0:
        return ""
    if word < CELL:
        return f"agent{word}"
    if word < FACES:
        return f"is-at-({(word - CELL) % SIDE},{(word - CELL) // SIDE})"
    return f"faces-{'NESW'[word - FACES]}" if word <= MOVES else f"moves-{word - MOVES}"
