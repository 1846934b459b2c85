"""Options of environments: the same checks in a name and beside it; two values for one are refused."""

from __future__ import annotations

import jax
import pytest

import envs
from envs.options import check_like, merged, split_name, with_lists


@pytest.mark.parametrize(
    ("name", "option", "value", "takes"),
    [
        ("Empty-8x8", "max_steps", "abc", "a whole number"),
        ("Empty-8x8", "max_steps", 5.0, "a whole number"),
        ("Empty-8x8", "noise", "abc", "a whole number"),
        ("Empty-8x8", "max_steps", 10**30, "whole numbers up to 2147483647"),
        ("Empty-8x8", "size", 2**31, "whole numbers up to 2147483647"),
        ("Empty-8x8", "log", "no", "true or false"),
        ("Empty-8x8", "coordinates", "no", "true or false"),
        ("Empty-8x8", "size", None, "a whole number"),
        ("Empty-8x8", "size", {}, "a whole number"),
        ("RaycastMaze-7x7", "picture", 5, "a list"),
        ("NetHackScore-v0", "penalty_step", "abc", "a number"),
        ("NetHackScore-v0", "keys", 5, "a list"),
        ("NetHackScore-v0", "character", 5, "text"),
        ("NetHackScore-v0", "workers", "abc", "a whole number"),
        ("NetHackScore-v0", "share_pages", "perhaps", "true or false"),
    ],
)
def test_types_are_checked_in_a_name_and_beside_it(name, option, value, takes):
    for call in (
        lambda: envs.make(name, **{option: value}),
        lambda: envs.make(f"{name}?{option}={value}"),
    ):
        with pytest.raises(envs.UnknownOption, match=rf"^{option}=.*: {name} takes {takes}"):
            call()


@pytest.mark.parametrize("option", ["max_steps", "view_size", "noise"])
def test_two_values_of_an_option_are_refused(option):
    both = f"^{option}=5 in the name and {option}=7 beside it"
    with pytest.raises(envs.UnknownOption, match=both):
        envs.make(f"Empty-8x8?{option}=5", **{option: 7})
    envs.make(f"Empty-8x8?{option}=5", **{option: 5})
    with pytest.raises(envs.UnknownOption, match=f"{option} stands twice"):
        envs.make(f"Empty-8x8?{option}=5&{option}=5")


def test_defaults_beside_a_name_are_no_values():
    assert merged({"a": 1}, {"a": None, "b": 2}, {"a": None}) == {"a": 1, "b": 2}
    with pytest.raises(envs.UnknownOption, match="a=1 in the name and a=2 beside it"):
        merged({"a": 1}, {"a": 2}, {"a": None})
    with pytest.raises(envs.UnknownOption, match="a=1 in the name"):  # one that a sweep traces
        jax.jit(lambda a: merged({"a": 1}, {"a": a}, {"a": None})["a"])(2)


def test_names_without_options_and_examples_of_no_type():
    assert split_name("Empty-8x8") == ("Empty-8x8", {})
    check_like("X", {"a": "anything", "b": None, "c": (1,)}, {"a": None, "b": 1, "c": [2]})


def test_key_codes():
    for value in ("foo", 7, (), ("a",)):
        with pytest.raises(envs.UnknownOption, match="'task' or 'full' or a list of key codes"):
            envs.make("NetHackScore-v0", actions=value)


def test_one_key_of_nethack_s_alone():
    env, params = envs.make("NetHackScore-v0?keys=blstats&actions=(107,108)", workers=1)
    assert set(env.observation_space(params).spaces) == {"blstats"}
    assert env.action_space(params).n == 2
    env.unwrapped.close()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("glyphs", ("glyphs",)),
        ("glyphs,blstats", ("glyphs", "blstats")),
        ("glyphs, blstats,", ("glyphs", "blstats")),
        ("glyphs+blstats+message", ("glyphs", "blstats", "message")),
        ("(glyphs,blstats)", ("glyphs", "blstats")),
        ("[glyphs]", ("glyphs",)),
        ("disclose:+i", ("disclose:+i",)),
        ("", ()),
        ("()", ()),
        (("glyphs", "blstats"), ("glyphs", "blstats")),
        (5, 5),
    ],
)
def test_lists_of_words_need_no_quotes(value, words):
    assert with_lists({"keys": value}, {"keys": ("a",)}) == {"keys": words}
    for example in ("text", (1, 2), (), None):  # what is no list of words stays
        assert with_lists({"keys": value}, {"keys": example}) == {"keys": value}


@pytest.mark.parametrize("keys", ["glyphs,blstats", "glyphs+blstats", '("glyphs","blstats")'])
def test_keys_of_nethack_s_in_a_name(keys):
    env, params = envs.make(f"NetHackScore-v0?keys={keys}&max_steps=20", workers=1)
    assert set(env.observation_space(params).spaces) == {"glyphs", "blstats"}
    env.unwrapped.close()


def test_words_in_a_name_that_are_none_of_its_are_told():
    with pytest.raises(envs.UnknownOption, match="keys: 'glyph' is none of"):
        envs.make("NetHackScore-v0?keys=blstats,glyph")
    with pytest.raises(envs.UnknownOption, match=r"keys=5: .* a list of words, such as one,two"):
        envs.make("NetHackScore-v0?keys=5")
    with pytest.raises(envs.UnknownOption, match=r"keys=\(\): at least one"):
        envs.make("NetHackScore-v0?keys=")


@pytest.mark.parametrize("option", ["des_file", "reward_manager"])
def test_levels_and_rewards_of_ones_own_are_pointed_to_the_guide(option):
    with pytest.raises(envs.UnknownOption, match=r"gym:MODULE:NAME, .*docs/guides/nethack\.md"):
        envs.make(f"NetHackScore-v0?{option}=mine")


@pytest.mark.parametrize("workers", [0, 99_999])
def test_no_host_starts_that_many_processes(workers):
    with pytest.raises(envs.UnknownOption, match=rf"^workers={workers}: from 1 to \d+"):
        envs.make("NetHackScore-v0", workers=workers)
    with pytest.raises(envs.UnknownOption, match="^deadline=-1: seconds, above 0"):
        envs.make("NetHackScore-v0", deadline=-1)


def test_seeds_have_all_of_32_bits():
    envs.make("Empty-8x8", num_contexts=2, context_seed=2**32 - 1)
    with pytest.raises(envs.UnknownOption, match="^context_seed=4294967296"):
        envs.make("Empty-8x8", num_contexts=2, context_seed=2**32)


@pytest.mark.parametrize("value", ["{[]:1}", "-" * 5000 + "1", "(" * 500])
def test_values_that_python_cannot_read_are_text(value):
    assert split_name(f"Empty-8x8?size={value}") == ("Empty-8x8", {"size": value})
