"""Planning by playouts in an ensemble of stochastic models of a fixed-horizon task.

A playout is a sequence of actions. P particles of every member follow it from where the agent stands
to the horizon, and each simulated step pays

    u = max_{i,j} mean_d | mean_p x^i_pd - mean_p x^j_pd |,    x = (chance of each next bit, reward)

to explore, or the mean predicted reward to exploit. The agent takes the first action of the best
playout and plans again at the next real step.

The paper grows a UCB tree of 200 playouts whose constant is large beside u, so that it is close to
complete in the first few actions and random below. Here playouts run side by side: the first round
enumerates the first actions evenly and draws the rest, later rounds draw new endings to the best
playouts so far, those of the step before among them.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrl_suite.agents.neural_e3.planning import disagreement

# (observation [E, P, K, D], action [K], time) -> (chance of each next bit, reward [E, P, K])
Simulate = Callable[[jax.Array, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


@dataclasses.dataclass(frozen=True)
class PlayoutConfig:
    """How much to simulate.

    Attributes:
      playouts: K, of a round.
      rounds: how many.
      particles: P, of each member.
      kept: of the best playouts that a round begins with.
      distance: "l2" or "l1", of predictions (`planning.disagreement`).
    """

    playouts: int = 32
    rounds: int = 2
    particles: int = 4
    kept: int = 8
    distance: str = "l2"


class Plan(NamedTuple):
    """The best sequences so far.

    Attributes:
      actions: `[kept, H]` int32, by the step of the episode; those in the past mean nothing.
      value: `[kept]` float32, best first.
    """

    actions: jax.Array
    value: jax.Array


def blank(kept: int, horizon: int) -> Plan:
    """Before the first step of an episode."""
    return Plan(jnp.zeros((kept, horizon), jnp.int32), jnp.full(kept, -jnp.inf))


def values(
    key: jax.Array,
    simulate: Simulate,
    observation: jax.Array,
    sequences: jax.Array,
    time: jax.Array,
    config: PlayoutConfig,
    members: int,
    explore: bool,
) -> jax.Array:
    """What each sequence pays from `time` to the horizon, `[K]`.

    Args:
      key: random key.
      simulate: the models.
      observation: `[D]`, what the agent sees.
      sequences: `[K, H]` int32, by the step of the episode.
      time: `[]` int32, the step it is in.
      config: particles and distance.
      members: E.
      explore: pay disagreement, else the mean reward.
    """
    playouts, horizon = sequences.shape
    shape = (members, config.particles, playouts, observation.shape[0])

    def step(t: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        bits, total = carry
        chance, reward = simulate(bits, sequences[:, t], t)
        if explore:
            mean = jnp.concatenate([chance.mean(1), reward.mean(1)[..., None]], -1)
            paid = disagreement(jnp.moveaxis(mean, 0, 1), config.distance)
        else:
            paid = reward.mean((0, 1))
        drawn = jax.random.bits(jax.random.fold_in(key, t), shape, jnp.uint16)
        bits = (drawn < chance * 65536.0).astype(jnp.float32)
        return bits, total + paid

    first = (jnp.broadcast_to(observation, shape), jnp.zeros(playouts))
    return jax.lax.fori_loop(time, horizon, step, first)[1]


def best(config: PlayoutConfig, sequences: jax.Array, value: jax.Array) -> Plan:
    """The `kept` best of `[K, H]` sequences."""
    value, index = jax.lax.top_k(value, config.kept)
    return Plan(sequences[index], value)


def first_round(
    key: jax.Array, config: PlayoutConfig, plan: Plan, time: jax.Array, actions: int
) -> jax.Array:
    """`[K, H]` random sequences whose next actions are spread evenly, and the plan of before."""
    count, horizon = config.playouts, plan.actions.shape[1]
    drawn = jax.random.randint(key, (count, horizon), 0, actions)
    depth = 0
    while actions ** (depth + 1) <= count:
        depth += 1
    for level in range(depth):
        spread = (jnp.arange(count) // actions**level) % actions
        drawn = drawn.at[:, time + level].set(spread, mode="drop")
    known = jnp.isfinite(plan.value)[:, None]
    old = jnp.where(known, plan.actions, drawn[-config.kept :])
    return drawn.at[-config.kept :].set(old)


def next_round(
    key: jax.Array, config: PlayoutConfig, plan: Plan, time: jax.Array, actions: int
) -> jax.Array:
    """`[K, H]`: the best so far with new actions from a random step on."""
    count, horizon = config.playouts, plan.actions.shape[1]
    pick_key, cut_key, draw_key = jax.random.split(key, 3)
    picked = plan.actions[jax.random.randint(pick_key, (count,), 0, config.kept)]
    cut = jax.random.randint(cut_key, (count, 1), time, horizon)
    drawn = jax.random.randint(draw_key, (count, horizon), 0, actions)
    return jnp.where(jnp.arange(horizon) < cut, picked, drawn)


def search(
    key: jax.Array,
    config: PlayoutConfig,
    simulate: Simulate,
    plan: Plan,
    observation: jax.Array,
    time: jax.Array,
    members: int,
    actions: int,
    explore: bool,
) -> Plan:
    """The best playouts from where the agent stands; `actions[0, time]` is the one to take.

    Args:
      key: random key.
      config: how much to simulate.
      simulate: the models.
      plan: of the step before, or `blank`.
      observation: `[D]`, what the agent sees.
      time: `[]` int32, the step it is in.
      members, actions: E and A.
      explore: look for disagreement, else for reward.
    """
    evaluate = functools.partial(
        values,
        simulate=simulate,
        observation=observation,
        time=time,
        config=config,
        members=members,
        explore=explore,
    )

    def one(plan: Plan, now: tuple[jax.Array, jax.Array]) -> tuple[Plan, None]:
        number, key = now
        draw_key, value_key = jax.random.split(key)
        fresh = first_round(draw_key, config, plan, time, actions)
        more = next_round(draw_key, config, plan, time, actions)
        sequences = jnp.where(number == 0, fresh, more)
        value = evaluate(value_key, sequences=sequences)
        # what was planned at the step before is worth something else by now
        old = jnp.where(number == 0, -jnp.inf, plan.value)
        both = jnp.concatenate([plan.actions, sequences]), jnp.concatenate([old, value])
        return best(config, *both), None

    keys = jax.random.split(key, config.rounds)
    plan, _ = jax.lax.scan(one, plan, (jnp.arange(config.rounds), keys))
    return plan
