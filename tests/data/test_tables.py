"""Readers of tables and texts on files written here, and drawn documents."""

from __future__ import annotations

import numpy as np
import pytest

from jaxrl_suite.data import tables
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.networks import graph_estimation


def test_newsgroups_are_read_by_folder(tmp_path):
    for part, texts in (("train", ("cat cat dog", "sun moon")), ("test", ("dog bird",))):
        for group, text in zip(("alt.pets", "sci.space"), texts, strict=False):
            folder = tmp_path / f"20news-bydate-{part}" / group
            folder.mkdir(parents=True)
            (folder / "1").write_text(text)
    data = tables.load("20news", tmp_path, words=3)
    assert data.train_x.shape == (2, 3) and data.test_x.shape == (1, 3) and data.classes == 2
    np.testing.assert_array_equal(data.train_y, [0, 1])
    # "cat" is the most frequent: two of two is the largest count
    assert data.train_x[0, 0] == 1.0 and data.train_x[1, 0] == 0.0


def test_counts_are_of_the_training_texts_most_frequent_words():
    train, test = tables.bag_of_words(["b b b a a c", "a"], ["c b zz", ""], 2)
    assert train.shape == (2, 0) and test.shape == (2, 0)  # words of one letter are none
    train, test = tables.bag_of_words(["bb bb bb aa aa cc", "aa aa"], ["cc bb zz", ""], 2)
    np.testing.assert_array_equal(train, [[2, 3], [2, 0]])
    np.testing.assert_array_equal(test, [[0, 1], [0, 0]])


def test_reuters_keeps_documents_of_one_common_topic(tmp_path):
    def document(split, topics, text):
        named = "".join(f"<D>{t}</D>" for t in topics)
        head = f'<REUTERS LEWISSPLIT="{split}"><TOPICS>{named}</TOPICS>'
        return f"{head}<TEXT><BODY>{text}&#3;</BODY></TEXT></REUTERS>\n"

    text = 20 * document("TRAIN", ["grain"], "wheat corn") + document("TRAIN", ["gold"], "gold")
    text += document("TEST", ["grain"], "corn") + document("TEST", ["grain", "gold"], "both")
    text += document("NOT-USED", ["grain"], "never")
    (tmp_path / "reut2-000.sgm").write_text(text)
    data = tables.load("reuters", tmp_path)
    assert data.train_x.shape == (20, 2) and data.test_x.shape == (1, 2) and data.classes == 1


def test_merck_s_columns_are_joined_by_name(tmp_path):
    for part, text in (
        ("training", "MOLECULE,Act,D_1,D_3\nM1,0.5,0,3\nM2,1.5,1,0\n"),
        ("test", "MOLECULE,Act,D_2,D_3\nM3,2.5,7,1\n"),
    ):
        (tmp_path / f"DPP4_{part}_disguised.csv").write_text(text)
    data = tables.load("merck", tmp_path)
    np.testing.assert_allclose(data.train_x, np.log1p([[0, 0, 3], [1, 0, 0]]), rtol=1e-6)
    np.testing.assert_allclose(data.test_x, np.log1p([[0, 7, 1]]), rtol=1e-6)
    np.testing.assert_array_equal(data.train_y, np.float32([0.5, 1.5]))
    assert data.classes == 1


@pytest.mark.parametrize(
    ("name", "features", "classes"), [("wine", 13, 3), ("breast_cancer", 30, 2)]
)
def test_bundled_tables_are_standardised(name, features, classes):
    data = tables.load(name)
    assert data.train_x.shape[1] == features and data.classes == classes
    np.testing.assert_allclose(data.train_x.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(data.train_x.std(0), 1, atol=1e-4)
    assert set(data.test_y) == set(range(classes))


def test_pictures_are_flattened():
    assert tables.load("digits").train_x.shape == (1438, 64)


def test_words_of_drawn_documents_have_neighbours():
    data = tables.topics(number=1500, words=60, classes=5)
    assert data.train_x.shape == (1000, 60) and set(data.train_y) == set(range(5))
    ring = np.random.default_rng(0)  # the order is not given away
    assert not np.allclose(data.train_x, tables.topics(1500, 60, 5, seed=1).train_x)
    w = graph_estimation.unsupervised(data.train_x, 0.1, standardize=True)
    shuffled = ring.permuted(data.train_x, axis=0)
    none = graph_estimation.unsupervised(shuffled, 0.1, standardize=True)

    def peak(w):
        return np.sort(w, 1)[:, -2:].mean() / w.mean()

    assert peak(w) - 1 > 2 * (peak(none) - 1)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(ConfigError, match="data='20new'"):
        tables.load("20new")
    with pytest.raises(ConfigError, match="folder=None"):
        tables.load("reuters")
    for name, what in (
        ("20news", "20news-bydate-train"),
        ("reuters", "reut2-000.sgm"),
        ("merck", "DPP4_training_disguised.csv"),
    ):
        with pytest.raises(ConfigError, match=what):
            tables.load(name, tmp_path)
    (tmp_path / "DPP4_training_disguised.csv").write_text("A,B\n")
    with pytest.raises(ConfigError, match="MOLECULE,Act"):
        tables.load("merck", tmp_path)
