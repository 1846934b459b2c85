"""bAbI's families about people who walk through rooms and carry things: 1 to 3, 5 to 14.

`World` keeps what a reader of the story so far can know, with the ids of the lines it follows from; the
families decide what happens and what is asked.
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
      placed: whether the text says where each thing is.
      trail: of each thing, rooms it has been in one after another, as far as told, with lines.
    """

    def __init__(self, rng: np.random.Generator, people: Sequence[str] = PEOPLE):
        self.rng, self.people, self.things = rng, tuple(people), THINGS
        self.lines: Story = []
        self.room = {p: pick(rng, ROOMS) for p in people}
        self.told: dict[str, int | None] = dict.fromkeys(people)
        self.holder: dict[str, str | None] = dict.fromkeys(THINGS)
        self.taken: dict[str, int | None] = dict.fromkeys(THINGS)
        self.lies = {t: pick(rng, ROOMS) for t in THINGS}
        self.placed = dict.fromkeys(THINGS, False)
        self.trail: dict[str, list[tuple[str, tuple[int, ...]]]] = {t: [] for t in THINGS}

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
            self._note(thing, (self.taken[thing], line))

    def held(self, person: str) -> list[str]:
        """Things a person has, in the order they got them."""
        mine = [t for t in self.things if self.holder[t] == person]
        return sorted(mine, key=lambda t: self.taken[t] or 0)

    def _note(self, thing: str, lines: tuple[int | None, ...]) -> None:
        holder = self.holder[thing]
        assert holder is not None
        self.placed[thing] = self.told[holder] is not None
        if not self.placed[thing]:
            return
        told = self.room[holder], tuple(i for i in lines if i is not None)
        if self.trail[thing] and self.trail[thing][-1][0] == told[0]:
            self.trail[thing].pop()  # still there, for a newer reason
        self.trail[thing].append(told)

    def handle(self) -> bool:
        """Somebody takes or drops something; False where nobody can."""
        can: list[tuple[str, str, bool]] = []
        for person in self.people:
            can += [(person, thing, False) for thing in self.held(person)]
            can += [
                (person, thing, True)
                for thing in self.things
                if self.holder[thing] is None and self.lies[thing] == self.room[person]
            ]
        if not can:
            return False
        person, thing, takes = pick(self.rng, can)
        if takes:
            there = pick(self.rng, (" there", ""))
            line = self.say(f"{person} {pick(self.rng, GET)} the {thing}{there}.")
            self.holder[thing], self.taken[thing] = person, line
            self._note(thing, (line, self.told[person]))
        else:
            there = pick(self.rng, (" there", ""))
            line = self.say(f"{person} {pick(self.rng, DROP)} the {thing}{there}.")
            self._note(thing, (self.taken[thing], line, self.told[person]))
            self.holder[thing], self.taken[thing] = None, line
            self.lies[thing] = self.room[person]
        return True

    def give(self) -> tuple[str, str, str, int] | None:
        """Somebody gives something to somebody in the same room: giver, thing, receiver, line."""
        can = [
            (a, thing, b)
            for a in self.people
            for thing in self.held(a)
            for b in self.people
            if b != a and self.room[a] == self.room[b]
        ]
        if not can:
            return None
        a, thing, b = pick(self.rng, can)
        line = self.say(f"{a} {pick(self.rng, GIVE)} the {thing} to {b}.")
        self.holder[thing], self.taken[thing] = b, line
        return a, thing, b, line

    def approach(self) -> None:
        """Somebody goes where somebody with a thing is, or anything else happens."""
        meetings = [
            (person, self.room[other])
            for other in self.people
            if self.held(other)
            for person in self.people
            if self.room[person] != self.room[other]
        ]
        if meetings and self.rng.random() < 0.5:
            self.move(*pick(self.rng, meetings))
        else:
            self.happen()

    def happen(self) -> None:
        """A move, or something is taken or dropped."""
        if self.rng.random() < 0.5 or not self.handle():
            self.move()


def where_is(rng: np.random.Generator) -> Story:
    """1: "Where is Mary?" """
    world = World(rng)
    for _ in range(5):
        world.move()
        world.move()
        person = pick(rng, [p for p in PEOPLE if world.told[p]])
        world.ask(f"Where is {person}?", world.room[person], world.told[person])
    return world.lines


def _with_things(rng: np.random.Generator, past: bool) -> Story:
    world, since = World(rng), 0
    while world.asked() < 5:
        world.happen()
        since += 1
        ready = [t for t in THINGS if len(world.trail[t]) > past and world.placed[t]]
        if since < 3 or not ready or rng.random() < 0.5:
            continue
        thing, since = pick(rng, ready), 0
        room, lines = world.trail[thing][-1]
        if past:
            before, earlier = world.trail[thing][-2]
            text = f"Where was the {thing} before the {room}?"
            world.ask(text, before, *lines, *earlier, world.taken[thing])
        else:
            world.ask(f"Where is the {thing}?", room, *lines, world.taken[thing])
    return world.lines


def where_is_thing(rng: np.random.Generator) -> Story:
    """2: "Where is the football?" """
    return _with_things(rng, past=False)


def where_was_thing(rng: np.random.Generator) -> Story:
    """3: "Where was the football before the kitchen?" """
    return _with_things(rng, past=True)


def who_gave_what(rng: np.random.Generator) -> Story:
    """5: "What did Fred give to Jeff?" and who gave it, who received it."""
    world = World(rng, GIVERS)
    while world.asked() < 5:
        if rng.random() < 0.5 or (given := world.give()) is None:
            world.approach()
            continue
        a, thing, b, line = given
        for _ in range(int(rng.integers(0, 6))):
            world.move()  # nothing that changes who has what
        text, answer = pick(
            rng,
            [
                (f"What did {a} give to {b}?", thing),
                (f"Who received the {thing}?", b),
                (f"Who did {a} give the {thing} to?", b),
                (f"Who gave the {thing} to {b}?", a),
                (f"Who gave the {thing}?", a),
            ],
        )
        world.ask(text, answer, line)
    return world.lines


def is_in(rng: np.random.Generator) -> Story:
    """6: "Is John in the kitchen?" """
    world = World(rng)
    for _ in range(5):
        world.move()
        world.move()
        person = pick(rng, [p for p in PEOPLE if world.told[p]])
        room = world.room[person]
        asked = pick(rng, (room, pick(rng, [r for r in ROOMS if r != room])))
        answer = "yes" if asked == room else "no"
        world.ask(f"Is {person} in the {asked}?", answer, world.told[person])
    return world.lines


def _holding(rng: np.random.Generator, count: bool) -> Story:
    world, since = World(rng), 0
    ever: dict[str, list[int]] = {p: [] for p in PEOPLE}  # lines about what somebody holds
    while world.asked() < 5:
        before = dict(world.holder)
        if rng.random() < 0.3 or world.give() is None:
            world.approach()
        for thing in THINGS:
            if world.holder[thing] != before[thing]:
                for person in (world.holder[thing], before[thing]):
                    if person:
                        ever[person].append(len(world.lines))
        since += any(ever.values())
        if since < 2:
            continue
        since = 0
        person = pick(rng, [p for p in PEOPLE if ever[p]])
        things = world.held(person)
        if count:
            text, answer = f"How many objects is {person} carrying?", NUMBERS[len(things)]
        else:
            text, answer = f"What is {person} carrying?", ",".join(things) or "nothing"
        world.ask(text, answer, *ever[person])
    return world.lines


def how_many(rng: np.random.Generator) -> Story:
    """7: "How many objects is Daniel carrying?" """
    return _holding(rng, count=True)


def which_things(rng: np.random.Generator) -> Story:
    """8: "What is Daniel carrying?", a list in the order of getting them."""
    return _holding(rng, count=False)


def negation(rng: np.random.Generator) -> Story:
    """9: "Is John in the kitchen?" after "John is no longer in the kitchen" """
    return _knowledge(rng, either=False)


def indefinite(rng: np.random.Generator) -> Story:
    """10: the same after "Fred is either in the school or the park", with "maybe"."""
    return _knowledge(rng, either=True)


def _knowledge(rng: np.random.Generator, either: bool) -> Story:
    people = ("Bill", "Fred", "Julie", "Mary") if either else PEOPLE
    rooms = PLACES if either else ROOMS
    lines: Story = []
    # what is known of a person: rooms they may be in, whether that is a denial, and the line
    known: dict[str, tuple[tuple[str, ...], bool, int]] = {}
    for _ in range(5):
        for _ in range(2):
            person, room = pick(rng, people), pick(rng, rooms)
            kind = int(rng.integers(4 if either else 3))
            at: tuple[str, ...] = (room,)
            now = False
            if kind == 0:
                lines.append(f"{person} {pick(rng, MOVE)} the {room}.")
            elif kind == 1:
                lines.append(f"{person} is in the {room}.")
            elif kind == 2:  # leaves where they were, if that is known
                places, denied, _ = known.get(person, ((), True, 0))
                room = places[0] if len(places) == 1 and not denied else room
                at, now = (room,), True
                how = pick(rng, ("not", "no longer"))
                lines.append(f"{person} is {how} in the {room}.")
            else:
                other = pick(rng, [r for r in rooms if r != room])
                at = (room, other)
                lines.append(f"{person} is either in the {room} or the {other}.")
            known[person] = (at, now, len(lines))
        person = pick(rng, list(known))
        places, denied, line = known[person]
        true_room = pick(rng, places)
        asked = true_room if denied or rng.random() < 0.6 else pick(rng, rooms)
        if denied:
            answer = "no"
        elif asked in places:
            answer = "yes" if len(places) == 1 else "maybe"
        else:
            answer = "no"
        lines.append(Question(f"Is {person} in the {asked}?", answer, (line,)))
    return lines


def coreference(rng: np.random.Generator) -> Story:
    """11: "Afterwards she went to the garden." """
    world = World(rng)
    for _ in range(5):
        person = pick(rng, PEOPLE)
        world.move(person)
        first = len(world.lines)
        pronoun = "he" if person in HE else "she"
        room = pick(rng, [r for r in ROOMS if r != world.room[person]])
        start = pick(rng, ("After that", "Then", "Afterwards", "Following that"))
        line = world.say(f"{start} {pronoun} {pick(rng, MOVE)} the {room}.")
        world.go(person, room, line)
        asked = pick(rng, [p for p in PEOPLE if world.told[p]])
        support = [world.told[asked]]
        if asked == person:
            support.append(first)
        elif support[0] is not None:  # told by a pronoun: the name is a line before
            support.append(support[0] - 1)
        world.ask(f"Where is {asked}?", world.room[asked], *support)
    return world.lines


def _pairs(rng: np.random.Generator, then: bool) -> Story:
    world = World(rng)

    def together(pair: tuple[str, str], who: str) -> None:
        room = pick(rng, [r for r in ROOMS if all(r != world.room[p] for p in pair)])
        line = world.say(f"{who} {pick(rng, MOVE)} the {room}.")
        for person in pair:
            world.go(person, room, line)

    for _ in range(5):
        seen: list[str] = []
        for _ in range(1 if then else 2):
            a, b = (PEOPLE[i] for i in rng.permutation(4)[:2])
            together((a, b), f"{a} and {b}")
            seen += [a, b]
            if then:
                start = pick(rng, ("After that", "Then", "Afterwards", "Following that"))
                together((a, b), f"{start} they")
        person = pick(rng, seen if then else [p for p in PEOPLE if world.told[p]])
        support = world.told[person]
        assert support is not None
        supports = (support, support - 1) if then else (support,)
        world.ask(f"Where is {person}?", world.room[person], *supports)
    return world.lines


def conjunction(rng: np.random.Generator) -> Story:
    """12: "Mary and Daniel went to the office." """
    return _pairs(rng, then=False)


def compound_coreference(rng: np.random.Generator) -> Story:
    """13: "Then they went to the hallway." """
    return _pairs(rng, then=True)


def times(rng: np.random.Generator) -> Story:
    """14: "Where was Julie before the park?", told in any order of times."""
    people, lines = ("Bill", "Fred", "Julie", "Mary"), Story()
    # each person has been in four places, one a time; lines tell of them in random order
    order = {p: [PLACES[i] for i in rng.permutation(len(PLACES))[:4]] for p in people}
    facts = [(p, t) for p in people[: int(rng.integers(2, 4))] for t in range(4)]
    told: dict[tuple[str, int], int] = {}
    for i in rng.permutation(len(facts)):
        person, when = facts[i]
        place = f"{person} {pick(rng, MOVE)} the {order[person][when]}"
        text = pick(rng, (f"{TIMES[when].capitalize()} {place}.", f"{place} {TIMES[when]}."))
        lines.append(text)
        told[person, when] = len(lines)
        # the one before is known only when both are told, and none can come between the two
        known = [(p, t) for p, t in told if t > 0 and (p, t - 1) in told]
        asked = sum(isinstance(line, Question) for line in lines)
        if known and asked < 5 and rng.random() < 0.5:
            person, when = pick(rng, known)
            ids = tuple(sorted((told[person, when], told[person, when - 1])))
            text = f"Where was {person} before the {order[person][when]}?"
            lines.append(Question(text, order[person][when - 1], ids))
    if not any(isinstance(line, Question) for line in lines):
        return times(rng)
    return lines
