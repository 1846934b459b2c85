"""Neural-E3 beside DQN, double DQN and PPO with RND: real episodes to a success and to a good return.

    jaxrl bench neural_e3 run --task StochasticLock-H10 --arm neural_e3 --seeds 5 --budget 6000
    jaxrl bench neural_e3 run --task "Maze-10?fixed=True" --arm double_dqn --seeds 5 --budget 100000
    jaxrl bench neural_e3 report            # docs/results/neural_e3 from all runs there are
    jaxrl bench neural_e3 report --beside RESULTS.json      # and what is in an earlier report only

`run` trains one arm on one task and writes what it measured to `runs/results/neural_e3`: the return of
evaluated episodes (which are not counted) along the way, and the step in which an episode first
succeeded. `benchmarks/results_neural_e3.sh` has the commands of the committed results.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

import envs
from benchmarks import _harness
from benchmarks import _neural_e3_tasks as tasks
from benchmarks._neural_e3_report import report
from envs import wrappers
from jaxrl_suite import evaluation
from jaxrl_suite.agents import dqn, ppo
from jaxrl_suite.agents.neural_e3 import control, control_settings, finite, settings
from jaxrl_suite.exploration import catalog

RUNS = Path("runs/results/neural_e3")
NEVER = 2**30


@struct.dataclass
class WatchState:
    """The state inside, steps so far, and the step of the first success."""

    env_state: Any
    count: jax.Array
    first: jax.Array


class Watch(wrappers.Wrapper):
    """Remembers over all episodes of an environment when a return first went above `threshold`."""

    def __init__(self, env: Any, threshold: float):
        super().__init__(env)
        self.threshold = threshold

    def reset(self, key: jax.Array, params: Any = None) -> tuple[Any, WatchState]:
        observation, state = self.env.reset(key, params)
        return observation, WatchState(state, jnp.int32(0), jnp.int32(NEVER))

    def step(self, key: jax.Array, state: Any, action: jax.Array, params: Any = None) -> Any:
        observation, inside, *rest, info = self.env.step(key, state.env_state, action, params)
        count = state.count + 1
        won = info["episode_done"] & (info["episode_return"] > self.threshold)
        first = jnp.where(won, jnp.minimum(state.first, count), state.first)
        return observation, WatchState(inside, count, first), *rest, info

    def inner(self, state: WatchState, params: Any = None) -> tuple[Any, Any]:
        return state.env_state, params


def agent(task: str, arm: str, budget: int, options: dict[str, Any]) -> tuple[Any, int]:
    """The experiment of an arm with a budget of steps, and its environments side by side."""
    if arm in ("neural_e3", "uniform"):
        explore = "models" if arm == "neural_e3" else "uniform"
        env, params = envs.make(task, auto_reset="none", log=False)
        episodes = budget // evaluation.horizon(env)
        if not tasks.is_lock(task):
            small = tasks.MAZE if task.startswith("Maze") else {}
            options = {"episodes": episodes, "explore": explore, **small, **options}
            control_config = control_settings.ControlConfig(**options)
            return control.make(env, params, control_config), control_config.together
        config = settings.FiniteConfig(episodes=episodes, explore=explore, capacity=episodes)
        config = dataclasses.replace(config, **options)
        return finite.make(env, params, config), config.together
    # these see the step of the episode, which Neural-E3's models are told, and Acrobot as it is:
    # DQN solves it so, and not between 0 and 1; in MountainCar it gets to the goal when scaled only
    own = task.removesuffix("?scaled=True") if task.startswith("Acrobot") else task
    env, params = envs.make(f"{task}?time=True" if tasks.is_lock(task) else own)
    env = Watch(env, tasks.success(task))
    if arm in ("dqn", "double_dqn"):
        options = tasks.DQN.get(task.partition("?")[0], {}) | options
        q_config = dqn.DQNConfig(**{"total_steps": budget, "double": arm != "dqn"} | options)
        return dqn.make(env, params, q_config), q_config.num_envs
    bonus_options = catalog.Options(bonus="rnd", coefficient=options.pop("coefficient", 0.1))
    ppo_config = ppo.PPOConfig(**{"total_steps": budget, "num_envs": 16} | options)
    spaces = env.observation_space(params), env.action_space(params)
    bonus = catalog.build(bonus_options, *spaces, policy_widths=ppo_config.widths)
    return ppo.make(env, params, ppo_config, bonus), ppo_config.num_envs


def run(
    task: str, arm: str, budget: int, seeds: int, points: int, options: dict[str, Any], out: Path
) -> None:
    """Trains, evaluates `points` times, writes `out/TASK/ARM.json` as it goes."""
    experiment, width = agent(task, arm, budget, dict(options))
    length = max(1, experiment.num_updates // points)
    points = experiment.num_updates // length
    own = arm in ("neural_e3", "uniform")

    @jax.jit
    def segment(state: Any, key: jax.Array) -> tuple[Any, Any, Any]:
        def one(state: Any, key: jax.Array) -> Any:
            state, metrics = jax.lax.scan(
                lambda s, _: experiment.update(s), state, None, length=length
            )
            return state, metrics, experiment.evaluate(key, state)["return"]

        return jax.vmap(one)(state, jax.random.split(key, seeds))

    keys = jax.vmap(jax.random.key)(jnp.arange(seeds))
    state = jax.jit(jax.vmap(experiment.init))(keys)
    first, taken, started = np.full(seeds, NEVER), np.zeros(seeds, int), time.time()
    steps: list[int] = []
    returns: list[list[float]] = []
    disagreement: list[list[float]] = []
    path = out / task.partition("?")[0] / f"{tasks.named(arm, options)}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    for point in range(points):
        state, metrics, value = segment(state, jax.random.key(1_000 + point))
        if "steps_to_goal" in metrics:
            within, real = (np.asarray(metrics[k]) for k in ("steps_to_goal", "real_steps"))
            at = taken[:, None] + np.cumsum(real, 1) - real + within
            first = np.minimum(first, np.where(within > 0, at, NEVER).min(1))
            taken = taken + real.sum(1)
        elif own:
            won = np.asarray(metrics["best_return"]) > tasks.success(task)
            at = (point * length + 1 + won.argmax(1)) * experiment.steps_per_update
            first = np.where(won.any(1), np.minimum(first, at), first)
            if "disagreement" in metrics:
                disagreement.append(np.asarray(metrics["disagreement"]).mean(1).tolist())
        else:
            at = np.asarray(state.acting.env_state.first).min(-1)
            first = np.where(at < NEVER, at.astype(np.int64) * width, NEVER)
        steps.append((point + 1) * length * experiment.steps_per_update)
        returns.append(np.asarray(value, np.float64).tolist())
        record = {
            "task": task,
            "arm": arm,
            "options": options,
            "command": _harness.command("neural_e3"),
            **_harness.environment(),
            "seconds": round(time.time() - started, 1),
            "steps": steps,
            "returns": returns,  # [points][seeds]
            "first_success": [int(x) if x < NEVER else None for x in first],
            "disagreement": disagreement,
        }
        if own and tasks.is_lock(task):
            record["alive"] = alive(state, steps[-1] // tasks.horizon(task)).round(3).tolist()
        path.write_text(json.dumps(record) + "\n")
        mean = np.mean(returns[-1])
        print(f"{task} {arm} {steps[-1]} steps, return {mean:.2f}, first {first}", flush=True)


def alive(state: Any, episodes: int) -> np.ndarray:
    """Share of the real episodes that a lock's step left alive, `[at most 50, H]`, by time and step."""
    place = np.asarray(state.data.data.next_observation[:, :episodes, :, :3].argmax(-1))
    groups = np.array_split(place != 2, max(1, min(50, episodes // 5)), axis=1)
    return np.stack([group.mean((0, 1)) for group in groups])


def main(argv: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="jaxrl bench neural_e3")
    commands = parser.add_subparsers(dest="what", required=True)
    one = commands.add_parser("run", help="one arm on one task")
    one.add_argument("--task", required=True)
    arms = ("neural_e3", "uniform", "dqn", "double_dqn", "ppo_rnd")
    one.add_argument("--arm", required=True, choices=arms)
    one.add_argument("--budget", type=int, required=True, help="environment steps of a seed")
    one.add_argument("--seeds", type=int, default=5)
    one.add_argument("--points", type=int, default=20, help="evaluations")
    one.add_argument("--set", nargs="*", default=[], help="FIELD=VALUE of the arm's config")
    one.add_argument("--out", type=Path, default=RUNS)
    two = commands.add_parser("report", help="tables and pictures of all runs")
    two.add_argument("--runs", type=Path, default=RUNS)
    two.add_argument("--out", type=Path, default=_harness.results() / "neural_e3")
    two.add_argument("--beside", type=Path, help="neural_e3.json of earlier runs, to go in, too")
    given = parser.parse_args(argv)
    if given.what == "report":
        report(given.runs, given.out, given.beside)
        return
    options = {k: json.loads(v) for k, v in (pair.split("=", 1) for pair in given.set)}
    run(given.task, given.arm, given.budget, given.seeds, given.points, options, given.out)


if __name__ == "__main__":
    main()
