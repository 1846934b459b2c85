"""rejax's PPO, in an interpreter of its own: trains once for every line on standard input.

rejax 0.1.3 runs only with gymnax 0.0.9, so it cannot share an environment with this suite. Run by
`benchmarks.ppo`; imports nothing of the suite. Prints "seconds final_return" for every line it reads.
"""

from __future__ import annotations

import json
import sys
import time

import jax
import jax.numpy as jnp
from rejax import PPO

settings = json.loads(sys.argv[1])
algorithm = PPO.create(
    env=settings["env"],
    num_envs=settings["num_envs"],
    num_steps=settings["rollout_length"],
    num_epochs=settings["epochs"],
    num_minibatches=settings["minibatches"],
    learning_rate=settings["learning_rate"],
    ent_coef=settings["entropy"],
    total_timesteps=settings["total_steps"],
    eval_freq=settings["total_steps"],
    skip_initial_evaluation=True,
    max_grad_norm=0.5,
    agent_kwargs={"hidden_layer_sizes": (64, 64), "activation": "tanh"},
)


def no_evaluation(algo, ts, rng):
    """Nothing, so that only training is timed."""
    return jnp.zeros(())


timed = algorithm.replace(eval_callback=no_evaluation)
seeds = settings["seeds"]
train = jax.jit(jax.vmap(timed.train) if seeds > 1 else lambda k: timed.train(k[0]))
evaluate = jax.jit(lambda ts, k: algorithm.eval_callback(algorithm, ts, k))
for count, _ in enumerate(sys.stdin):
    keys = jax.random.split(jax.random.PRNGKey(count), seeds)
    start = time.perf_counter()
    state, _ = jax.block_until_ready(train(keys))
    seconds = time.perf_counter() - start
    one = state if seeds == 1 else jax.tree.map(lambda x: x[0], state)
    _, returns = evaluate(one, jax.random.PRNGKey(1))
    print(seconds, float(jnp.mean(returns)), flush=True)
