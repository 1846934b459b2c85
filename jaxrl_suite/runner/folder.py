"""The run directory: whose it is, what config it holds, and that one process at a time writes it.

`config.yaml` holds the experiment's name, its config, the runner's own choices that decide the
numbers (seeds, log lines), and package versions.
"""

from __future__ import annotations

import dataclasses
import enum
import errno
import fcntl
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from jaxrl_suite.experiment import Spec
from jaxrl_suite.runner import machine
from jaxrl_suite.runner.atomic import replacing
from jaxrl_suite.runner.errors import RunError
from jaxrl_suite.runner.options import Options

CONFIG = "config.yaml"
RUNNER_FIELDS = ("seed", "seeds", "log_every", "eval_every", "init_from")
T = TypeVar("T")


def runner_fields(options: Options) -> dict[str, Any]:
    """The runner's own choices that decide the numbers."""
    return {name: getattr(options, name) for name in RUNNER_FIELDS}


def plain(value: Any) -> Any:
    """A config value as YAML and JSON know it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, Path):
        return str(value)
    return value


def _like(default: Any, stored: Any) -> Any:
    """`stored` (from YAML) with the type that `default` has."""
    if dataclasses.is_dataclass(default) and isinstance(stored, Mapping):
        return with_values(default, stored)
    if isinstance(default, enum.Enum):
        return type(default)[stored]
    if isinstance(stored, list):
        return tuple(_like(None, item) for item in stored)
    return Path(stored) if isinstance(default, Path) else stored


def with_values(config: T, stored: Mapping[str, Any]) -> T:
    """`config` with the values of `stored`, a `plain` form of such a config; unknown ones ignored."""
    fields = {f.name for f in dataclasses.fields(config)}  # type: ignore[arg-type]
    changes = {k: _like(getattr(config, k), v) for k, v in stored.items() if k in fields}
    return dataclasses.replace(config, **changes)  # type: ignore[type-var]


def read(out: Path) -> dict[str, Any] | None:
    """What `config.yaml` in `out` holds; None when there is none.

    Raises:
      RunError: for a file that is not a run's.
    """
    path = out / CONFIG
    if not path.is_file():
        return None
    stored = read_yaml(path)
    if not {"experiment", "config", "runner"} <= set(stored):
        raise RunError(f"{path} is not the config of a run")
    return stored


def read_yaml(path: Path) -> dict[str, Any]:
    """The fields a YAML file holds; none if it holds something else.

    Raises:
      RunError: for a file that is no YAML.
    """
    try:
        stored = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    return stored if isinstance(stored, dict) else {}


def write(out: Path, spec: Spec, config: Any, options: Options, part_of: str | None = None) -> None:
    """Writes `config.yaml` atomically; `part_of` names the program of a sweep it was cut from."""
    stored = {
        "experiment": spec.name,
        "config": plain(config),
        "runner": runner_fields(options),
        "versions": machine.versions(),
    }
    if spec.settings is not None:
        stored["settings"] = plain(spec.settings(config))
    if spec.script is not None:
        stored["script"] = plain(spec.script)
    if part_of is not None:
        stored["part_of"] = part_of
    with replacing(out / CONFIG) as partial:
        partial.write_text(yaml.safe_dump(stored, sort_keys=False))


def default_out(spec: Spec, config: Any) -> Path:
    """`runs/NAME-ENV-TIMESTAMP`."""
    parts = [spec.name, str(getattr(config, "env", "")), time.strftime("%Y%m%d-%H%M%S")]
    stem = "-".join(part.replace("/", "-") for part in parts if part)
    path, number = Path("runs") / stem, 1
    while path.exists():
        number += 1
        path = Path("runs") / f"{stem}-{number}"
    return path


def differences(stored: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, str]:
    """Fields whose values differ between two plain configs, as `name: 'stored, now current'`."""
    flat_stored, flat_current = flat(stored), flat(current)
    return {
        name: f"{flat_stored.get(name, '(absent)')!r} there, {flat_current[name]!r} now"
        for name in flat_current
        if flat_stored.get(name, flat_current[name]) != flat_current[name]
    } | {
        name: f"{flat_stored[name]!r} there, no such field now"
        for name in flat_stored
        if name not in flat_current
    }


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested fields as `outer.inner`."""
    found = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found.update(flat(value, f"{prefix}{name}."))
        else:
            found[f"{prefix}{name}"] = value
    return found


def claim(out: Path, spec: Spec, options: Options) -> bool:
    """Checks that `out` may be written: whether it holds a run of `spec` to continue.

    Raises:
      RunError: for a folder with another run, or with other files, in it.
    """
    stored = read(out) if out.is_dir() else None
    if out.exists() and not out.is_dir():
        raise RunError(f"out={str(out)!r}: a file is in the way; name a folder")
    if stored is None:
        if out.is_dir() and any(not entry.name.startswith(".") for entry in out.iterdir()):
            raise RunError(f"out={str(out)!r}: the folder is not empty; choose a new one")
        return False
    if not options.resume:
        raise RunError(
            f"out={str(out)!r}: the folder holds a run of {stored['experiment']!r} already; "
            "add --resume to continue it, or choose another folder"
        )
    if "part_of" in stored:
        raise RunError(
            f"out={str(out)!r}: the folder holds a cell of a sweep ({stored['part_of']}); resume "
            "the sweep, or choose another folder"
        )
    if stored["experiment"] != spec.name:
        raise RunError(
            f"out={str(out)!r}: the folder holds a run of {stored['experiment']!r}, "
            f"not of {spec.name!r}"
        )
    return True


def check_same(out: Path, spec: Spec, config: Any, options: Options) -> dict[str, str]:
    """Compares with the stored config; returns how the run's length differs, if it does.

    Raises:
      RunError: naming the fields that differ, when others than the run's length do.
    """
    stored = read(out)
    if stored is None:
        return {}
    runner = runner_fields(options)
    changed = differences(stored["config"], plain(config))
    if spec.settings is not None and "settings" in stored:  # older runs have none
        settings = differences(stored["settings"], plain(spec.settings(config)))
        changed = {n: t for n, t in settings.items() if n not in spec.length} | changed
    length = {name: text for name, text in changed.items() if name in spec.length}
    changed = {name: text for name, text in changed.items() if name not in spec.length}
    changed |= differences({k: stored["runner"].get(k) for k in runner}, runner)
    if changed:
        listed = "; ".join(f"{name}: {text}" for name, text in changed.items())
        raise RunError(f"cannot resume {out} with a different config ({listed})")
    return length


def lock(out: Path) -> int:
    """Makes `out` and holds it for this process; the system lets go when the process ends.

    Raises:
      RunError: when another process holds it.
    """
    out.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(out / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            os.close(descriptor)
            raise RunError(f"out={str(out)!r}: another running process uses this folder") from error
        # A filesystem without locks: go on without one.
    return descriptor


def unlock(descriptor: int) -> None:
    """Lets go of the folder."""
    os.close(descriptor)
