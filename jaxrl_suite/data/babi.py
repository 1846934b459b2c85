"""Stories with questions: bAbI's file format, read and written, and stories as arrays.

A file (Weston et al., 2015, arXiv 1502.05698) has a line a sentence, `id text`, or a question, `id
question<tab>answer<tab>supporting ids`; ids begin at 1 in every story. The files of
`tasks_1-20_v1-2.tar.gz` are read as they are: unpack it and pass the folder that holds
`qa1_single-supporting-fact_train.txt` and the others (`.../en-10k`). What `babi_tasks` generates
comes in the same format.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrl_suite.experiment import ConfigError

PAD = 0


@dataclasses.dataclass(frozen=True)
class Question:
    """A question inside a story.

    Attributes:
      text: of it.
      answer: one token; several words are joined by commas.
      supports: ids of the lines that the answer follows from.
    """

    text: str
    answer: str
    supports: tuple[int, ...] = ()


Story = list[str | Question]  # line by line; a line's id is its place, from 1


def write(stories: Iterable[Story]) -> str:
    """The contents of a file."""
    lines = []
    for story in stories:
        for number, line in enumerate(story, 1):
            if isinstance(line, Question):
                ids = " ".join(map(str, line.supports))
                lines.append(f"{number} {line.text}\t{line.answer}\t{ids}")
            else:
                lines.append(f"{number} {line}")
    return "\n".join(lines) + "\n"


def parse(text: str, name: str = "file") -> list[Story]:
    """Stories of a file's contents.

    Raises:
      ValueError: for a line that is not of the format, with its number.
    """
    stories: list[Story] = []
    for at, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        number, _, rest = line.strip().partition(" ")
        if not number.isdigit() or not rest:
            raise ValueError(f"{name}, line {at}: {line!r} does not begin with an id and text")
        if int(number) == 1:
            stories.append([])
        if not stories or int(number) != len(stories[-1]) + 1:
            raise ValueError(f"{name}, line {at}: id {number} does not follow the line before")
        question, *more = (part.strip() for part in rest.split("\t"))
        if more:
            ids = tuple(map(int, more[1].split())) if len(more) > 1 else ()
            stories[-1].append(Question(question, more[0], ids))
        else:
            stories[-1].append(rest)
    return stories


def read(folder: str | Path, task: int, part: str = "train") -> list[Story]:
    """Stories of `qa<task>_*_<part>.txt` in `folder`.

    Raises:
      ConfigError: where there is no such file, saying which.
    """
    found = sorted(Path(folder).glob(f"qa{task}_*_{part}.txt"))
    if not found:
        raise ConfigError("folder", str(folder), f"put bAbI's qa{task}_..._{part}.txt there")
    return parse(found[0].read_text(), found[0].name)


def words(text: str) -> list[str]:
    """Lower-case words without the final mark."""
    return re.findall(r"[^\s.?!]+", text.lower())


def vocabulary(*parts: Sequence[Story]) -> list[str]:
    """All words and answers, sorted, behind "" for padding."""
    found: set[str] = set()
    for stories in parts:
        for story in stories:
            for line in story:
                if isinstance(line, Question):
                    found.update([*words(line.text), line.answer.lower()])
                else:
                    found.update(words(line))
    return ["", *sorted(found)]


def beginnings(stories: Iterable[Story], sentences: int) -> list[Story]:
    """Stories up to their first `sentences` sentences; those without a question by then are left out.

    Answers stay true, since a question is about what came before it.
    """
    begun = []
    for story in stories:
        told = np.cumsum([not isinstance(line, Question) for line in story])
        start = [line for line, count in zip(story, told, strict=True) if count <= sentences]
        if any(isinstance(line, Question) for line in start):
            begun.append(start)
    return begun


def windows(stories: Iterable[Story], sentences: int) -> list[Story]:
    """Stories of at most `sentences` sentences, with all questions.

    What is asked later than that becomes a story of its own: the last `sentences` before it, as in the
    authors' code, without ids of supporting lines, which may be gone.
    """
    cut: list[Story] = []
    for story in stories:
        told: Story = []  # so far, without questions
        start: Story = []
        for line in story:
            if not isinstance(line, Question):
                told.append(line)
                if len(told) <= sentences:
                    start.append(line)
            elif len(told) <= sentences:
                start.append(line)
            else:
                cut.append([*told[-sentences:], dataclasses.replace(line, supports=())])
        if any(isinstance(line, Question) for line in start):
            cut.append(start)
    return cut


def recent(stories: Iterable[Story], sentences: int) -> list[Story]:
    """Every question as a story of its own, of the last `sentences` sentences before it.

    Questions whose supporting lines lie further back are left out. With a few sentences only these are
    the easy ones, from which to go on to longer stories.
    """
    found: list[Story] = []
    for story in stories:
        ids: list[int] = []
        told: Story = []  # so far, without questions
        for number, line in enumerate(story, 1):
            if not isinstance(line, Question):
                ids.append(number)
                told.append(line)
            elif told and ids[-sentences:][0] <= min(line.supports, default=number):
                found.append([*told[-sentences:], dataclasses.replace(line, supports=())])
    return found


class Arrays(NamedTuple):
    """Stories as numbers, words by their place in a vocabulary.

    Attributes:
      sentences: `[N, S, L]` int32, 0 where there is none; the last S of a story.
      questions: `[N, Q, K]` int32.
      at: `[N, Q]` int32, sentences before the question.
      answers: `[N, Q]` int32, 0 where there is no question.
    """

    sentences: np.ndarray
    questions: np.ndarray
    at: np.ndarray
    answers: np.ndarray


class Sizes(NamedTuple):
    """Longest story in sentences, sentence in words, questions a story, question in words."""

    sentences: int
    words: int
    questions: int
    question_words: int


def sizes(*parts: Sequence[Story], most_sentences: int = 1000) -> Sizes:
    """What holds all stories, except that stories are cut to their last `most_sentences`."""
    told = [[x for x in s if not isinstance(x, Question)] for part in parts for s in part]
    asked = [[x for x in s if isinstance(x, Question)] for part in parts for s in part]
    return Sizes(
        min(max(map(len, told)), most_sentences),
        max(len(words(x)) for story in told for x in story),
        max(map(len, asked)),
        max(len(words(x.text)) for story in asked for x in story),
    )


def arrays(stories: Sequence[Story], vocabulary: Sequence[str], sizes: Sizes) -> Arrays:
    """Stories as arrays of the given sizes.

    A story with more than `sizes.sentences` sentences keeps its last; questions asked before these are
    left out (`windows` keeps them).

    Raises:
      ValueError: for a word that is not in the vocabulary.
    """
    code = {word: i for i, word in enumerate(vocabulary)}
    n, (s, length, q, k) = len(stories), sizes
    made = Arrays(
        np.zeros((n, s, length), np.int32),
        np.zeros((n, q, k), np.int32),
        np.zeros((n, q), np.int32),
        np.zeros((n, q), np.int32),
    )
    try:
        for i, story in enumerate(stories):
            skipped = max(0, sum(not isinstance(line, Question) for line in story) - s)
            told = asked = 0
            for line in story:
                if isinstance(line, Question):
                    if told > skipped:
                        ids = [code[w] for w in words(line.text)]
                        made.questions[i, asked, : len(ids)] = ids
                        made.at[i, asked] = told - skipped
                        made.answers[i, asked] = code[line.answer.lower()]
                        asked += 1
                    continue
                if told >= skipped:
                    ids = [code[w] for w in words(line)]
                    made.sentences[i, told - skipped, : len(ids)] = ids
                told += 1
    except KeyError as error:
        raise ValueError(f"word {error.args[0]!r}: not in the vocabulary") from None
    return made


def renamed(key: jax.Array, batch: Arrays, groups: Sequence[Sequence[int]]) -> Arrays:
    """Stories in which the words of a group have changed places, each story's in its own way.

    Where people, things and places are alike, the answer to a renamed question is the renamed answer: a
    few stories stand for many.

    Args:
      key: random key.
      batch: of `[N, ...]`.
      groups: of words by their place in the vocabulary, none in two groups.
    """
    size = max(map(max, groups)) + 1

    def one(key: jax.Array, story: Any) -> Any:
        new = jnp.arange(size)
        for group_key, group in zip(jax.random.split(key, len(groups)), groups, strict=True):
            old = jnp.asarray(group)
            new = new.at[old].set(jax.random.permutation(group_key, old))

        def change(words: jax.Array) -> jax.Array:
            return jnp.where(words < size, new[jnp.minimum(words, size - 1)], words)

        changed = {
            name: change(getattr(story, name)) for name in ("sentences", "questions", "answers")
        }
        return story._replace(**changed)

    return jax.vmap(one)(jax.random.split(key, len(batch.at)), batch)
