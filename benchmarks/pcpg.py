"""Tables and pictures of PC-PG and its baselines, from runs of `benchmarks/results_pcpg.sh`.

    jaxrl bench pcpg RUN... --out docs/results/pcpg-NAME

A seed has solved its task where the evaluated return reaches 0.9 of V* (of a lock, by dynamic
programming) or 90 (MountainCarContinuous). A seed's best policy is PC-PG's result; PPO's is its last.

For locks, `visits.png` is where each policy of a PC-PG cover goes: the probability of being in a good
state, by lock and step, exactly, from the policy's action probabilities in every true state.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import envs
from benchmarks import _harness
from envs import lock
from jaxrl_suite.agents import networks
from jaxrl_suite.experiment import registered
from jaxrl_suite.runner import watch
from jaxrl_suite.runner.curves import Curves

_OF_EACH = ("run", "command", "commit", "machine", "wall_s", "compile_s")  # of runs seen as one
REACHED = 0.05  # a policy gets to a good state where it is in it at least so often


def is_lock(name: str) -> bool:
    """Whether an environment is a lock."""
    return name.partition("?")[0] in lock.NAMES


def mark(name: str) -> float:
    """The return from which a task counts as solved."""
    if not is_lock(name):
        return 90.0
    env: Any = envs.make(name, auto_reset="none", log=False)[0]
    return 0.9 * float(env.optimal_value(env.default_params))


def alive(state: Any, config: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where the policies of a cover go.

    Returns:
      `[C, 2, H]`: probability that policy i is in a good state of lock l after h + 1 steps; the lock
      that pays more comes first. And the weights `[C]`.
    """
    env: Any
    env, _ = envs.make(config.env, auto_reset="none", log=False)
    params = state.env_params
    network: Any = networks.build(env.observation_space(params), env.action_space(params), config)
    places, times = jnp.meshgrid(jnp.arange(env.num_places), jnp.arange(env.horizon))
    key = jax.random.key(0)  # of noise, which these locks do not have
    see = jax.vmap(jax.vmap(lambda p, t: env.observe(key, lock.LockState(p, t))))
    seen = see(places, times)  # [H, S, ...]
    model = env.model(params)

    @jax.jit
    @jax.vmap
    def visits(policy: Any) -> jax.Array:
        return lock.visits(model, jax.nn.softmax(network.apply(policy, (), seen, None)[1]))

    where = np.asarray(visits(state.cover.params))[:, 1:]  # [C, H, S]
    count = int(state.cover.count)
    good = np.stack([where[..., :2].sum(-1), where[..., 3:5].sum(-1)], 1)[:count]
    better = int(np.argmax(params.prize))
    return good[:, [better, 1 - better]], np.asarray(state.cover.weights)[:count]


def visits_figure(runs: Sequence[Path]) -> tuple[Figure, dict[str, Any]]:
    """Of the first seed, policy by policy, and of all seeds' mixtures; with the numbers behind."""
    found, seeds = [], []
    for run in runs:
        for seed in Curves.read(run).seeds:
            _, state, config = watch.load(run, int(seed))
            found.append(alive(state, config))
            seeds.append(int(seed))
    chart = Figure(figsize=(9.0, 4.8), layout="constrained")
    FigureCanvasAgg(chart)
    panels = chart.subplots(2, 2, squeeze=False)
    good, weights = found[0]
    mixtures = np.stack([np.einsum("i,ilh->lh", w, g) for g, w in found])  # [seeds, 2, H]
    horizon = good.shape[2]
    rows = [f"{i} (w = {w:.2f})" for i, w in enumerate(weights)]
    for column, name in enumerate(("the lock that pays 5", "the lock that pays 2")):
        for row, (values, labels, what) in enumerate(
            (
                (good[:, column], rows, f"policies of seed {seeds[0]}"),
                (mixtures[:, column], [str(s) for s in seeds], "mixture of each seed"),
            )
        ):
            axes = panels[row, column]
            shown = axes.imshow(
                values, aspect="auto", vmin=0, vmax=1, extent=(0.5, horizon + 0.5, len(values), 0)
            )
            axes.set_title(f"{name}: {what}", fontsize="small")
            if len(labels) <= 12:
                axes.set_yticks(np.arange(len(labels)) + 0.5, labels, fontsize="x-small")
    for axes in panels[1]:
        axes.set_xlabel("actions taken")
    chart.colorbar(shown, ax=panels, shrink=0.7, label="probability of a good state")
    # a state's novelty is seen when it is acted in, so nothing is paid for the last state of all
    reach = np.stack([g[:, :, -2].max(0) for g, _ in found])  # [seeds, 2]
    deepest = np.stack([(g > REACHED).sum(-1).max(0) for g, _ in found])  # [seeds, 2]
    numbers = {
        "reach": reach.tolist(),
        "mixture_reach": mixtures[:, :, -2].tolist(),
        "deepest": deepest.tolist(),
    }
    return chart, numbers


def options_of(name: str, config: dict[str, Any]) -> str:
    """What a run's config has that its experiment's defaults have not, as options of `jaxrl run`."""
    defaults = vars(registered()[name].config())
    words = []
    for field, default in defaults.items():
        value, option = config.get(field, default), field.replace("_", "-")
        shown = list(default) if isinstance(default, tuple) else default
        if value == shown or field == "env":
            continue
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            several = value if isinstance(value, list | tuple) else [value]
            words.append(f"--{option} {' '.join(map(str, several))}")
    return " ".join(words)


def row_of(run: Path) -> dict[str, Any]:
    """A run as numbers."""
    summary = json.loads((run / "summary.json").read_text())
    curves = Curves.read(run)
    returns = curves.metrics["eval/return"][:, -1]
    return {
        "run": run.name,
        "env": summary["config"]["env"],
        "experiment": summary["experiment"],
        "options": options_of(summary["experiment"], summary["config"]),
        "env_steps": summary["env_steps"],
        "seeds": len(returns),
        "solved": int((returns >= mark(summary["config"]["env"])).sum()),
        "returns": returns.tolist(),
        "best_policy_returns": curves.metrics["episode_return"].max(1).tolist(),
        "command": summary["command"],
        "commit": summary["commit"],
        "machine": summary["machine"],
        "wall_s": summary["wall_s"],
        "compile_s": summary["compile_s"],
    }


def pooled(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Runs that differ in their seeds alone as one."""
    kinds: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        same = row["experiment"], row["options"], row["env"], row["env_steps"]
        kinds.setdefault(same, []).append(row)
    return [
        {
            **some[0],
            **{name: sum(row[name] for row in some) for name in ("seeds", "solved")},
            **{
                name: [x for row in some for x in row[name]]
                for name in ("returns", "best_policy_returns")
            },
            **{name: [row[name] for row in some] for name in _OF_EACH if len(some) > 1},
        }
        for some in kinds.values()
    ]


def _listed(values: list[list[int]], column: int) -> str:
    """The different values of a column, "21, 25 and 36" say."""
    *others, last = [str(v) for v in sorted({row[column] for row in values})]
    return f"{', '.join(others)} and {last}" if others else last


def main(argv: list[str] | None = None) -> None:
    """Reads runs, writes `pcpg.md`, `pcpg.json` and, for locks, `visits.png`."""
    parser = argparse.ArgumentParser(prog="jaxrl bench pcpg", description=__doc__)
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        help="run directories, in the table's order; such as differ in seeds alone are one row",
    )
    of = "of which run to draw the cover's visits, or runs of different seeds"
    parser.add_argument("--visits", nargs="+", type=Path, help=of)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--title", default="PC-PG")
    parser.add_argument("--notes", default="")
    options = parser.parse_args(argv)
    single = [row_of(run) for run in options.runs]
    found = pooled(single)
    header = ("experiment, options", "task", "seeds", "solved", "mean", "least", "most", "steps")
    rows = [
        (
            f"`{row['experiment']} {row['options']}`".replace(" `", "`"),
            row["env"],
            str(row["seeds"]),
            str(row["solved"]),
            f"{np.mean(row['returns']):.2f}",
            f"{min(row['returns']):.2f}",
            f"{max(row['returns']):.2f}",
            f"{row['env_steps']:,}",
        )
        for row in found
    ]
    data: dict[str, Any] = {"runs": found}
    commits = sorted({row["commit"][:12] for row in single})
    notes = (
        f"Solved: evaluated return of at least {mark(found[0]['env']):.3g}. Runs of commit "
        f"{', '.join(commits)}. {options.notes}"
    ).strip()
    if options.visits is not None:
        chart, numbers = visits_figure(options.visits)
        options.out.mkdir(parents=True, exist_ok=True)
        chart.savefig(options.out / "visits.png", dpi=110)
        names = " and ".join(f"`{run.name}`" for run in options.visits)
        data["visits"] = {"runs": [run.name for run in options.visits], **numbers}
        reach = np.asarray(numbers["reach"])
        notes += (
            f"\n\n![visits](visits.png)\n\nThe cover of {names}: the policy that most "
            "often stands in a good state before the last action does so with probability "
            f"{reach[:, 0].mean():.2f} (mean over seeds, least {reach[:, 0].min():.2f}) in the better "
            f"lock and {reach[:, 1].mean():.2f} ({reach[:, 1].min():.2f}) in the worse; "
            f"{int((reach > REACHED).all(1).sum())} of {len(reach)} seeds get there with more than "
            f"{REACHED} in both. The farthest step that a policy gets to so often, a seed: "
            f"{_listed(numbers['deepest'], 0)} in the better lock, "
            f"{_listed(numbers['deepest'], 1)} in the worse."
        )
    _harness.write("pcpg", options.title, header, rows, notes, data, options.out)


if __name__ == "__main__":
    main()
