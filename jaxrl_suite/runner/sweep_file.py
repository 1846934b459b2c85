"""`sweep.yaml`: what a sweep was started with, so that it is resumed without saying it again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from jaxrl_suite.experiment import Spec
from jaxrl_suite.runner import folder
from jaxrl_suite.runner.atomic import replacing
from jaxrl_suite.runner.errors import RunError

NAME = "sweep.yaml"


def write(out: Path, spec: Spec, arguments: Sequence[str], resume: bool = False) -> None:
    """Writes down what the sweep was started with; when it is resumed, only if that is not there yet.

    Raises:
      RunError: when the folder holds something already and the sweep is not resumed.
    """
    if resume and (out / NAME).exists():
        return
    if not resume and out.exists() and any(out.iterdir()):
        raise RunError(f"out={str(out)!r}: the folder is not empty; choose a new one")
    out.mkdir(parents=True, exist_ok=True)
    stored = {"experiment": spec.name, "arguments": list(arguments)}
    if spec.script is not None:
        stored["script"] = folder.plain(spec.script)
    with replacing(out / NAME) as partial:
        partial.write_text(yaml.safe_dump(stored, sort_keys=False))


def read(out: Path) -> dict[str, Any] | None:
    """What `write` wrote; None where there is no sweep.

    Raises:
      RunError: for a file that is not of a sweep.
    """
    path = out / NAME
    if not path.is_file():
        return None
    stored = folder.read_yaml(path)
    if not {"experiment", "arguments"} <= set(stored):
        raise RunError(f"{path} does not belong to a sweep")
    return stored


def arguments_of(out: Path, spec: Spec) -> list[str] | None:
    """The arguments a sweep in `out` was started with, or None.

    Raises:
      RunError: when the sweep there is of another experiment.
    """
    stored = read(out)
    if stored is None:
        return None
    if stored["experiment"] != spec.name:
        raise RunError(f"out={str(out)!r}: the folder holds a sweep of {stored['experiment']!r}")
    return list(stored["arguments"])
