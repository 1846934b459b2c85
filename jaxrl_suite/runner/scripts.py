"""A user's own scripts: `python line.py` trains, `python line.py watch RUN` plays, and so on.

Only the script itself knows what it registers and builds, so whatever needs that is done by the
script, as a process: a run's config says which one, and `jaxrl watch` hands over to it. A config may
come from somebody else, and it must not choose what is executed: only scripts that this user has
trained with on this machine are started that way.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from jaxrl_suite.runner.errors import RunError

if TYPE_CHECKING:
    from jaxrl_suite.experiment import Script, Spec


def running(name: str) -> Script | None:
    """The script of this process; None where `jaxrl run NAME` means the same file."""
    from jaxrl_suite.experiment import Script

    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    if path is None:
        return None
    path = str(Path(path).resolve())
    with contextlib.suppress(ImportError, ValueError):
        found = importlib.util.find_spec(f"experiments.{name.replace('-', '_')}")
        if found is not None and found.origin and str(Path(found.origin).resolve()) == path:
            return None
    return Script(path, getattr(getattr(main, "__spec__", None), "name", None) or "")


def command(spec: Spec, what: str) -> list[str]:
    """What starts `what` (run, sweep, watch or report) for an experiment."""
    if spec.script is None:
        return ["jaxrl", what, spec.name]
    return [*_start(spec.script), *([] if what == "run" else [what])]


def _start(script: Script) -> list[str]:
    return ["python", "-m", script.module] if script.module else ["python", script.path]


def stored(record: dict[str, Any] | None) -> Script | None:
    """The script in a run's or a sweep's record, if there is one.

    Raises:
      RunError: for a record that is not one of ours.
    """
    from jaxrl_suite.experiment import Script

    found = None if record is None else record.get("script")
    if found is None:
        return None
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise RunError(f"script={found!r}: a path and a module")
    return Script(found.get("path", ""), found.get("module", ""))


def _list() -> Path:
    import platformdirs

    return Path(platformdirs.user_state_path("jaxrl-suite")) / "scripts"


def _known() -> list[str]:
    try:
        return _list().read_text().splitlines()
    except OSError:
        return []


def trust(script: Script) -> None:
    """Remembers that this user trains with `script`; nothing where the file cannot be written."""
    if script.path not in _known():
        with contextlib.suppress(OSError):
            _list().parent.mkdir(parents=True, exist_ok=True)
            with _list().open("a") as file:
                file.write(script.path + "\n")


def hand_over(script: Script, arguments: Sequence[str], asked: bool = False) -> NoReturn:
    """Becomes the process `python SCRIPT ARGUMENTS`.

    Args:
      script: which.
      arguments: of its command line.
      asked: whether the user has named the script; a run's config has otherwise.

    Raises:
      RunError: for a script that is gone, that gives no commands, or that is not the user's own.
    """
    path = Path(script.path)
    parts = script.module.split(".") if script.module else []
    if parts and path.with_suffix("").parts[-len(parts) :] not in (
        tuple(parts),
        (*parts[1:], "__main__"),
    ):
        raise RunError(f"script={script.path!r}: is not the file of its module {script.module!r}")
    if not path.is_file():
        moved = "" if asked else f"; if it has moved: python SCRIPT {shlex.join(arguments)}"
        raise RunError(f"script={script.path!r}: there is no such file{moved}")
    if path.suffix != ".py" or "run_script" not in path.read_text(errors="replace"):
        raise RunError(f"script={script.path!r}: it does not end in run_script(EXPERIMENT)")
    if not asked and script.path not in _known():
        raise RunError(
            f"script={script.path!r}: made the run, but has never trained here under your name, so it "
            f"is not started by itself; if you trust it: {shlex.join([*_start(script), *arguments])}"
        )
    environment = dict(os.environ)
    start = [sys.executable, script.path]
    if script.module:
        root = path.parents[script.module.count(".")]
        before = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([str(root), *([before] if before else [])])
        # -P: a file of the same name in the present folder must not come before it
        start = [sys.executable, "-P", "-m", script.module]
    sys.stdout.flush()
    os.execve(sys.executable, [*start, *arguments], environment)
