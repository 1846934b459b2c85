"""Features without a known geometry: texts as bags of words, molecules, and scikit-learn's tables.

Nothing is downloaded. What the readers want in their folder:

- `20news`: `20news-bydate-train/` and `20news-bydate-test/`, a folder a group, of
  `20news-bydate.tar.gz`;
- `reuters`: `reut2-000.sgm` to `reut2-021.sgm` of `reuters21578.tar.gz` (the ModApte split and the
  topics that documents have alone; the paper's Reuters, RCV1, is another and larger set);
- `merck`: `DPP4_training_disguised.csv` and `DPP4_test_disguised.csv` of Merck's activity challenge.

`topics` are drawn: documents of words that go together in groups.
"""

from __future__ import annotations

import collections
import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from jaxrl_suite.data import images
from jaxrl_suite.data.images import Labelled
from jaxrl_suite.experiment import ConfigError

NAMES = ("topics", "wine", "breast_cancer", "20news", "reuters", "merck")


Texts = tuple[list[str], list[str]]  # texts and the names of their classes


def load(name: str, folder: str | Path | None = None, words: int = 2000) -> Labelled:
    """The data set called `name`; features are `[S, N]`. One class means a number to predict.

    Args:
      name: one of `NAMES`, or of the pictures (`jaxrl_suite.data.images`), flattened.
      folder: where the files of the last three are.
      words: of texts, the most frequent ones.

    Raises:
      ConfigError: for another name, or files that are not there.
    """
    if name in images.NAMES:
        data = images.load(name, folder)
        train, test = (x.reshape(len(x), -1) for x in (data.train_x, data.test_x))
        return data._replace(train_x=train, test_x=test)
    if name == "topics":
        return topics()
    if name in ("wine", "breast_cancer"):
        return bundled(name)
    readers = {"20news": newsgroups, "reuters": reuters}
    if name not in (*readers, "merck"):
        raise ConfigError("data", name, f"one of {', '.join((*images.NAMES, *NAMES))}")
    if folder is None:
        raise ConfigError("folder", None, f"the folder that holds {name}'s files")
    return merck(Path(folder)) if name == "merck" else readers[name](Path(folder), words)


def bundled(name: str, seed: int = 0) -> Labelled:
    """scikit-learn's `wine` or `breast_cancer`, standardised; a random fifth is for testing."""
    try:
        from sklearn import datasets
    except ImportError:
        raise ConfigError("data", name, "needs pip install 'jaxrl-suite[papers]'") from None
    found = getattr(datasets, f"load_{name}")()
    order = np.random.default_rng(seed).permutation(len(found.target))
    x, y = found.data[order], found.target[order].astype(np.int32)
    cut = len(order) // 5
    x = ((x - x[cut:].mean(0)) / x[cut:].std(0)).astype(np.float32)
    return Labelled(x[cut:], y[cut:], x[:cut], y[:cut], int(y.max()) + 1)


def topics(
    number: int = 3000,
    words: int = 400,
    classes: int = 20,
    length: int = 60,
    seed: int = 0,
) -> Labelled:
    """Documents over words on a ring: a class is a mixture of places, a word is of the places near it.

    Words are shuffled. Words that are near each other on the ring occur together, so the ring can be
    estimated from the documents. A third of `number` is for testing.
    """
    rng = np.random.default_rng(seed)
    ring = np.arange(words)
    centres = rng.uniform(0, words, (classes, 4))
    gap = np.abs(ring - centres[..., None])
    gap = np.minimum(gap, words - gap)
    y = rng.integers(classes, size=number).astype(np.int32)
    # each document has places of its own near those of its class
    shift = rng.normal(0, 6, (number, 4))
    width = 8.0
    at = centres[y] + shift
    far = np.abs(ring - (at % words)[..., None])
    far = np.minimum(far, words - far)
    weight = np.exp(-0.5 * (far / width) ** 2).sum(1) + 0.02
    p = weight / weight.sum(1, keepdims=True)
    counts = np.stack([rng.multinomial(length, row) for row in p])[:, rng.permutation(words)]
    x = log_normalized(counts)
    cut = number // 3
    return Labelled(x[cut:], y[cut:], x[:cut], y[:cut], classes)


def log_normalized(counts: np.ndarray) -> np.ndarray:
    """log(1 + count), each feature divided by its largest value, float32."""
    x = np.log1p(counts.astype(np.float64))
    return (x / np.maximum(x.max(0), 1e-12)).astype(np.float32)


def bag_of_words(train: Sequence[str], test: Sequence[str], words: int) -> tuple[np.ndarray, ...]:
    """Counts `[S, words]` of the training texts' most frequent words, for both."""
    split = [[re.findall(r"[a-z]{2,}", text.lower()) for text in part] for part in (train, test)]
    frequent = collections.Counter(word for text in split[0] for word in text).most_common(words)
    place = {word: i for i, (word, _) in enumerate(frequent)}
    made = []
    for part in split:
        counts = np.zeros((len(part), len(place)), np.int32)
        for row, text in zip(counts, part, strict=True):
            for word in text:
                if word in place:
                    row[place[word]] += 1
        made.append(counts)
    return tuple(made)


def _texts(train: Texts, test: Texts, words: int) -> Labelled:
    """Texts and names of classes as numbers."""
    names = sorted(set(train[1]))
    counts = bag_of_words(train[0], test[0], words)
    x = log_normalized(np.concatenate(counts))
    cut = len(counts[0])
    y = [np.asarray([names.index(name) for name in part[1]], np.int32) for part in (train, test)]
    return Labelled(x[:cut], y[0], x[cut:], y[1], len(names))


def newsgroups(folder: Path, words: int = 2000) -> Labelled:
    """20 Newsgroups, by date."""
    parts = []
    for part in ("train", "test"):
        root = folder / f"20news-bydate-{part}"
        paths = sorted(path for path in root.glob("*/*") if path.is_file())
        if not paths:
            raise ConfigError("folder", str(folder), f"put 20 Newsgroups' {root.name}/ there")
        texts = [path.read_text(encoding="latin-1") for path in paths]
        parts.append((texts, [path.parent.name for path in paths]))
    return _texts(parts[0], parts[1], words)


def reuters(folder: Path, words: int = 2000) -> Labelled:
    """Reuters-21578, ModApte split: documents of one topic, topics of 20 training documents or more."""
    paths = sorted(folder.glob("reut2-*.sgm"))
    if not paths:
        raise ConfigError("folder", str(folder), "put Reuters-21578's reut2-000.sgm ... there")
    found: dict[str, Texts] = {"TRAIN": ([], []), "TEST": ([], [])}
    for document in _documents(paths):
        kind = re.search(r'LEWISSPLIT="(\w+)"', document)
        named = re.search(r"<TOPICS>(.*?)</TOPICS>", document, re.S)
        body = re.search(r"<TEXT.*?>(.*?)</TEXT>", document, re.S)
        topic = re.findall(r"<D>(.*?)</D>", named[1]) if named else []
        if kind and kind[1] in found and len(topic) == 1 and body:
            found[kind[1]][0].append(re.sub(r"<.*?>|&\S+;", " ", body[1]))
            found[kind[1]][1].append(topic[0])
    counts = collections.Counter(found["TRAIN"][1])
    common = {topic for topic, number in counts.items() if number >= 20}
    kept = {
        part: tuple(
            map(
                list, zip(*((t, n) for t, n in zip(*both, strict=True) if n in common), strict=True)
            )
        )
        for part, both in found.items()
    }
    if any(len(both) < 2 for both in kept.values()):
        raise ConfigError(
            "folder", str(folder), "no topic has 20 training documents and a test one"
        )
    return _texts(kept["TRAIN"], kept["TEST"], words)  # type: ignore[arg-type]


def _documents(paths: Iterable[Path]) -> Iterable[str]:
    for path in paths:
        yield from re.findall(r"<REUTERS.*?</REUTERS>", path.read_text(encoding="latin-1"), re.S)


def merck(folder: Path, name: str = "DPP4") -> Labelled:
    """One of Merck's sets: log(1 + descriptors) and activities; descriptors missing in a file are 0."""
    rows, labels, columns = [], [], []
    for part in ("training", "test"):
        path = folder / f"{name}_{part}_disguised.csv"
        if not path.is_file():
            raise ConfigError("folder", str(folder), f"put Merck's {path.name} there")
        with path.open(newline="") as file:
            header, *lines = csv.reader(file)
        if header[:2] != ["MOLECULE", "Act"] or not lines:
            raise ConfigError("folder", str(folder), f"{path.name}: MOLECULE,Act,D_...")
        columns.append(header[2:])
        rows.append(np.asarray([line[2:] for line in lines], np.float32))
        labels.append(np.asarray([line[1] for line in lines], np.float32))
    order = sorted(set(columns[0]) | set(columns[1]))
    x = []
    for names, values in zip(columns, rows, strict=True):
        made = np.zeros((len(values), len(order)), np.float32)
        made[:, [order.index(n) for n in names]] = np.log1p(values)
        x.append(made)
    return Labelled(x[0], labels[0], x[1], labels[1], 1)
