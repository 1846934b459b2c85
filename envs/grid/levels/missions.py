"""Mission texts as numbers: a template says how four bytes read as MiniGrid's mission string."""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from envs.grid import cells

FIELD = re.compile(r"\{(\w+)\}")


@dataclasses.dataclass(frozen=True)
class Mission:
    """Text with fields, `{color}` or `{kind}`, a digit behind telling several of a sort apart.

    The numbers of a mission are the fields in the order in which they first appear; with several
    templates the template's own index comes first.

    Attributes:
      templates: the wordings MiniGrid chooses from.
    """

    templates: tuple[str, ...]

    @classmethod
    def of(cls, *templates: str) -> Mission:
        """From one or more wordings."""
        return cls(templates)

    def __call__(self, numbers: np.ndarray) -> str:
        """The text of `[4]` uint8 numbers."""
        rest = [int(n) for n in np.asarray(numbers)]
        template = self.templates[rest.pop(0) if len(self.templates) > 1 else 0]
        fields = dict.fromkeys(FIELD.findall(template))
        return template.format(**{f: _words(f)[n] for f, n in zip(fields, rest, strict=False)})

    def parse(self, text: str) -> np.ndarray:
        """The `[4]` uint8 numbers of a text.

        Raises:
          ValueError: if no template gives this text.
        """
        for index, template in enumerate(self.templates):
            seen: set[str] = set()
            pattern = FIELD.sub(lambda m, seen=seen: _group(m.group(1), seen), template)  # type: ignore[misc]
            match = re.fullmatch(pattern, text)
            if match:
                numbers = [_words(f).index(w) for f, w in match.groupdict().items()]
                numbers = [index, *numbers] if len(self.templates) > 1 else numbers
                return np.array((numbers + [0] * 4)[:4], np.uint8)
        raise ValueError(f"mission={text!r}: not of the form {' or '.join(self.templates)}")


def _words(field: str) -> tuple[str, ...]:
    return cells.COLORS if field.startswith("color") else cells.OBJECTS


def _group(field: str, seen: set[str]) -> str:
    if field in seen:
        return f"(?P={field})"
    seen.add(field)
    return rf"(?P<{field}>\w+)"
