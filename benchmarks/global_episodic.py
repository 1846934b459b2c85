"""Figures of the study of global and episodic bonuses, from sweeps of `global_episodic`.

    jaxrl bench global_episodic SWEEP... [--out docs/results/global_episodic]
    jaxrl bench global_episodic SWEEP... --beside RESULTS.json # adds to what was written before
    jaxrl bench global_episodic RESULTS.json --out FOLDER      # the second picture and its points anew
    jaxrl bench global_episodic --joint RESULTS.json... --out FOLDER    # the points of several in one

SWEEP... are folders of `jaxrl sweep global_episodic` over `bonus`, `num_contexts` and `coefficient`
(`benchmarks/results_global_episodic.sh` has the commands). Two pictures and a table:

- success against the number of contexts, a line a bonus (arXiv 2306.03236, figure 2). Of the swept
  coefficients a bonus is shown with the one that does best on average over all numbers of contexts.
- the gap between episodic and global bonus against the share of the variance of V* that lies between
  contexts, with V* computed exactly (`envs.grid.contexts`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import envs
from benchmarks import _harness
from envs.grid.contexts import value_variance
from jaxrl_suite.runner import stats
from jaxrl_suite.runner.curves import Curves
from jaxrl_suite.runner.errors import RunError

METRIC = "solved"
Success = dict[str, dict[str, dict[float, np.ndarray]]]  # env -> bonus -> |C| -> [seeds]


def read(
    folders: list[Path], given: dict[str, dict[str, float]] | None = None
) -> tuple[Success, dict[str, dict[str, float]]]:
    """Final success by environment, bonus and contexts, and the coefficient chosen for each bonus.

    Args:
      folders: of sweeps.
      given: coefficients that have been chosen before, by environment and bonus.

    Raises:
      RunError: for a folder without cells of `global_episodic`.
    """
    found: dict[tuple[str, str], dict[float, dict[float, np.ndarray]]] = {}
    for folder in folders:
        for cell in _harness.cells(folder):
            curves = Curves.read(cell)
            if curves.name != "global_episodic":
                raise RunError(f"{cell} is a run of {curves.name}, not of global_episodic")
            config = curves.config
            contexts = float("inf") if config["num_contexts"] is None else config["num_contexts"]
            by_coefficient = found.setdefault((config["env"], config["bonus"]), {})
            values = np.nan_to_num(curves.final(METRIC))
            by_coefficient.setdefault(config["coefficient"], {})[contexts] = values
    success: Success = {}
    chosen: dict[str, dict[str, float]] = {}
    for (env, bonus), by_coefficient in found.items():
        best = max(
            by_coefficient, key=lambda c: np.mean([v.mean() for v in by_coefficient[c].values()])
        )
        before = (given or {}).get(env, {}).get(bonus, best)
        best = before if before in by_coefficient else best
        success.setdefault(env, {})[bonus] = dict(sorted(by_coefficient[best].items()))
        chosen.setdefault(env, {})[bonus] = best
    return success, chosen


def variance_share(env: str, contexts: float, levels: int = 4096) -> float:
    """Mean over sets of contexts of E[Var(V* | pose)] / Var[V*].

    A set has at most `levels` contexts, which stand for an endless one too: few would make its share
    too small, as a pose that one level has alone does not vary. There are 8 sets, 2 of the endless.
    """
    world, _ = envs.make(env, auto_reset="none", log=False)
    number = int(min(contexts, levels))

    @jax.jit
    def grids(key: jax.Array) -> jax.Array:
        return jax.vmap(world.reset)(jax.random.split(key, number))[1].grid

    found = [
        value_variance(grids(jax.random.key(i))) for i in range(8 if contexts <= levels else 2)
    ]
    return float(np.mean([one.between / one.total for one in found]))


def named(contexts: float) -> str:
    """As an axis shows it."""
    return "new every episode" if np.isinf(contexts) else str(int(contexts))


def contexts_figure(success: Success) -> Figure:
    """Success against the number of contexts, a panel an environment."""
    chart = Figure(figsize=(5.0 * len(success), 4.0), layout="constrained")
    FigureCanvasAgg(chart)
    panels = chart.subplots(1, len(success), squeeze=False)[0]
    for axes, (env, bonuses) in zip(panels, success.items(), strict=True):
        places = sorted({c for by_contexts in bonuses.values() for c in by_contexts})
        for i, (bonus, by_contexts) in enumerate(sorted(bonuses.items())):
            x = [places.index(c) for c in by_contexts]
            values = list(by_contexts.values())
            ends = np.array([stats.interval(v) for v in values]).T
            axes.plot(x, [v.mean() for v in values], f"C{i}o-", label=bonus)
            axes.fill_between(x, ends[0], ends[1], color=f"C{i}", alpha=0.2, linewidth=0)
        labels = [named(c).replace("every ", "every\n") for c in places]
        axes.set_xticks(range(len(places)), labels, fontsize="small")
        axes.set_title(env, fontsize="medium")
        axes.set_xlabel("contexts")
        axes.set_ylim(-0.03, 1.03)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("episodes solved, end of training")
    panels[0].legend(fontsize="small")
    return chart


def gaps(
    success: Success, episodic: str, global_: str, earlier: Sequence[dict[str, Any]] = ()
) -> list[dict[str, Any]]:
    """A point for each environment and number of contexts that has both bonuses.

    Shares of variance, which take minutes, are those of `earlier` points where there are any.
    """
    known = {(point["env"], point["contexts"]): point["share"] for point in earlier}
    points = []
    for env, bonuses in success.items():
        if not {episodic, global_} <= set(bonuses):
            continue
        for contexts in sorted(set(bonuses[episodic]) & set(bonuses[global_])):
            a, b = bonuses[episodic][contexts], bonuses[global_][contexts]
            share = known.get((env, named(contexts)))
            share = variance_share(env, contexts) if share is None else share
            gap = float(a.mean() - b.mean())
            points.append({"env": env, "contexts": named(contexts), "share": share, "gap": gap})
    return points


def variance_figure(points: list[dict[str, Any]]) -> Figure:
    """Episodic minus global success against the share of variance between contexts."""
    chart = Figure(figsize=(5.5, 4.2), layout="constrained")
    FigureCanvasAgg(chart)
    axes = chart.subplots()
    for i, env in enumerate(dict.fromkeys(point["env"] for point in points)):
        own = [point for point in points if point["env"] == env]
        axes.plot([p["share"] for p in own], [p["gap"] for p in own], f"C{i}o-", label=env)
        for point in own:
            where = (point["share"], point["gap"])
            side = "right" if point["share"] > 0.5 else "left"  # within the frame
            axes.annotate(point["contexts"], where, fontsize="x-small", ha=side)
    axes.axhline(0.0, color="grey", linewidth=0.8)
    axes.set_xlabel("share of Var[V*] between contexts")
    axes.set_ylabel("solved: episodic minus global")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return chart


def reported(record: dict[str, Any]) -> Success:
    """The successes of results that were written before."""
    return {
        env: {
            bonus: {
                float("inf") if c == named(float("inf")) else float(c): np.asarray(values)
                for c, values in by_contexts.items()
            }
            for bonus, by_contexts in bonuses.items()
        }
        for env, bonuses in record["solved"].items()
    }


def joined(earlier: Success, new: Success) -> Success:
    """Both, the newer one where both have a number of contexts; these in order."""
    return {
        env: {bonus: dict(sorted(by_contexts.items())) for bonus, by_contexts in bonuses.items()}
        for env, bonuses in _harness.merged(earlier, new).items()
    }


def redraw(path: Path, episodic: str, global_: str, out: Path) -> None:
    """Points and their picture anew from results that were written before; all else stays."""
    record = json.loads(path.read_text())
    success = reported(record)
    record["points"] = gaps(success, episodic, global_)
    (out / path.name).write_text(json.dumps(record, indent=1) + "\n")
    variance_figure(record["points"]).savefig(out / "variance.png", dpi=110)


def main(argv: list[str] | None = None) -> None:
    """Reads the sweeps and writes pictures and table."""
    parser = argparse.ArgumentParser(prog="jaxrl bench global_episodic", description=__doc__)
    parser.add_argument("sweeps", nargs="+", type=Path, help="folders of sweeps, or JSON files")
    parser.add_argument("--beside", type=Path, help="results of earlier sweeps, to go in, too")
    parser.add_argument("--joint", action="store_true", help="draw the points of several results")
    parser.add_argument("--episodic", default="first_position", help="the episodic bonus")
    parser.add_argument("--global-bonus", default="global_position", help="the global bonus")
    parser.add_argument("--out", type=Path, default=_harness.results() / "global_episodic")
    options = parser.parse_args(argv)

    if options.joint:
        records = [json.loads(path.read_text()) for path in options.sweeps]
        options.out.mkdir(parents=True, exist_ok=True)
        points = [point for record in records for point in record["points"]]
        variance_figure(points).savefig(options.out / "joint.png", dpi=110)
        return
    if options.sweeps[0].suffix == ".json":
        redraw(options.sweeps[0], options.episodic, options.global_bonus, options.out)
        return
    earlier: dict[str, Any] = {"solved": {}, "coefficients": {}, "sweeps": []}
    if options.beside:
        earlier = json.loads(options.beside.read_text())
    success, chosen = read(options.sweeps, earlier["coefficients"])
    for env, bonuses in earlier["coefficients"].items():
        for bonus, before in bonuses.items():
            now = chosen.setdefault(env, {}).setdefault(bonus, before)
            if now != before:
                told = f"{env}, {bonus}: {options.beside} has it with {before:g}, these have not"
                raise RunError(told)
    success = joined(reported(earlier), success)
    known = earlier.get("points", ())
    points = gaps(success, options.episodic, options.global_bonus, known)
    options.out.mkdir(parents=True, exist_ok=True)
    contexts_figure(success).savefig(options.out / "contexts.png", dpi=110)
    if points:
        variance_figure(points).savefig(options.out / "variance.png", dpi=110)
    rows = []
    for env, bonuses in success.items():
        for bonus, by_contexts in bonuses.items():
            for contexts, values in by_contexts.items():
                low, high = stats.interval(values)
                shown = f"{values.mean():.2f} ({low:.2f} to {high:.2f})"
                rows.append([env, f"`{bonus}`", f"{chosen[env][bonus]:g}", named(contexts), shown])
    _harness.write(
        "global_episodic",
        title="Global and episodic bonuses",
        header=["environment", "bonus", "coefficient", "contexts", "solved (95% interval)"],
        rows=rows,
        notes="Share of episodes solved over the last tenth of training, mean over seeds with "
        "bootstrap intervals; of the swept coefficients the best on average over contexts. "
        "![contexts](contexts.png) ![variance](variance.png)",
        data={
            "points": points,
            "coefficients": chosen,
            "solved": {
                env: {
                    bonus: {named(c): v.tolist() for c, v in by_contexts.items()}
                    for bonus, by_contexts in bonuses.items()
                }
                for env, bonuses in success.items()
            },
            "sweeps": [*earlier["sweeps"], *_harness.commands(options.sweeps)],
        },
        folder=options.out,
    )


if __name__ == "__main__":
    main()
