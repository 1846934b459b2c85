"""What PPO and IMPALA share: numbers that change over a run, passes over a rollout, evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax

from envs import spaces
from envs.core import Environment
from jaxrl_suite import evaluation
from jaxrl_suite.agents import acting
from jaxrl_suite.networks.recurrent import initial_carry


def learning_rate(config: Any, num_updates: int) -> Any:
    """`config.learning_rate`, or with `anneal_learning_rate` a schedule from there to zero."""
    if not config.anneal_learning_rate:
        return config.learning_rate
    steps = num_updates * config.epochs * config.minibatches
    return optax.linear_schedule(config.learning_rate, 0.0, steps)


def entropy_weight(config: Any, count: jax.Array, num_updates: int) -> jax.Array:
    """From `config.entropy` linearly to `entropy_end`, in update `count`."""
    end = config.entropy if config.entropy_end is None else config.entropy_end
    return config.entropy + count / num_updates * (end - config.entropy)


def passes(
    key: jax.Array,
    params: Any,
    opt_state: Any,
    optimizer: optax.GradientTransformation,
    loss: Callable[..., tuple[jax.Array, dict[str, jax.Array]]],
    split: Callable[[jax.Array], tuple[Any, ...]],
    epochs: int,
) -> tuple[Any, Any, dict[str, jax.Array]]:
    """Gradient steps on the minibatches of a rollout, split anew for every pass.

    Args:
      key: random key.
      params, opt_state, optimizer: what is trained, and how.
      loss: `(params, *minibatch) -> (loss, metrics)`.
      split: `key -> minibatches`, pytrees with a leading axis of minibatches.
      epochs: passes.

    Returns:
      `params`, `opt_state`, and the metrics' means over all steps.
    """

    def step(carry: Any, minibatch: tuple[Any, ...]) -> tuple[Any, Any]:
        params, opt_state = carry
        gradient, metrics = jax.grad(loss, has_aux=True)(params, *minibatch)
        change, opt_state = optimizer.update(gradient, opt_state, params)
        return (optax.apply_updates(params, change), opt_state), metrics

    def epoch(carry: Any, key: jax.Array) -> tuple[Any, Any]:
        return jax.lax.scan(step, carry, split(key))

    first: Any = params, opt_state
    (params, opt_state), metrics = jax.lax.scan(epoch, first, jax.random.split(key, epochs))
    return params, opt_state, jax.tree.map(jnp.mean, metrics)


def evaluators(
    env: Environment,
    action_space: spaces.Space,
    config: Any,
    policy_of: Callable[[Any], acting.Policy],
) -> tuple[
    Callable[[jax.Array, Any], dict[str, Any]],
    Callable[[jax.Array, Any], Iterator[evaluation.Moment]],
]:
    """`evaluate` and `play` of states that have `acting`, and a policy: `policy_of(state)`."""

    def act(state: Any) -> evaluation.Act:
        return acting.act(policy_of(state), action_space, config.eval_greedy)

    def memory_for(number: int) -> Any:
        return initial_carry(config.core, config.core_features, number)

    def evaluate(key: jax.Array, state: Any) -> dict[str, Any]:
        number = config.eval_episodes
        return evaluation.episodes(
            key, env, state.acting.env_params, act(state), memory_for(number), number
        )

    def play(key: jax.Array, state: Any) -> Iterator[evaluation.Moment]:
        return evaluation.play(key, env, state.acting.env_params, act(state), memory_for(1))

    return evaluate, play
