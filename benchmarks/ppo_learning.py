"""PPO's sample efficiency beside rejax's, with equal settings and the same number of seeds.

    jaxrl bench ppo_learning [--rejax-python /path/to/python] [--seeds 8]

Every evaluation is the mean return of 128 episodes of the sampling policy. Shown are the mean over
all evaluations, the area under the learning curve, and over the last quarter of them, each with a
95% bootstrap interval over seeds. rejax runs in a process of its own (it needs gymnax 0.0.9:
`pip install rejax==0.1.3 gymnax==0.0.9`). Written to `docs/results/ppo_learning.{json,md}`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

import jax
import numpy as np

import envs
from benchmarks import _harness
from jaxrl_suite.agents import ppo
from jaxrl_suite.runner import stats

COMMON: dict[str, Any] = {
    "num_envs": 64,
    "rollout_length": 128,
    "epochs": 4,
    "minibatches": 4,
    "learning_rate": 5e-4,
    "entropy": 0.01,
    "evaluations": 16,
}
SCALED = {"normalize_observations": True, "normalize_rewards": True}
TASKS: dict[str, dict[str, Any]] = {
    "CartPole-v1": COMMON | {"total_steps": 8192 * 64},
    "Acrobot-v1": COMMON | {"total_steps": 8192 * 64, "normalize_observations": True},
    "Pendulum-v1": COMMON
    | SCALED
    | {
        "total_steps": 8192 * 64,
        "epochs": 10,
        "minibatches": 32,
        "learning_rate": 1e-3,
        "entropy": 0.0,
        "discount": 0.9,
    },
}


def ours(name: str, settings: dict[str, Any], seeds: int) -> np.ndarray:
    """Returns of `[seeds, evaluations]`."""
    env, params = envs.make(name)
    fields = {key: value for key, value in settings.items() if key != "evaluations"}
    experiment = ppo.make(env, params, ppo.PPOConfig(**fields, eval_episodes=128))
    segment = experiment.num_updates // settings["evaluations"]
    assert experiment.evaluate is not None
    evaluate = experiment.evaluate

    def train(key: jax.Array) -> jax.Array:
        def between(state: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            state, _ = jax.lax.scan(
                lambda state, _: (experiment.update(state)[0], None), state, None, length=segment
            )
            return state, evaluate(key, state)["return"]

        init_key, key = jax.random.split(key)
        keys = jax.random.split(key, settings["evaluations"])
        return jax.lax.scan(between, experiment.init(init_key), keys)[1]

    return np.asarray(jax.jit(jax.vmap(train))(jax.random.split(jax.random.key(0), seeds)))


def peer(python: str, name: str, settings: dict[str, Any], seeds: int) -> np.ndarray:
    """rejax's returns of `[seeds, evaluations]`."""
    script = Path(__file__).with_name("_rejax.py")
    given = json.dumps({**settings, "env": name, "seeds": seeds})
    done = subprocess.run([python, str(script), given], stdout=subprocess.PIPE, check=True)
    return np.asarray(json.loads(done.stdout))


def main(argv: list[str] | None = None) -> None:
    """Trains, prints and writes the table."""
    parser = argparse.ArgumentParser(prog="jaxrl bench ppo_learning", description=__doc__)
    parser.add_argument("--rejax-python", default=None, help="interpreter that has rejax 0.1.3")
    parser.add_argument("--seeds", type=int, default=8)
    options = _harness.parse(parser, argv)
    rows, data = [], {}
    for name, settings in TASKS.items():
        returns = {"jaxrl_suite": ours(name, settings, options.seeds)}
        if options.rejax_python:
            returns["rejax"] = peer(options.rejax_python, name, settings, options.seeds)
        data[name] = {who: values.tolist() for who, values in returns.items()}
        for who, values in returns.items():
            last = values[:, -(values.shape[1] // 4) :]
            rows.append([name, who, *(shown(part.mean(1)) for part in (values, last))])
            print(" | ".join(rows[-1]), flush=True)
    _harness.write(
        "ppo_learning",
        title="PPO's sample efficiency",
        header=["environment", "agent", "mean of all evaluations", "mean of the last quarter"],
        rows=rows,
        notes=f"{options.seeds} seeds, {COMMON['evaluations']} evaluations of 128 episodes, evenly "
        "spaced over the steps; 95% bootstrap intervals over seeds. Both agents have two separate "
        "networks of two layers of 64 and the settings in the JSON file; what differs is each "
        "library's own: initial weights, clipping of the value loss (rejax), bootstrapping at "
        "truncation, and continuous actions in units of their bounds (ours).",
        data={"settings": TASKS, "returns": data},
        folder=options.out,
    )


def shown(values: np.ndarray) -> str:
    """Mean over seeds and its interval, as text."""
    low, high = stats.interval(values)
    return f"{values.mean():.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()
