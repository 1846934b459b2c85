"""Python functions of NumPy arrays as calls of XLA's foreign function interface, on CPUs.

JAX's own callbacks do this and more, for a price: each costs some hundred microseconds, and a program
with one holds the address of its function, so that no compilation cache can keep it. Here a program
holds two numbers, which are looked up while it runs. The structures are those of
`xla/ffi/api/c_api.h`, which comes with jaxlib (`jax.ffi.include_dir()`).
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import itertools
import re
import threading
import traceback
import weakref
from ctypes import (
    POINTER,
    Structure,
    c_char,
    c_char_p,
    c_int,
    c_int64,
    c_size_t,
    c_uint32,
    c_void_p,
)
from pathlib import Path
from typing import Any

import jax
import numpy as np

from envs.host import interrupts

TARGET = "jaxrl_suite_host"  # what XLA knows the handler by
_METADATA, _EXECUTE, _INTERNAL = 1, 3, 13  # an extension's type, a stage, an error code
_TYPES = {
    1: np.dtype(bool),
    2: np.dtype("int8"),
    3: np.dtype("int16"),
    4: np.dtype("int32"),
    5: np.dtype("int64"),
    6: np.dtype("uint8"),
    7: np.dtype("uint16"),
    8: np.dtype("uint32"),
    9: np.dtype("uint64"),
    10: np.dtype("float16"),
    11: np.dtype("float32"),
    12: np.dtype("float64"),
}
_METHODS = 8  # of a target, at most
_MOST_VIEWS = 4096  # arrays remembered by address

# every structure begins with its size and a list of extensions
_HEAD: list[Any] = [("size", c_size_t), ("extension", c_void_p)]


class _Extension(Structure):
    _fields_ = [("size", c_size_t), ("type", c_int), ("next", c_void_p)]


class _Version(Structure):
    _fields_ = [*_HEAD, ("major", c_int), ("minor", c_int)]


class _Metadata(Structure):
    _fields_ = [("size", c_size_t), ("version", _Version), ("traits", c_uint32), ("type", c_int64)]


class _MetadataExtension(Structure):
    _fields_ = [("base", _Extension), ("metadata", POINTER(_Metadata))]


class _Buffer(Structure):
    _fields_ = [*_HEAD, ("dtype", c_int), ("data", c_void_p), ("rank", c_int64),
                ("dims", POINTER(c_int64))]  # fmt: skip


class _Buffers(Structure):
    _fields_ = [*_HEAD, ("count", c_int64), ("types", c_void_p),
                ("items", POINTER(POINTER(_Buffer)))]  # fmt: skip


class _Attributes(Structure):
    _fields_ = [*_HEAD, ("count", c_int64), ("types", c_void_p), ("names", c_void_p),
                ("items", c_void_p)]  # fmt: skip


class _ErrorArguments(Structure):
    _fields_ = [*_HEAD, ("message", c_char_p), ("code", c_int)]


class _Api(Structure):
    _fields_ = [*_HEAD, ("version", _Version), ("internal", c_void_p),
                ("create_error", ctypes.CFUNCTYPE(c_void_p, POINTER(_ErrorArguments)))]  # fmt: skip


class _Frame(Structure):
    _fields_ = [*_HEAD, ("api", POINTER(_Api)), ("context", c_void_p), ("stage", c_int),
                ("arguments", _Buffers), ("results", _Buffers), ("attributes", _Attributes),
                ("future", c_void_p)]  # fmt: skip


_exiting = threading.Event()  # the interpreter ends: what still runs is of no use to anybody
_numbers = itertools.count(1)
_objects: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
_views: dict[tuple[Any, ...], np.ndarray] = {}


def number(target: Any) -> int:
    """A number for `target`, by which programs call its `handle(method, *arrays)` while it lives.

    Numbers are given in turns. So a script that makes the same environments in the same order has the
    same programs every time, and finds them in the compilation cache.
    """
    given = next(_numbers)
    _objects[given] = target
    return given


def call(given: int, method: int, shapes: Any, *arguments: Any) -> Any:
    """`target.handle(method, *arguments)` when the program runs, in JAX.

    Args:
      given: `number(target)`.
      method: an index.
      shapes: pytree of what it returns.
      arguments: arrays; `handle` sees them read-only and must not keep them.
    """
    _register()
    interrupts.install()
    leaves, structure = jax.tree.flatten(shapes)
    # a literal: a function with a `custom_vmap` rule may not capture an array (JAX asserts under cond)
    which = jax.lax.full((), given * _METHODS + method, np.int32)
    results = jax.ffi.ffi_call(TARGET, leaves, has_side_effect=True)(which, *arguments)
    return jax.tree.unflatten(structure, results)


def is_in(program: Any) -> bool:
    """Whether a traced `program` (of `jax.make_jaxpr`) calls the host."""
    return TARGET in str(program)


@functools.cache
def usable() -> bool:
    """Whether programs run on CPUs by default and XLA's interface is the one known here."""
    version = _installed()
    return jax.default_backend() == "cpu" and version is not None and version[0] == 0


@functools.cache
def _register() -> None:
    interrupts.defer_inside(_answer.__code__)
    jax.ffi.register_ffi_target(TARGET, jax.ffi.pycapsule(_handle), platform="cpu")
    atexit.register(_exiting.set)


@functools.cache
def _installed() -> tuple[int, int] | None:
    """Major and minor version of the interface in jaxlib."""
    header = Path(jax.ffi.include_dir()) / "xla" / "ffi" / "api" / "c_api.h"
    if not header.exists():
        return None
    found = re.findall(r"#define XLA_FFI_API_M(?:AJOR|INOR) (\d+)", header.read_text())
    return (int(found[0]), int(found[1])) if len(found) == 2 else None


def _answer(pointer: Any) -> int | None:
    """XLA's handler: nothing may be raised in here, an error is what it returns."""
    try:
        frame = pointer.contents
        if frame.extension:
            extension = ctypes.cast(frame.extension, POINTER(_MetadataExtension)).contents
            if extension.base.type == _METADATA:
                metadata = extension.metadata.contents
                metadata.version.major, metadata.version.minor = _installed() or (0, 0)
                metadata.traits = 0
                return None
        if frame.stage != _EXECUTE or _exiting.is_set():
            return None
        interrupts.install()
        which, *arguments = _arrays(frame.arguments, False)
        given, method = divmod(int(which), _METHODS)
        target = _objects.get(given)
        if target is None:
            raise RuntimeError(
                "the environment of this program is gone: make it outside of jitted functions, keep it"
            )
        returned = jax.tree.leaves(target.handle(method, *arguments))
        for into, value in zip(_arrays(frame.results, True), returned, strict=True):
            into[...] = value
    except BaseException:  # there is nobody above to catch it
        if _exiting.is_set():
            return None
        text = traceback.format_exc().encode(errors="backslashreplace")
        error = _ErrorArguments(ctypes.sizeof(_ErrorArguments), None, text, _INTERNAL)
        made: int | None = frame.api.contents.create_error(ctypes.byref(error))
        return made
    return None


_handle = ctypes.CFUNCTYPE(c_void_p, POINTER(_Frame))(_answer)


def _arrays(buffers: Any, writable: bool) -> list[np.ndarray]:
    """Buffers as arrays, without copying."""
    arrays = []
    for item in buffers.items[: buffers.count]:
        buffer = item.contents
        data, shape = buffer.data, tuple(buffer.dims[: buffer.rank])
        key = data, buffer.dtype, shape, writable
        array = _views.get(key)
        if array is None:
            dtype = _TYPES[buffer.dtype]
            size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            memory: Any = (c_char * size).from_address(data) if size else bytearray()
            array = np.frombuffer(memory, dtype).reshape(shape)
            array.flags.writeable = writable
            if len(_views) >= _MOST_VIEWS:
                _views.clear()
            _views[key] = array
        arrays.append(array)
    return arrays
