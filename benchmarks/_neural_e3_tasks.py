"""What counts on the tasks of `benchmarks/neural_e3.py`, and how long their episodes are."""

from __future__ import annotations

from typing import Any

import envs
from jaxrl_suite import evaluation

# name: return of an episode that succeeds, mean return of a good policy
CONTROL = {"MountainCar-v0": (-199.5, -130.0), "Acrobot-v1": (-499.5, -120.0)}

# DQN's, after the settings of RL Baselines3 Zoo for these tasks: the suite's defaults get nowhere. With
# these it solves Acrobot, and finds MountainCar's goal without learning to get there
DQN: dict[str, dict[str, Any]] = {
    "Acrobot-v1": {
        "gradient_steps": 32,
        "batch_size": 128,
        "widths": (256, 256),
        "learning_rate": 6.3e-4,
        "target_every": 250,
        "warmup": 0,
        "epsilon_end": 0.1,
        "exploration_fraction": 0.12,
    },
    "MountainCar-v0": {
        "gradient_steps": 16,
        "batch_size": 128,
        "widths": (256, 256),
        "capacity": 10_000,
        "learning_rate": 4e-3,
        "discount": 0.98,
        "target_every": 300,
        "epsilon_end": 0.07,
        "exploration_fraction": 0.2,
    },
}

# Neural-E3's settings in mazes, which are the same in every episode: small models, as boards are large;
# plans drawn from many, as the models soon agree everywhere but in a few places
MAZE: dict[str, Any] = {
    "exploit": "plan",
    "eval_episodes": 1,
    "together": 2,
    "random_episodes": 2,
    "members": 4,
    "width": 16,
    "segment": 2,
    "model_updates": 200,
    "model_rate": 5e-3,
    "vertices": 600,
    "deepest": 100,
    "top": 0.1,
    "reward_weight": 0.01,
}


def named(arm: str, options: dict[str, Any]) -> str:
    """An arm's name with the options it was given."""
    return "-".join([arm, *(f"{name}={value}" for name, value in options.items())])


def is_lock(task: str) -> bool:
    """Whether it is a combination lock."""
    return "Lock-H" in task


def horizon(task: str) -> int:
    """Steps after which an episode is over in any case."""
    return evaluation.horizon(envs.make(task, auto_reset="none", log=False)[0])


def success(task: str) -> float:
    """An episode succeeds whose return is above this."""
    if is_lock(task):
        return 1.0  # it pays 4 and a bit for all right actions and at most 0.1 otherwise
    if task.startswith("Maze"):
        return -0.2 * horizon(task) + 1.0  # the goal's 2 on top of what steps cost
    return CONTROL[task.partition("?")[0]][0]


def good(task: str) -> float:
    """A policy is good whose mean return is at least this; in mazes: that arrives."""
    if is_lock(task):
        return 4.0  # of 4 + 1 / H
    return success(task) if task.startswith("Maze") else CONTROL[task.partition("?")[0]][1]
