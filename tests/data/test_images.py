"""Readers of pictures on files written here."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from jaxrl_suite.data import images
from jaxrl_suite.experiment import ConfigError


def write_mnist(folder, number=5, zipped=True):
    rng = np.random.default_rng(0)
    kept = {}
    for name in ("train", "t10k"):
        x, y = rng.integers(256, size=(number, 28, 28)), rng.integers(10, size=number)
        kept[name] = x, y
        for kind, values in (("images-idx3", x), ("labels-idx1", y)):
            head = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
            content = head + values.astype(np.uint8).tobytes()
            path = folder / f"{name}-{kind}-ubyte{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(content) if zipped else content)
    return kept


@pytest.mark.parametrize("zipped", [True, False])
def test_mnist_is_read_back(tmp_path, zipped):
    kept = write_mnist(tmp_path, zipped=zipped)
    data = images.load("mnist", tmp_path)
    assert data.train_x.dtype == np.float32 and data.train_x.shape == (5, 28, 28, 1)
    np.testing.assert_allclose(data.train_x[..., 0] * 255, kept["train"][0], atol=1e-4)
    np.testing.assert_array_equal(data.test_y, kept["t10k"][1])


def test_cifar10_is_read_back(tmp_path):
    rng, kept = np.random.default_rng(0), []
    for name in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
        records = rng.integers(256, size=(3, 3073), dtype=np.uint8)
        records[:, 0] %= 10
        kept.append(records)
        (tmp_path / name).write_bytes(records.tobytes())
    data = images.load("cifar10", tmp_path)
    assert data.train_x.shape == (15, 32, 32, 3) and data.test_x.shape == (3, 32, 32, 3)
    # second record of the second file: green of row 4, column 7
    assert data.train_x[4, 4, 7, 1] * 255 == pytest.approx(kept[1][1, 1 + 1024 + 4 * 32 + 7])
    np.testing.assert_array_equal(data.test_y, kept[-1][:, 0])


def test_digits_are_split_by_seed_without_overlap():
    data, other = images.load("digits", seed=1), images.load("digits", seed=2)
    assert data.train_x.shape == (1438, 8, 8, 1) and data.test_x.shape == (359, 8, 8, 1)
    assert data.train_x.min() >= 0 and data.train_x.max() == 1
    both = np.concatenate([data.train_x, data.test_x]).reshape(1797, -1)
    again = np.concatenate([other.train_x, other.test_x]).reshape(1797, -1)
    np.testing.assert_array_equal(np.sort(both.sum(1)), np.sort(again.sum(1)))
    assert not np.array_equal(data.test_y, other.test_y)


def test_moved_digits_are_the_digits_somewhere_else():
    small, moved = images.load("digits"), images.load("moved_digits")
    assert moved.train_x.shape == (4 * 1438, 12, 12, 1) and moved.test_x.shape == (
        4 * 359,
        12,
        12,
        1,
    )
    np.testing.assert_array_equal(moved.test_y, np.tile(small.test_y, 4))
    places = set()
    for before, after in zip(np.tile(small.test_x, (4, 1, 1, 1)), moved.test_x, strict=True):
        found = [
            (i, j)
            for i in range(5)
            for j in range(5)
            if (after[i : i + 8, j : j + 8] == before).all()
        ]
        assert found and np.isclose(after.sum(), before.sum())
        places.update(found)
    assert len(places) == 25


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(ConfigError, match="data='mnst': one of digits, moved_digits, mnist"):
        images.load("mnst")
    with pytest.raises(ConfigError, match="folder=None"):
        images.load("mnist")
    with pytest.raises(ConfigError, match="train-images-idx3-ubyte"):
        images.load("mnist", tmp_path)
    with pytest.raises(ConfigError, match="data_batch_1.bin"):
        images.load("cifar10", tmp_path)
    write_mnist(tmp_path, zipped=False)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ConfigError, match="cut short"):
        images.load("mnist", tmp_path)
    path.write_bytes(b"no")
    with pytest.raises(ConfigError, match="no IDX file"):
        images.load("mnist", tmp_path)
