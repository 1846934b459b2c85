"""Reward-free mazes: how evenly does PC-PG's cover spread over a maze, beside PPO with RND?

    jaxrl bench pcpg_maze                               # trains all arms, 5 seeds, and writes the report
    jaxrl bench pcpg_maze --arms pcpg rnd --seeds 3     # some of them; what has been trained is kept

After Agarwal et al. (NeurIPS 2020, section 5): mazes of 20 x 20 cells seen as pictures, 100 steps an
episode, no reward. Every seed has a maze of its own, the same for all arms.

A cover is judged by where its policies go: the entropy of the visits of their uniform mixture, and the
number of cells they visit at all. RND has no cover, so it is given one, its policy after each as many
steps as a policy of PC-PG's cover took; its last policy alone is reported too. The greatest entropy
possible is the logarithm of the number of cells within reach of the start.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import envs
from benchmarks import _harness
from envs import wrappers
from jaxrl_suite import distributions, evaluation
from jaxrl_suite.agents import networks, ppo
from jaxrl_suite.agents.pcpg import agent as pcpg
from jaxrl_suite.agents.pcpg import episodes
from jaxrl_suite.exploration import catalog

RUNS = Path("runs/results/pcpg_maze")
EPISODES = 100  # of each policy, to see where it goes

SETTINGS: dict[str, Any] = {
    "features": "centred",
    "feature_dim": 128,
    "loops": 20,
    "episodes": 200,
    "groups": 20,
    "density_episodes": 40,
    "passes": 1,
    "entropy": 0.05,  # with 0.01 the policy soon has one way through the maze, and keeps to it
    "minibatch_size": 500,
    "separate_critic": False,
    "learning_rate": 1e-3,
    "coefficient": 0.01,  # the bonus is multiplied by the horizon
}
ARMS: dict[str, dict[str, Any]] = {
    "pcpg": {},
    "pcpg, uniform mixture": {"mixture": "uniform"},
    "pcpg, no roll-in": {"roll_in": 0.0},
    "rnd": {"learning_rate": 1e-3},
    "random": {},
}


def task(size: int) -> str:
    """The environment's name."""
    return f"Maze-{size}?fixed=True&goal=False"


def looker(size: int, options: Any) -> Any:
    """`(key, env_params, params) -> [S, S]`: visits of one policy, by row and column."""
    env: Any
    env, default = envs.make(task(size), auto_reset="none", log=False)
    action_space = env.action_space(default)
    network: Any = networks.build(env.observation_space(default), action_space, options)
    horizon = evaluation.horizon(env)

    def look(key: jax.Array, env_params: Any, params: Any) -> jax.Array:
        def policy(observation: Any) -> Any:
            _, outputs, value = network.apply(params, (), observation, None)
            return distributions.policy(action_space, outputs), value

        found = episodes.gather(key, env, env_params, action_space, policy, EPISODES, horizon)
        column, row = jnp.moveaxis(found.steps.info["position"], -1, 0)
        return jnp.zeros((size, size), jnp.int32).at[row, column].add(1)

    return look


def begin(seeds: int, env: Any, make: Any) -> Any:
    """First states, `[seeds, ...]`, of agents in mazes that depend on the seed alone."""
    maze = env.unwrapped if isinstance(env, wrappers.Wrapper) else env

    def one(key: jax.Array) -> Any:
        return make(maze.refresh(key, maze.default_params)).init(key)

    return jax.jit(jax.vmap(one))(_keys(seeds))


def pcpg_visits(size: int, seeds: int, policies: int, options: dict[str, Any]) -> dict[str, Any]:
    """A cover of PC-PG and where its policies go."""
    config = pcpg.PCPGConfig(**SETTINGS | {"explore_epochs": policies - 1} | options)
    env, params = envs.make(task(size), auto_reset="none", log=False)
    experiment = pcpg.make(env, params, config)
    state = begin(seeds, env, lambda maze: pcpg.make(env, maze, config))
    update = jax.jit(jax.vmap(experiment.update))
    for epoch in range(config.explore_epochs):
        state, metrics = update(state)
        shown = {k: np.asarray(v).mean().round(3) for k, v in _plain(metrics).items()}
        print(epoch + 1, shown, flush=True)
    look = looker(size, config)

    def all_of(key: jax.Array, env_params: Any, cover: Any) -> jax.Array:
        return jax.lax.map(lambda p: look(key, env_params, p), cover)

    visits = jax.jit(jax.vmap(all_of))(_keys(seeds), state.env_params, state.cover.params)
    steps = experiment.steps_per_update * np.arange(policies)
    walls = state.env_params.first.walls
    found = {"walls": walls, "start": state.env_params.first.position, "steps": steps}
    return found | {"visits": visits, "weights": state.cover.weights}


def rnd_visits(size: int, seeds: int, policies: int, options: dict[str, Any]) -> dict[str, Any]:
    """PPO on RND's bonus alone, and where its policies go."""
    horizon = evaluation.horizon(envs.make(task(size), auto_reset="none", log=False)[0])
    epoch = (SETTINGS["loops"] * SETTINGS["episodes"] + SETTINGS["density_episodes"]) * horizon
    num_envs = SETTINGS["episodes"]
    updates = epoch // (num_envs * horizon)  # between two policies
    config = ppo.PPOConfig(
        **{
            "total_steps": updates * (policies - 1) * num_envs * horizon,
            "num_envs": num_envs,
            "rollout_length": horizon,
            "minibatches": num_envs * horizon // SETTINGS["minibatch_size"],
            "epochs": SETTINGS["passes"],
            "entropy": SETTINGS["entropy"],
            "extrinsic": 0.0,
            "separate_critic": False,
        }
        | options
    )
    env, params = envs.make(task(size))
    spaces = env.observation_space(params), env.action_space(params)
    bonus = catalog.Options(bonus="rnd", coefficient=SETTINGS["coefficient"])
    built = catalog.build(bonus, *spaces, policy_widths=config.widths)
    experiment = ppo.make(env, params, config, built)
    look = looker(size, config)

    @jax.jit
    @jax.vmap
    def watch(key: jax.Array, state: Any) -> jax.Array:
        return look(key, state.acting.env_params.env, state.params)

    @jax.jit
    @jax.vmap
    def learn(state: Any) -> Any:
        return jax.lax.scan(lambda s, _: experiment.update(s), state, None, length=updates)

    state = begin(seeds, env, lambda maze: ppo.make(env, params.replace(env=maze), config, built))
    visits = [watch(_keys(seeds), state)]
    for point in range(policies - 1):
        state, metrics = learn(state)
        shown = {k: np.asarray(v).mean().round(4) for k, v in _plain(metrics).items()}
        print(point + 1, {k: shown[k] for k in ("entropy", "loss")}, flush=True)
        visits.append(watch(_keys(seeds), state))
    steps = updates * num_envs * horizon * np.arange(policies)
    first = state.acting.env_params.env.first
    found = {"walls": first.walls, "start": first.position, "steps": steps}
    return found | {"visits": np.stack(visits, 1)}


def random_visits(size: int, seeds: int, policies: int, options: dict[str, Any]) -> dict[str, Any]:
    """The untrained policy of PC-PG's cover, over and over."""
    found = pcpg_visits(size, seeds, 2, {"loops": 1, "passes": 1})
    visits = np.repeat(np.asarray(found["visits"])[:, :1], policies, 1)
    return found | {"visits": visits, "steps": np.arange(policies)}


def _keys(seeds: int) -> jax.Array:
    return jax.vmap(jax.random.key)(jnp.arange(seeds))


def _plain(metrics: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in metrics.items() if isinstance(v, jax.Array)}


def entropy(visits: np.ndarray) -> np.ndarray:
    """In nats, `[...]`, of counts `[..., S, S]`."""
    share = visits / visits.sum((-2, -1), keepdims=True)
    return -(share * np.log(np.where(share > 0, share, 1.0))).sum((-2, -1))


def reachable(walls: np.ndarray, start: np.ndarray, steps: int) -> int:
    """How many cells of a maze can be reached in so many steps."""
    seen, edge = {tuple(start)}, {tuple(start)}
    for _ in range(steps):
        near = {(r + i, c + j) for r, c in edge for i, j in ((0, 1), (1, 0), (0, -1), (-1, 0))}
        edge = {place for place in near - seen if not walls[place]}
        seen |= edge
    return len(seen)


def report(size: int, found: dict[str, dict[str, np.ndarray]], out: Path) -> None:
    """Writes `pcpg_maze.md`, `.json` and the pictures."""
    horizon = evaluation.horizon(envs.make(task(size), auto_reset="none", log=False)[0])
    any_arm = next(iter(found.values()))
    pairs = zip(any_arm["walls"], any_arm["start"], strict=True)
    within = np.array([reachable(*pair, horizon) for pair in pairs])
    data: dict[str, Any] = {"size": size, "reachable": within.tolist(), "arms": {}}
    rows = []
    chart = Figure(figsize=(3.0 * (len(found) + 1.4), 3.2), layout="constrained")
    FigureCanvasAgg(chart)
    panels = chart.subplots(1, len(found) + 1, width_ratios=[1.4, *[1.0] * len(found)])
    for column, (arm, seen) in enumerate(found.items(), 1):
        visits = seen["visits"].astype(np.float64)  # [seeds, policies, S, S]
        grown = visits.cumsum(1)
        curve = entropy(grown)  # [seeds, policies]
        last, cells = entropy(visits[:, -1]), (grown[:, -1] > 0).sum((-2, -1))
        share = cells / within
        rows.append(
            (
                arm,
                f"{int(seen['steps'][-1]):,}" if arm != "random" else "0",
                _range(curve[:, -1]),
                _range(np.exp(curve[:, -1]) / within),
                _range(last),
                _range(share),
            )
        )
        data["arms"][arm] = {
            "steps": seen["steps"].tolist(),
            "entropy": curve.tolist(),
            "last_policy_entropy": last.tolist(),
            "cells": cells.tolist(),
            "seconds": float(seen["seconds"]),
        }
        if arm != "random":
            panels[0].plot(seen["steps"], curve.mean(0), label=arm)
            panels[0].fill_between(seen["steps"], curve.min(0), curve.max(0), alpha=0.2)
        picture = np.log1p(grown[0, -1])
        picture[seen["walls"][0]] = np.nan
        panels[column].imshow(picture, cmap="viridis")
        panels[column].set_title(f"{arm}, seed 0", fontsize="small")
        panels[column].set_facecolor("black")
    panels[0].axhline(float(np.log(within).mean()), color="grey", linestyle=":")
    panels[0].set_xlabel("steps of a seed")
    panels[0].set_ylabel("entropy of visits (nats)")
    panels[0].legend(fontsize="x-small")
    out.mkdir(parents=True, exist_ok=True)
    chart.savefig(out / "visits.png", dpi=110)
    header = (
        "arm",
        "steps of a seed",
        "entropy of all policies (nats)",
        "exp of it, of the cells within reach",
        "entropy of the last policy",
        "share of the cells within reach visited",
    )
    policies, seeds = visits.shape[1], visits.shape[0]
    notes = (
        f"{task(size)}, {horizon} steps an episode, {seeds} seeds, each with a maze of its own; mean "
        f"(least to most). Visits of {policies} policies, {EPISODES} episodes each: PC-PG's cover, "
        "mixed uniformly; of RND, its policy along the way, as often. Cells within reach: "
        f"{within.min()} to {within.max()}; the dotted line is the logarithm of their number. "
        "Pictures: logarithm of the visits of all policies. ![visits](visits.png)"
    )
    _harness.write("pcpg_maze", "Reward-free mazes", header, rows, notes, data, out)


def _range(values: np.ndarray) -> str:
    return f"{values.mean():.2f} ({values.min():.2f} to {values.max():.2f})"


def main(argv: list[str] | None = None) -> None:
    """Trains what is not there, then reports."""
    parser = argparse.ArgumentParser(prog="jaxrl bench pcpg_maze", description=__doc__)
    parser.add_argument("--size", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--policies", type=int, default=12, help="of a cover, the first one included"
    )
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--set", nargs="*", default=[], help="FIELD=VALUE of the arms' settings")
    parser.add_argument("--runs", type=Path, default=RUNS)
    parser.add_argument("--out", type=Path, default=_harness.results() / "pcpg_maze")
    given = parser.parse_args(argv)
    given.runs.mkdir(parents=True, exist_ok=True)
    extra = {k: json.loads(v) for k, v in (pair.split("=", 1) for pair in given.set)}
    found = {}
    for arm in given.arms:
        path = given.runs / f"{arm.replace(', ', '-').replace(' ', '-')}.npz"
        if not path.exists():
            start = time.time()
            make = {"rnd": rnd_visits, "random": random_visits}.get(arm, pcpg_visits)
            made = make(given.size, given.seeds, given.policies, ARMS[arm] | extra)
            made = {k: np.asarray(v) for k, v in made.items()}
            np.savez_compressed(path, **made, seconds=np.float64(time.time() - start))
        with np.load(path) as saved:
            found[arm] = dict(saved)
    report(given.size, found, given.out)


if __name__ == "__main__":
    main()
