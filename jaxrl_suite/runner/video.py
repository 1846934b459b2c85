"""Writes an evaluated episode as a GIF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np

from jaxrl_suite.runner.atomic import replacing


def write_gif(path: Path, frames: Sequence[Any], fps: float = 10.0) -> None:
    """Writes `frames`, `[height, width, 3]` uint8 each, to `path`, replacing it atomically.

    Raises:
      ValueError: for no frames, or pictures of another shape or dtype.
    """
    if not len(frames):
        raise ValueError("an episode without frames cannot be shown")
    pictures = np.stack([np.asarray(frame) for frame in frames])
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[-1] != 3:
        raise ValueError(
            f"frames are {pictures.dtype}{list(pictures.shape[1:])}, not uint8[height, width, 3]"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        imageio.imwrite(partial, pictures, extension=".gif", duration=1000.0 / fps, loop=0)
