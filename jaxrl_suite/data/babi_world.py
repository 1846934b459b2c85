"""The world of bAbI's families about people who walk through rooms and carry things.

`World` keeps what a reader of the story so far can know, with the ids of the lines it follows from; the
families in `babi_stories` decide what happens and what is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxrl_suite.data.babi import Question, Story

ROOMS = ("bedroom", "kitchen", "garden", "hallway", "bathroom", "office")
THINGS = ("apple", "football", "milk")
HE, SHE = ("John", "Daniel"), ("Mary", "Sandra")
PEOPLE = HE + SHE
GIVERS = ("Bill", "Fred", "Jeff", "Mary")
PLACES = ("park", "school", "cinema", "office", "kitchen", "bedroom")
TIMES = ("yesterday", "this morning", "this afternoon", "this evening")
MOVE = ("went to", "journeyed to", "travelled to", "moved to", "went back to")
GET = ("grabbed", "took", "got", "picked up")
DROP = ("dropped", "put down", "left", "discarded")
GIVE = ("gave", "handed", "passed")
NUMBERS = ("none", "one", "two", "three")


def pick(rng: np.random.Generator, options: Sequence[Any]) -> Any:
    """One of `options`."""
    return options[int(rng.integers(len(options)))]


class World:
    """A story under way.

    Attributes:
      lines: told so far.
      room, told: where each person is, and the line that says so (None: not told yet).
      holder, taken: who has each thing (None: nobody), and the line that says so.
      lies: the room of things that nobody has.
      given: of each thing who gave it to whom last, and the line that says so.
      placed: the line that says where each thing, or whoever has it, is (None: not told).
      trail: of each thing, rooms it has been in one after another, as far as told, with the line
        that says so of whoever had it then.
      carried: of each thing, where in its trail whoever had it last took it.
    """

    def __init__(self, rng: np.random.Generator, people: Sequence[str] = PEOPLE):
        self.rng, self.people, self.things = rng, tuple(people), THINGS
        self.lines: Story = []
        self.room = {p: pick(rng, ROOMS) for p in people}
        self.told: dict[str, int | None] = dict.fromkeys(people)
        self.holder: dict[str, str | None] = dict.fromkeys(THINGS)
        self.taken: dict[str, int | None] = dict.fromkeys(THINGS)
        self.lies = {t: pick(rng, ROOMS) for t in THINGS}
        self.given: dict[str, tuple[str, str, int] | None] = dict.fromkeys(THINGS)
        self.placed: dict[str, int | None] = dict.fromkeys(THINGS)
        self.trail: dict[str, list[tuple[str, int]]] = {t: [] for t in THINGS}
        self.carried: dict[str, int] = dict.fromkeys(THINGS, 0)

    def say(self, text: str) -> int:
        """Adds a sentence; returns its id."""
        self.lines.append(text)
        return len(self.lines)

    def ask(self, text: str, answer: str, *supports: int | None) -> None:
        """Adds a question."""
        known = tuple(sorted({s for s in supports if s is not None}))
        self.lines.append(Question(text, answer, known))

    def asked(self) -> int:
        return sum(isinstance(line, Question) for line in self.lines)

    def move(self, person: str | None = None, to: str | None = None) -> None:
        person = person or pick(self.rng, self.people)
        room = to or pick(self.rng, [r for r in ROOMS if r != self.room[person]])
        line = self.say(f"{person} {pick(self.rng, MOVE)} the {room}.")
        self.go(person, room, line)

    def go(self, person: str, room: str, line: int) -> None:
        """Puts a person, and what they carry, into a room."""
        self.room[person], self.told[person] = room, line
        for thing in self.held(person):
            self._note(thing)

    def held(self, person: str) -> list[str]:
        """Things a person has, in the order they got them."""
        mine = [t for t in self.things if self.holder[t] == person]
        return sorted(mine, key=lambda t: self.taken[t] or 0)

    def _note(self, thing: str) -> None:
        """What is known of a thing's place from where its holder is."""
        holder = self.holder[thing]
        assert holder is not None
        line = self.placed[thing] = self.told[holder]
        trail, room = self.trail[thing], self.room[holder]
        if line is not None and (not trail or trail[-1][0] != room):
            trail.append((room, line))

    def within_reach(self, person: str) -> list[str]:
        """Things that nobody has, where a person is."""
        here = self.room[person]
        return [t for t in self.things if self.holder[t] is None and self.lies[t] == here]

    def take(self, person: str, thing: str) -> None:
        """A person takes a thing within reach."""
        there = pick(self.rng, (" there", ""))
        line = self.say(f"{person} {pick(self.rng, GET)} the {thing}{there}.")
        self.holder[thing], self.taken[thing] = person, line
        self._note(thing)
        trail, came = self.trail[thing], self.told[person]
        if came is not None:
            trail[-1] = self.room[person], came
        self.carried[thing] = max(0, len(trail) - 1)

    def drop(self, person: str, thing: str) -> None:
        """A person drops a thing they have."""
        there = pick(self.rng, (" there", ""))
        line = self.say(f"{person} {pick(self.rng, DROP)} the {thing}{there}.")
        self._note(thing)
        self.holder[thing], self.taken[thing] = None, line
        self.lies[thing] = self.room[person]

    def give(self, person: str, thing: str, other: str) -> None:
        """A person gives a thing they have to another in the same room."""
        line = self.say(f"{person} {pick(self.rng, GIVE)} the {thing} to {other}.")
        self.holder[thing], self.taken[thing] = other, line
        self._note(thing)
        self.given[thing] = person, other, line

    def act(self, gives: bool = False) -> None:
        """Somebody moves, takes, drops or gives (twice as likely): drawn until it can be done."""
        while True:
            person, what = pick(self.rng, self.people), int(self.rng.integers(5 if gives else 3))
            if what == 0:
                return self.move(person)
            things = self.within_reach(person) if what == 1 else self.held(person)
            if things and what < 3:
                return (self.take if what == 1 else self.drop)(person, pick(self.rng, things))
            here = [p for p in self.people if p != person and self.room[p] == self.room[person]]
            if things and here:
                return self.give(person, pick(self.rng, things), pick(self.rng, here))
