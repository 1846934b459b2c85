"""`jaxrl watch DIR`: plays a run's agent in the terminal, from its newest checkpoint.

DIR is a run, or a sweep, where `--cell` says which agent.

Text games are shown as they show themselves, in their own colors; pictures as half blocks, two
pixels a character. Nothing in the run directory is changed, so a run under way can be watched.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.color import Color
from rich.console import Console
from rich.live import Live
from rich.style import Style
from rich.text import Text

from envs import screen as screens
from jaxrl_suite.evaluation import Moment
from jaxrl_suite.experiment import Spec
from jaxrl_suite.runner import video
from jaxrl_suite.runner.errors import RunError, require
from jaxrl_suite.runner.saved import load

_WATCHING = 0x776174  # separates these episodes' keys from training keys
_MOST_FRAMES = 2000  # of a GIF
_CHARACTERS = 80  # width of a picture without a terminal


@dataclasses.dataclass(frozen=True)
class WatchOptions:
    """What to watch, and how."""

    seed: int | None = None
    """which of the run's seeds (default: its first)"""
    cell: str | None = None
    """of a sweep: which cell, by label or number (an error lists them)"""
    episodes: int = 1
    """how many episodes"""
    episode_seed: int = 0
    """which episodes: another number, other levels and games"""
    fps: float = 10.0
    """steps a second; 0 plays as fast as it goes"""
    greedy: bool | None = None
    """play the most likely action, or draw one (default: as the run's evaluation does)"""
    gif: Path | None = None
    """write the episodes to this file as well"""
    max_steps: int | None = None
    """stop an episode after so many steps"""

    def check(self) -> None:
        """Raises `RunError` naming the first option with an unusable value."""
        require(
            self,
            ("episodes", self.episodes >= 1, "1 or more"),
            ("fps", self.fps >= 0, "0 (as fast as it goes) or more"),
            ("max_steps", self.max_steps is None or self.max_steps >= 1, "1 or more"),
            ("gif", self.gif is None or self.gif.suffix == ".gif", "a file name that ends in .gif"),
        )


def watch(
    out: Path, options: WatchOptions, package: str = "experiments", spec: Spec | None = None
) -> list[float]:
    """Plays episodes; returns their returns.

    Args:
      out: a run directory, or a sweep's; see `saved.find`.
      options: what to watch.
      package: where the experiment's script is.
      spec: the experiment, or None to look in `package`.

    Raises:
      RunError: for a run or an option that cannot be used.
    """
    options.check()
    changes = {} if options.greedy is None else {"eval_greedy": options.greedy}
    built, state, config = load(out, options.seed, package, options.cell, spec, **changes)
    if changes and not hasattr(config, "eval_greedy"):
        raise RunError(f"greedy={options.greedy}: this run's agent has one way to act")
    if built.play is None:
        raise RunError(f"{str(out)!r}: nothing to watch, its experiment plays no episodes")
    console, frames, returns = Console(), list[np.ndarray](), list[float]()
    name = getattr(config, "env", "")
    for episode in range(options.episodes):
        key = jax.random.fold_in(jax.random.key(options.episode_seed), _WATCHING)
        moments = built.play(jax.random.fold_in(key, episode), state)
        moment = None
        with _shown(console) as show:
            for moment in _paced(moments, options.fps if console.is_terminal else 0.0):
                show(moment)
                if options.gif and len(frames) < _MOST_FRAMES and not moment.over:
                    frames.append(moment.picture())
                if moment.step == options.max_steps:
                    break
        if moment is None:
            raise RunError(f"{str(out)!r}: nothing to watch, its experiment plays no episodes")
        returns.append(moment.total)
        end = "" if moment.over else " (not over)"
        console.print(
            f"{name} episode {episode}: {moment.step} steps, return {moment.total:.6g}{end}",
            highlight=False,
        )
    if options.gif:
        video.write_gif(options.gif, frames, options.fps or 10.0)
        console.print(f"{len(frames)} frames in {options.gif}", highlight=False)
    return returns


def _paced(moments: Iterator[Moment], fps: float) -> Iterator[Moment]:
    """`moments`, no more than `fps` a second."""
    due = time.monotonic()
    for moment in moments:
        yield moment
        if fps:
            due = max(due + 1.0 / fps, time.monotonic() - 1.0)
            time.sleep(max(0.0, due - time.monotonic()))


@contextlib.contextmanager
def _shown(console: Console) -> Iterator[Any]:
    """A function that shows a moment in place of the one before; without a terminal, the last one."""
    newest: list[Moment] = []
    if not console.is_terminal:
        yield lambda moment: newest.__setitem__(slice(None), [moment])
        if newest:
            console.print(drawn(newest[0], console), no_wrap=True, overflow="crop")
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield lambda moment: live.update(drawn(moment, console), refresh=True)


def drawn(moment: Moment, console: Console) -> Text:
    """A moment as text: what there is to see, and a line with step, action and reward."""
    height = console.height - 2 if console.is_terminal else 10**6
    try:
        screen = moment.screen()
        if screen is not None:
            text = from_screen(screen)
        else:
            width = console.width if console.is_terminal else _CHARACTERS
            text = from_picture(moment.picture(), width, height)
    except NotImplementedError as error:  # an environment that draws no pictures
        text = Text(f"({error})\n")
    action = "-" if moment.action is None else np.array2string(moment.action, precision=3)
    line = f"step {moment.step}  action {action}  reward {moment.reward:.4g}"
    return text.append(f"{line}  return {moment.total:.4g}{'  over' if moment.over else ''}")


def from_screen(screen: screens.Screen) -> Text:
    """A terminal's contents in its own colors."""
    text = Text()
    for row in range(len(screen.characters)):
        for run in screens.runs(screen, row):
            # black on black would be invisible: NetHack means dark grey
            color = Color.from_ansi(run.color or screens.BRIGHT)
            text.append(run.text, Style(color=color, reverse=run.cursor))
        text.append("\n")
    return text


def from_picture(picture: np.ndarray, width: int, height: int) -> Text:
    """A picture as half blocks in at most `width` x `height` characters."""
    from PIL import Image

    rows, columns = picture.shape[:2]
    scale = min(1.0, width / columns, 2 * height / rows)
    size = max(1, int(columns * scale)), max(2, int(rows * scale) // 2 * 2)
    small = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
    text = Text()
    for upper, lower in zip(small[::2].tolist(), small[1::2].tolist(), strict=True):
        for above, below in zip(upper, lower, strict=True):
            colors = Color.from_rgb(*above), Color.from_rgb(*below)
            text.append("▀", Style(color=colors[0], bgcolor=colors[1]))
        text.append("\n")
    return text
