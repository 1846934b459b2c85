"""Terminals as text and as pictures."""

from __future__ import annotations

import numpy as np

from envs import screen as screens
from envs.screen import Run, Screen


def test_runs_part_a_row_where_its_look_changes():
    characters = np.array([list(b"abcde"), list(b"  \x00z\xff")], np.uint8)
    colors = np.array([[1, 1, 2, 2, 2], [0, 0, 0, 9, 9]], np.int8)
    screen = Screen(characters, colors, np.array([0, 3]))
    assert list(screens.runs(screen, 0)) == [
        Run("ab", 1, False),
        Run("c", 2, False),
        Run("d", 2, True),
        Run("e", 2, False),
    ]
    assert list(screens.runs(screen, 1)) == [Run("   ", 0, False), Run("z ", 9, False)]


def test_picture_has_the_colors_in_their_places():
    characters = np.full((3, 6), ord(" "), np.uint8)
    characters[1, 2] = ord("@")
    colors = np.zeros((3, 6), np.int8)
    colors[1, 2] = 12
    picture = screens.picture(Screen(characters, colors, np.array([2, 5])))
    height, width = picture.shape[0] // 3, picture.shape[1] // 6
    cells = picture.reshape(3, height, 6, width, 3).transpose(0, 2, 1, 3, 4)
    drawn = cells[1, 2].reshape(-1, 3).max(0)
    np.testing.assert_allclose(drawn, screens.COLORS[12], atol=40)  # edges are smoothed
    assert (cells[2, 5] == 85).all()  # the cursor
    cells[1, 2] = cells[2, 5] = 0
    assert not cells.any()
