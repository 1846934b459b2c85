"""Pictures with labels: scikit-learn's digits, and MNIST and CIFAR-10 from a folder.

`moved_digits` are the digits at random places of a larger picture. Nothing is downloaded. What a reader
wants:

- `mnist`: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
  `t10k-labels-idx1-ubyte`, as LeCun et al. publish them, gzipped (`.gz`) or not;
- `cifar10`: `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`, of Krizhevsky's
  `cifar-10-binary.tar.gz`.
"""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxrl_suite.experiment import ConfigError

NAMES = ("digits", "moved_digits", "mnist", "cifar10")


class Labelled(NamedTuple):
    """Inputs and their classes, in two parts.

    Attributes:
      train_x, test_x: `[S, ...]` float32; pictures are `[S, H, W, C]` from 0 to 1.
      train_y, test_y: `[S]` int32, 0 to `classes - 1`.
      classes: how many.
    """

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    classes: int


def load(name: str, folder: str | Path | None = None, seed: int = 0) -> Labelled:
    """The data set called `name`.

    Args:
      name: "digits" (8 x 8 greys, 1,797 of them, a random fifth for testing), "moved_digits" (on
        12 x 12), "mnist" or "cifar10".
      folder: where the files of the last two are.
      seed: of the digits' split.

    Raises:
      ConfigError: for another name, or files that are not there or not what they should be.
    """
    if name == "digits":
        return digits(seed)
    if name == "moved_digits":
        return moved_digits(seed)
    if name not in NAMES:
        raise ConfigError("data", name, f"one of {', '.join(NAMES)}")
    if folder is None:
        what = "train-images-idx3-ubyte..." if name == "mnist" else "data_batch_1.bin..."
        raise ConfigError("folder", None, f"the folder that holds {name}'s files ({what})")
    return mnist(Path(folder)) if name == "mnist" else cifar10(Path(folder))


def digits(seed: int = 0) -> Labelled:
    """scikit-learn's digits, `[S, 8, 8, 1]`."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ConfigError("data", "digits", "needs pip install 'jaxrl-suite[papers]'") from None
    found = load_digits()
    order = np.random.default_rng(seed).permutation(len(found.target))
    x = (found.images[order, :, :, None] / 16.0).astype(np.float32)
    y, cut = found.target[order].astype(np.int32), len(order) // 5
    return Labelled(x[cut:], y[cut:], x[:cut], y[:cut], 10)


def moved_digits(seed: int = 0, side: int = 12, copies: int = 4) -> Labelled:
    """Digits anywhere on black `[S, side, side, 1]`: each `copies` times, the ones for testing too."""
    data, rng = digits(seed), np.random.default_rng([seed, side])

    def move(x: np.ndarray) -> np.ndarray:
        moved = np.zeros((len(x), side, side, 1), np.float32)
        for picture, small in zip(moved, x, strict=True):
            top, left = rng.integers(0, side - 8 + 1, 2)
            picture[top : top + 8, left : left + 8] = small
        return moved

    train, test = (np.concatenate([x] * copies) for x in (data.train_x, data.test_x))
    return Labelled(
        move(train), np.tile(data.train_y, copies), move(test), np.tile(data.test_y, copies), 10
    )


def mnist(folder: Path) -> Labelled:
    """MNIST, `[S, 28, 28, 1]`."""
    parts: list[np.ndarray] = []
    for name in ("train", "t10k"):
        parts.append(_idx(folder, f"{name}-images-idx3-ubyte", 3)[..., None] / np.float32(255))
        parts.append(_idx(folder, f"{name}-labels-idx1-ubyte", 1).astype(np.int32))
    return Labelled(parts[0], parts[1], parts[2], parts[3], 10)


def _idx(folder: Path, name: str, axes: int) -> np.ndarray:
    """One file of bytes in the IDX format: two zeros, type 8, the number of axes, their sizes."""
    path = folder / name if (folder / name).is_file() else folder / f"{name}.gz"
    content = _read(path, f"MNIST's {name} or {name}.gz")
    content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    start = 4 + 4 * axes
    if content[:4] != bytes([0, 0, 8, axes]) or len(content) < start:
        raise ConfigError("folder", str(folder), f"{name} is no IDX file of {axes} axes of bytes")
    shape = struct.unpack(f">{axes}I", content[4:start])
    values = np.frombuffer(content, np.uint8, offset=start)
    if values.size != np.prod(shape):
        raise ConfigError("folder", str(folder), f"{name} is cut short: {shape} values expected")
    return values.reshape(shape)


def cifar10(folder: Path) -> Labelled:
    """CIFAR-10, `[S, 32, 32, 3]`."""
    x, y = zip(*(_batch(folder, f"data_batch_{i}.bin") for i in range(1, 6)), strict=True)
    test_x, test_y = _batch(folder, "test_batch.bin")
    return Labelled(np.concatenate(x), np.concatenate(y), test_x, test_y, 10)


def _batch(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Records of a label and 3,072 bytes: channels, rows, columns."""
    content = np.frombuffer(_read(folder / name, f"CIFAR-10's {name}"), np.uint8)
    if not content.size or content.size % 3073:
        raise ConfigError("folder", str(folder), f"{name} is no file of records of 3,073 bytes")
    records = content.reshape(-1, 3073)
    x = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return x / np.float32(255), records[:, 0].astype(np.int32)


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise ConfigError("folder", str(path.parent), f"put {what} there") from None
