"""bAbI's families that do not need the world of `babi_world`: 4 and 15 to 20."""

from __future__ import annotations

import numpy as np

from jaxrl_suite.data.babi import Question, Story
from jaxrl_suite.data.babi_world import GET, MOVE, PEOPLE, ROOMS, pick

NORTH, EAST, SOUTH, WEST = (0, 1), (1, 0), (0, -1), (-1, 0)
DIRECTIONS = {"north": NORTH, "east": EAST, "south": SOUTH, "west": WEST}
OPPOSITE = {"north": "south", "south": "north", "east": "west", "west": "east"}
SPECIES = {"mouse": "mice", "sheep": "sheep", "wolf": "wolves", "cat": "cats"}
NAMES = ("Gertrude", "Winona", "Jessica", "Emily")
KINDS = ("swan", "lion", "frog", "rhino")
COLORS = ("gray", "white", "yellow", "green")
OWNERS = ("Lily", "Bernhard", "Greg", "Julius", "Brian")
# those of the released stories; the published generator would draw from all colors and forms
SHAPES = ("triangle", "pink rectangle", "blue square", "red square", "yellow square", "red sphere")
RELATIONS = {
    "above": (0, 1),
    "below": (0, -1),
    "to the left of": (-1, 0),
    "to the right of": (1, 0),
}
CONTAINERS = ("suitcase", "container", "box", "chest")
SMALL = ("box of chocolates", "chocolate")  # from large to small, smaller than all containers
MOTIVES = {
    "hungry": ("kitchen", "apple"),
    "thirsty": ("kitchen", "milk"),
    "bored": ("garden", "football"),
    "tired": ("bedroom", "pajamas"),
}


def two_relations(rng: np.random.Generator) -> Story:
    """4: three rooms in a row; "What is the bathroom east of?" or "What is west of the kitchen?" """
    a, b, c = (ROOMS[i] for i in rng.permutation(len(ROOMS))[:3])
    toward = pick(rng, ("north", "east"))
    back = OPPOSITE[toward]

    def fact(behind: str, ahead: str) -> str:
        if rng.random() < 0.5:
            return f"The {ahead} is {toward} of the {behind}."
        return f"The {behind} is {back} of the {ahead}."

    pairs = [(a, b), (b, c)]
    order = rng.permutation(2)
    lines: Story = [fact(*pairs[i]) for i in order]
    i = int(rng.integers(2))
    behind, ahead = pairs[i]
    text, answer = pick(
        rng,
        [
            (f"What is {toward} of the {behind}?", ahead),
            (f"What is {back} of the {ahead}?", behind),
            (f"What is the {ahead} {toward} of?", behind),
            (f"What is the {behind} {back} of?", ahead),
        ],
    )
    return [*lines, Question(text, answer, (int(np.flatnonzero(order == i)[0]) + 1,))]


def deduction(rng: np.random.Generator) -> Story:
    """15: "Wolves are afraid of mice. Gertrude is a wolf. What is gertrude afraid of?" """
    species = list(SPECIES)
    fears = {s: pick(rng, [o for o in species if o != s]) for s in species}
    kind = {name: pick(rng, species) for name in NAMES}
    facts = [("fear", s) for s in species] + [("is", name) for name in NAMES]
    lines: Story = []
    at = {}
    for i in rng.permutation(len(facts)):
        what, who = facts[i]
        if what == "fear":
            lines.append(f"{SPECIES[who].capitalize()} are afraid of {SPECIES[fears[who]]}.")
        else:
            lines.append(f"{who} is a {kind[who]}.")
        at[who] = len(lines)
    for i in rng.permutation(len(NAMES)):
        name = NAMES[i]
        ids = tuple(sorted((at[name], at[kind[name]])))
        lines.append(Question(f"What is {name} afraid of?", fears[kind[name]], ids))
    return lines


def induction(rng: np.random.Generator) -> Story:
    """16: "Lily is a swan. Lily is white. Greg is a swan. What color is Greg?"

    As in the released stories what an animal is comes before its color, and kinds may share a color.
    """
    color = {kind: pick(rng, COLORS) for kind in KINDS}
    owners = [OWNERS[i] for i in rng.permutation(5)]
    asked, shown = owners[:2]
    kind = {name: pick(rng, KINDS) for name in owners}
    kind[asked] = kind[shown]
    # a name stands for its kind the first time, for its color the second
    names = [name for name in owners for _ in range(1 + (name != asked))]
    lines: Story = []
    at: dict[tuple[str, str], int] = {}
    for i in rng.permutation(len(names)):
        name = names[i]
        what = "color" if (name, "kind") in at else "kind"
        text = f"a {kind[name]}" if what == "kind" else color[kind[name]]
        lines.append(f"{name} is {text}.")
        at[name, what] = len(lines)
    ids = at[asked, "kind"], at[shown, "kind"], at[shown, "color"]
    return [*lines, Question(f"What color is {asked}?", color[kind[asked]], tuple(sorted(ids)))]


def positions(rng: np.random.Generator) -> Story:
    """17: "Is the red sphere below the pink square?", asked eight times of two shapes beside a third."""
    names = [SHAPES[i] for i in rng.permutation(len(SHAPES))[:3]]
    steps = list(RELATIONS.items())

    # a walk over the grid: each shape one step from the one before, none on another
    first = pick(rng, steps)
    second = pick(rng, [s for s in steps if s[1] != (-first[1][0], -first[1][1])])
    place = {names[0]: (0, 0), names[1]: first[1]}
    place[names[2]] = (first[1][0] + second[1][0], first[1][1] + second[1][1])
    opposite = dict(
        zip(RELATIONS, ("below", "above", "to the right of", "to the left of"), strict=True)
    )

    lines: Story = []
    for (relation, _), a, b in ((first, names[1], names[0]), (second, names[2], names[1])):
        if rng.random() < 0.5:
            lines.append(f"The {a} is {relation} the {b}.")
        else:
            lines.append(f"The {b} is {opposite[relation]} the {a}.")
    for _ in range(8):
        a, b = (names[i] for i in rng.permutation([0, 2]))
        gap = (place[a][0] - place[b][0], place[a][1] - place[b][1])
        # along an axis on which they differ: yes as often as no
        along = {name: gap[0] * x + gap[1] * y for name, (x, y) in steps}
        relation = pick(rng, [name for name, d in along.items() if d])
        answer = "yes" if along[relation] > 0 else "no"
        lines.append(Question(f"Is the {a} {relation} the {b}?", answer, (1, 2)))
    return lines


def sizes(rng: np.random.Generator) -> Story:
    """18: "The box is bigger than the chest", "Does the chest fit in the suitcase?", two steps apart.

    The same may be told twice, and what is asked may be told, too, as in the released stories.
    """
    names = [CONTAINERS[i] for i in rng.permutation(len(CONTAINERS))] + list(SMALL)
    lines: Story = []
    told: list[tuple[int, int]] = []  # pairs, the larger one first
    for _ in range(int(rng.integers(3, 11))):
        larger, smaller = sorted(int(i) for i in rng.permutation(len(names))[:2])
        a, b = names[larger], names[smaller]
        lines.append(
            pick(rng, (f"The {a} is bigger than the {b}.", f"The {b} fits inside the {a}."))
        )
        told.append((larger, smaller))
    steps = [(i, j) for i, a in enumerate(told) for j, b in enumerate(told) if a[1] == b[0]]
    if not steps:
        return sizes(rng)
    for _ in range(5):
        i, j = pick(rng, steps)
        big, small = names[told[i][0]], names[told[j][1]]
        first, second = (big, small) if rng.random() < 0.5 else (small, big)
        if rng.random() < 0.5:
            text, yes = f"Is the {first} bigger than the {second}?", first == big
        else:
            text, yes = f"Does the {first} fit in the {second}?", first == small
        lines.append(Question(text, "yes" if yes else "no", tuple(sorted((i + 1, j + 1)))))
    return lines


def path(rng: np.random.Generator) -> Story:
    """19: "How do you go from the kitchen to the garden?": two steps, three rooms beside the way.

    None of them makes another way of two steps, told of or not.
    """
    rooms = [ROOMS[i] for i in rng.permutation(len(ROOMS))]
    start, middle, goal, *others = rooms
    one, two = pick(rng, [(a, b) for a in DIRECTIONS for b in DIRECTIONS if a != OPPOSITE[b]])
    place = {start: (0, 0), middle: DIRECTIONS[one]}
    place[goal] = _beside(place[middle], two)
    links = [(middle, one, start), (goal, two, middle)]  # a is <direction> of b
    near = [{_beside(place[end], way) for way in DIRECTIONS} for end in (start, goal)]
    taken = set(place.values()) | (near[0] & near[1])
    for room in others:
        base, direction = pick(
            rng,
            [(b, w) for b in rooms[:3] for w in DIRECTIONS if _beside(place[b], w) not in taken],
        )
        taken.add(_beside(place[base], direction))
        links.append((room, direction, base))
    lines: Story = []
    at_line = {}
    for i in rng.permutation(len(links)):
        a, direction, b = links[i]
        if rng.random() < 0.5:
            a, direction, b = b, OPPOSITE[direction], a
        lines.append(f"The {a} is {direction} of the {b}.")
        at_line[int(i)] = len(lines)
    question = f"How do you go from the {start} to the {goal}?"
    return [*lines, Question(question, f"{one[0]},{two[0]}", (at_line[0], at_line[1]))]


def _beside(at: tuple[int, int], direction: str) -> tuple[int, int]:
    step = DIRECTIONS[direction]
    return at[0] + step[0], at[1] + step[1]


def motives(rng: np.random.Generator) -> Story:
    """20: "Sumit is tired. Where will sumit go?" and why somebody went or took something."""
    feels = {name: pick(rng, list(MOTIVES)) for name in PEOPLE}
    stage = dict.fromkeys(PEOPLE, 0)  # felt, gone, got
    said: dict[str, int] = {}
    lines: Story = []
    while any(s < 3 for s in stage.values()):
        person = pick(rng, [p for p in PEOPLE if stage[p] < 3])
        room, thing = MOTIVES[feels[person]]
        stage[person] += 1
        if stage[person] == 1:
            lines.append(f"{person} is {feels[person]}.")
            said[person] = len(lines)
            ids = (said[person],)
            lines.append(Question(f"Where will {person} go?", room, ids))
        elif stage[person] == 2:
            lines.append(f"{person} {pick(rng, MOVE)} the {room}.")
            ids = (said[person],)
            lines.append(Question(f"Why did {person} go to the {room}?", feels[person], ids))
        else:
            there = pick(rng, (" there", ""))
            lines.append(f"{person} {pick(rng, GET)} the {thing}{there}.")
            ids = (said[person],)
            lines.append(Question(f"Why did {person} get the {thing}?", feels[person], ids))
    return lines
