"""Another process that is measured beside ours: asked by a line, it answers with a line."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence


class Peer:
    """A running process.

    Args:
      name: what errors call it.
      command: that starts it.
      environment: its variables, or None for ours.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ):
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def send(self, line: str) -> None:
        """Asks, and does not wait."""
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        """The next line it prints.

        Raises:
          RuntimeError: when it has ended.
        """
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the {self.name} process ended; see its output above")
        return line.strip()

    def ask(self, line: str) -> str:
        """The answer to a line."""
        self.send(line)
        return self.answer()

    def close(self) -> None:
        """Ends its input, and waits for it."""
        self.process.communicate()
