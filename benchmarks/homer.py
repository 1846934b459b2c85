"""Figures of HOMER on the diabolical lock, from runs of `benchmarks/results_homer.sh`.

    jaxrl bench homer FOLDER [--out docs/results/homer]
    python -m benchmarks.homer --solved RUN      # exit status 0 where all of the run's seeds succeeded

FOLDER holds runs of `homer`, any name, and sweeps of the baselines, one folder `ARM-H...` a horizon.

HOMER's number of samples n is found by doubling from `FIRST` on: a seed's episodes to success are
those of its first successful n and of all smaller n before it, evaluations included. The rule is one
for all horizons: an n that nobody ran because it seemed too small counts as tried and failed. A
baseline's are those after which the mean return first reached the mark, with the best of its swept
settings at each horizon: of the evaluations, where it was evaluated on the way (DQN, whose training
return says more about its epsilon; those episodes are not counted), else of training. The mark is
half of V*, which is computed exactly.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np

import envs
from benchmarks import _harness
from benchmarks._homer_figures import Needed, abstraction_figure, episodes_figure, exponent
from jaxrl_suite.agents.homer import abstraction
from jaxrl_suite.agents.homer.algorithm import covering
from jaxrl_suite.runner import watch
from jaxrl_suite.runner.curves import Curves

FIRST = 125  # n of the first try at every horizon
EVALUATED = 4000  # episodes behind a score of abstraction or cover


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
    needed, spent = np.full(len(next(iter(runs.values()))[1].seeds), np.inf), unrun(runs)
    for n in sorted(runs):
        curves = runs[n][1]
        spent += cost(curves)
        needed = np.where(np.isinf(needed) & solved(curves), spent, needed)
    return needed


def cost(curves: Curves) -> float:
    """Episodes of a run of HOMER and of its evaluation."""
    return curves.metrics["eval/episodes"][:, -1].max() + curves.config["eval_episodes"]


def unrun(runs: dict[int, tuple[Path, Curves]]) -> float:
    """Episodes that the tries from `FIRST` up to the smallest n that was run would have taken."""
    least = min(runs)
    curves, total, n = runs[least][1], 0.0, FIRST
    evaluated = curves.config["eval_episodes"]
    while n < least:
        total += (cost(curves) - evaluated) * n / least + evaluated
        n *= 2
    return total


def by_training(curves: Curves, horizon: int) -> np.ndarray:
    """`[seeds]`: episodes after which the mean return first reached the mark."""
    reached = np.nan_to_num(curves.metrics[judged(curves)], nan=-1.0) >= mark(curves.config["env"])
    first = np.argmax(reached, 1)
    return np.where(reached.any(1), curves.env_steps[first] / horizon, np.inf)


def judged(curves: Curves) -> str:
    """The return that tells of success: evaluations, if there were some before the last line."""
    evaluated = curves.metrics.get("eval/return")
    on_the_way = evaluated is not None and np.isfinite(evaluated[:, :-1]).any()
    return "eval/return" if on_the_way else "episode_return"


def baselines(root: Path) -> tuple[Needed, dict[str, dict[int, dict[str, Any]]]]:
    """Episodes of the best setting at each horizon, and what was swept and chosen."""
    needed: Needed = {}
    chosen: dict[str, dict[int, dict[str, Any]]] = {}
    for folder in sorted(root.glob("*-H*/cells")):
        arm, _, horizon = folder.parent.name.rpartition("-H")
        cells = [Curves.read(path.parent) for path in sorted(folder.glob("*/config.yaml"))]
        found = [by_training(curves, int(horizon)) for curves in cells]
        returns = [float(curves.final(judged(curves)).mean()) for curves in cells]
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
            "cap": int(cells[best].env_steps[-1]) // int(horizon),
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
    parser.add_argument("--out", type=Path, default=_harness.results() / "homer")
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
    caps = {arm: {h: c["cap"] for h, c in own.items()} for arm, own in chosen.items()}
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
                tries = runs[arm][h]
                caps.setdefault(arm, {})[h] = int(
                    unrun(tries) + sum(cost(c) for _, c in tries.values())
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
        f"HOMER's n is doubled from {FIRST} on until every seed succeeds, and all tries count, "
        "those that were not run because n seemed too small as failures. DQN is judged by evaluations "
        "of its greedy policy, the other baselines by the return of training. Agreement is the "
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
