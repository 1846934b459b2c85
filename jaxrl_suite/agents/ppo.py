"""Proximal policy optimisation (Schulman et al., 2017), feed-forward or recurrent.

An update gathers a rollout of `[T, N]` steps, lets an exploration bonus (if any) turn it into extra
reward, estimates advantages with truncation bootstrapped from the true final observation, and takes
`epochs` passes of clipped policy-gradient steps over minibatches. Minibatches are random steps for a
feed-forward policy and whole environments for a recurrent one.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from envs import spaces
from envs.core import Environment, batch_keys
from jaxrl_suite import distributions, evaluation, gae, losses, minibatches, normalize
from jaxrl_suite.experiment import ConfigError, Experiment, Mean, known
from jaxrl_suite.exploration.bonus import Bonus, Transitions
from jaxrl_suite.networks.actor_critic import ActorCritic
from jaxrl_suite.networks.encoders import encoder_for, is_grid
from jaxrl_suite.networks.recurrent import initial_carry


@dataclasses.dataclass(frozen=True)
class PPOConfig:
    """Settings of PPO; the defaults suit CartPole and small grid levels.

    Attributes:
      total_steps: environment steps of one seed.
      num_envs, rollout_length: N and T.
      epochs, minibatches: passes over a rollout, and parts of it per pass.
      learning_rate: of Adam; anneal_learning_rate takes it linearly to zero.
      discount, trace: gamma and lambda.
      clip: epsilon of the clipped objective.
      clip_value: clip the value loss in the same way.
      value_coefficient: weight of the value loss.
      entropy: weight of the entropy bonus at the start; entropy_end at the end (None: the same).
      max_grad_norm: gradients are scaled to this global norm.
      normalize_advantages: per minibatch.
      normalize_observations: by running moments (vector observations only).
      normalize_rewards: divide by the running deviation of the discounted return.
      widths: dense layers of an encoder.
      core, core_features: "none", "gru" or "lstm", and its size.
      separate_critic: give the critic an encoder of its own; None does so for vectors only.
      activation: of vector encoders.
      use_mission: tell grid encoders the level's mission.
      log_std: initial logarithm of the deviation of continuous actions.
      eval_episodes: episodes of one evaluation; eval_greedy takes the most likely action.
    """

    total_steps: int = 500_000
    num_envs: int = 64
    rollout_length: int = 64
    epochs: int = 4
    minibatches: int = 4
    learning_rate: float = 5e-4
    anneal_learning_rate: bool = False
    discount: float = 0.99
    trace: float = 0.95
    clip: float = 0.2
    clip_value: bool = False
    value_coefficient: float = 0.5
    entropy: float = 0.01
    entropy_end: float | None = None
    max_grad_norm: float = 0.5
    normalize_advantages: bool = True
    normalize_observations: bool = False
    normalize_rewards: bool = False
    widths: tuple[int, ...] = (64, 64)
    core: str = "none"
    core_features: int = 64
    separate_critic: bool | None = None
    activation: str = "tanh"
    use_mission: bool = False
    log_std: float = 0.0
    eval_episodes: int = 32
    eval_greedy: bool = False


class PPOState(NamedTuple):
    """Everything a run carries from update to update.

    Attributes:
      params, opt_state: of the network and its optimiser.
      env_params, env_state: of the N environments.
      observation: pytree of `[N, ...]`, what the policy sees next.
      reset: `[N]` bool, `observation` is the first of an episode.
      carry: recurrent state, `()` without a core.
      observation_moments: running moments, `()` where observations are not normalised.
      return_moments, returns: running moments of the discounted return and its `[N]` values.
      bonus_state: of the exploration bonus, `()` without one.
      key: random key.
      count: `[]` int32, updates done.
    """

    params: Any
    opt_state: Any
    env_params: Any
    env_state: Any
    observation: Any
    reset: jax.Array
    carry: Any
    observation_moments: Any
    return_moments: normalize.Moments
    returns: jax.Array
    bonus_state: Any
    key: jax.Array
    count: jax.Array  # type: ignore[assignment]


class Batch(NamedTuple):
    """What the loss sees of a step, `[T, N, ...]` or `[B, ...]`."""

    observation: Any
    action: jax.Array
    log_prob: jax.Array
    value: jax.Array
    advantage: jax.Array
    reset: jax.Array


def check(config: PPOConfig) -> None:
    """Refuses settings that cannot work.

    Raises:
      ConfigError: naming the field.
    """
    for name in ("total_steps", "num_envs", "rollout_length", "epochs", "minibatches"):
        if getattr(config, name) < 1:
            raise ConfigError(name, getattr(config, name), "at least 1")
    for name in ("discount", "trace"):
        if known(value := getattr(config, name)) and not 0.0 <= value <= 1.0:
            raise ConfigError(name, getattr(config, name), "from 0 to 1")
    if config.core not in ("none", "gru", "lstm"):
        raise ConfigError("core", config.core, "'none', 'gru' or 'lstm'")
    unit = config.num_envs if config.core != "none" else config.num_envs * config.rollout_length
    what = "num_envs" if config.core != "none" else "num_envs * rollout_length"
    if unit % config.minibatches:
        raise ConfigError("minibatches", config.minibatches, f"a divisor of {what}={unit}")


def make(
    env: Environment,
    env_params: Any,
    config: PPOConfig,
    bonus: Bonus | None = None,
    network: nn.Module | None = None,
) -> Experiment:
    """PPO on an auto-resetting environment with an episode log.

    Args:
      env, env_params: as `envs.make` returns them.
      config: the settings.
      bonus: an exploration bonus, added to the reward.
      network: an `ActorCritic`; None builds one for the environment's spaces.

    Raises:
      ConfigError: for settings that cannot work.
    """
    check(config)
    observation_space, action_space = (
        env.observation_space(env_params),
        env.action_space(env_params),
    )
    if network is None:
        network = build_network(observation_space, action_space, config)
    recurrent = config.core != "none"
    vector = not is_grid(observation_space)
    num_envs, length = config.num_envs, config.rollout_length
    num_updates = max(1, config.total_steps // (num_envs * length))
    separate = getattr(network, "critic_encoder", None) is not None
    optimizer = _optimizer(config, num_updates, separate)

    def see(moments: Any, observation: Any) -> Any:
        """The observation as the network gets it."""
        if config.normalize_observations and vector:
            return normalize.standardize(moments, observation)
        return observation

    def forward(params: Any, carry: Any, observation: Any, reset: jax.Array) -> Any:
        return network.apply(params, carry, observation, reset)

    def apply(params: Any, carry: Any, observation: Any, reset: jax.Array) -> tuple[Any, Any, Any]:
        """The network on one step of all environments: `(carry, distribution, value [N])`."""
        if not recurrent:
            _, outputs, value = forward(params, (), observation, reset)
            return carry, distributions.policy(action_space, outputs), value
        observation, reset = jax.tree.map(lambda x: x[None], (observation, reset))
        carry, outputs, value = forward(params, carry, observation, reset)
        outputs = jax.tree.map(lambda x: x[0], outputs)
        return carry, distributions.policy(action_space, outputs), value[0]

    def to_env(action: jax.Array) -> jax.Array:
        """Continuous actions are in units of the bounds, -1 to 1, and clipped there, not squashed.

        A deviation of 1 is then as wide as the bounds in every environment. The log-probability stays
        the Gaussian's own, so the entropy is exact.
        """
        if not isinstance(action_space, spaces.Box):
            return action
        low, high = action_space.low, action_space.high
        if not (np.isfinite(low) and np.isfinite(high)):
            return jnp.clip(action, low, high)
        return low + (jnp.clip(action, -1.0, 1.0) + 1.0) / 2.0 * (high - low)

    def init(key: jax.Array) -> PPOState:
        network_key, refresh_key, reset_key, bonus_key, key = jax.random.split(key, 5)
        fresh = env.refresh(refresh_key, env_params)
        reset_keys = batch_keys(reset_key, num_envs)
        observation, env_state = jax.vmap(env.reset, in_axes=(0, None))(reset_keys, fresh)
        reset = jnp.ones(num_envs, bool)
        carry = initial_carry(config.core, config.core_features, num_envs)
        example = jax.tree.map(lambda x: x[None], (observation, reset))
        params = network.init(network_key, carry, *example)
        one = jax.tree.map(lambda x: x[0], observation)
        moments = normalize.init(one) if config.normalize_observations and vector else ()
        bonus_state: Any = ()
        if bonus is not None:
            bonus_state = bonus.init(bonus_key, observation_space, action_space, num_envs)
        return PPOState(
            params=params,
            opt_state=optimizer.init(params),
            env_params=fresh,
            env_state=env_state,
            observation=observation,
            reset=reset,
            carry=carry,
            observation_moments=moments,
            return_moments=normalize.init(jnp.float32(0)),
            returns=jnp.zeros(num_envs),
            bonus_state=bonus_state,
            key=key,
            count=jnp.int32(0),
        )

    def rollout(state: PPOState, key: jax.Array) -> tuple[Any, Transitions, dict[str, jax.Array]]:
        """T steps of the policy; also what it computed on the way."""

        def step(carry: Any, key: jax.Array) -> tuple[Any, Any]:
            env_state, observation, reset, memory = carry
            action_key, step_key = jax.random.split(key)
            seen = see(state.observation_moments, observation)
            memory, pi, value = apply(state.params, memory, seen, reset)
            action, log_prob = pi.sample_and_log_prob(seed=action_key)
            keys = batch_keys(step_key, num_envs)
            following, env_state, reward, terminated, truncated, info = jax.vmap(
                env.step, in_axes=(0, 0, 0, None)
            )(keys, env_state, to_env(action), state.env_params)
            info = dict(info)
            final = info.pop("final_observation")
            now = Transitions(
                observation, final, action, reward, terminated, truncated, reset, info
            )
            extra = {"value": value, "log_prob": log_prob}
            if recurrent:  # the value of the final observation needs the memory of this moment
                seen = see(state.observation_moments, final)
                extra["next_value"] = apply(state.params, memory, seen, jnp.zeros_like(reset))[2]
            return (env_state, following, terminated | truncated, memory), (now, extra)

        first = (state.env_state, state.observation, state.reset, state.carry)
        last, (steps, extra) = jax.lax.scan(step, first, jax.random.split(key, length))
        if not recurrent:
            seen = see(state.observation_moments, steps.next_observation)
            extra["next_value"] = forward(state.params, (), seen, steps.reset)[2]
        return last, steps, extra

    def loss(params: Any, moments: Any, memory: Any, batch: Batch, entropy: jax.Array) -> Any:
        seen = see(moments, batch.observation)
        _, outputs, value = forward(params, memory, seen, batch.reset)
        pi = distributions.policy(action_space, outputs)
        log_ratio = pi.log_prob(batch.action) - batch.log_prob
        advantage, target = batch.advantage, batch.advantage + batch.value
        if config.normalize_advantages:
            advantage = losses.standardized(advantage)
        policy_loss, metrics = losses.clipped_policy(log_ratio, advantage, config.clip)
        value_clip = config.clip if config.clip_value else None
        value_loss = losses.squared_value(value, target, batch.value, value_clip)
        mean_entropy = pi.entropy().mean()
        total = policy_loss + config.value_coefficient * value_loss - entropy * mean_entropy
        return total, metrics | {
            "loss": total,
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": mean_entropy,
        }

    def learn(state: PPOState, batch: Batch, key: jax.Array) -> tuple[Any, Any, Any]:
        """`epochs` passes over the rollout."""
        progress = state.count / num_updates
        end = config.entropy if config.entropy_end is None else config.entropy_end
        entropy = config.entropy + progress * (end - config.entropy)
        parts = config.minibatches

        def split(key: jax.Array) -> tuple[Any, Batch]:
            if recurrent:
                return minibatches.of_sequences(key, state.carry, batch, parts)
            return (), minibatches.of_steps(key, batch, parts)

        def minibatch(carry: Any, part: tuple[Any, Batch]) -> tuple[Any, Any]:
            params, opt_state = carry
            memory, batch = part
            gradient, metrics = jax.grad(loss, has_aux=True)(
                params, state.observation_moments, memory, batch, entropy
            )
            change, opt_state = optimizer.update(gradient, opt_state, params)
            return (optax.apply_updates(params, change), opt_state), metrics

        def epoch(carry: Any, key: jax.Array) -> tuple[Any, Any]:
            return jax.lax.scan(minibatch, carry, split(key))

        first = (state.params, state.opt_state)
        (params, opt_state), metrics = jax.lax.scan(
            epoch, first, jax.random.split(key, config.epochs)
        )
        return params, opt_state, jax.tree.map(jnp.mean, metrics)

    def update(state: PPOState) -> tuple[PPOState, dict[str, Any]]:
        refresh_key, rollout_key, bonus_key, learn_key, key = jax.random.split(state.key, 5)
        state = state._replace(env_params=env.refresh(refresh_key, state.env_params))
        (env_state, observation, reset, carry), steps, extra = rollout(state, rollout_key)
        metrics = _episode_metrics(steps.info)

        reward, return_moments, returns = steps.reward, state.return_moments, state.returns
        if config.normalize_rewards:
            reward, return_moments, returns = _scale_rewards(state, steps, config.discount)
        bonus_state = state.bonus_state
        if bonus is not None:

            def features(observation: Any) -> Any:
                seen = see(state.observation_moments, observation)
                params = jax.lax.stop_gradient(state.params)
                return network.apply(params, seen, method=ActorCritic.features)

            more, bonus_state, bonus_metrics = bonus.update(bonus_key, bonus_state, steps, features)
            reward = reward + more
            metrics |= bonus_metrics

        advantage = gae.advantages(
            reward,
            extra["value"],
            extra["next_value"],
            steps.terminated,
            steps.done,
            config.discount,
            config.trace,
        )
        batch = Batch(
            steps.observation,
            steps.action,
            extra["log_prob"],
            extra["value"],
            advantage,
            steps.reset,
        )
        params, opt_state, loss_metrics = learn(state, batch, learn_key)
        unexplained = jnp.var(advantage) / (jnp.var(advantage + extra["value"]) + 1e-8)
        metrics |= loss_metrics | {"explained_variance": 1.0 - unexplained}

        moments = state.observation_moments
        if config.normalize_observations and vector:
            moments = normalize.update(moments, steps.observation)
        state = state._replace(
            params=params,
            opt_state=opt_state,
            env_state=env_state,
            observation=observation,
            reset=reset,
            carry=carry,
            observation_moments=moments,
            return_moments=return_moments,
            returns=returns,
            bonus_state=bonus_state,
            key=key,
            count=state.count + 1,
        )
        return state, metrics

    def act(state: PPOState) -> evaluation.Act:
        """The present policy, for evaluation and pictures."""

        def choose(key: jax.Array, memory: Any, observation: Any, reset: jax.Array) -> Any:
            seen = see(state.observation_moments, observation)
            memory, pi, _ = apply(state.params, memory, seen, reset)
            action = pi.mode() if config.eval_greedy else pi.sample(seed=key)
            return memory, to_env(action)

        return choose

    def memory_for(num: int) -> Any:
        return initial_carry(config.core, config.core_features, num)

    def evaluate(key: jax.Array, state: PPOState) -> dict[str, Any]:
        number = config.eval_episodes
        return evaluation.episodes(key, env, env_params, act(state), memory_for(number), number)

    def record(key: jax.Array, state: PPOState) -> list[Any]:
        return evaluation.record(key, env, env_params, act(state), memory_for(1))

    return Experiment(
        init=init,
        update=update,
        num_updates=num_updates,
        steps_per_update=num_envs * length,
        evaluate=evaluate,
        record=record if evaluation.can_render(env) else None,
        headline=("episode_return", "solved", "entropy"),
    )


def build_network(
    observation_space: spaces.Space, action_space: spaces.Space, config: PPOConfig
) -> ActorCritic:
    """The default actor-critic for two spaces."""
    try:
        encoder, critic = (
            encoder_for(
                observation_space,
                config.widths,
                activation=config.activation,
                use_mission=config.use_mission,
            )
            for _ in range(2)
        )
    except ValueError as error:
        raise ConfigError("env", observation_space, str(error)) from None
    separate = config.separate_critic
    if separate is None:
        separate = not is_grid(observation_space) and config.core == "none"
    return ActorCritic(
        encoder=encoder,
        action_space=action_space,
        critic_encoder=critic if separate else None,
        core=config.core,
        core_features=config.core_features,
        log_std=config.log_std,
    )


def _optimizer(config: PPOConfig, num_updates: int, separate: bool) -> optax.GradientTransformation:
    """Adam on clipped gradients, those of actor and critic clipped apart where they share nothing.

    Under one norm for both, the critic's early gradients, large where returns are, would scale the
    actor's below Adam's epsilon.
    """
    rate: Any = config.learning_rate
    if config.anneal_learning_rate:
        steps = num_updates * config.epochs * config.minibatches
        rate = optax.linear_schedule(config.learning_rate, 0.0, steps)
    clip, adam = optax.clip_by_global_norm(config.max_grad_norm), optax.adam(rate, eps=1e-5)
    if not separate:
        return optax.chain(clip, adam)

    def labels(params: Any) -> Any:
        return {"params": {k: "critic" if "critic" in k else "actor" for k in params["params"]}}

    return optax.chain(optax.partition({"actor": clip, "critic": clip}, labels), adam)


def _episode_metrics(info: dict[str, jax.Array]) -> dict[str, Any]:
    """Returns and lengths of the episodes that ended in a rollout."""
    done = info["episode_done"]
    return {
        "episode_return": Mean.where(info["episode_return"], done),
        "episode_length": Mean.where(info["episode_length"].astype(jnp.float32), done),
        "solved": Mean.where((info["episode_return"] > 0).astype(jnp.float32), done),
    }


def _scale_rewards(
    state: PPOState, steps: Transitions, discount: float
) -> tuple[jax.Array, normalize.Moments, jax.Array]:
    """Rewards divided by the running deviation of the discounted return (Engstrom et al., 2020)."""

    def accumulate(returns: jax.Array, step: Any) -> tuple[jax.Array, jax.Array]:
        reward, done = step
        returns = returns * discount + reward
        return jnp.where(done, 0.0, returns), returns

    returns, history = jax.lax.scan(accumulate, state.returns, (steps.reward, steps.done))
    moments = normalize.update(state.return_moments, history)
    scaled = steps.reward * jax.lax.rsqrt(moments.variance + 1e-8)
    return jnp.clip(scaled, -10.0, 10.0), moments, returns
