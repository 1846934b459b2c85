"""A text terminal's contents, as NetHack shows itself: the same in a terminal and as a picture."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

BRIGHT = 8  # colors 8 to 15 are the bright ones of 0 to 7
# black, red, green, yellow, blue, magenta, cyan, white: VGA's, which NetHack was drawn with
COLORS = np.array(
    [[0, 0, 0], [170, 0, 0], [0, 170, 0], [170, 85, 0], [0, 0, 170], [170, 0, 170], [0, 170, 170],
     [170, 170, 170], [85, 85, 85], [255, 85, 85], [85, 255, 85], [255, 255, 85], [85, 85, 255],
     [255, 85, 255], [85, 255, 255], [255, 255, 255]],
    np.uint8,
)  # fmt: skip
_FONT, _POINTS = "DejaVu Sans Mono", 13


class Screen(NamedTuple):
    """What a terminal shows.

    Attributes:
      characters: `[rows, columns]` uint8, codes of characters.
      colors: `[rows, columns]` int8, 0 to 15, as in `COLORS`.
      cursor: `[2]`, its row and column.
    """

    characters: np.ndarray
    colors: np.ndarray
    cursor: np.ndarray


class Run(NamedTuple):
    """Neighbouring characters of a row that look alike."""

    text: str
    color: int  # 0 to 15
    cursor: bool


def runs(screen: Screen, row: int) -> Iterator[Run]:
    """A row of a screen from left to right; what cannot be printed is a space."""
    codes, colors = screen.characters[row], screen.colors[row] & 15
    cursor = np.zeros(len(codes), bool)
    if row == int(screen.cursor[0]) and 0 <= int(screen.cursor[1]) < len(codes):
        cursor[int(screen.cursor[1])] = True
    text = "".join(chr(code) if 32 <= code < 127 else " " for code in codes.tolist())
    changes = (colors[1:] != colors[:-1]) | (cursor[1:] != cursor[:-1])
    edges = [0, *(np.flatnonzero(changes) + 1).tolist(), len(text)]
    for start, end in itertools.pairwise(edges):
        yield Run(text[start:end], int(colors[start]), bool(cursor[start]))


def picture(screen: Screen) -> np.ndarray:
    """The screen in a fixed-width font: `[height, width, 3]` uint8, the cursor as a grey box."""
    from PIL import Image, ImageDraw

    font, width, height = _font()
    rows, columns = screen.characters.shape
    image = Image.new("RGB", (columns * width, rows * height))
    draw = ImageDraw.Draw(image)
    for row in range(rows):
        column = 0
        for run in runs(screen, row):
            at = (column * width, row * height)
            if run.cursor:
                draw.rectangle((*at, at[0] + width - 1, at[1] + height - 1), fill=(85, 85, 85))
            if run.text.strip():
                draw.text(at, run.text, font=font, fill=tuple(COLORS[run.color].tolist()))
            column += len(run.text)
    return np.array(image)


@functools.cache
def _font() -> tuple[Any, int, int]:
    """The font that comes with Matplotlib, and the size of a character."""
    from matplotlib import font_manager
    from PIL import ImageFont

    font = ImageFont.truetype(font_manager.findfont(_FONT), _POINTS)
    ascent, descent = font.getmetrics()
    return font, round(font.getlength("M")), ascent + descent
