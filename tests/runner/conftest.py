"""Tools for the runner's tests: the `walks` package on the path, and child processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
for folder in (str(HERE), str(ROOT)):
    if folder not in sys.path:
        sys.path.insert(0, folder)


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A compilation cache that every test and child process shares, down to the smallest program."""
    folder = os.environ.get("JAX_COMPILATION_CACHE_DIR") or str(tmp_path_factory.mktemp("compiled"))
    changes = {
        "jax_compilation_cache_dir": folder,
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in changes}
    for name, value in changes.items():
        jax.config.update(name, value)
    yield folder
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture(scope="session")
def child_environment(compiled: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment variables of a child process that trains `walks.walk`."""
    environment = dict(os.environ)
    environment["JAX_COMPILATION_CACHE_DIR"] = compiled
    environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    environment["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{HERE}"
    environment["JAX_PLATFORMS"] = "cpu"
    environment["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    kept = [f for f in environment.get("XLA_FLAGS", "").split() if "device_count" not in f]
    environment["XLA_FLAGS"] = " ".join(kept)
    return environment


@pytest.fixture(scope="session")
def walk(child_environment):
    """Starts `python -m walks.walk ARGUMENTS` and returns the process, or runs it to its end."""

    def start(*arguments: object, wait: bool = True, environment=None, prefix: str = ""):
        code = f"{prefix}\nimport runpy, sys\nrunpy.run_module('walks.walk', run_name='__main__')"
        command = [sys.executable, "-c", code] if prefix else [sys.executable, "-m", "walks.walk"]
        process = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**child_environment, **(environment or {})},
        )
        if not wait:
            return process
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    return start
