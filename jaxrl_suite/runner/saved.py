"""Reads agents back: of a run, or of one cell of a sweep, whose checkpoints hold all cells."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxrl_suite import experiment
from jaxrl_suite.experiment import Experiment, Script, Spec, State
from jaxrl_suite.runner import (
    checkpoint,
    compile_cache,
    cpu_devices,
    folder,
    scripts,
    segment,
    sweep,
    sweep_file,
)
from jaxrl_suite.runner.errors import RunError
from jaxrl_suite.runner.options import Options

_LISTED = 12  # cells that an error names


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an agent's checkpoints are.

    Attributes:
      out: the folder of the run, or of the sweep's program.
      stored: what `config.yaml` there holds.
      cell: the agent's cell, by label, or None for a run of its own.
    """

    out: Path
    stored: dict[str, Any]
    cell: str | None = None


def find(out: Path, cell: str | None = None) -> Place:
    """The checkpoints of what a user names.

    Args:
      out: a run, a sweep, one of its `programs/N` or of its `cells/FIELD=VALUE,...`.
      cell: of a sweep or a program: a cell's label, its folder's name or its number.

    Raises:
      RunError: for a folder without a run, and for a cell that is missing or unknown.
    """
    if (out / sweep_file.NAME).is_file():
        numbered = (p for p in (out / "programs").glob("*") if p.name.isdigit())
        programs = sorted(numbered, key=lambda p: int(p.name))
        return _chosen(out, list(_cells(programs)), cell)
    stored = folder.read(out)
    if stored is None:
        raise RunError(f"{str(out)!r} holds no run (no {folder.CONFIG})")
    if "part_of" in stored:
        beside = out.resolve().parent.parent / "programs" / Path(stored["part_of"]).name
        program = beside if beside.is_dir() else Path(stored["part_of"])
        found = [p for p in _cells([program]) if sweep.as_name(str(p.cell)) == out.resolve().name]
        if not found:
            raise RunError(f"{str(out)!r} is a cell of a sweep whose program {program} is gone")
        return _chosen(out, found, cell)
    if _is_program(stored):
        return _chosen(out, list(_cells([out])), cell)
    if cell is not None:
        raise RunError(f"cell={cell!r}: {str(out)!r} is a run of its own, without cells")
    return Place(out, stored)


def _is_program(stored: Mapping[str, Any]) -> bool:
    cells = stored["config"].get("cells")
    return set(stored["config"]) == {"cells"} and isinstance(cells, Mapping)


def _cells(programs: Sequence[Path]) -> Iterator[Place]:
    """Every cell of the programs that have begun."""
    for program in programs:
        stored = folder.read(program)
        if stored is not None and _is_program(stored):
            for label in stored["config"]["cells"]:
                yield Place(program, stored, label)


def _chosen(out: Path, places: Sequence[Place], cell: str | None) -> Place:
    """The place that `cell` names."""
    if cell is None and len(places) == 1:
        return places[0]
    for number, place in enumerate(places):
        label = str(place.cell)
        if cell in (label, sweep.as_name(label), str(number)):
            return place
    listed = [f"{number}: {place.cell}" for number, place in enumerate(places[:_LISTED])]
    more = f"; and {len(places) - _LISTED} more" if len(places) > _LISTED else ""
    known = f"{'; '.join(listed)}{more}" if listed else "none has begun"
    what = f"{str(out)!r} holds the agents of a sweep"
    if cell is not None:
        what = f"cell={cell!r}: {str(out)!r} has no such cell"
    raise RunError(f"{what}; choose one by --cell: {known}")


def script(out: Path) -> Script | None:
    """The user's script that made the run or the sweep in `out`, or None."""
    return scripts.stored(sweep_file.read(out) or folder.read(out))


class Agents(NamedTuple):
    """A run's agents.

    Attributes:
      spec, config, experiment: of the run, or the cell.
      states: of all seeds, each leaf with a leading axis of them.
      seeds: their numbers.
      diverged: the update at which a seed diverged, by its number.
      update: of the checkpoint.
    """

    spec: Spec
    config: Any
    experiment: Experiment
    states: State
    seeds: list[int]
    diverged: dict[int, int]
    update: int


def load_all(
    out: Path,
    package: str = "experiments",
    cell: str | None = None,
    spec: Spec | None = None,
    **changes: Any,
) -> Agents:
    """All seeds of a run, from the newest checkpoint; arguments and errors as of `load`."""
    place = find(out, cell)
    name = place.stored["experiment"]
    if spec is None or spec.name != name:
        spec = experiment.get(name, package)
    runner = folder.with_values(Options(), place.stored["runner"])
    plain = place.stored["config"]
    cells = [plain] if place.cell is None else list(plain["cells"].values())
    index = 0 if place.cell is None else list(plain["cells"]).index(place.cell)
    each = runner.seeds // len(cells)
    configs = [folder.with_values(spec.config(), stored) for stored in cells]
    config = dataclasses.replace(configs[index], **_known(configs[index], changes))
    built = spec.build(config)
    update, arrays, record = checkpoint.newest(place.out / "checkpoints")
    first = index * each
    diverged = {number - first + runner.seed: at for number, at, _ in record.get("diverged", ())}
    seeds = list(range(runner.seed, runner.seed + each))
    diverged = {seed: at for seed, at in diverged.items() if seed in seeds}
    whole = built if place.cell is None else sweep.batched(spec, configs)
    template = segment.Program(whole, runner.seed, runner.seeds).template
    states = checkpoint.from_arrays(arrays, template, jax.local_devices()[0])
    states = states if place.cell is None else states[1]
    states = jax.tree.map(lambda x: x[first : first + each], states)
    return Agents(spec, config, built, states, seeds, diverged, update)


def load(
    out: Path,
    seed: int | None = None,
    package: str = "experiments",
    cell: str | None = None,
    spec: Spec | None = None,
    **changes: Any,
) -> tuple[Experiment, State, Any]:
    """A run's experiment, one seed's state from the newest checkpoint, and the run's config.

    Args:
      out: the run directory, or what else `find` takes.
      seed: one of the run's, or None for the first.
      package: where the experiment's script is.
      cell: see `find`.
      spec: the experiment, or None to look in `package`.
      changes: config fields that do not change the state.

    Raises:
      RunError: for a folder without a run or a checkpoint, a cell or a seed that is not there, a
        seed that diverged.
    """
    start(find(out, cell))
    agents = load_all(out, package, cell, spec, **changes)
    seed = agents.seeds[0] if seed is None else seed
    state = segment.one_seed(agents.states, row(agents, seed))
    return agents.experiment, state, agents.config


def start(place: Place) -> None:
    """Sets JAX up for one agent of a run at a time, as the run wants its programs kept."""
    compile_cache.configure(folder.with_values(Options(), place.stored["runner"]).compile_cache)
    cpu_devices.configure(1)


def row(agents: Agents, seed: int) -> int:
    """Where a seed's state is.

    Raises:
      RunError: for a seed that is not there, or diverged.
    """
    if seed not in agents.seeds:
        raise RunError(f"seed={seed}: the run has {agents.seeds[0]} to {agents.seeds[-1]}")
    if seed in agents.diverged:
        at = agents.diverged[seed]
        raise RunError(f"seed={seed}: diverged at update {at}, nothing to watch", 1)
    return agents.seeds.index(seed)


def _known(config: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(config)}
    return {name: value for name, value in changes.items() if name in names}
