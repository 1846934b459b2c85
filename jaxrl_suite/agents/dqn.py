"""Deep Q-learning (Mnih et al., 2015) and double Q-learning (van Hasselt et al., 2016).

    y = r + gamma * (1 - terminated) * Q'(s', a*),    a* = argmax_a Q'(s', a)  or, double, of Q(s', a)

with Q' a copy of Q that is renewed now and then, and the Huber loss of y - Q(s, a). An update takes T
steps in N environments by an epsilon-greedy policy, puts them into the replay buffer, with an
exploration bonus added to the reward where there is one, and takes gradient steps on samples of it.
An episode that was cut short is bootstrapped from its true final observation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from envs import spaces
from envs.core import Environment
from envs.wrappers import select
from jaxrl_suite import checks, distributions, evaluation, q_learning, replay
from jaxrl_suite.agents import acting, networks
from jaxrl_suite.agents.acting import Acting
from jaxrl_suite.experiment import ConfigError, Experiment, Learnt, merged
from jaxrl_suite.exploration.bonus import Bonus, extra_reward
from jaxrl_suite.networks.q_network import QNetwork
from jaxrl_suite.q_learning import Item, Learner
from jaxrl_suite.replay import Replay


@dataclasses.dataclass(frozen=True)
class DQNConfig:
    """Settings of DQN; the defaults suit CartPole and small grid levels.

    Attributes:
      total_steps: environment steps of one seed.
      num_envs: N, environments stepped side by side.
      rollout_length: T, steps of each between two rounds of learning.
      gradient_steps: of one round.
      batch_size: transitions of a gradient step.
      capacity: of the replay buffer, in transitions.
      warmup: environment steps by a uniform policy before anything is learnt.
      double: choose the next action by the online network (double DQN).
      learning_rate: of Adam.
      discount: gamma.
      huber: size of an error beyond which the loss is linear.
      target_every: gradient steps between two copies of the online network.
      epsilon: share of random actions at the start.
      epsilon_end: at the end.
      exploration_fraction: share of the run after which the end is reached.
      max_grad_norm: gradients are scaled to this global norm.
      extrinsic: weight of the environment's own reward; 0 explores without one.
      bootstrap_truncation: go on with the value of the state in which time ran out.
      widths: dense layers of the encoder.
      activation: of vector encoders, one of `agents.networks.ACTIVATIONS`.
      use_mission: tell grid encoders the level's mission.
      eval_episodes: episodes of one evaluation.
      eval_epsilon: share of random actions in it.
    """

    total_steps: int = 200_000
    num_envs: int = 8
    rollout_length: int = 4
    gradient_steps: int = 4
    batch_size: int = 64
    capacity: int = 50_000
    warmup: int = 1_000
    double: bool = True
    learning_rate: float = 5e-4
    discount: float = 0.99
    huber: float = 1.0
    target_every: int = 250
    epsilon: float = 1.0
    epsilon_end: float = 0.05
    exploration_fraction: float = 0.3
    max_grad_norm: float = 10.0
    extrinsic: float = 1.0
    bootstrap_truncation: bool = True
    widths: tuple[int, ...] = (64, 64)
    activation: str = "relu"
    use_mission: bool = False
    eval_episodes: int = 32
    eval_epsilon: float = 0.0


class DQNState(NamedTuple):
    """Everything a run carries from update to update.

    Attributes:
      learner: networks and optimiser.
      acting: where the N episodes stand.
      replay: the buffer, of `Item`.
      bonus_state: of the exploration bonus, `()` without one.
      key: random key.
      count: `[]` int32, updates done.
    """

    learner: Learner
    acting: Acting
    replay: Replay
    bonus_state: Any
    key: jax.Array
    count: jax.Array  # type: ignore[assignment]


def build(observation_space: Any, action_space: Any, config: DQNConfig) -> QNetwork:
    """The default network for two spaces, actions a choice.

    Raises:
      ConfigError: for a space without an encoder.
    """
    return QNetwork(networks.encoder(observation_space, config), action_space.n)


def check(config: DQNConfig) -> None:
    """Refuses settings that cannot work.

    Raises:
      ConfigError: naming the field.
    """
    names = ("num_envs", "rollout_length", "gradient_steps", "batch_size")
    checks.at_least(config, 1, "total_steps", most=checks.MOST_STEPS)
    checks.at_least(config, 1, *names, "capacity", "target_every", "eval_episodes")
    checks.at_least(config, 0, "warmup")
    if config.total_steps <= config.warmup:
        right = f"below total_steps={config.total_steps}, or nothing is learnt"
        raise ConfigError("warmup", config.warmup, right)
    rates = ("discount", "epsilon", "epsilon_end", "exploration_fraction", "eval_epsilon")
    checks.within(config, 0.0, 1.0, *rates)
    checks.above(config, 0.0, "huber", "learning_rate", "max_grad_norm")
    checks.finite(config, "extrinsic")
    checks.sizes(config, "widths")
    networks.check_activation(config.activation)
    if config.num_envs * config.rollout_length > config.capacity:
        most = config.num_envs * config.rollout_length
        raise ConfigError("capacity", config.capacity, f"at least the {most} steps of an update")


def make(
    env: Environment,
    env_params: Any,
    config: DQNConfig,
    bonus: Bonus | None = None,
    network: nn.Module | None = None,
) -> Experiment:
    """DQN on an auto-resetting environment with an episode log.

    Args:
      env, env_params: as `envs.make` returns them.
      config: the settings.
      bonus: an exploration bonus, added to the reward that goes into the buffer.
      network: a `QNetwork`; None builds one for the environment's spaces.

    Raises:
      ConfigError: for settings that cannot work.
    """
    check(config)
    observation_space = env.observation_space(env_params)
    action_space = env.action_space(env_params)
    if network is None:
        if not isinstance(action_space, spaces.Discrete):
            raise ConfigError("env", env.name, "an environment whose actions are a choice")
        network = build(observation_space, action_space, config)
    num_envs, length = config.num_envs, config.rollout_length
    num_updates = max(1, config.total_steps // (num_envs * length))
    optimizer = optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm), optax.adam(config.learning_rate)
    )

    def q(params: Any, observation: Any) -> jax.Array:
        return network.apply(params, observation)  # type: ignore[return-value]

    def policy(params: Any, epsilon: Any) -> acting.Policy:
        """The best action, or with probability epsilon any."""

        def choose(carry: Any, observation: Any, reset: jax.Array) -> Any:
            values = q(params, observation)
            best = jax.nn.one_hot(jnp.argmax(values, -1), values.shape[-1])
            logits = jnp.log((1.0 - epsilon) * best + epsilon / values.shape[-1])
            return carry, distributions.policy(action_space, logits), jnp.max(values, -1)

        return choose

    def init(key: jax.Array) -> DQNState:
        network_key, refresh_key, reset_key, bonus_key, key = jax.random.split(key, 5)
        first = acting.start(refresh_key, reset_key, env, env_params, num_envs, ())
        params = network.init(network_key, jax.tree.map(lambda x: x[:1], first.observation))
        one = jax.tree.map(lambda x: x[0], first.observation)
        example = Item(one, jnp.int32(0), jnp.float32(0), one, jnp.asarray(False))
        bonus_state: Any = ()
        if bonus is not None:
            bonus_state = bonus.init(bonus_key, observation_space, action_space, num_envs)
        return DQNState(
            q_learning.begin(params, optimizer),
            first,
            replay.init(example, config.capacity),
            bonus_state,
            key,
            jnp.int32(0),
        )

    def gradient_step(ring: Replay, learner: Learner, key: jax.Array) -> tuple[Learner, Any]:
        batch = replay.sample(key, ring, config.batch_size)
        gradient, metrics = jax.grad(
            lambda params: q_learning.loss(
                q, params, learner.target, batch, config.discount, config.double, config.huber
            ),
            has_aux=True,
        )(learner.params)
        return q_learning.learn(learner, gradient, optimizer, config.target_every), metrics

    def update(state: DQNState) -> tuple[DQNState, dict[str, Any]]:
        refresh_key, rollout_key, bonus_key, learn_key, key = jax.random.split(state.key, 5)
        fresh = env.refresh(refresh_key, state.acting.env_params)
        taken = state.count * num_envs * length
        progress = jnp.minimum(
            1.0, state.count / jnp.maximum(config.exploration_fraction * num_updates, 1)
        )
        epsilon = config.epsilon + progress * (config.epsilon_end - config.epsilon)
        epsilon = jnp.where(taken < config.warmup, 1.0, epsilon)
        last, steps, _ = acting.rollout(
            rollout_key,
            env,
            action_space,
            policy(state.learner.params, epsilon),
            state.acting._replace(env_params=fresh),
            length,
        )
        metrics = {"an episode": acting.episode_metrics(steps.info)}

        reward, bonus_state = config.extrinsic * steps.reward, state.bonus_state
        if bonus is not None:
            params = jax.lax.stop_gradient(state.learner.params)
            more, bonus_state, bonus_metrics = extra_reward(
                bonus,
                bonus_key,
                bonus_state,
                steps,
                lambda seen: jnp.asarray(network.apply(params, seen, method="features")),
            )
            reward, metrics["the bonus"] = reward + more, bonus_metrics
        items = Item(
            steps.observation,
            steps.action,
            reward,
            steps.next_observation,
            steps.terminated if config.bootstrap_truncation else steps.done,
        )
        flat = jax.tree.map(lambda x: x.reshape(length * num_envs, *x.shape[2:]), items)
        ring = replay.add(state.replay, flat)

        learner, more_metrics = jax.lax.scan(
            lambda learner, key: gradient_step(ring, learner, key),
            state.learner,
            jax.random.split(learn_key, config.gradient_steps),
        )
        waiting = taken + num_envs * length < config.warmup
        learner = select(waiting, state.learner, learner)
        metrics["DQN"] = jax.tree.map(jnp.mean, more_metrics) | {"epsilon": epsilon}
        return DQNState(learner, last, ring, bonus_state, key, state.count + 1), merged(metrics)

    def act(state: DQNState) -> evaluation.Act:
        pi = policy(state.learner.params, config.eval_epsilon)
        return acting.act(pi, action_space, config.eval_epsilon == 0)

    def evaluate(key: jax.Array, state: DQNState) -> dict[str, Any]:
        return evaluation.episodes(
            key, env, state.acting.env_params, act(state), (), config.eval_episodes
        )

    def play(key: jax.Array, state: DQNState) -> Iterator[evaluation.Moment]:
        return evaluation.play(key, env, state.acting.env_params, act(state), ())

    def put(state: DQNState, its: Any) -> DQNState:
        target = jax.tree.map(jnp.copy, its["params"])  # states are donated: no array twice
        return state._replace(learner=state.learner._replace(params=its["params"], target=target))

    return Experiment(
        init=init,
        update=update,
        num_updates=num_updates,
        steps_per_update=num_envs * length,
        evaluate=evaluate,
        play=play,
        headline=evaluation.headline(env, "q"),
        learnt=Learnt(lambda state: {"params": state.learner.params}, put),
    )
