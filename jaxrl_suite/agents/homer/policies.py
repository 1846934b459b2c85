"""Policies that are one linear regressor a step, how they play, and how a step of them is fitted.

A policy cover of level h has N homing policies that go to step h; each plays argmax_a W_t [x, 1] in
step t. Every regressor stands in a bank; a policy is a path through it, so that policies which share
their first steps share the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from envs.core import Environment, batch_keys
from jaxrl_suite import linalg


class Cover(NamedTuple):
    """Homing policies of all levels.

    Attributes:
      bank: `[H, M, D + 1, A]`, regressors of every step.
      path: `[H, N, H]` int32: policy i of level h plays `bank[t, path[h, i, t]]` in steps t < h.
    """

    bank: jax.Array
    path: jax.Array


class Sample(NamedTuple):
    """n episodes that explored in one step.

    Attributes:
      x: `[n, D]`, what was seen before the uniform action.
      action: `[n]` int32.
      following: `[n, D]`, what was seen after it.
      policy: `[n]` int32, which policy of the cover led there.
      episode_return: `[n]`, rewards from that action on.
      end: `[n, D]`, what was seen last.
      place, next_place, end_place: `[n]` int32, true states of x, following and end, for scores and
        oracles alone; zeros where unknown.
    """

    x: jax.Array
    action: jax.Array
    following: jax.Array
    policy: jax.Array
    episode_return: jax.Array
    end: jax.Array
    place: jax.Array
    next_place: jax.Array
    end_place: jax.Array


def with_one(x: jax.Array) -> jax.Array:
    """`[..., D]` -> `[..., D + 1]`."""
    return jnp.concatenate([x, jnp.ones((*x.shape[:-1], 1))], -1)


def gather(
    key: jax.Array,
    env: Environment,
    env_params: Any,
    cover: Cover,
    level: jax.Array,
    tail: Callable[[jax.Array], jax.Array],
    end: jax.Array,
    number: int,
) -> Sample:
    """Episodes of the cover to `level`, a uniform action, then the learned policy to step `end`.

    Args:
      key: random key.
      env, env_params: without auto-reset, episodes of a fixed number of steps.
      cover: policies to roll in with, one drawn for each episode.
      level: `[]` int32, the step of the uniform action.
      tail: `t -> [D + 1, A]`, the regressor of step t > level to roll out with.
      end: `[]` int32, episodes are left at this step; `level + 1` has no roll-out.
      number: n.
    """
    reset_key, choice_key, act_key, key = jax.random.split(key, 4)
    observation, state = jax.vmap(env.reset, (0, None))(batch_keys(reset_key, number), env_params)
    path = cover.path[level]
    policy = jax.random.randint(choice_key, (number,), 0, path.shape[0])

    def step(t: jax.Array, state: Any, action: jax.Array) -> Any:
        keys = batch_keys(jax.random.fold_in(key, t), number)
        return jax.vmap(env.step, (0, 0, 0, None))(keys, state, action, env_params)[:3]

    def roll_in(t: jax.Array, carry: Any) -> Any:
        observation, state = carry
        q = jnp.einsum("nd,kda->nka", with_one(observation), cover.bank[t, path[:, t]])
        mine = jnp.take_along_axis(q, policy[:, None, None], 1)[:, 0]
        return step(t, state, jnp.argmax(mine, -1))[:2]

    x, state = jax.lax.fori_loop(0, level, roll_in, (observation, state))
    actions = env.action_space(env_params).n  # type: ignore[union-attr]
    action = jax.random.randint(act_key, (number,), 0, actions)
    following, after, reward = step(level, state, action)

    def roll_out(t: jax.Array, carry: Any) -> Any:
        observation, state, total = carry
        action = jnp.argmax(with_one(observation) @ tail(t), -1)
        observation, state, reward = step(t, state, action)
        return observation, state, total + reward

    last, final, total = jax.lax.fori_loop(level + 1, end, roll_out, (following, after, reward))
    unknown = jnp.zeros(number, jnp.int32)
    return Sample(
        x=x,
        action=action,
        following=following,
        policy=policy,
        episode_return=total,
        end=last,
        place=getattr(state, "place", unknown),
        next_place=getattr(after, "place", unknown),
        end_place=getattr(final, "place", unknown),
    )


def ridge_regression(
    x: jax.Array, action: jax.Array, target: jax.Array, actions: int, ridge: float
) -> jax.Array:
    """`[K, D + 1, A]`, linear regressions of K targets on the observation, one for each action taken.

        W_a = argmin_W sum_{i: a_i = a} (y_i - W [x_i, 1])^2 + lambda |W|^2

    with lambda = `ridge` times the mean square of the features, so that it does not depend on units.

    Args:
      x: `[n, D]`.
      action: `[n]` int32.
      target: `[n, K]`.
      actions: A.
      ridge: relative to the features' mean square.
    """
    features = with_one(x)
    taken = jax.nn.one_hot(action, actions)
    penalty = ridge * jnp.mean(features**2) * jnp.eye(features.shape[1])

    def one(mask: jax.Array) -> jax.Array:
        weighted = features * mask[:, None]
        gram = weighted.T @ features + penalty
        return linalg.solve_positive(gram, weighted.T @ target)

    fitted = jax.vmap(one, 1)(taken)  # [A, D + 1, K]
    return jnp.transpose(fitted, (2, 1, 0))


def best_prefix(weights: jax.Array, sample: Sample, policies: int) -> jax.Array:
    """`[K]` int32: the policy of the cover from whose states each regressor hopes for most.

    Greedy policy search: a homing policy is the learned last step after the stored policy with the
    largest mean of max_a Q(x, a); no further episode is needed.
    """
    hope = jnp.max(jnp.einsum("nd,kda->kna", with_one(sample.x), weights), -1)  # [K, n]
    mine = jax.nn.one_hot(sample.policy, policies)
    return jnp.argmax((hope @ mine) / jnp.maximum(mine.sum(0), 1.0), -1)
