"""Neural-E3 on deterministic tasks whose state is seen whole: control and mazes.

An update plays real episodes, all of whose plans come from one search each in the ensemble
(`frontier`), carried out to their end before the next is made; adds them to the data; trains the E
models to predict segments of it; and trains a double DQN on the data, which exploits what was
explored. With `explore="uniform"` actions are random and all the rest is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from envs import spaces
from envs.core import Environment, batch_keys
from envs.wrappers import select
from jaxrl_suite import evaluation, q_learning
from jaxrl_suite.agents.neural_e3 import ensemble, fitting, frontier, segments
from jaxrl_suite.agents.neural_e3.control_settings import ControlConfig, check
from jaxrl_suite.agents.neural_e3.segments import Episode
from jaxrl_suite.agents.neural_e3.transition import model_for
from jaxrl_suite.experiment import ConfigError, Experiment, Mean
from jaxrl_suite.networks.encoders import encoder_for
from jaxrl_suite.networks.q_network import QNetwork
from jaxrl_suite.q_learning import Learner


class ControlState(NamedTuple):
    """Everything a run carries.

    Attributes:
      models, opt_state: `[E, ...]` parameters and their optimiser.
      learner: the DQN.
      data: `[episodes, H, ...]`, of which the first `count * together` are there.
      env_params: of the run's own task.
      key: random key.
      count: `[]` int32, updates done.
    """

    models: Any
    opt_state: Any
    learner: Learner
    data: Episode
    env_params: Any
    key: jax.Array
    count: jax.Array  # type: ignore[assignment]


def make(env: Environment, env_params: Any, config: ControlConfig) -> Experiment:
    """Neural-E3 on an environment that does not reset itself.

    Raises:
      ConfigError: for settings that cannot work, or an environment that it does not fit.
    """
    check(config)
    space, choice = env.observation_space(env_params), env.action_space(env_params)
    if not isinstance(space, spaces.Box):
        raise ConfigError("env", env.name, "an environment whose state is a vector or a board")
    if not isinstance(choice, spaces.Discrete):
        raise ConfigError("env", env.name, "an environment whose actions are a choice")
    try:
        network: Any = model_for(space, choice.n, config.width)
        encoder = encoder_for(space, config.q_widths, activation="relu")
    except ValueError as error:
        raise ConfigError("env", env.name, str(error)) from None
    actions, steps, together = choice.n, evaluation.horizon(env), config.together
    num_updates = config.episodes // together
    q_network = QNetwork(encoder, actions)
    model_optimizer = ensemble.each(
        optax.chain(optax.clip_by_global_norm(10.0), optax.adam(config.model_rate))
    )
    q_optimizer = optax.chain(optax.clip_by_global_norm(10.0), optax.adam(config.q_rate))

    def q(params: Any, observation: jax.Array) -> jax.Array:
        return q_network.apply(params, observation)  # type: ignore[return-value]

    def predict(models: Any, states: jax.Array, tried: jax.Array) -> tuple[jax.Array, jax.Array]:
        after, reward = jax.vmap(network.apply, (0, 0, None))(models, states, tried)
        return jnp.clip(after, space.low, space.high), reward

    def init(key: jax.Array) -> ControlState:
        model_key, q_key, env_key, key = jax.random.split(key, 4)
        x, now = jnp.zeros(space.shape), jnp.int32(0)
        models = ensemble.start(network, model_key, config.members, x, now)
        one = Episode(x, now, jnp.float32(0), x, jnp.asarray(False), jnp.asarray(False))
        places = (num_updates * together, steps)
        return ControlState(
            models,
            model_optimizer.init(models),
            q_learning.begin(q_network.init(q_key, x), q_optimizer),
            jax.tree.map(lambda x: jnp.zeros((*places, *x.shape), x.dtype), one),
            env.refresh(env_key, env_params),
            key,
            jnp.int32(0),
        )

    def plan(key: jax.Array, models: Any, state: jax.Array, how: str) -> frontier.Path:
        def inside(states: jax.Array, tried: jax.Array) -> tuple[jax.Array, jax.Array]:
            return predict(models, states, tried)

        found = how == "explore"
        return frontier.search(key, inside, state, config, config.members, actions, found)

    def planned_episode(
        key: jax.Array, state: ControlState, how: str, early: jax.Array | bool
    ) -> Episode:
        """One real episode of plans, "explore" or "plan"; of random actions where `early`."""
        reset_key, key = jax.random.split(key)
        observation, env_state = env.reset(reset_key, state.env_params)
        blank = jax.tree.map(lambda x: jnp.zeros_like(x[0]), state.data)

        def step(carry: Any) -> Any:
            observation, env_state, made, time, _, path, at = carry
            after, env_state, reward, terminated, truncated, _ = env.step(
                jax.random.fold_in(key, 2 * time), env_state, path.actions[at], state.env_params
            )
            real = jnp.asarray(True)
            now = Episode(observation, path.actions[at], reward, after, terminated, real)
            made = jax.tree.map(lambda xs, x: xs.at[time].set(x), made, now)
            return after, env_state, made, time + 1, terminated | truncated, path, at + 1

        def goes_on(carry: Any) -> jax.Array:
            _, _, _, time, over, path, at = carry
            return ~over & (time < steps) & (at < path.length)

        def leg(carry: Any) -> Any:
            observation, env_state, made, time, over = carry
            plan_key = jax.random.fold_in(key, 2 * time + 1)
            path = plan(plan_key, state.models, observation, how)
            drawn = jax.random.randint(plan_key, path.actions.shape, 0, actions)
            path = frontier.Path(
                jnp.where(early, drawn, path.actions),
                jnp.where(early, path.actions.shape[0], path.length),
            )
            first = (observation, env_state, made, time, over, path, jnp.int32(0))
            return jax.lax.while_loop(goes_on, step, first)[:5]

        first = (observation, env_state, blank, jnp.int32(0), jnp.asarray(False))
        last = jax.lax.while_loop(lambda c: ~c[4] & (c[3] < steps), leg, first)
        return last[2]

    def train_models(key: jax.Array, state: ControlState) -> tuple[Any, Any, jax.Array]:
        def step(carry: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            models, opt_state = carry
            batch = jax.vmap(lambda key: segments.draw(key, state.data, newest, known, config))(
                jax.random.split(key, config.members)
            )
            value, gradient = jax.value_and_grad(fitting.ahead_loss, 1)(
                network, models, batch, config.reward_weight
            )
            change, opt_state = model_optimizer.update(gradient, opt_state, models)
            return (optax.apply_updates(models, change), opt_state), value / config.members

        newest, known = state.count * together, (state.count + 1) * together
        keys = jax.random.split(key, config.model_updates)
        (models, opt_state), losses = jax.lax.scan(step, (state.models, state.opt_state), keys)
        return models, opt_state, losses[-config.model_updates // 4 :].mean()

    def train_q(key: jax.Array, state: ControlState) -> tuple[Learner, jax.Array]:
        known = (state.count + 1) * together

        def step(learner: Learner, key: jax.Array) -> tuple[Learner, jax.Array]:
            batch = segments.transitions(key, state.data, known, config.q_batch, config)
            gradient, metrics = jax.grad(
                lambda p: q_learning.loss(q, p, learner.target, batch, config.discount),
                has_aux=True,
            )(learner.params)
            return q_learning.learn(learner, gradient, q_optimizer, config.q_sync), metrics["loss"]

        learner, losses = jax.lax.scan(step, state.learner, jax.random.split(key, config.q_updates))
        return learner, losses.mean()

    def update(state: ControlState) -> tuple[ControlState, dict[str, Any]]:
        play_key, model_key, q_key, key = jax.random.split(state.key, 4)
        keys = batch_keys(play_key, together)
        uniform = config.explore == "uniform"
        early = uniform | (state.count * together < config.random_episodes)
        made = jax.vmap(lambda k: planned_episode(k, state, "explore", early))(keys)
        at = state.count * together
        data = jax.tree.map(
            lambda xs, x: jax.lax.dynamic_update_slice_in_dim(xs, x, at, 0), state.data, made
        )
        state = state._replace(data=data)
        metrics: dict[str, Any] = {}
        if not uniform or config.exploit == "plan":
            models, opt_state, loss = train_models(model_key, state)
            state = state._replace(models=models, opt_state=opt_state)
            metrics["model_loss"] = loss
        if config.exploit == "q":
            learner, metrics["q_loss"] = train_q(q_key, state)
            state = state._replace(learner=learner)
        everyone = jnp.ones(together, bool)
        returns = (made.reward * made.real).sum(-1)
        length = made.real.sum(-1)
        reached = (made.over & made.real).any(-1)
        until = jnp.cumsum(length)[jnp.argmax(reached)]  # as if one were played after the other
        metrics |= {
            "episode_return": Mean.where(returns, everyone),
            "episode_length": Mean.where(length.astype(jnp.float32), everyone),
            "best_return": returns.max(),
            "reached": reached.astype(jnp.float32).mean(),
            "real_steps": length.sum(),
            "steps_to_goal": jnp.where(reached.any(), until, 0),
        }
        return state._replace(key=key, count=state.count + 1), metrics

    def evaluate(key: jax.Array, state: ControlState) -> dict[str, Any]:
        if config.exploit == "q":

            def act(key: jax.Array, memory: Any, observation: Any, reset: jax.Array) -> Any:
                return memory, jnp.argmax(q(state.learner.params, observation), -1)

            return evaluation.episodes(key, env, state.env_params, act, (), config.eval_episodes)
        keys = batch_keys(key, config.eval_episodes)
        made = jax.vmap(lambda k: planned_episode(k, state, "plan", False))(keys)
        returns = (made.reward * made.real).sum(-1)
        return {
            "return": returns.mean(),
            "length": made.real.sum(-1).astype(jnp.float32).mean(),
            "solved": (made.over & made.real).any(-1).astype(jnp.float32).mean(),
        }

    def play(key: jax.Array, state: ControlState) -> Iterator[evaluation.Moment]:
        def act(key: jax.Array, memory: Any, observation: Any, reset: jax.Array) -> Any:
            if config.exploit == "q":
                return memory, jnp.argmax(q(state.learner.params, observation), -1)
            path, at = memory
            new = plan(key, state.models, observation[0], "plan")
            path, at = select(at < path.length, (path, at), (new, jnp.int32(0)))
            return (path, at + 1), path.actions[at][None]

        nothing = frontier.Path(jnp.zeros(config.deepest, jnp.int32), jnp.int32(0))
        memory = () if config.exploit == "q" else (nothing, jnp.int32(0))
        return evaluation.play(key, env, state.env_params, act, memory)

    return Experiment(
        init=init,
        update=update,
        num_updates=num_updates,
        steps_per_update=together * steps,
        evaluate=evaluate,
        play=play,
        headline=("episode_return", "reached", "model_loss", "eval/return"),
    )
