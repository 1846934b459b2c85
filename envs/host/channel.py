"""Messages between the pool and one worker: framed over a Unix stream socket, descriptors attached.

A message is one byte of kind, four of length, and a payload. A step is a dozen bytes; everything
else (setting a group up, errors) is pickled. The end of either process closes the socket, which the
other one reads as `EOFError`: no message about death is needed.
"""

from __future__ import annotations

import pickle
import socket
import struct
from typing import Any

_HEADER = struct.Struct("<cI")
_PAIR = struct.Struct("<II")

STEP, OK, CALL, RESULT, ERROR = b"s", b"k", b"c", b"r", b"e"


class Channel:
    """One end of the socket."""

    def __init__(self, sock: socket.socket):
        self.sock = sock
        self._buffer = b""
        self._fds: list[int] = []

    def fileno(self) -> int:
        return self.sock.fileno()

    def send_pair(self, kind: bytes, first: int, second: int) -> None:
        """A short message of two numbers: `STEP` or `OK` with a group and a bank."""
        self.sock.sendall(_HEADER.pack(kind, 8) + _PAIR.pack(first, second))

    def send(self, kind: bytes, value: Any, fds: tuple[int, ...] = ()) -> None:
        """Any picklable value, with file descriptors for the other process."""
        payload = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        data = _HEADER.pack(kind, len(payload)) + payload
        sent = socket.send_fds(self.sock, [data], list(fds)) if fds else 0
        self.sock.sendall(data[sent:])

    def pending(self) -> bool:
        """Whether a whole message has been read already, so that `poll` need not be asked."""
        if len(self._buffer) < _HEADER.size:
            return False
        return len(self._buffer) >= _HEADER.size + _HEADER.unpack_from(self._buffer)[1]

    def receive(self) -> tuple[bytes, Any]:
        """The next message, waiting for it: kind, and a pair of numbers or the unpickled value.

        Raises:
          EOFError: when the other process has ended.
        """
        while not self.pending():
            try:
                data, fds, _, _ = socket.recv_fds(self.sock, 1 << 16, 8)
            except ConnectionError as error:
                raise EOFError(str(error)) from error
            if not data:
                raise EOFError("the other process has ended")
            self._fds.extend(fds)
            self._buffer += data
        kind, length = _HEADER.unpack_from(self._buffer)
        start, end = _HEADER.size, _HEADER.size + length
        payload, self._buffer = self._buffer[start:end], self._buffer[end:]
        if kind in (STEP, OK):
            return kind, _PAIR.unpack(payload)
        return kind, pickle.loads(payload)

    def take_fd(self) -> int:
        """The oldest descriptor received and not yet taken."""
        return self._fds.pop(0)

    def close(self) -> None:
        self.sock.close()
