"""Figures of HOMER on the diabolical lock, from runs of `benchmarks/results_homer.sh`.

    jaxrl bench homer FOLDER [--out docs/results/homer]
    python -m benchmarks.homer --solved RUN      # exit status 0 where all of the run's seeds succeeded

FOLDER holds runs of `homer`, any name, and sweeps of the baselines, one folder `ARM-H...` a horizon.

HOMER's number of samples n is found by doubling: a seed's episodes to success are those of its first
successful n and of all smaller n that were tried before it, evaluations included. A baseline's are
those after which the mean return of training first reached the mark, with the best of its swept
settings at each horizon. The mark is half of V*, which is computed exactly.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import envs
from benchmarks import _harness
from jaxrl_suite.agents.homer import abstraction
from jaxrl_suite.agents.homer.algorithm import covering
from jaxrl_suite.runner import watch
from jaxrl_suite.runner.curves import Curves

EVALUATED = 4000  # episodes behind a score of abstraction or cover
Needed = dict[str, dict[int, np.ndarray]]  # arm -> H -> [seeds] episodes, infinite without success


def lock_of(name: str) -> tuple[Any, Any]:
    """The environment of a run, without auto-reset, and its parameters."""
    return envs.make(name, auto_reset="none", log=False)


def mark(name: str) -> float:
    """Half of V*."""
    env, params = lock_of(name)
    return float(env.optimal_value(params)) / 2


def solved(curves: Curves) -> np.ndarray:
    """`[seeds]` bool: whether the evaluated return reached the mark."""
    return curves.metrics["eval/return"][:, -1] >= mark(curves.config["env"])


def homer_runs(root: Path) -> dict[str, dict[int, dict[int, tuple[Path, Curves]]]]:
    """Runs of `homer` by arm (the abstraction), horizon and n."""
    found: dict[str, dict[int, dict[int, tuple[Path, Curves]]]] = {}
    for path in sorted(root.glob("*/summary.json")):
        curves = Curves.read(path.parent)
        if curves.name == "homer":
            config = curves.config
            kind = config["abstraction"]
            arm = ("HOMER" if kind == "learned" else f"HOMER, {kind} abstraction") + (
                ", PSDP" if config["homing"] == "psdp" else ""
            )
            horizon = lock_of(config["env"])[0].horizon
            runs = found.setdefault(arm, {}).setdefault(horizon, {})
            runs[config["samples"]] = (path.parent, curves)
    return found


def by_doubling(runs: dict[int, tuple[Path, Curves]]) -> np.ndarray:
    """`[seeds]`: episodes to success, all tries up to the first success counted."""
    spent, needed = 0.0, None
    for n in sorted(runs):
        curves = runs[n][1]
        success = solved(curves)
        needed = np.full(len(success), np.inf) if needed is None else needed
        spent += curves.metrics["eval/episodes"][:, -1].max() + curves.config["eval_episodes"]
        needed = np.where(np.isinf(needed) & success, spent, needed)
    assert needed is not None
    return needed


def by_training(curves: Curves, horizon: int) -> np.ndarray:
    """`[seeds]`: episodes after which the return of training first reached the mark."""
    reached = np.nan_to_num(curves.metrics["episode_return"], nan=-1.0) >= mark(
        curves.config["env"]
    )
    first = np.argmax(reached, 1)
    return np.where(reached.any(1), curves.env_steps[first] / horizon, np.inf)


def baselines(root: Path) -> tuple[Needed, dict[str, dict[int, dict[str, Any]]]]:
    """Episodes of the best setting at each horizon, and what was swept and chosen."""
    needed: Needed = {}
    chosen: dict[str, dict[int, dict[str, Any]]] = {}
    for folder in sorted(root.glob("*-H*/cells")):
        arm, _, horizon = folder.parent.name.rpartition("-H")
        cells = [Curves.read(path.parent) for path in sorted(folder.glob("*/config.yaml"))]
        found = [by_training(curves, int(horizon)) for curves in cells]
        returns = [float(curves.final("episode_return").mean()) for curves in cells]
        # most seeds solved, then fewest episodes, then the best return
        order = [
            (np.isinf(f).sum(), np.median(np.minimum(f, 1e12)), -r)
            for f, r in zip(found, returns, strict=True)
        ]
        best = min(range(len(cells)), key=order.__getitem__)
        needed.setdefault(arm, {})[int(horizon)] = found[best]
        differing = {
            name
            for name in cells[0].config
            if len({str(curves.config[name]) for curves in cells}) > 1
        }
        chosen.setdefault(arm, {})[int(horizon)] = {
            "setting": {name: cells[best].config[name] for name in sorted(differing)},
            "settings": len(cells),
            "episodes": int(cells[best].env_steps[-1]) // int(horizon),
            "return": returns[best],
        }
    return needed, chosen


def scores(path: Path, seeds: np.ndarray) -> dict[str, np.ndarray]:
    """What the abstraction and the cover of a run are like, on fresh episodes.

    Returns:
      `joint` `[seeds, H - 1, N, S]`: frequencies of codes and true states behind each level's cover
      and a uniform action. `visits` `[seeds, H - 1, N, S]`: of states, by homing policy.
      `agreement` `[seeds, H - 1]`: normalised mutual information of codes and classes of states.
    """
    joints, visits, agreements = [], [], []
    config = watch.load(path, int(seeds[0]))[2]
    env, _ = lock_of(config.env)
    classes, places = np.asarray(env.place_classes), env.num_places

    @jax.jit
    def look(key: jax.Array, state: Any, level: jax.Array) -> Any:
        sample = covering(key, env, state, level, EVALUATED)
        decoder = jax.tree.map(lambda all: all[level + 1], state.decoder)
        return sample, decoder.codes(sample.following)

    for seed in seeds:
        state = watch.load(path, int(seed))[1]
        joint, visit, agreement = [], [], []
        for level in range(env.horizon - 1):
            sample, codes = jax.tree.map(np.asarray, look(jax.random.key(level), state, level))
            if config.abstraction == "oracle":
                codes = classes[sample.next_place]
            table = np.zeros((config.codes, places))
            np.add.at(table, (codes, sample.next_place), 1 / EVALUATED)
            joint.append(table)
            table = np.zeros((config.codes, places))
            np.add.at(table, (sample.policy, sample.place), 1.0)
            visit.append(table / table.sum(1, keepdims=True))
            sizes = (config.codes, int(classes.max()) + 1)
            agreement.append(abstraction.agreement(codes, classes[sample.next_place], sizes))
        joints.append(joint)
        visits.append(visit)
        agreements.append(agreement)
    return {
        "joint": np.asarray(joints),
        "visits": np.asarray(visits),
        "agreement": np.asarray(agreements, np.float64),
    }


def exponent(needed: dict[int, np.ndarray]) -> tuple[float, float]:
    """Slope and intercept of log(median episodes) on log(H), over horizons that were solved; NaN for
    fewer than two of them.
    """
    known = {h: np.median(e) for h, e in needed.items() if np.isfinite(np.median(e))}
    if len(known) < 2:
        return float("nan"), float("nan")
    slope, offset = np.polyfit(np.log(list(known)), np.log(list(known.values())), 1)
    return float(slope), float(offset)


def episodes_figure(needed: Needed, caps: dict[str, dict[int, int]]) -> Figure:
    """Episodes to success against the horizon; a cross where most seeds fail within the cap."""
    chart = Figure(figsize=(7.0, 4.8), layout="constrained")
    FigureCanvasAgg(chart)
    axes = chart.subplots()
    for i, (arm, by_horizon) in enumerate(needed.items()):
        horizons = sorted(by_horizon)
        medians = np.asarray([np.median(by_horizon[h]) for h in horizons])
        finite = np.isfinite(medians)
        solved_at = [h for h, ok in zip(horizons, finite, strict=True) if ok]
        ends = [
            [e[np.isfinite(e)].min(), e[np.isfinite(e)].max()]
            for e in (by_horizon[h] for h in solved_at)
        ]
        low, high = np.array(ends).reshape(-1, 2).T
        spread = [medians[finite] - low, high - medians[finite]]
        axes.errorbar(
            solved_at, medians[finite], np.maximum(spread, 0), fmt=f"C{i}o-", capsize=3, label=arm
        )
        shift = 1.0 + 0.025 * i
        for h in (h for h, ok in zip(horizons, finite, strict=True) if not ok):
            count = int(np.isfinite(by_horizon[h]).sum())
            axes.plot(h * shift, caps[arm][h] * shift**3, f"C{i}x", markersize=8)
            axes.annotate(
                f"{count}/{len(by_horizon[h])}",
                (h * shift, caps[arm][h] * shift**3),
                textcoords="offset points",
                xytext=(5, 3),
                fontsize="xx-small",
                color=f"C{i}",
            )
    if "HOMER" in needed:
        slope, offset = exponent(needed["HOMER"])
        grid = np.array(sorted(needed["HOMER"]), float)
        axes.plot(grid, np.exp(offset) * grid**slope, "k:", label=f"$H^{{{slope:.2f}}}$")
    grid = np.array([3, 6])
    axes.plot(grid, 10.0**grid, color="grey", linestyle="--", label="$10^H$, uniform actions")
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = sorted({h for by_horizon in needed.values() for h in by_horizon})
    axes.set_xticks(ticks, [str(h) for h in ticks])
    axes.minorticks_off()
    axes.set_xlabel("horizon H of the diabolical lock")
    axes.set_ylabel("episodes to half of V*")
    axes.set_title(
        "median and range over seeds; x: fails within so many episodes", fontsize="small"
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small")
    return chart


def abstraction_figure(found: dict[str, np.ndarray], names: tuple[str, ...], title: str) -> Figure:
    """Of the first seed: which code each true state gets, and where each homing policy leads."""
    chart = Figure(figsize=(8.0, 4.6), layout="constrained")
    FigureCanvasAgg(chart)
    joint, visits = found["joint"][0], found["visits"][0]
    codes = joint.shape[1]
    panels = chart.subplots(2, codes, squeeze=False)
    by_place = joint / np.maximum(joint.sum(1, keepdims=True), 1e-12)
    for code in range(codes):
        for axes, values, what in (
            (panels[0, code], by_place[:, code].T, f"share with code {code}"),
            (panels[1, code], visits[:, code].T, f"homing policy {code}: share of visits"),
        ):
            shown = axes.imshow(values, aspect="auto", vmin=0, vmax=1, cmap="viridis")
            axes.set_yticks(range(len(names)), names)
            axes.set_title(what, fontsize="small")
            first = 1 if axes is panels[0, code] else 0
            levels = range(0, values.shape[1], max(1, values.shape[1] // 8))
            axes.set_xticks(levels, [str(level + first) for level in levels], fontsize="small")
    for axes in panels[1]:
        axes.set_xlabel("step")
    chart.colorbar(shown, ax=panels, shrink=0.6)
    chart.suptitle(title, fontsize="medium")
    return chart


def shown(episodes: np.ndarray, cap: int) -> str:
    """As the table has it."""
    known = episodes[np.isfinite(episodes)]
    if not len(known):
        return f"fails (within {cap:,})"
    middle = f"{np.median(episodes):,.0f}" if np.isfinite(np.median(episodes)) else f"> {cap:,}"
    return f"{middle} ({known.min():,.0f} to {episodes.max():,.0f})".replace("inf", "never")


def main(argv: list[str] | None = None) -> None:
    """Reads runs and sweeps and writes pictures and table."""
    parser = argparse.ArgumentParser(prog="jaxrl bench homer", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="folder of runs and sweeps")
    parser.add_argument("--solved", type=Path, help="only say whether this run's seeds succeeded")
    parser.add_argument(
        "--picture", type=int, default=25, help="horizon of the abstraction's picture"
    )
    parser.add_argument("--out", type=Path, default=_harness.RESULTS / "homer")
    options = parser.parse_args(argv)
    if options.solved is not None:
        sys.exit(0 if solved(Curves.read(options.solved)).all() else 1)
    if options.folder is None:
        parser.error("FOLDER of runs and sweeps is missing")

    runs = homer_runs(options.folder)
    needed: Needed = {
        arm: {h: by_doubling(tries) for h, tries in sorted(by_horizon.items())}
        for arm, by_horizon in runs.items()
    }
    others, chosen = baselines(options.folder)
    needed |= {arm: dict(sorted(by_horizon.items())) for arm, by_horizon in others.items()}
    caps = {arm: {h: c["episodes"] for h, c in own.items()} for arm, own in chosen.items()}
    rows, data = [], []
    options.out.mkdir(parents=True, exist_ok=True)
    for arm, by_horizon in needed.items():
        for h, episodes in by_horizon.items():
            row = {"arm": arm, "horizon": h, "episodes": episodes.tolist()}
            details, scored = "", ["", ""]
            if arm in runs:
                n = max(runs[arm][h])
                path, curves = runs[arm][h][n]
                tried = sorted(runs[arm][h])
                caps.setdefault(arm, {})[h] = int(
                    sum(
                        c.metrics["eval/episodes"][0, -1] + c.config["eval_episodes"]
                        for _, c in runs[arm][h].values()
                    )
                )
                found = scores(path, curves.seeds)
                at = found["visits"].mean(2)[:, 1:] if h > 2 else found["visits"].mean(2)
                least = at.min((0, 1))
                agreement = found["agreement"]
                details = f"n = {', '.join(map(str, tried))}"
                scored = [
                    f"{agreement.mean():.3f} ({agreement.min():.3f})",
                    ", ".join(f"{v:.2f}" for v in least),
                ]
                row |= {
                    "samples": tried,
                    "agreement": {"mean": agreement.mean(), "min": agreement.min()},
                    "least_visits": least.tolist(),
                    "returns": {
                        str(m): c.metrics["eval/return"][:, -1].tolist()
                        for m, (_, c) in runs[arm][h].items()
                    },
                }
                if arm == "HOMER" and h == options.picture:
                    names = lock_of(curves.config["env"])[0].place_names
                    title = f"DiabolicalLock-H{h}, n = {n}, seed {curves.seeds[0]}"
                    picture = abstraction_figure(found, names, title)
                    picture.savefig(options.out / "abstraction.png", dpi=110)
            else:
                settings = chosen[arm][h]
                row |= settings
                best = ", ".join(f"{k} {v:g}" for k, v in settings["setting"].items())
                details = (
                    f"{best} (best of {settings['settings']}), return {settings['return']:.2f}"
                )
            count = f"{int(np.isfinite(episodes).sum())} of {len(episodes)}"
            rows.append([arm, str(h), count, shown(episodes, caps[arm][h]), details, *scored])
            data.append(row)
    slope = exponent(needed["HOMER"])[0] if len(needed.get("HOMER", {})) > 1 else float("nan")
    episodes_figure(needed, caps).savefig(options.out / "episodes.png", dpi=110)
    _harness.write(
        "homer",
        title="HOMER on the diabolical lock",
        header=[
            "arm",
            "H",
            "seeds solved",
            "episodes to half of V*: median (range)",
            "settings",
            "agreement with true states: mean (least)",
            "least visits of a, b, dead",
        ],
        rows=rows,
        notes="Ten actions, Hadamard and Gaussian observations, every seed with a lock of its own. "
        f"HOMER's median episodes grow as H^{slope:.2f}. "
        "HOMER's n is doubled until every seed succeeds, and all tries count. Agreement is the "
        "normalised mutual information of codes and of live against dead, on fresh episodes at the "
        "largest n, over levels and seeds; visits are those of the uniform cover, the least over "
        "levels and seeds (best possible: 0.25, 0.25, 0.50). "
        "![episodes](episodes.png) ![abstraction](abstraction.png)",
        data={"exponent": slope, "arms": data},
        folder=options.out,
    )
    print(json.dumps({"exponent": round(slope, 3)}))


if __name__ == "__main__":
    main()
