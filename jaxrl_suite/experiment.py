"""The one record through which every paper reaches the runner, and the registry of experiments.

An `Experiment` is a pair of pure functions, `init(key) -> state` and `update(state) -> (state,
metrics)`, with a few numbers the runner needs to schedule them. It never opens a file, never prints,
and does not know how many seeds or devices it runs on: the runner vmaps both functions over seeds,
scans `update`, saves `state`, and averages `metrics`.

A script in `experiments/` holds a frozen config dataclass, a function that builds an `Experiment`
from it, and `EXPERIMENT = Spec(...)`.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from envs.suggest import hint

State = Any  # a pytree of arrays; random keys inside it are ordinary leaves
Metrics = dict[str, Any]  # name -> [] float32, or Mean


class Mean(NamedTuple):
    """A mean that may have nothing to average yet (episodes that ended in an update, say).

    The runner adds totals and counts over the updates between two log lines, then divides; a log
    line without any count is empty (null in the Parquet file), not zero.

    Attributes:
      total: `[]` float32, sum of the values.
      count: `[]` float32, how many there were.
    """

    total: jax.Array
    count: jax.Array  # type: ignore[assignment]  # hides tuple.count, which nobody calls

    @classmethod
    def where(cls, values: jax.Array, mask: jax.Array) -> Mean:
        """Of `values` where `mask` (same shape, bool) holds."""
        return cls(jnp.sum(jnp.where(mask, values, 0.0)), jnp.sum(mask.astype(jnp.float32)))


class Learnt(NamedTuple):
    """What of a state an agent takes to another run or environment; all else stays behind.

    Attributes:
      of: `state -> pytree`: parameters, and what else its network needs to see as it did.
      put: `(state, pytree) -> state`, with it in place of the state's own.
    """

    of: Callable[[State], Any]
    put: Callable[[State, Any], State]


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Pure functions of one run of one seed; the runner vmaps them.

    Attributes:
      init: `key -> state`.
      update: `state -> (state, metrics)`. A metric is a `[]` float32 (averaged over the updates
        between two log lines; not finite means that the run has failed) or a `Mean`.
      num_updates: updates in the whole run.
      steps_per_update: environment steps (or samples) an update consumes, for the progress line
        and the `env_steps` column.
      evaluate: `(key, state) -> metrics`, jitted and vmapped by the runner at the end of a run (and
        every `eval_every` log lines where asked for); its metrics are logged as `eval/<name>`.
      play: `(key, state) -> moments`, on the host, for one seed's unbatched state: an evaluated
        episode step by step, each an `evaluation.Moment` (`step`, `action`, `reward`, `total`,
        `over`, `picture()`, `screen()`). For the run's GIF and `jaxrl watch`.
      headline: names of the metrics to show in the progress line and to plot first.
      cells: of a sweep: a pytree with a leading axis of cells, or None. With it `init` is
        `(key, cell) -> state`, and the runner's seeds are dealt out to the cells in equal parts.
      over_envs: a prefix of the state with true for what has a leading axis of environments, and
        their number; with it the runner can lay one seed's environments over several devices.
      learnt: what other runs may start from, and other environments evaluate; None for nothing.
    """

    init: Callable[..., State]
    update: Callable[[State], tuple[State, Metrics]]
    num_updates: int
    steps_per_update: int
    evaluate: Callable[[jax.Array, State], Metrics] | None = None
    play: Callable[[jax.Array, State], Iterator[Any]] | None = None
    headline: tuple[str, ...] = ()
    cells: Any = None
    over_envs: tuple[Any, int] | None = None
    learnt: Learnt | None = None


def beside(more: Any, over_envs: tuple[Any, int] | None) -> tuple[Any, int] | None:
    """`over_envs` of the state `(more, state)`, of that of `state` and a prefix of `more`."""
    return None if over_envs is None else ((more, over_envs[0]), over_envs[1])


@dataclasses.dataclass(frozen=True)
class Script:
    """A Python file that trains experiments by `run_script`.

    Attributes:
      path: absolute.
      module: its name, where it was started with `python -m`, or "".
    """

    path: str
    module: str = ""


@dataclasses.dataclass(frozen=True)
class Spec:
    """A registered experiment: what `jaxrl run NAME` needs to know.

    Attributes:
      name: as on the command line.
      config: a frozen dataclass class with a default for every field; each field is an option.
      build: `config -> Experiment`. Raises `ConfigError` for a value it cannot use.
      summary: one line for `jaxrl list`.
      paper: citation, or "" for a baseline.
      length: config fields that set how long a run is and may change when it is resumed.
      budget: config fields that say how much is trained, where `length` names none of them.
      sweepable: config fields whose numbers `build` also takes as traced values (`known` tells), so
        that a sweep over them is one program.
      environment: `config -> name` of its environment for `envs.make`, or None: `config.env` where there
        is one.
      settings: `config -> dataclass` of what `build` takes where the config says None, or None: kept
        beside the config, and a run is not resumed with others.
      script: the user's own script that trains it, or None for what `get` finds: set by `run_script`,
        kept beside the config, so that `jaxrl watch` can ask the script to play.
    """

    name: str
    config: type
    build: Callable[[Any], Experiment]
    summary: str
    paper: str = ""
    length: tuple[str, ...] = ("total_steps", "num_updates")
    budget: tuple[str, ...] = ()
    sweepable: tuple[str, ...] = ()
    environment: Callable[[Any], str] | None = None
    settings: Callable[[Any], Any] | None = None
    script: Script | None = None

    def plays(self, config: Any) -> str | None:
        """The name of a config's environment, or None."""
        return self.environment(config) if self.environment else getattr(config, "env", None)


class ConfigError(ValueError):
    """A config value that cannot be used: names the field, the value and what would be right."""

    def __init__(self, field: str, value: Any, expected: str):
        super().__init__(f"{field}={value!r}: {expected}")
        self.field, self.value, self.expected = field, value, expected


def merged(parts: Mapping[str, Metrics]) -> Metrics:
    """The metrics of several parts of an experiment in one dictionary.

    Args:
      parts: by what an error calls them ("the bonus").

    Raises:
      ConfigError: for a name that two of them have.
    """
    found: Metrics = {}
    owners: dict[str, str] = {}
    for owner, metrics in parts.items():
        for name in metrics:
            if name in owners:
                raise ConfigError(
                    "metric", name, f"{owners[name]} and {owner} both report it; rename one"
                )
            owners[name] = owner
        found |= metrics
    return found


def known(value: Any) -> bool:
    """Whether a config's value can be looked at: False for one that a sweep traces."""
    return not isinstance(value, jax.core.Tracer)


def registered(package: str = "experiments") -> dict[str, Spec]:
    """Every `EXPERIMENT` of the scripts in `package`, by name, in alphabetical order."""
    found = {}
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if not module.name.startswith("_"):
            spec = getattr(importlib.import_module(f"{package}.{module.name}"), "EXPERIMENT", None)
            if spec is not None:
                found[spec.name] = spec
    return dict(sorted(found.items()))


def get(name: str, package: str = "experiments") -> Spec:
    """The experiment called `name`.

    Raises:
      ConfigError: for an unknown name, with close matches.
    """
    module = f"{package}.{name.replace('-', '_')}"
    if name.replace("-", "_").isidentifier() and importlib.util.find_spec(module):
        spec = getattr(importlib.import_module(module), "EXPERIMENT", None)
        if spec is not None and spec.name == name:  # without importing the others
            return spec
    specs = registered(package)
    if name not in specs:
        raise ConfigError("experiment", name, hint(name, specs))
    return specs[name]
