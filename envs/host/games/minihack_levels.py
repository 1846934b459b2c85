"""Levels of MiniHack's tasks that draw a new map every episode, compiled without its shell script.

MiniHack packs a whole data archive for every episode (some 15 ms, in a shell, besides building the
text). NetHack also reads a level from a loose file where the archive lacks it, so here the archive is
packed once, without the level, and an episode needs its own 2 kB file: `lev_comp` takes 1.7 ms, and
nothing once the level is in the bank.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from envs.host.seeds import mix

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MiniHack uses pkg_resources
    from minihack import base

_LEVEL = "mylevel.lev"


class Levels:
    """Compiled levels by number, made when they are first asked for.

    Args:
      template: the MiniHack environment; one with a `minigrid_env` draws maps, others have one map.
      bank: how many different maps there are, or None for a new one every episode.
    """

    def __init__(self, template: Any, bank: int | None):
        self.template, self.bank = template, bank
        self.drawn = hasattr(template, "minigrid_env")
        self.compiled: dict[int, bytes] = {}
        self._folder = tempfile.mkdtemp(prefix="levels")
        if self.drawn:
            shutil.copytree(base.LIB_DIR, f"{self._folder}/lib")
            (Path(self._folder) / "lib" / _LEVEL).unlink(missing_ok=True)
            library = f"{self._folder}/lib"
            _run([f"{base.HACKDIR}/dlb", "cf", "nhdat", *os.listdir(library)], library)
            self.archive = f"{library}/nhdat"
        else:
            self.archive = f"{template.nethack._vardir}/nhdat"

    def install(self, folder: str) -> int | None:
        """Puts the archive where a game looks for it; returns the file for drawn levels, open."""
        target = Path(folder) / "nhdat"
        target.unlink(missing_ok=True)
        shutil.copyfile(self.archive, target)
        return os.open(f"{folder}/{_LEVEL}", os.O_RDWR | os.O_CREAT, 0o600) if self.drawn else None

    def place(self, file: int | None, core: int) -> None:
        """Puts the level of an episode with the seed `core` where its game looks for it.

        Args:
          file: what `install` returned.
          core: seed of the episode.
        """
        if file is not None:
            level = self.level(core)
            # written over: ext4 sends a file that was emptied first to the disk, a millisecond or two
            os.pwrite(file, level, 0)
            os.ftruncate(file, len(level))

    def level(self, core: int) -> bytes:
        """The compiled level of the seed `core`."""
        if self.bank is None:
            return self._compile(mix(core))
        number = mix(core) % self.bank
        if number not in self.compiled:
            self.compiled[number] = self._compile(mix(number + 1))
        return self.compiled[number]

    def text(self, seed: int) -> str:
        """The level's description, as MiniHack writes it from MiniGrid's map."""
        minigrid = self.template.minigrid_env
        # `get_env_desc` resets without a seed, which goes on with the generator as it stands
        minigrid.unwrapped.np_random = np.random.default_rng(seed)
        return self.template.get_env_desc()

    def _compile(self, seed: int) -> bytes:
        folder = self._folder
        Path(folder, "mylevel.des").write_text(self.text(seed))
        _run([f"{base.HACKDIR}/lev_comp", "mylevel.des"], folder)
        return Path(folder, _LEVEL).read_bytes()


def _run(command: list[str], folder: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{os.path.basename(command[0])}: {done.stdout}{done.stderr}")
