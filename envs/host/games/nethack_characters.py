"""Which characters NetHack has: a role, a race, an alignment and a gender that go together.

NetHack itself passes over words that it does not know and changes what does not go together, without
a word.
"""

from __future__ import annotations

_RACES = {"human": "lnc", "elf": "c", "dwarf": "l", "gnome": "n", "orc": "c"}  # and alignments
_ROLES = {  # races, alignments
    "archeologist": ("human dwarf gnome", "ln"),
    "barbarian": ("human orc", "nc"),
    "caveman": ("human dwarf gnome", "ln"),
    "healer": ("human gnome", "n"),
    "knight": ("human", "l"),
    "monk": ("human", "lnc"),
    "priest": ("human elf", "lnc"),
    "rogue": ("human orc", "c"),
    "ranger": ("human elf gnome orc", "nc"),
    "samurai": ("human", "l"),
    "tourist": ("human", "n"),
    "valkyrie": ("human dwarf", "ln"),
    "wizard": ("human elf gnome orc", "nc"),
}
_FEMALE = {"cavewoman": "caveman", "priestess": "priest"}
_ALIGNMENTS, _GENDERS = ("lawful", "neutral", "chaotic"), ("male", "female")
# in the order in which NetHack looks for a word
_KINDS = {
    "role": (*_ROLES, *_FEMALE),
    "race": tuple(_RACES),
    "gender": _GENDERS,
    "alignment": _ALIGNMENTS,
}
_RANDOM = ("@", "*", "random")


def check(character: str) -> None:
    """Refuses what is no character; words may be shortened, left out and in any order, "@" draws.

    Raises:
      ValueError: naming the words there are, or what goes together.
    """
    chosen: dict[str, str] = {}
    for word in character.split("-"):
        if word.lower() in _RANDOM:
            continue
        kind, name = _meant(character, word)
        if kind in chosen:
            raise _refused(character, f"{chosen[kind]} and {name} are two of a {kind}; give one")
        chosen[kind] = name
    role = chosen.get("role")
    role = _FEMALE.get(role or "", role)
    if role is None:
        roles, who = list(_ROLES), chosen.get("race", "")
    else:
        roles, who = [role], f"a {role}"
    pairs = [(race, a) for r in roles for race in _ROLES[r][0].split() for a in _ROLES[r][1]]
    pairs = [(race, a) for race, a in pairs if a in _RACES[race]]
    if chosen.get("race") not in (None, *(race for race, _ in pairs)):
        races = list(dict.fromkeys(race for race, _ in pairs))
        raise _refused(character, f"{who} is {_listed(races)}")
    pairs = [(race, a) for race, a in pairs if chosen.get("race") in (None, race)]
    if chosen.get("alignment", "")[:1] not in ("", *(a for _, a in pairs)):
        able = [name for name in _ALIGNMENTS if name[0] in {a for _, a in pairs}]
        if role is not None and "race" in chosen:
            who = f"a {chosen['race']} {role}"
        raise _refused(character, f"{who} is {_listed(able)}")
    if role == "valkyrie" and chosen.get("gender") == "male":
        raise _refused(character, "a valkyrie is female")


def _meant(character: str, word: str) -> tuple[str, str]:
    """The kind of a word and the name that it shortens."""
    for kind, names in _KINDS.items():
        for name in names:
            if word and name.startswith(word.lower()):
                return kind, name
    known = "; ".join(
        f"{kind} {', '.join(name[:3] for name in names if name not in _FEMALE)}"
        for kind, names in _KINDS.items()
    )
    raise _refused(character, f"{word!r} is none of {known}; val-dwa-law-fem say, or '@' to draw")


def _listed(words: list[str]) -> str:
    return " or ".join(words)


def _refused(character: str, why: str) -> ValueError:
    return ValueError(f"character={character!r}: {why}")
