"""Walks replayed statement by statement, and the Children's Book Test's format."""

from __future__ import annotations

import re

import jax
import numpy as np
import pytest

from jaxrl_suite.data import cbt, world_model
from jaxrl_suite.experiment import ConfigError


def test_answers_follow_from_the_statements():
    walks = world_model.draw(jax.random.key(0), 200, 30, 4, 3)
    moved = 0
    stories, lengths, agents, answers = map(np.asarray, walks)
    assert lengths.shape == agents.shape == answers.shape == (200, 3)
    for words, last in zip(stories, lengths.max(1), strict=True):
        assert (words[last:] == 0).all() and (words[:last] > 0).all()
    for i, j in np.ndindex(200, 3):
        words, length, asked, answer = stories[i], lengths[i, j], agents[i, j], answers[i, j]
        place, facing = {}, {}
        for agent, event in words[:length]:
            text = world_model.spell(int(event))
            if got := re.match(r"is-at-\((\d),(\d)\)", text):
                place[agent] = np.asarray([int(got[1]), int(got[2])])
            elif got := re.match(r"faces-([NESW])", text):
                facing[agent] = {"N": (0, -1), "E": (1, 0), "S": (0, 1), "W": (-1, 0)}[got[1]]
            else:
                steps = int(re.match(r"moves-([1-5])$", text)[1])
                place[agent] = place[agent] + steps * np.asarray(facing[agent])
                assert (place[agent] >= 0).all() and (place[agent] <= 9).all()
                moved += 1
        x, y = place[asked]
        assert answer == 10 * y + x
    assert moved > 300
    assert lengths.min() == 4 and lengths.max() == 30
    assert set(agents.ravel()) == {1, 2}


def test_words_are_spelled_apart():
    names = [world_model.spell(i) for i in range(world_model.WORDS)]
    assert len(set(names)) == len(names) == 1 + 2 + 100 + 4 + 5
    assert names[-1] == "moves-5" and names[1:3] == ["agent1", "agent2"]


def test_too_short_walks_are_refused():
    with pytest.raises(ValueError, match="shortest=3"):
        world_model.draw(jax.random.key(0), 1, 3)
    with pytest.raises(ValueError, match="shortest=9"):
        world_model.draw(jax.random.key(0), 1, 8, 9)


PASSAGE = "".join(f"{i} Line {i} has Tom and Ann in it .\n" for i in range(1, 21))
QUESTION = "21 Then XXXXX slept .\tAnn\t\tAnn|Tom|a|b|c|d|e|f|g|h\n\n"


def test_passages_are_read(tmp_path):
    (tmp_path / "cbtest_NE_valid_2000ex.txt").write_text(2 * (PASSAGE + QUESTION))
    first, second = cbt.read(tmp_path, "NE", "valid")
    assert first == second and len(first.sentences) == 20
    assert first.sentences[1] == tuple(["Line", "2", "has", "Tom", "and", "Ann", "in", "it", "."])
    assert first.question == ("Then", "XXXXX", "slept", ".")
    assert first.answer == "Ann" and first.candidates[:2] == ("Ann", "Tom")
    windows = cbt.window(first)
    assert len(windows) == 40 and windows[0] == (
        "1",
        "has",
        "Tom",
        "and",
        "Ann",
    )


def test_what_is_missing_or_broken_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cbtest_CN_train.txt"):
        cbt.read(tmp_path, "CN")
    with pytest.raises(ConfigError, match="kind='XX'"):
        cbt.read(tmp_path, "XX")
    with pytest.raises(ConfigError, match="part='dev'"):
        cbt.read(tmp_path, "NE", "dev")
    with pytest.raises(ValueError, match="line 1"):
        list(cbt.parse("21 No blank here .\tAnn\t\tAnn|Tom\n"))
