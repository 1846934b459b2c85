"""`jaxrl eval DIR`: evaluates a saved run's agents, in its own environment or in another."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from jaxrl_suite.experiment import Experiment, Spec
from jaxrl_suite.runner import finish, saved, segment, stats, transfer
from jaxrl_suite.runner.errors import RunError, require

_TESTING = 0x74657374  # separates these episodes' keys from training keys


@dataclasses.dataclass(frozen=True)
class EvalOptions:
    """What to evaluate, and where."""

    env: str | None = None
    """another environment, with the same kind of observations and actions (default: the run's own)"""
    episodes: int | None = None
    """episodes of each seed (default: the run's eval_episodes)"""
    seed: int | None = None
    """one of the run's seeds (default: all of them)"""
    cell: str | None = None
    """of a sweep: which cell, by label or number (an error lists them)"""
    episode_seed: int = 0
    """which episodes: another number, other levels and games"""
    greedy: bool | None = None
    """play the most likely action, or draw one (default: as the run's evaluation does)"""
    json: Path | None = None
    """write the values to this file as well"""

    def check(self) -> None:
        """Raises `RunError` naming the first option with an unusable value."""
        require(
            self,
            ("episodes", self.episodes is None or self.episodes >= 1, "1 or more"),
            ("episode_seed", 0 <= self.episode_seed < 2**32, "0 or more, and below 2**32"),
            ("json", self.json is None or not self.json.is_dir(), "a file, not a folder"),
        )


def evaluate(
    out: Path, options: EvalOptions, package: str = "experiments", spec: Spec | None = None
) -> dict[str, Any]:
    """Evaluates all seeds of a run, prints a table and returns what `--json` writes.

    Args:
      out: a run directory, or a sweep's; see `saved.find`.
      options: what to evaluate.
      package: where the experiment's script is.
      spec: the experiment, or None to look in `package`.

    Raises:
      RunError: for a run or an option that cannot be used.
      ConfigError: from the experiment, for an environment it cannot use.
    """
    options.check()
    saved.start(saved.find(out, options.cell))
    agents = saved.load_all(out, package, options.cell, spec)
    if options.seed is not None:
        saved.row(agents, options.seed)
    whole = [seed for seed in agents.seeds if seed not in agents.diverged]
    seeds = whole if options.seed is None else [options.seed]
    if not seeds:
        raise RunError(f"{str(out)!r}: all of its seeds have diverged")
    config = _changed(agents, options)
    built = agents.spec.build(config)
    if built.evaluate is None:
        raise RunError(f"{str(out)!r}: its experiment has no evaluation")
    rows = np.array([agents.seeds.index(seed) for seed in seeds])
    states = jax.tree.map(lambda x: x[rows], agents.states)
    if options.env is not None:
        states = _elsewhere(agents, states, built, len(seeds), f"env={options.env!r}")
    values = _values(built, states, seeds, options.episode_seed)
    env = agents.spec.plays(config)
    found = {
        "run": str(out),
        "experiment": agents.spec.name,
        "update": agents.update,
        "env": env,
        "episodes": getattr(config, "eval_episodes", None),
        "episode_seed": options.episode_seed,
        "evaluation": {name: _told(seeds, of_seeds) for name, of_seeds in values.items()},
    }
    if options.json is not None:
        finish.write_json(options.json, found)
    _show(found, Console())
    return found


def _changed(agents: saved.Agents, options: EvalOptions) -> Any:
    """The run's config with what the options ask for."""
    config = agents.config
    changes: dict[str, Any] = {}
    if options.env is not None:
        # what the preset of the run's own environment stood for must not become another's
        settings = agents.spec.settings
        chosen = {} if settings is None else vars(settings(config))
        changes = {k: v for k, v in chosen.items() if getattr(config, k, v) is None}
    for option, field, value in (
        ("env", "env", options.env),
        ("episodes", "eval_episodes", options.episodes),
        ("greedy", "eval_greedy", options.greedy),
    ):
        if value is not None and not hasattr(config, field):
            raise RunError(f"{option}={value!r}: {agents.spec.name} has no {field} to set")
        changes |= {} if value is None else {field: value}
    return dataclasses.replace(config, **changes)


def _elsewhere(agents: saved.Agents, states: Any, built: Experiment, number: int, what: str) -> Any:
    """Fresh states in another environment with what the agents have learnt."""
    given = transfer.of(agents.spec, agents.experiment).of(states)
    learnt = transfer.of(agents.spec, built)
    init = jax.vmap(built.init)
    keys = segment.seed_keys(0, number)
    wanted = learnt.of(jax.eval_shape(init, keys))
    transfer.check_fits(what, transfer.one(given), transfer.one(wanted))
    return learnt.put(jax.jit(init)(keys), given)


def _values(
    built: Experiment, states: Any, seeds: list[int], episode_seed: int
) -> dict[str, np.ndarray]:
    """Every metric of the evaluation, `[seeds]`, NaN where there was nothing to average."""
    evaluate = built.evaluate
    assert evaluate is not None

    def one(seed: jax.Array, state: Any) -> segment.Reduced:
        key = jax.random.fold_in(jax.random.key(episode_seed), _TESTING)
        metrics = evaluate(jax.random.fold_in(key, seed), state)
        return segment.reduce_metrics(jax.tree.map(lambda x: jnp.asarray(x)[None], metrics))

    key, first = jax.random.key(0), segment.one_seed(states)
    names = segment.metric_names(evaluate, key, first)
    found = segment.finished(jax.jit(jax.vmap(one)), jnp.array(seeds, jnp.uint32), states)
    reduced = segment.fetch(found)
    values = np.where(reduced.present, reduced.values, np.nan)
    return {name: values[:, i] for i, name in enumerate(names)}


def _told(seeds: list[int], values: np.ndarray) -> dict[str, Any]:
    by_seed = {
        str(seed): float(value) if np.isfinite(value) else None
        for seed, value in zip(seeds, values, strict=True)
    }
    return {"seeds": by_seed, **stats.summary(values)}


def _show(found: dict[str, Any], console: Console) -> None:
    episodes = found["episodes"]
    count = "" if episodes is None else f", {episodes} episodes a seed"
    where = "" if found["env"] is None else f" in {found['env']}"
    text = f"{found['run']} at update {found['update']}{where}{count}"
    console.print(text, highlight=False, markup=False, soft_wrap=True)
    table = Table()
    for column in ("metric", "mean", "IQM", "95% interval", "seeds"):
        table.add_column(column, justify="left" if column == "metric" else "right")
    for name, row in found["evaluation"].items():
        table.add_row(*finish.cells(name, row))
    console.print(table)
