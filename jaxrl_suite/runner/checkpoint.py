"""Checkpoints of a run through orbax: asynchronous, atomic, the newest few kept.

A checkpoint holds the state of all seeds as named NumPy arrays and a JSON record (step, config,
package versions, a checksum of every array). The state is copied to the host before `save` returns,
so the next segment may reuse its memory while the files are still being written. Typed random keys
are stored as their key data and come back typed.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.options import MultiprocessingOptions

from jaxrl_suite.experiment import State
from jaxrl_suite.runner.errors import RunError

Record = dict[str, Any]


def _is_key(leaf: Any) -> bool:
    return bool(jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key))


def _key_impl(leaf: Any) -> Any:
    """The generator of a key array, or of its shape and dtype alone."""
    found = []
    jax.eval_shape(lambda key: found.append(jax.random.key_impl(key)), leaf)
    return found[0]


def _names(state: State) -> list[str]:
    """A readable, unique name for each leaf: its number and its path in the pytree."""
    paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(state)[0]]
    return [
        f"{i:04d}.{jax.tree_util.keystr(path, simple=True, separator='.')}".replace("/", "_")
        for i, path in enumerate(paths)
    ]


def to_arrays(state: State) -> dict[str, np.ndarray]:
    """Leaves by name, each a NumPy copy of its own; random keys as their key data."""
    leaves = jax.tree.leaves(state)
    for leaf in leaves:
        if not _is_key(leaf):
            leaf.copy_to_host_async()
    return {
        name: np.array(jax.random.key_data(leaf) if _is_key(leaf) else leaf, copy=True)
        for name, leaf in zip(_names(state), leaves, strict=True)
    }


def from_arrays(arrays: dict[str, np.ndarray], template: State, shardings: Any = None) -> State:
    """The state again, with the structure, dtypes and key types of `template` (shapes suffice).

    `shardings` is one for all leaves, or a tree of them like `template`.

    Raises:
      RunError: naming the first leaf that `arrays` lacks or holds in another shape or dtype.
    """
    leaves, structure = jax.tree.flatten(template)
    names = _names(template)
    unknown = sorted(set(arrays) - set(names))
    if unknown:
        raise RunError(f"the checkpoint holds {unknown[0]!r}, which this experiment's state lacks")
    restored = []
    where = jax.tree.leaves(shardings)
    where = where if len(where) == len(leaves) else [shardings] * len(leaves)
    for name, leaf, sharding in zip(names, leaves, where, strict=True):
        expected = jax.eval_shape(jax.random.key_data, leaf) if _is_key(leaf) else leaf
        array = arrays.get(name)
        if array is None:
            raise RunError(f"the checkpoint lacks {name!r} of this experiment's state")
        if array.shape != expected.shape or array.dtype != expected.dtype:
            raise RunError(
                f"the checkpoint's {name!r} is {array.dtype}{list(array.shape)}, this "
                f"experiment's is {expected.dtype}{list(expected.shape)}"
            )
        # A copy: device_put may otherwise alias NumPy memory on the CPU, and states are donated.
        value = jax.device_put(array, sharding, may_alias=False)
        restored.append(
            jax.random.wrap_key_data(value, impl=_key_impl(leaf)) if _is_key(leaf) else value
        )
    return jax.tree.unflatten(structure, restored)


def _alone() -> MultiprocessingOptions:
    """To orbax: of several processes this one reads and writes, without waiting for the others."""
    if jax.process_count() == 1:
        return MultiprocessingOptions()
    index = jax.process_index()
    return MultiprocessingOptions(primary_host=index, active_processes={index})


def _checksums(arrays: dict[str, np.ndarray]) -> dict[str, int]:
    return {name: zlib.crc32(np.ascontiguousarray(a).tobytes()) for name, a in arrays.items()}


def read(folder: Path) -> tuple[dict[str, np.ndarray], Record]:
    """One checkpoint, checked against its checksums; raises whatever is wrong with it."""
    alone = _alone()
    handler = ocp.JsonCheckpointHandler(multiprocessing_options=alone)
    with ocp.Checkpointer(handler, multiprocessing_options=alone) as reader:
        record = reader.restore(folder / "run")
    with ocp.StandardCheckpointer(multiprocessing_options=alone) as restorer:
        arrays = dict(restorer.restore(folder / "state"))
    for name, (dtype, shape) in record["empty"].items():
        arrays[name] = np.zeros(shape, dtype)
    found = _checksums(arrays)
    for name, checksum in record["checksums"].items():
        if found.get(name) != checksum:
            raise ValueError(f"{name!r} does not match its checksum")
    return arrays, record


def newest(path: Path) -> tuple[int, dict[str, np.ndarray], Record]:
    """The newest checkpoint in `path` that can be read, without changing anything there: a run may
    be writing and deleting checkpoints meanwhile.

    Raises:
      RunError: when there is none.
    """
    found = sorted(int(p.name) for p in path.glob("*") if p.name.isdigit())
    for step in reversed(found):
        try:
            return step, *read(path.resolve() / str(step))
        except Exception as error:  # noqa: BLE001 - damage shows up in as many ways as formats
            last = str(error).splitlines()[:1]
            logging.getLogger(__name__).warning("checkpoint %d: %s", step, last)
    what = "that can be read" if found else "yet"
    raise RunError(f"{path} holds no checkpoint {what}", exit_code=1)


class Checkpoints:
    """The folder `checkpoints/` of one run."""

    def __init__(self, path: Path, keep: int):
        # Every background failure is logged with its stack; it reaches us as an exception anyway.
        for name in ("absl", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.path = path.resolve()
        self.path.mkdir(parents=True, exist_ok=True)
        self._options = ocp.CheckpointManagerOptions(
            max_to_keep=keep,
            enable_async_checkpointing=True,
            cleanup_tmp_directories=True,
            create=False,
            multiprocessing_options=_alone(),
        )
        self._manager = ocp.CheckpointManager(self.path, options=self._options)

    def steps(self) -> list[int]:
        """Steps of the complete checkpoints, oldest first."""
        return sorted(self._manager.all_steps())

    def save(self, step: int, arrays: dict[str, np.ndarray], record: Record) -> None:
        """Writes the state `to_arrays` gave in the background; nothing if already there.

        Raises:
          Exception: whatever an earlier save in the background failed with.
        """
        if step in self._manager.all_steps():
            return
        record = {
            **record,
            "step": step,
            "checksums": _checksums(arrays),
            "empty": {k: [str(a.dtype), list(a.shape)] for k, a in arrays.items() if not a.size},
        }
        # TensorStore refuses arrays without elements: the record alone describes those.
        stored = {name: array for name, array in arrays.items() if array.size}
        self._manager.wait_until_finished()
        self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(stored), run=ocp.args.JsonSave(record)
            ),
        )

    def check(self) -> None:
        """Raises what a save in the background failed with, without waiting for one under way."""
        self._manager.check_for_errors()

    def wait(self) -> None:
        """Until the newest save is on disk; raises what it failed with."""
        self._manager.wait_until_finished()
        self._manager.check_for_errors()

    def close(self) -> None:
        """Ends the background threads; an error of the last save has been raised by `wait`."""
        try:
            self._manager.close()
        except Exception as error:  # noqa: BLE001 - a failed save is raised again here
            logging.getLogger(__name__).debug("closing checkpoints: %s", error)

    def read(self, step: int) -> tuple[dict[str, np.ndarray], Record]:
        """One checkpoint, checked against its checksums; raises whatever is wrong with it."""
        return read(self.path / str(step))

    def read_newest(
        self, message: Callable[[str], None]
    ) -> tuple[int, dict[str, np.ndarray], Record] | None:
        """The newest checkpoint that can be read; damaged ones are set aside. None without any.

        Raises:
          RunError: when there are checkpoints and all are damaged.
        """
        damaged = []
        for step in reversed(self.steps()):
            try:
                arrays, record = self.read(step)
            # Damage shows up in as many ways as there are file formats.
            except Exception as error:  # noqa: BLE001
                reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
                damaged.append(step)
                message(f"checkpoint {step} is damaged ({reason}); trying the one before")
                continue
            self._set_aside(damaged)
            return step, arrays, record
        if damaged:
            listed = ", ".join(map(str, damaged))
            raise RunError(
                f"no checkpoint in {self.path} can be read (damaged: {listed}); "
                "start again in another --out folder",
                exit_code=1,
            )
        return None

    def _set_aside(self, steps: list[int]) -> None:
        """Renames damaged checkpoints so that their steps can be saved again."""
        for step in steps:
            source, number = self.path / str(step), 0
            while (target := self.path / f"damaged-{step}-{number}").exists():
                number += 1
            source.rename(target)
        if steps:
            self._manager.reload()
