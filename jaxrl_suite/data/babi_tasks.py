"""Stories of bAbI's twenty families of tasks, from small simulated worlds (arXiv 1502.05698, section 3).

    text = babi.write(babi_tasks.stories(task=6, number=2000, seed=0))

Stories are new draws in the way of the released ones: of their grammar, and as long in the mean within
7% (11% in family 20). Each family is a function of a random generator that returns one story
(`babi.Story`). The world of people, rooms and things is in `babi_stories`, families about other matters
are in `babi_puzzles`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jaxrl_suite.data import babi_puzzles, babi_stories
from jaxrl_suite.data.babi import Story
from jaxrl_suite.experiment import ConfigError

Family = Callable[[np.random.Generator], Story]

FAMILIES: dict[int, tuple[str, Family]] = {
    1: ("single-supporting-fact", babi_stories.where_is),
    2: ("two-supporting-facts", babi_stories.where_is_thing),
    3: ("three-supporting-facts", babi_stories.where_was_thing),
    4: ("two-arg-relations", babi_puzzles.two_relations),
    5: ("three-arg-relations", babi_stories.who_gave_what),
    6: ("yes-no-questions", babi_stories.is_in),
    7: ("counting", babi_stories.how_many),
    8: ("lists-sets", babi_stories.which_things),
    9: ("simple-negation", babi_stories.negation),
    10: ("indefinite-knowledge", babi_stories.indefinite),
    11: ("basic-coreference", babi_stories.coreference),
    12: ("conjunction", babi_stories.conjunction),
    13: ("compound-coreference", babi_stories.compound_coreference),
    14: ("time-reasoning", babi_stories.times),
    15: ("basic-deduction", babi_puzzles.deduction),
    16: ("basic-induction", babi_puzzles.induction),
    17: ("positional-reasoning", babi_puzzles.positions),
    18: ("size-reasoning", babi_puzzles.sizes),
    19: ("path-finding", babi_puzzles.path),
    20: ("agents-motivations", babi_puzzles.motives),
}


def stories(task: int, number: int, seed: int = 0) -> list[Story]:
    """`number` stories of a family.

    Raises:
      ConfigError: for a task other than 1 to 20.
    """
    if task not in FAMILIES:
        raise ConfigError("task", task, "from 1 to 20")
    rng = np.random.default_rng([seed, task])
    return [FAMILIES[task][1](rng) for _ in range(number)]


def with_questions(task: int, questions: int, seed: int = 0) -> list[Story]:
    """As many stories as have `questions` questions or a few more.

    Raises:
      ConfigError: for a task other than 1 to 20.
    """
    if task not in FAMILIES:
        raise ConfigError("task", task, "from 1 to 20")
    rng, made, asked = np.random.default_rng([seed, task]), [], 0
    while asked < questions:
        made.append(FAMILIES[task][1](rng))
        asked += sum(not isinstance(line, str) for line in made[-1])
    return made
