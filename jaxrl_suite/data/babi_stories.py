"""bAbI's families in the world of `babi_world`: 1 to 3, 5 to 14."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxrl_suite.data.babi import Question, Story
from jaxrl_suite.data.babi_world import (
    GIVERS,
    HE,
    MOVE,
    NUMBERS,
    PEOPLE,
    PLACES,
    ROOMS,
    THINGS,
    TIMES,
    World,
    pick,
)


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
    """After every second sentence a thing is drawn, and asked about where that has an answer.

    So it is in the released stories, as far as their samples and sizes tell; the published generator
    takes and drops twice as often, and asks earlier.
    """
    world = World(rng)
    last: Any = None
    while world.asked() < 5:
        world.act()
        world.act()
        thing = pick(rng, THINGS)
        trail, newest = world.trail[thing], world.taken[thing]
        if world.placed[thing] is None:
            continue
        if not past:
            world.ask(f"Where is the {thing}?", trail[-1][0], world.placed[thing], newest)
            continue
        # of a thing that lies somewhere: a room that who had it last carried it into, and the one before
        rooms = [room for room, _ in trail[world.carried[thing] + 1 :]]
        if world.holder[thing] is not None or not rooms:
            continue
        room = pick(rng, rooms)
        at = max(i for i in range(1, len(trail)) if trail[i][0] == room)
        if last == (thing, room, newest):
            continue
        last, (before, line) = (thing, room, newest), trail[at - 1]
        text = f"Where was the {thing} before the {room}?"
        world.ask(text, before, newest, trail[at][1], line)
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
        world.act(gives=True)
        world.act(gives=True)
        gifts = {thing: gift for thing, gift in world.given.items() if gift}
        if not gifts:
            continue
        thing, (a, b, line) = pick(rng, list(gifts.items()))
        asked = [
            (f"Who received the {thing}?", b),
            (f"Who did {a} give the {thing} to?", b),
            (f"Who gave the {thing} to {b}?", a),
            (f"Who gave the {thing}?", a),
        ]
        if line == max(last for *pair, last in gifts.values() if pair == [a, b]):
            asked.append((f"What did {a} give to {b}?", thing))
        world.ask(*pick(rng, asked), line)
    return world.lines


def is_in(rng: np.random.Generator) -> Story:
    """6: "Is John in the kitchen?" """
    world = World(rng)
    while world.asked() < 5:
        world.act()
        world.act()
        known = [p for p in PEOPLE if world.told[p]]
        if not known:
            continue
        person = pick(rng, known)
        room = world.room[person]
        asked = pick(rng, (room, pick(rng, [r for r in ROOMS if r != room])))
        answer = "yes" if asked == room else "no"
        world.ask(f"Is {person} in the {asked}?", answer, world.told[person])
    return world.lines


def _holding(rng: np.random.Generator, count: bool) -> Story:
    world = World(rng)
    ever: dict[str, list[int]] = {p: [] for p in PEOPLE}  # lines about what somebody holds
    while world.asked() < 5:
        for _ in range(2):
            before = dict(world.holder)
            world.act(gives=True)
            for thing in THINGS:
                if world.holder[thing] != before[thing]:
                    for person in (world.holder[thing], before[thing]):
                        if person:
                            ever[person].append(len(world.lines))
        known = [p for p in PEOPLE if ever[p]]
        if not known:
            continue
        person = pick(rng, known)
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
    # each person is in four places, one a time; twelve of these sixteen facts are told
    order = {p: [PLACES[i] for i in rng.permutation(len(PLACES))[:4]] for p in people}
    told: dict[str, dict[int, int]] = {p: {} for p in people}  # lines by time
    facts = [(p, t) for p in people for t in range(4)]
    drawn = [facts[i] for i in rng.permutation(len(facts))[:12]]
    first = pick(rng, people)  # of whom a question can be asked after four
    if sum(p == first for p, _ in drawn[:4]) < 2:
        return times(rng)
    for number, (person, when) in enumerate(drawn, 1):
        place = f"{person} {pick(rng, MOVE)} the {order[person][when]}"
        text = pick(rng, (f"{TIMES[when].capitalize()} {place}.", f"{place} {TIMES[when]}."))
        lines.append(text)
        told[person][when] = len(lines)
        if number >= 4 and number % 2 == 0:
            asked = pick(rng, [p for p in people if len(told[p]) > 1])
            known = sorted(told[asked])
            i = int(rng.integers(1, len(known)))
            before, when = known[i - 1], known[i]
            ids = tuple(sorted((told[asked][before], told[asked][when])))
            text = f"Where was {asked} before the {order[asked][when]}?"
            lines.append(Question(text, order[asked][before], ids))
    return lines
