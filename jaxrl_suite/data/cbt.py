"""The Children's Book Test (Hill et al., ICLR 2016, arXiv 1511.02301), read from its own files.

Unpack `CBTest.tgz` and pass the folder that holds `cbtest_NE_train.txt` and the others
(`CBTest/data`). A passage is 20 numbered sentences, then line 21: a sentence with one word replaced by
`XXXXX`, the answer, and ten candidates; passages are separated by empty lines.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from jaxrl_suite.experiment import ConfigError

KINDS = {"NE": "named entities", "CN": "common nouns", "V": "verbs", "P": "prepositions"}
PARTS = {"train": "train", "valid": "valid_2000ex", "test": "test_2500ex"}
BLANK = "XXXXX"


@dataclasses.dataclass(frozen=True)
class Passage:
    """Tokens as in the file, sentences in order, and the question about the next one."""

    sentences: tuple[tuple[str, ...], ...]
    question: tuple[str, ...]
    answer: str
    candidates: tuple[str, ...]


def read(folder: str | Path, kind: str = "NE", part: str = "train") -> list[Passage]:
    """Passages of `cbtest_<kind>_<part>.txt`.

    Args:
      folder: that holds it.
      kind: "NE", "CN", "V" or "P".
      part: "train", "valid" or "test".

    Raises:
      ConfigError: for another kind or part, or where there is no such file.
    """
    if kind not in KINDS:
        raise ConfigError("kind", kind, f"one of {', '.join(KINDS)}")
    if part not in PARTS:
        raise ConfigError("part", part, f"one of {', '.join(PARTS)}")
    path = Path(folder) / f"cbtest_{kind}_{PARTS[part]}.txt"
    if not path.is_file():
        raise ConfigError("folder", str(folder), f"put CBTest's {path.name} there")
    return list(parse(path.read_text(encoding="utf-8"), path.name))


def parse(text: str, name: str = "file") -> Iterator[Passage]:
    """Passages of a file's contents.

    Raises:
      ValueError: for a question without a blank, an answer or ten candidates with it among them.
    """
    sentences: list[tuple[str, ...]] = []
    for at, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            sentences = []
            continue
        _, _, rest = line.strip().partition(" ")
        question, *more = rest.split("\t")
        if not more:
            sentences.append(tuple(question.split()))
            continue
        answer, *others = (part.strip() for part in more if part.strip())
        # a candidate may itself be empty in the published files ("|" at an end)
        candidates = tuple(c for c in others[-1].split("|") if c) if others else ()
        words = tuple(question.split())
        if BLANK not in words or answer not in candidates:
            raise ValueError(f"{name}, line {at}: a question with {BLANK}, answer and candidates")
        yield Passage(tuple(sentences), words, answer, candidates)
        sentences = []


def window(passage: Passage, width: int = 5) -> list[tuple[str, ...]]:
    """The words around every mention of a candidate, `width` at most, in order of the text.

    The window memories of Hill et al. (section 3.3), which the entity network reads as sentences.
    """
    found, half = [], width // 2
    text = [word for sentence in passage.sentences for word in sentence]
    for i, word in enumerate(text):
        if word in passage.candidates:
            found.append(tuple(text[max(0, i - half) : i + half + 1]))
    return found
