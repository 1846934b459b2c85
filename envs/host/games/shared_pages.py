"""One set of physical pages for the code and constants of all of NLE's games in a process.

NLE loads a copy of its library for every game, so that each has variables of its own, and loads it
again at every reset. 64 games step 64 copies of 2.8 MB of equal code and constants through a cache
of a megabyte or two. Here, once a game has started, the read-only segments of its copy are mapped
over with the same bytes of the one original file: same addresses, same contents, shared pages.

What is replaced are the loadable segments that nobody may write (dynamic symbols, code, constants);
variables, and the constants that the linker relocates (RELRO), stay the game's own. Bytes are
compared before a copy's first mapping. `shared_pages_check` plays two games side by side in a process
of its own before a worker uses any of this, so a machine where it fails, or crashes, goes without.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import sys
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

from envs.host.games import Game

GAMES = 16  # a worker: with fewer, nothing was gained
_RTLD_LAZY, _RTLD_NOLOAD, _RTLD_DI_LINKMAP = 1, 4, 2  # dlfcn.h, Linux
_MAP_FIXED, _FAILED = 0x10, ctypes.c_void_p(-1).value
_LOAD, _EXECUTE, _WRITE = 1, 1, 2  # of ELF program headers
_PAGE = mmap.PAGESIZE


class Refused(Exception):
    """Pages cannot be shared; says why."""


class _Segment(NamedTuple):
    offset: int  # in the file
    address: int  # from where the library was loaded
    size: int
    protection: int


class _LinkMap(ctypes.Structure):
    _fields_ = [("address", ctypes.c_size_t), ("name", ctypes.c_char_p)]  # link.h, its beginning


class SharedPages:
    """The original library, whose pages games share.

    Args:
      path: of the library; NLE's own by default.

    Raises:
      Refused: on systems other than Linux, and for a file that is not laid out as expected.
    """

    def __init__(self, path: str | None = None):
        if sys.platform != "linux":
            raise Refused(f"it is done on Linux only, this is {sys.platform}")
        if path is None:
            from nle.nethack import nethack

            path = nethack.DLPATH
        try:
            with open(path, "rb") as file:
                self._fd = os.dup(file.fileno())
            weakref.finalize(self, os.close, self._fd)
            self._file = mmap.mmap(self._fd, 0, mmap.MAP_PRIVATE)  # writable, for its address
            self._c = _library()
        except (OSError, ValueError, AttributeError) as error:
            raise Refused(f"{path}: {error}") from error
        self._bytes = ctypes.addressof(ctypes.c_char.from_buffer(self._file))
        self._segments = list(_read_only(self._file))
        self._compared: weakref.WeakSet[Any] = weakref.WeakSet()
        for segment in self._segments:  # fails where the file's system forbids programs
            self._c.munmap(self._map(segment, None), segment.size)

    def share(self, game: Game) -> None:
        """To be called after each reset: replaces the read-only pages of the game's copy.

        Args:
          game: one whose `nethack` is NLE's `Nethack` object.

        Raises:
          Refused: the game's pages stay as they were, or were replaced in part.
        """
        library = getattr(game, "nethack", None)
        if library is None:
            raise Refused("the games are not played by NLE's library")
        start = self._loaded_at(library.dlpath.encode())
        if library not in self._compared:
            for segment in self._segments:
                theirs, ours = start + segment.address, self._bytes + segment.offset
                if self._c.memcmp(theirs, ours, segment.size):
                    raise Refused("a game's copy of the library differs from the original")
            self._compared.add(library)
        for segment in self._segments:
            self._map(segment, start + segment.address)

    def _loaded_at(self, path: bytes) -> int:
        """The address of a loaded library, from the dynamic linker."""
        handle = self._c.dlopen(path, _RTLD_LAZY | _RTLD_NOLOAD)
        if not handle:
            raise Refused("a game's library is not loaded where NLE says")
        entry = ctypes.POINTER(_LinkMap)()
        failed = self._c.dlinfo(handle, _RTLD_DI_LINKMAP, ctypes.byref(entry))
        found = None if failed else (entry.contents.address, entry.contents.name)
        self._c.dlclose(handle)
        if found is None or found[1] != path or found[0] % _PAGE:
            raise Refused("the dynamic linker describes a game's library in an unexpected way")
        return int(found[0])

    def _map(self, segment: _Segment, address: int | None) -> int:
        flags = mmap.MAP_PRIVATE | (_MAP_FIXED if address else 0)
        at = self._c.mmap(
            address, segment.size, segment.protection, flags, self._fd, segment.offset
        )
        if at == _FAILED:
            raise Refused(f"mmap: {os.strerror(ctypes.get_errno())}")
        return int(at)


def _library() -> ctypes.CDLL:
    c = ctypes.CDLL(None, use_errno=True)
    pointer, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    for name, result, arguments in (
        ("mmap", pointer, (pointer, size, number, number, number, ctypes.c_long)),
        ("munmap", number, (pointer, size)),
        ("memcmp", number, (pointer, pointer, size)),
        ("dlopen", pointer, (ctypes.c_char_p, number)),
        ("dlinfo", number, (pointer, number, pointer)),
        ("dlclose", number, (pointer,)),
    ):
        function = getattr(c, name)
        function.restype, function.argtypes = result, arguments
    return c


def _read_only(file: mmap.mmap) -> Iterator[_Segment]:
    """The loadable segments without write permission, of a 64-bit little-endian ELF file."""
    if file[:6] != b"\x7fELF\x02\x01":
        raise Refused("the library is not a 64-bit ELF file")
    (table,), (width, count) = (
        struct.unpack_from("<Q", file, 32),
        struct.unpack_from("<HH", file, 54),
    )
    writable: list[tuple[int, int]] = []
    found: list[_Segment] = []
    for row in range(count):
        fields = struct.unpack_from("<IIQQQQQ", file, table + row * width)
        kind, flags, offset, address, _, in_file, in_memory = fields
        first, end = address // _PAGE * _PAGE, -(-(address + in_memory) // _PAGE) * _PAGE
        if kind == _LOAD and flags & _WRITE:
            writable.append((first, end))
        elif kind == _LOAD:
            if address % _PAGE or offset % _PAGE or in_file != in_memory:
                raise Refused("the library's segments do not begin at pages")
            protection = mmap.PROT_READ | (mmap.PROT_EXEC if flags & _EXECUTE else 0)
            found.append(_Segment(offset, address, in_file, protection))
    if not any(segment.protection & mmap.PROT_EXEC for segment in found):
        raise Refused("the library has no code apart from its variables")
    for segment in found:
        last = -(-(segment.address + segment.size) // _PAGE) * _PAGE
        if any(segment.address < end and first < last for first, end in writable):
            raise Refused("code and variables share a page of the library")
    yield from found
