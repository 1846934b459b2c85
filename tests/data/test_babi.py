"""bAbI's format there and back, and every family's answers from its text alone, by other means."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from babi_solvers import ANSWERS, SOLVERS
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrl_suite.data import babi, babi_tasks, babi_world
from jaxrl_suite.data.babi import Question
from jaxrl_suite.experiment import ConfigError


@pytest.mark.parametrize("task", range(1, 21))
def test_answers_follow_from_the_text(task):
    made = babi_tasks.with_questions(task, 300, seed=3)
    assert babi.parse(babi.write(made)) == made
    found = set()
    for story in made:
        told = []
        for line in story:
            if isinstance(line, Question):
                assert SOLVERS[task](told, line.text) == line.answer, (story, line)
                assert line.supports and all(
                    isinstance(story[i - 1], str) and i <= len(story) for i in line.supports
                )
                found.add(line.answer)
            else:
                told.append(line)
    assert ANSWERS.get(task, set()) <= found and len(found) > 1


@pytest.mark.parametrize("task", [1, 2, 6, 11, 13, 20])
def test_supporting_facts_are_enough(task):
    """The answer follows from the supporting lines alone."""
    for story in babi_tasks.with_questions(task, 100, seed=4):
        for line in story:
            if isinstance(line, Question):
                told = [story[i - 1] for i in line.supports]
                assert SOLVERS[task](told, line.text) == line.answer, (told, line)


def test_three_supporting_facts_are_two_arrivals_and_a_drop():
    """As in the released stories, whose facts leave out who took the thing."""
    for story in babi_tasks.with_questions(3, 200, seed=4):
        for line in story:
            if isinstance(line, Question):
                thing, room = line.text.removesuffix("?").split(" the ")[1:]
                earlier, later, dropped = (story[i - 1].removesuffix(".") for i in line.supports)
                assert earlier.endswith(f"to the {line.answer}") and later.endswith(
                    f"to the {room}"
                )
                assert thing.removesuffix(" before") in dropped and " to the " not in dropped


# bytes a story of the released files of 10,000 questions, as a columnar store counts them: four for an
# end of each string and list, eight for a kind, and twenty for a story
SIZES = """827.1 1531.3 4460.6 205.5 1796.1 863.4 1114.0 1070.9 840.6 853.8
893.1 927.4 951.6 1160.8 655.0 456.3 827.5 830.0 404.5"""
RELEASED = dict(enumerate(map(float, SIZES.split()), 1))


@pytest.mark.parametrize("task", RELEASED)
def test_stories_are_as_long_as_the_released_ones(task):
    def size(line, number):
        text, answer, supports = line, "", ()
        if isinstance(line, Question):
            text, answer, supports = line.text, line.answer, line.supports
        strings = (str(number), text, answer, *map(str, supports))
        return 8 + 4 + sum(4 + len(string) for string in strings)

    made = babi_tasks.stories(task, 300, seed=2)
    mean = np.mean([20 + sum(size(line, i) for i, line in enumerate(s, 1)) for s in made])
    assert mean == pytest.approx(RELEASED[task], rel=0.1 if task in (2, 3, 5, 18) else 0.05)


@pytest.mark.parametrize("task", range(1, 21))
def test_no_answer_is_right_most_of_the_time(task):
    made = babi_tasks.with_questions(task, 600, seed=5)
    answers = [line.answer for story in made for line in story if isinstance(line, Question)]
    _, counts = np.unique(answers, return_counts=True)
    assert counts.max() / counts.sum() < 0.7


def test_stories_are_reproducible_and_differ_by_seed():
    assert babi_tasks.stories(7, 3, seed=1) == babi_tasks.stories(7, 3, seed=1)
    assert babi_tasks.stories(7, 3, seed=1) != babi_tasks.stories(7, 3, seed=2)


# the first lines of the released task 1
TEXT = (
    "1 Mary moved to the bathroom.\n2 John went to the hallway.\n"
    "3 Where is Mary? \tbathroom\t1\n4 Daniel went back to the hallway.\n"
    "5 Where is Daniel? \thallway\t4\n1 John moved to the office.\n"
)


def test_the_released_format_is_read():
    first, second = babi.parse(TEXT)
    assert first[2] == Question("Where is Mary?", "bathroom", (1,))
    assert [isinstance(line, Question) for line in first] == [False, False, True, False, True]
    assert second == ["John moved to the office."]


def test_files_are_found_by_task_and_missing_ones_named(tmp_path):
    (tmp_path / "qa1_single-supporting-fact_train.txt").write_text(TEXT)
    (tmp_path / "qa11_basic-coreference_train.txt").write_text("1 Other.\n")
    assert babi.read(tmp_path, 1) == babi.parse(TEXT)
    with pytest.raises(ConfigError, match="qa2_..._train.txt"):
        babi.read(tmp_path, 2)
    with pytest.raises(ConfigError, match="task=21"):
        babi_tasks.stories(21, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [("1 A.\n3 B.\n", "line 2: id 3"), ("x B.\n", "line 1"), ("2 B.\n", "id 2 does not follow")],
)
def test_broken_files_are_refused_with_the_line(text, message):
    with pytest.raises(ValueError, match=message):
        babi.parse(text)


def test_arrays_spell_the_stories():
    stories = babi.parse(TEXT)[:1]
    vocabulary = babi.vocabulary(stories)
    sizes = babi.sizes(stories)
    assert sizes == (3, 6, 2, 3) and vocabulary[0] == ""
    made = babi.arrays(stories, vocabulary, sizes)

    def spelled(ids):
        return " ".join(vocabulary[i] for i in ids if i)

    assert spelled(made.sentences[0, 2]) == "daniel went back to the hallway"
    assert spelled(made.questions[0, 1]) == "where is daniel"
    np.testing.assert_array_equal(made.at[0], [2, 3])
    assert [vocabulary[i] for i in made.answers[0]] == ["bathroom", "hallway"]
    short = babi.arrays(stories, vocabulary, sizes._replace(sentences=1))
    assert spelled(short.sentences[0, 0]) == "daniel went back to the hallway"
    assert short.at[0, 0] == 1 and vocabulary[short.answers[0, 0]] == "hallway"
    assert short.answers[0, 1] == 0  # the first question came before
    with pytest.raises(ValueError, match="'mary'"):
        babi.arrays(stories, [w for w in vocabulary if w != "mary"], sizes)


def test_beginnings_keep_questions_and_what_came_before_them():
    story = ["a.", "b.", babi.Question("x?", "b"), "c.", babi.Question("y?", "c"), "d."]
    late = ["a.", "b.", "c.", babi.Question("x?", "a")]
    assert babi.beginnings([story, late], 2) == [story[:3]]
    assert babi.beginnings([story, late], 3) == [story[:5], late]
    assert babi.beginnings([story, late], 9) == [story, late]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(0, 50))
def test_windows_keep_every_question_with_what_came_just_before_it(sentences, seed):
    stories = babi_tasks.stories(2, 2, seed)

    def asked(stories):
        found = []
        for story in stories:
            told = []
            for line in story:
                if isinstance(line, babi.Question):
                    found.append((line.text, line.answer, tuple(told[-sentences:])))
                else:
                    told.append(line)
        return sorted(found)

    cut = babi.windows(stories, sentences)
    assert asked(cut) == asked(stories)
    lengths = [sum(not isinstance(line, babi.Question) for line in story) for story in cut]
    assert max(lengths) <= sentences
    whole = babi.arrays(cut, babi.vocabulary(stories), babi.sizes(cut))
    assert np.sum(whole.answers > 0) == len(asked(stories))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(0, 50))
def test_recent_questions_are_those_whose_supports_are_near(sentences, seed):
    stories = babi_tasks.stories(2, 2, seed)
    want = []
    for story in stories:
        for at, line in enumerate(story):
            if isinstance(line, babi.Question):
                near = [x for x in story[:at] if not isinstance(x, babi.Question)][-sentences:]
                facts = [story[support - 1] for support in line.supports]
                # a sentence may be told twice: count from the end
                back = [at - (support - 1) for support in line.supports]
                asked = [
                    sum(isinstance(x, babi.Question) for x in story[at - n : at]) for n in back
                ]
                if all(n - q <= sentences for n, q in zip(back, asked, strict=True)):
                    assert set(facts) <= set(near)
                    want.append((*near, line.text, line.answer))
    got = babi.recent(stories, sentences)
    assert [(*story[:-1], story[-1].text, story[-1].answer) for story in got] == want


def test_renamed_stories_are_the_same_with_other_names():
    stories = babi.recent(babi_tasks.stories(3, 4, seed=0), 30)
    vocabulary = babi.vocabulary(stories)
    batch = babi.arrays(stories, vocabulary, babi.sizes(stories))
    groups = [
        [vocabulary.index(word.lower()) for word in group]
        for group in (babi_world.ROOMS, babi_world.THINGS, babi_world.PEOPLE)
    ]
    new = jax.tree.map(np.asarray, babi.renamed(jax.random.key(0), batch, groups))
    tables = []
    for i in range(len(stories)):
        table = {}
        for old, now in zip(jax.tree.leaves(batch), jax.tree.leaves(new), strict=True):
            if old is not batch.at:
                for a, b in zip(old[i].flat, now[i].flat, strict=True):
                    assert table.setdefault(int(a), int(b)) == b  # one new name for each
        for group in groups:
            assert {table.get(word, group[0]) for word in group} <= set(group)
        grouped = {word for group in groups for word in group}
        assert all(a == b for a, b in table.items() if a not in grouped)
        assert len(set(table.values())) == len(table)
        tables.append(tuple(sorted(table.items())))
    assert (new.at == batch.at).all() and len(set(tables)) > len(stories) / 2
