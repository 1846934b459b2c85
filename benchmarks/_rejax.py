"""rejax's PPO, in an interpreter of its own.

rejax 0.1.3 runs only with gymnax 0.0.9, so it cannot share an environment with this suite. Run by
`benchmarks.ppo` and `benchmarks.ppo_learning`; imports nothing of the suite. Settings come as JSON.
With "evaluations" it trains "seeds" seeds once and prints their returns, one list a seed; else it
trains one seed for every line on standard input, and prints the seconds each took.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rejax import PPO


def make(settings: dict[str, Any]) -> Any:
    """rejax's PPO with the suite's settings under its own names."""
    return PPO.create(
        env=settings["env"],
        num_envs=settings["num_envs"],
        num_steps=settings["rollout_length"],
        num_epochs=settings["epochs"],
        num_minibatches=settings["minibatches"],
        learning_rate=settings["learning_rate"],
        ent_coef=settings["entropy"],
        gamma=settings.get("discount", 0.99),
        normalize_observations=settings.get("normalize_observations", False),
        normalize_rewards=settings.get("normalize_rewards", False),
        total_timesteps=settings["total_steps"],
        eval_freq=settings["total_steps"] // settings.get("evaluations", 1),
        skip_initial_evaluation=True,
        max_grad_norm=0.5,
        agent_kwargs={"hidden_layer_sizes": (64, 64), "activation": "tanh"},
    )


def learn(settings: dict[str, Any]) -> None:
    """Prints `[seeds, evaluations]` mean returns of 128 episodes each."""
    algorithm = make(settings)
    keys = jax.random.split(jax.random.PRNGKey(0), settings["seeds"])
    _, (_, returns) = jax.jit(jax.vmap(algorithm.train))(keys)
    print(json.dumps(np.asarray(returns).mean(-1).tolist()))


def no_evaluation(algo: Any, ts: Any, rng: Any) -> Any:
    """Nothing, so that only training is timed."""
    return jnp.zeros(())


def clock(settings: dict[str, Any]) -> None:
    """Trains once for every line read."""
    algorithm = make(settings).replace(eval_callback=no_evaluation)
    train = jax.jit(algorithm.train)
    for count, _ in enumerate(sys.stdin):
        start = time.perf_counter()
        jax.block_until_ready(train(jax.random.PRNGKey(count)))
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    (learn if "evaluations" in given else clock)(given)
