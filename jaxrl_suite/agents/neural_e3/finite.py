"""Neural-E3 on a task of fixed length whose observations are bits (the paper's lock).

An update plays real episodes, planned step by step for disagreement (`playouts`), adds them to the
data, trains the E models, and trains a double DQN on all data so far, which is how what was explored
is exploited. With `explore="uniform"` actions are random and all the rest is the same: what is left
of the difference is what exploration is worth.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from envs import spaces
from envs.core import Environment, batch_keys, succeeded
from envs.wrappers import select
from jaxrl_suite import evaluation, q_learning, replay
from jaxrl_suite.agents.neural_e3 import ensemble, fitting, playouts
from jaxrl_suite.agents.neural_e3.settings import FiniteConfig, check
from jaxrl_suite.experiment import ConfigError, Experiment, Mean
from jaxrl_suite.networks.encoders import MLPEncoder
from jaxrl_suite.networks.q_network import QNetwork
from jaxrl_suite.q_learning import Item, Learner
from jaxrl_suite.replay import Replay


class Episode(NamedTuple):
    """A real episode, `[H, ...]`.

    Attributes:
      observation, next_observation: `[H, D]`.
      action, reward: `[H]`.
      over: `[H]` bool, the task ended by then.
    """

    observation: jax.Array
    action: jax.Array
    reward: jax.Array
    next_observation: jax.Array
    over: jax.Array


class FiniteState(NamedTuple):
    """Everything a run carries.

    Attributes:
      models, opt_state: `[E, ...]` parameters and their optimiser.
      learner: the DQN.
      data: of `Episode`.
      env_params: of the run's own task.
      key: random key.
      count: `[]` int32, updates done.
    """

    models: Any
    opt_state: Any
    learner: Learner
    data: Replay
    env_params: Any
    key: jax.Array
    count: jax.Array  # type: ignore[assignment]


def make(env: Environment, env_params: Any, config: FiniteConfig) -> Experiment:
    """Neural-E3 on an environment that does not reset itself.

    Raises:
      ConfigError: for settings that cannot work, or an environment whose observations are not bits.
    """
    check(config)
    space, choice = env.observation_space(env_params), env.action_space(env_params)
    if not (isinstance(space, spaces.Box) and len(space.shape) == 1 and space.high == 1):
        raise ConfigError("env", env.name, "observations of one vector of bits")
    if not isinstance(choice, spaces.Discrete):
        raise ConfigError("env", env.name, "an environment whose actions are a choice")
    bits, actions, horizon = space.shape[0], choice.n, evaluation.horizon(env)
    members, together = config.members, config.together
    network = ensemble.BitsModel(bits, actions, horizon, config.width, config.scale)
    q_network = QNetwork(MLPEncoder(config.q_widths, "relu"), actions)
    model_optimizer = ensemble.each(
        optax.chain(optax.clip_by_global_norm(10.0), optax.adam(config.model_rate))
    )
    q_optimizer = optax.chain(optax.clip_by_global_norm(10.0), optax.adam(config.q_rate))

    def simulate(models: Any) -> playouts.Simulate:
        def run(bits: jax.Array, action: jax.Array, time: jax.Array) -> tuple[jax.Array, jax.Array]:
            def one(params: Any, bits: jax.Array) -> Any:
                return network.apply(params, bits, action, time)

            logits, reward = jax.vmap(one)(models, bits)
            return jax.nn.sigmoid(logits), reward

        return run

    def q(params: Any, seen: tuple[jax.Array, jax.Array]) -> jax.Array:
        observation, time = seen
        x = jnp.concatenate([observation, jax.nn.one_hot(time, horizon)], -1)
        return q_network.apply(params, x)  # type: ignore[return-value]

    def init(key: jax.Array) -> FiniteState:
        model_key, q_key, env_key, key = jax.random.split(key, 4)
        x, now = jnp.zeros(bits), jnp.int32(0)
        models = ensemble.start(network, model_key, members, x, now, now)
        learner = q_learning.begin(q_network.init(q_key, jnp.zeros(bits + horizon)), q_optimizer)
        steps = Episode(x, now, jnp.float32(0), x, jnp.asarray(False))
        example = jax.tree.map(lambda x: jnp.broadcast_to(x, (horizon, *x.shape)), steps)
        return FiniteState(
            models,
            model_optimizer.init(models),
            learner,
            replay.init(example, config.capacity),
            env.refresh(env_key, env_params),
            key,
            jnp.int32(0),
        )

    def episode(
        key: jax.Array, state: FiniteState, how: str
    ) -> tuple[Episode, jax.Array, jax.Array]:
        """One real episode; `how` is "random", "explore", "plan" or "q".

        With the planned value, and whether the task was done.
        """
        reset_key, key = jax.random.split(key)
        observation, env_state = env.reset(reset_key, state.env_params)

        def step(carry: Any, now: tuple[jax.Array, jax.Array]) -> tuple[Any, Any]:
            observation, env_state, plan, over, total, won = carry
            time, key = now
            plan_key, step_key = jax.random.split(key)
            if how == "random":
                action = jax.random.randint(plan_key, (), 0, actions)
            elif how == "q":
                action = jnp.argmax(q(state.learner.params, (observation, time)))
            else:
                plan = playouts.search(
                    plan_key,
                    config,
                    simulate(state.models),
                    plan,
                    observation,
                    time,
                    members,
                    actions,
                    how == "explore",
                )
                action = plan.actions[0, time]
            after, env_state, reward, terminated, truncated, info = env.step(
                step_key, env_state, action, state.env_params
            )
            reward = jnp.where(over, 0.0, reward)
            total = total + reward
            won = jnp.where(over, won, succeeded(info, total))
            over = over | terminated | truncated
            made = Episode(observation, action, reward, after, over)
            carry = after, env_state, plan, over, total, won
            return carry, (made, plan.value[0] / (horizon - time))

        plan = playouts.blank(config.kept, horizon)
        first = observation, env_state, plan, jnp.asarray(False), jnp.float32(0), jnp.asarray(False)
        keys = jax.random.split(key, horizon)
        (*_, won), (steps, value) = jax.lax.scan(step, first, (jnp.arange(horizon), keys))
        return steps, value.mean(), won

    def draw(key: jax.Array, data: Replay, number: int) -> tuple[jax.Array, jax.Array, Item]:
        """Random steps: the episodes they are from, weights (0 after an episode's end), the steps."""
        which_key, time_key = jax.random.split(key)
        which = jax.random.randint(which_key, (number,), 0, jnp.maximum(data.size, 1))
        time = jax.random.randint(time_key, (number,), 0, horizon)
        steps: Episode = jax.tree.map(lambda x: x[which, time], data.data)
        before = data.data.over[which, jnp.maximum(time - 1, 0)] & (time > 0)
        seen, after = (steps.observation, time), (steps.next_observation, time + 1)
        item = Item(seen, steps.action, steps.reward, after, steps.over)
        return which, (~before).astype(jnp.float32), item

    def train_models(key: jax.Array, state: FiniteState) -> tuple[Any, Any, jax.Array]:
        def step(carry: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            models, opt_state = carry
            batch = jax.vmap(lambda key: draw(key, state.data, config.model_batch))(
                jax.random.split(key, members)
            )
            seen = jnp.ones((members, config.model_batch))
            if config.member_share < 1:
                own = jax.vmap(lambda m, w: jax.random.fold_in(jax.random.key(m), w), (None, 0))
                share = jax.vmap(lambda m, w: jax.vmap(jax.random.uniform)(own(m, w)))
                seen = share(jnp.arange(members), batch[0]) < config.member_share
            _, weight, item = batch
            value, gradient = jax.value_and_grad(fitting.bits_loss, 1)(
                network, models, item, weight * seen
            )
            change, opt_state = model_optimizer.update(gradient, opt_state, models)
            return (optax.apply_updates(models, change), opt_state), value / members

        keys = jax.random.split(key, config.model_updates)
        (models, opt_state), losses = jax.lax.scan(step, (state.models, state.opt_state), keys)
        return models, opt_state, losses.mean()

    def train_q(key: jax.Array, state: FiniteState) -> tuple[Learner, jax.Array]:
        def step(learner: Learner, key: jax.Array) -> tuple[Learner, jax.Array]:
            _, _, batch = draw(key, state.data, config.q_batch)
            gradient, metrics = jax.grad(
                lambda p: q_learning.loss(q, p, learner.target, batch, config.discount),
                has_aux=True,
            )(learner.params)
            return q_learning.learn(learner, gradient, q_optimizer, config.q_sync), metrics["loss"]

        keys = jax.random.split(key, config.q_updates)
        learner, losses = jax.lax.scan(step, state.learner, keys)
        return learner, losses.mean()

    def update(state: FiniteState) -> tuple[FiniteState, dict[str, Any]]:
        play_key, model_key, q_key, key = jax.random.split(state.key, 4)
        keys = batch_keys(play_key, together)
        early = state.count * together < config.random_episodes
        steps, *_ = jax.vmap(lambda k: episode(k, state, "random"))(keys)
        metrics: dict[str, Any] = {}
        if config.explore == "models":
            planned, value, _ = jax.vmap(lambda k: episode(k, state, "explore"))(keys)
            steps = select(early, steps, planned)
            metrics["disagreement"] = value.mean()
        state = state._replace(data=replay.add(state.data, steps))
        if config.explore == "models" or config.exploit == "plan":
            models, opt_state, loss = train_models(model_key, state)
            state = state._replace(models=models, opt_state=opt_state)
            metrics["model_loss"] = loss
        learner, q_loss = train_q(q_key, state)
        returns = steps.reward.sum(-1)
        metrics |= {
            "episode_return": Mean.where(returns, jnp.ones(together, bool)),
            "best_return": returns.max(),
            "q_loss": q_loss,
        }
        return state._replace(learner=learner, key=key, count=state.count + 1), metrics

    def evaluate(key: jax.Array, state: FiniteState) -> dict[str, Any]:
        keys = batch_keys(key, config.eval_episodes)
        steps, _, won = jax.vmap(lambda k: episode(k, state, config.exploit))(keys)
        return {"return": steps.reward.sum(-1).mean(), "solved": won.astype(jnp.float32).mean()}

    def play(key: jax.Array, state: FiniteState) -> Iterator[evaluation.Moment]:
        def act(key: jax.Array, time: Any, observation: Any, reset: jax.Array) -> Any:
            if config.exploit == "q":
                return time + 1, jnp.argmax(q(state.learner.params, (observation, time)), -1)
            plan = playouts.blank(config.kept, horizon)
            ensemble_ = simulate(state.models)
            plan = playouts.search(
                key, config, ensemble_, plan, observation[0], time[0], members, actions, False
            )
            return time + 1, plan.actions[:1, time[0]]

        return evaluation.play(key, env, state.env_params, act, jnp.zeros(1, jnp.int32))

    return Experiment(
        init=init,
        update=update,
        num_updates=max(1, config.episodes // together),
        steps_per_update=together * horizon,
        evaluate=evaluate,
        play=play,
        headline=("episode_return", "best_return", "disagreement", "eval/return"),
    )
