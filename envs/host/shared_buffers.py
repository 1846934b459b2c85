"""One block of anonymous shared memory, laid out as named NumPy arrays.

The block has no name in the file system: its descriptor is handed to the workers, and the kernel
frees it with the last process that holds it, however that process ends. So nothing can be left
behind, and nothing needs cleaning up.
"""

from __future__ import annotations

import contextlib
import dataclasses
import mmap
import os
import tempfile
from collections.abc import Mapping

import numpy as np

_ALIGNMENT = 64


class OutOfSharedMemory(MemoryError):
    """The block a group of games needs does not fit into the memory that is left."""


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where each array lies in the block.

    Attributes:
      arrays: `(name, shape, dtype, offset)` of each array; offsets are multiples of 64 bytes.
      size: bytes of the whole block.
    """

    arrays: tuple[tuple[str, tuple[int, ...], str, int], ...]
    size: int

    @classmethod
    def of(cls, arrays: Mapping[str, tuple[tuple[int, ...], str]]) -> Layout:
        """From name -> (shape, dtype)."""
        placed, offset = [], 0
        for name, (shape, dtype) in arrays.items():
            placed.append((name, tuple(shape), str(dtype), offset))
            size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
            offset += -(-size // _ALIGNMENT) * _ALIGNMENT
        return cls(tuple(placed), max(offset, _ALIGNMENT))


class Block:
    """The memory of a layout in this process.

    Attributes:
      layout: of the arrays.
      arrays: by name, all of them writable views of the shared memory.
      fd: descriptor to hand to another process; stays open until `close`.
    """

    def __init__(self, layout: Layout, fd: int):
        self.layout, self.fd = layout, fd
        self._map = mmap.mmap(fd, layout.size)
        self.arrays = {
            name: np.frombuffer(
                self._map, dtype, int(np.prod(shape, dtype=np.int64)), offset
            ).reshape(shape)
            for name, shape, dtype, offset in layout.arrays
        }

    @classmethod
    def create(cls, layout: Layout) -> Block:
        """New memory, all zero and all of it reserved.

        Raises:
          OutOfSharedMemory: when the kernel refuses; reserving now means that no later write can
            run out of memory (and be killed for it).
        """
        fd = -1
        try:
            fd = _anonymous_file()
            os.ftruncate(fd, layout.size)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(fd, 0, layout.size)
            return cls(layout, fd)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
            raise OutOfSharedMemory(
                f"no shared memory for {layout.size / 2**20:.0f} MiB of observations "
                f"({error.strerror}): use fewer environments, fewer observation keys, or allow "
                "this process more memory"
            ) from error

    def close(self) -> None:
        """Gives the memory back; arrays must not be used any more."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        self.arrays = {}
        with contextlib.suppress(BufferError):  # somebody holds a view: unmapped with that
            self._map.close()


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("jaxrl-host", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:  # unlinked already
        return os.dup(file.fileno())
