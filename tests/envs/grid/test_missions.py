"""Missions as numbers and texts, and what the import from MiniGrid makes of a running episode."""

from __future__ import annotations

import numpy as np
import pytest
from minigrid.core.world_object import Box, Key
from minigrid_play import Player, assert_equal, help_along, replay, source, world

from envs.grid import cells
from envs.grid.levels.missions import Mission
from envs.grid.minigrid import cell_of, import_level


def test_fields_in_order_of_appearance():
    mission = Mission.of("put the {color} {kind} near the {color2} {kind2}, then the {color}")
    numbers = np.array([cells.RED, cells.KEY, cells.GREY, cells.BOX], np.uint8)
    text = "put the red key near the grey box, then the red"
    assert mission(numbers) == text
    np.testing.assert_array_equal(mission.parse(text), numbers)
    with pytest.raises(ValueError, match="not of the form"):
        mission.parse("put the red key near the grey box, then the blue")


def test_several_wordings():
    mission = Mission.of("get a {color} {kind}", "go get a {color} {kind}")
    for numbers in ([0, cells.BLUE, cells.BALL, 0], [1, cells.GREEN, cells.KEY, 0]):
        np.testing.assert_array_equal(mission.parse(mission(np.array(numbers))), numbers)
    assert mission(np.array([1, 1, 5, 0])) == "go get a green key"


def test_boxes_keep_their_keys():
    assert cell_of(Box("grey", Key("red"))) == cells.code(cells.KEY_BOX, cells.RED)
    assert cell_of(Box("red")) == cells.code(cells.BOX, cells.RED)
    assert cell_of(None) == cells.EMPTY
    with pytest.raises(ValueError, match="box='red'"):
        cell_of(Box("red", Key("red")))


@pytest.mark.parametrize("name", ["UnlockPickup", "ObstructedMaze-1Dlh"])
def test_import_in_the_middle_of_an_episode(name):
    """With something in the hands and some time gone."""
    env, ours = source(name), world(name)
    carried = 0
    for seed in range(16):
        player, rng = Player(env, seed), np.random.default_rng(seed)
        for value in rng.integers(7, 20, 60):
            player.act(help_along(player, int(value)))
        if player.done:
            continue
        carried += env.carrying is not None
        state = import_level(env, ours)
        assert int(state.time) == env.step_count == 60
        player.images, player.directions = player.images[-1:], player.directions[-1:]
        player.actions, player.rewards, player.flags = [], [], []
        for value in rng.integers(0, 20, 60):
            player.act(help_along(player, int(value)))
        assert_equal(player.trace(), replay(ours, state, player.actions))
    assert carried
