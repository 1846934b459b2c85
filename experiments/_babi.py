"""bAbI's stories (Weston et al., 2015, arXiv 1502.05698) as `entnet` reads them, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl_suite.data import babi, babi_tasks
from jaxrl_suite.experiment import ConfigError


class Told(NamedTuple):
    """Stories of one family and the words in them.

    Attributes:
      learnt, kept, test: stories to train on, a tenth kept for validation, and of the test set.
      vocabulary: its words, "" for padding first.
      sizes: of `kept` and `test`.
      questions: of a story in `learnt`.
      tied: places in the vocabulary of the config's `tied` words.
      renamed: and of its groups of words that change places.
    """

    learnt: babi.Arrays
    kept: babi.Arrays
    test: babi.Arrays
    vocabulary: list[str]
    sizes: babi.Sizes
    questions: int
    tied: tuple[int, ...]
    renamed: list[tuple[int, ...]]


def prepared(config: Any) -> Told:
    """What `entnet.Config` asks for, read from its `folder` or generated.

    Raises:
      ConfigError: for files that are not there and fields that leave nothing to learn from.
    """
    whole, test = _stories(config, config.task)
    others = [part for task in config.along for part in _stories(config, task)]
    if len(whole) < 2:
        field = "questions" if config.folder is None else "folder"
        right = "enough for two stories, one of them for validation"
        raise ConfigError(field, getattr(config, field), right)
    vocabulary = babi.vocabulary(whole, test, *others)
    sizes = babi.sizes(whole, test, *others, most_sentences=config.most_sentences)
    cut = max(1, len(whole) // 10)
    learnt, short = _training(config, whole[cut:], sizes)
    to_learn, kept, to_test = (
        jax.tree.map(jnp.asarray, babi.arrays(babi.windows(part, size.sentences), vocabulary, size))
        for part, size in ((learnt, short), (whole[:cut], sizes), (test, sizes))
    )
    if config.tie_keys and not config.tied:
        raise ConfigError("tied", config.tied, "words, for tie_keys=True")
    tied = _places("tied", config.tied, vocabulary)
    renamed = _groups(config, vocabulary)
    return Told(to_learn, kept, to_test, vocabulary, sizes, short.questions, tied, renamed)


def _stories(config: Any, task: int) -> tuple[list[babi.Story], list[babi.Story]]:
    """Of a family, to train on and of the test set."""
    if config.folder is not None:
        return babi.read(config.folder, task, "train"), babi.read(config.folder, task, "test")
    return (
        babi_tasks.with_questions(task, config.questions, seed=0),
        babi_tasks.with_questions(task, 1000, seed=1),
    )


def _training(
    config: Any, stories: Sequence[babi.Story], sizes: babi.Sizes
) -> tuple[Sequence[babi.Story], babi.Sizes]:
    """Stories with the sentences that `train_sentences` or `train_window` leaves, and their sizes."""
    if config.train_sentences is not None:
        learnt = babi.beginnings(stories, config.train_sentences)
        if not learnt:
            right = "enough for a question to be asked by then"
            raise ConfigError("train_sentences", config.train_sentences, right)
        return learnt, sizes._replace(sentences=min(config.train_sentences, sizes.sentences))
    if config.train_window is not None:
        learnt = babi.recent(stories, config.train_window)
        if not learnt:
            right = "enough for a question to be answered by them"
            raise ConfigError("train_window", config.train_window, right)
        return learnt, sizes._replace(
            sentences=min(config.train_window, sizes.sentences), questions=1
        )
    return stories, sizes


def _groups(config: Any, vocabulary: Sequence[str]) -> list[tuple[int, ...]]:
    """`rename`, as places in the vocabulary."""
    groups = [_places("rename", group.split(), vocabulary) for group in config.rename]
    together = [word for group in groups for word in group]
    if len(set(together)) < len(together) or any(len(group) < 2 for group in groups):
        raise ConfigError("rename", config.rename, "groups of two words and more, no word twice")
    if groups and any("," in word for word in vocabulary):
        raise ConfigError("rename", config.rename, "nothing where answers are lists of words")
    return groups


def _places(field: str, words: Sequence[str], vocabulary: Sequence[str]) -> tuple[int, ...]:
    """Of words in the vocabulary."""
    missing = [word for word in words if word.lower() not in vocabulary]
    if missing:
        raise ConfigError(field, missing[0], f"words of the stories: {' '.join(vocabulary[1:])}")
    return tuple(vocabulary.index(word.lower()) for word in words)
