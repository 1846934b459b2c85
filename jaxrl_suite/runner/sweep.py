"""A grid of configs as few batched programs: `jaxrl sweep NAME --grid FIELD=A,B,C ... [OPTIONS]`.

Configs that differ in numbers only (the fields a `Spec` names as `sweepable`) are cells of one
program: the numbers become traced values, and cells times seeds one `vmap` axis. Each such program is
an ordinary run in `OUT/programs/N`, with checkpoints and exact resume; when it ends, every cell gets
a run directory of its own, `OUT/cells/FIELD=VALUE,...`, for `jaxrl report`. A row that diverges does not
stop the others: `diverged` tells which cells have one.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from envs.host import catalogue
from jaxrl_suite.experiment import Experiment, Spec, State, beside
from jaxrl_suite.runner import divergence, finish, folder, hosts, loop, scripts, sweep_file
from jaxrl_suite.runner.curves import Curves
from jaxrl_suite.runner.errors import RunError
from jaxrl_suite.runner.options import Options

PROCESSES = ("distributed", "coordinator", "processes", "process", "patience")
_LONGEST = 255  # bytes of a file's name
MOST_ROWS = 512  # cells times seeds of one program


@dataclasses.dataclass(frozen=True)
class Cells:
    """The config of a program: the plain config of every cell, by label."""

    cells: dict[str, Any] = dataclasses.field(default_factory=dict)


def grid(fields: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Every combination of values: field -> value, the last field varying fastest."""
    combinations = itertools.product(*fields.values())
    return [dict(zip(fields, values, strict=True)) for values in combinations]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def groups(spec: Spec, configs: Mapping[str, Any], most: int) -> list[dict[str, Any]]:
    """`configs` in groups of at most `most` that one program can train, in their order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for label, config in configs.items():
        fixed = {
            name: value
            for name, value in folder.plain(config).items()
            if not (name in spec.sweepable and _is_number(value))
        }
        parts = found.setdefault(json.dumps(fixed, sort_keys=True), [{}])
        if len(parts[-1]) >= most:
            parts.append({})
        parts[-1][label] = config
    return [part for parts in found.values() for part in parts]


def batched(spec: Spec, configs: Sequence[Any]) -> Experiment:
    """One experiment whose cells are the configs; they differ in `spec.sweepable` numbers alone."""
    base = configs[0]
    values = {name: [getattr(c, name) for c in configs] for name in spec.sweepable}
    cells = {name: jnp.asarray(v) for name, v in values.items() if len(set(v)) > 1}
    # every trace builds again, but with the same games: programs call them for as long as these live
    games: dict[str, Any] = {}
    made: list[Experiment] = []  # holds environments around the games

    def build(cell: dict[str, jax.Array]) -> Experiment:
        with catalogue.sharing(games):
            made.append(spec.build(dataclasses.replace(base, **cell)))
        return made[-1]

    first = build({})

    def init(key: jax.Array, cell: dict[str, jax.Array]) -> State:
        return cell, build(cell).init(key)

    def update(state: State) -> tuple[State, Any]:
        cell, inner = state
        inner, metrics = build(cell).update(inner)
        return (cell, inner), metrics

    def evaluate(key: jax.Array, state: State) -> Any:
        found = build(state[0]).evaluate
        assert found is not None
        return found(key, state[1])

    return dataclasses.replace(
        first,
        init=init,
        update=update,
        evaluate=None if first.evaluate is None else evaluate,
        play=None,
        cells=cells,
        over_envs=beside(False, first.over_envs),
        learnt=None,
    )


def _builder(spec: Spec, members: Sequence[Any]) -> Callable[[Any], Experiment]:
    return lambda _: batched(spec, members)


def sweep(
    spec: Spec,
    configs: Mapping[str, Any],
    options: Options,
    command: str | None = None,
    arguments: Sequence[str] | None = None,
) -> dict[str, Path]:
    """Trains every config with `options.seeds` seeds.

    Args:
      spec: the experiment.
      configs: by label.
      options: `out` is the sweep's folder; `seeds` is the number for each config.
      command: what the user typed.
      arguments: its options, written down so that `--resume` needs none of them.

    Returns:
      The run directory of every config, by label; `diverged` says which did not train to the end.

    Raises:
      RunError, Interrupted, ConfigError: as `loop.run`.
    """
    options.check()
    if options.out is None:
        raise RunError("out=None: a sweep needs a folder; give --out DIR")
    if options.init_from is not None:
        raise RunError(f"init_from={options.init_from!r}: for runs alone; leave it out of a sweep")
    for config in configs.values():
        spec.build(config)  # every cell is checked before anything is written
    host = hosts.current(options)
    if arguments is not None:
        resume = options.resume
        host.together(functools.partial(sweep_file.write, options.out, spec, arguments, resume))
    places = {label: options.out / "cells" / as_name(label) for label in configs}
    programs = groups(spec, configs, max(1, MOST_ROWS // options.seeds))
    begun, trained = time.monotonic(), 0
    outs = [options.out / "programs" / str(number) for number in range(len(programs))]
    plain = [Cells({label: folder.plain(c) for label, c in group.items()}) for group in programs]
    left = [
        number
        for number, (out, cells) in enumerate(zip(outs, plain, strict=True))
        if not host.together(functools.partial(_finished, out, cells, options))
    ]
    for number, (group, out, cells) in enumerate(zip(programs, outs, plain, strict=True)):
        if number in left:
            if host.writes:
                later = [len(programs[n]) for n in left if n >= number]
                seconds = time.monotonic() - begun
                print(_progress(len(programs), number, later, seconds, trained), flush=True)
            members = list(group.values())
            seeds = range(options.seed, options.seed + options.seeds)
            program = dataclasses.replace(
                spec, config=Cells, build=_builder(spec, members), settings=None
            )
            loop.run(
                program,
                cells,
                dataclasses.replace(
                    options,
                    out=out,
                    seeds=len(group) * options.seeds,
                    plots=False,
                    video=False,
                    tensorboard=False,
                ),
                command,
                again=shlex.join(
                    [*scripts.command(spec, "sweep"), "--out", str(options.out), "--resume"]
                ),
                rows=[f"{label}, seed {seed}" for label in group for seed in seeds],
            )
            trained += len(group)
        if host.writes:
            _split(spec, group, out, places, options)
    return places


def _finished(out: Path, cells: Cells, options: Options) -> bool:
    """Whether a program of a resumed sweep needs no more training.

    Raises:
      RunError: where it was trained with another config or number of seeds.
    """
    if not (options.resume and (out / "summary.json").exists()):
        return False
    stored = folder.read(out)
    assert stored is not None
    seeds = {"seed": options.seed, "seeds": options.seeds * len(cells.cells)}
    changed = folder.differences(stored["config"], folder.plain(cells)) | folder.differences(
        {name: stored["runner"][name] for name in seeds}, seeds
    )
    if changed:
        listed = "; ".join(f"{name}: {text}" for name, text in changed.items())
        raise RunError(f"{out} is trained to its end already, and differently ({listed})")
    return True


def _progress(
    programs: int, number: int, cells: Sequence[int], seconds: float, trained: int
) -> str:
    """What comes next (`cells` of this program and of those after it), and how long all may take."""
    left = sum(cells)
    text = f"program {number + 1} of {programs}, {cells[0]} of {left} cells left"
    return f"{text}, some {seconds / trained * left / 60:.0f} minutes" if trained else text


def as_name(label: str) -> str:
    """A folder's name: signs of an expression become letters that no shell minds.

    A name longer than file systems take ends in a hash of the label.
    """
    name = re.sub(r"[^\w=.,+@-]+", "_", label.replace("*", "x"))
    if len(name.encode()) <= _LONGEST:
        return name
    kept = name.encode()[: _LONGEST - 13].decode(errors="ignore")
    return f"{kept}-{hashlib.sha256(label.encode()).hexdigest()[:12]}"


def _split(
    spec: Spec, group: Mapping[str, Any], out: Path, places: Mapping[str, Path], options: Options
) -> None:
    """Gives every cell of a finished program its own run directory."""
    whole = pq.read_table(out / "metrics.parquet")
    summary = json.loads((out / "summary.json").read_text())
    own = dataclasses.replace(options, log_every=summary["runner"]["log_every"])
    for index, (label, config) in enumerate(group.items()):
        place = places[label]
        place.mkdir(parents=True, exist_ok=True)
        first = options.seed + index * options.seeds  # rows are numbered cell by cell
        rows = whole.filter(
            pc.and_(
                pc.greater_equal(whole["seed"], first),
                pc.less(whole["seed"], first + options.seeds),
            )
        )
        seeds = pc.subtract(rows["seed"], pa.scalar(index * options.seeds, pa.int64()))
        rows = rows.set_column(0, "seed", seeds)
        pq.write_table(rows, place / "metrics.parquet")
        folder.write(place, spec, config, own, part_of=str(out))
        plain = folder.plain(config)
        ours = range(index * options.seeds, (index + 1) * options.seeds)
        gone = [
            {"seed": options.seed + one["row"] - ours.start}
            | {name: one[name] for name in ("update", "env_steps", "metrics")}
            for one in summary.get("diverged", ())
            if one["row"] in ours
        ]
        finals = Curves.of(spec.name, plain, rows).finals()
        evaluation = {name: v for name, v in finals.items() if name.startswith("eval/")}
        changes = {"config": plain, "final": finals, "evaluation": evaluation, "diverged": gone}
        if spec.settings is not None:
            changes["settings"] = folder.plain(spec.settings(config))
        changes["runner"] = folder.runner_fields(own)
        finish.write_json(place / "summary.json", summary | changes)


def diverged(places: Mapping[str, Path]) -> dict[str, str]:
    """Which cells of a finished sweep have seeds that diverged: label -> which and when."""
    found = {}
    for label, place in places.items():
        entries = json.loads((place / "summary.json").read_text()).get("diverged")
        if entries:
            found[label] = divergence.described(entries)
    return found
