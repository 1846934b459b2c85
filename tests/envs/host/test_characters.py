"""NetHack's characters: those it does not have are refused, with those it has."""

from __future__ import annotations

import pytest

import envs
from envs.host.games import nethack_characters


@pytest.mark.parametrize(
    "character",
    ["@", "mon-hum-neu-mal", "val-dwa-law-fem", "Val", "hum-val", "rog-hum-cha-mal", "priestess",
     "kni-hum-law-fem", "cav-hum-neu-mal", "v-d", "wiz-@-cha", "elf", "law"],
)  # fmt: skip
def test_characters_that_there_are(character):
    nethack_characters.check(character)


@pytest.mark.parametrize(
    ("character", "words"),
    [
        (
            "foo",
            ["character='foo': 'foo' is none of role arc, bar, cav", "race hum, elf", "gender mal"],
        ),
        ("mon-hum-neu-xyz", ["'xyz' is none of", "alignment law, neu, cha"]),
        ("", ["character='': '' is none of", "'@'"]),
        ("mon-val", ["monk and valkyrie are two of a role"]),
        ("wiz-dwa-law-fem", ["a wizard is human or elf or gnome or orc"]),
        ("kni-hum-cha-fem", ["a human knight is lawful"]),
        ("val-dwa-neu", ["a dwarf valkyrie is lawful"]),
        ("val-hum-law-mal", ["a valkyrie is female"]),
        ("orc-law", ["orc is chaotic"]),
    ],
)
def test_others_are_refused(character, words):
    with pytest.raises(ValueError) as error:
        nethack_characters.check(character)
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize("name", ["NetHackScore-v0", "MiniHack-Room-5x5-v0"])
def test_before_a_game_is_made(name):
    with pytest.raises(envs.UnknownOption, match="character='foo': 'foo' is none of role arc"):
        envs.make(f"{name}?character=foo")
