"""Proximal policy optimisation (Schulman et al., 2017), feed-forward or recurrent.

An update gathers a rollout of `[T, N]` steps, lets an exploration bonus (if any) turn it into extra
reward, estimates advantages with truncation bootstrapped from the true final observation, and takes
`epochs` passes of clipped policy-gradient steps over minibatches. Minibatches are random steps for a
feed-forward policy and whole environments for a recurrent one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from envs.core import Environment
from jaxrl_suite import distributions, evaluation, losses, minibatches, normalize
from jaxrl_suite.agents import acting, networks, on_policy, ppo_settings, targets
from jaxrl_suite.agents.acting import Acting
from jaxrl_suite.agents.ppo_settings import PPOConfig as PPOConfig
from jaxrl_suite.agents.ppo_settings import check as check
from jaxrl_suite.agents.ppo_settings import number_of_values as number_of_values
from jaxrl_suite.experiment import ConfigError, Experiment, Learnt, merged
from jaxrl_suite.exploration.bonus import Bonus, extra_reward
from jaxrl_suite.networks.actor_critic import ActorCritic
from jaxrl_suite.networks.encoders import is_vector
from jaxrl_suite.networks.recurrent import initial_carry


class PPOState(NamedTuple):
    """Everything a run carries from update to update.

    Attributes:
      params, opt_state: of the network and its optimiser.
      acting: where the N episodes stand.
      observation_moments: running moments, `()` where observations are not normalised.
      return_moments, returns: running moments of the discounted return and its `[N]` values.
      bonus_state: of the exploration bonus, `()` without one.
      key: random key.
      count: `[]` int32, updates done.
    """

    params: Any
    opt_state: Any
    acting: Acting
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
    target: jax.Array
    reset: jax.Array


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
    values = number_of_values(config)
    apart = values == 2
    if apart and bonus is None:
        raise ConfigError("intrinsic_discount", config.intrinsic_discount, "None without a bonus")
    if network is None:
        network = networks.build(observation_space, action_space, config, values)
    recurrent = config.core != "none"
    if config.normalize_observations and not is_vector(observation_space):
        raise ConfigError(
            "normalize_observations",
            True,
            f"must be False, as {env.name}'s observations are no vectors",
        )
    num_envs, length = config.num_envs, config.rollout_length
    take_turns = acting.turns(env, num_envs, config.take_turns)
    num_updates = max(1, config.total_steps // (num_envs * length))
    separate = getattr(network, "critic_encoder", None) is not None
    optimizer = ppo_settings.optimizer(config, num_updates, separate)

    def see(moments: Any, observation: Any) -> Any:
        """The observation as the network gets it."""
        if config.normalize_observations:
            return normalize.standardize(moments, observation)
        return observation

    def forward(params: Any, carry: Any, observation: Any, reset: jax.Array) -> Any:
        return network.apply(params, carry, observation, reset)

    def policy(params: Any, moments: Any) -> acting.Policy:
        """The network on single steps of all environments."""

        def seen(carry: Any, observation: Any, reset: jax.Array) -> Any:
            return forward(params, carry, see(moments, observation), reset)

        return acting.policy_of(seen, action_space, recurrent)

    def init(key: jax.Array) -> PPOState:
        network_key, refresh_key, reset_key, bonus_key, key = jax.random.split(key, 5)
        carry = initial_carry(config.core, config.core_features, num_envs)
        first = acting.start(refresh_key, reset_key, env, env_params, num_envs, carry, take_turns)
        observation = first.observation
        example = jax.tree.map(lambda x: x[None], (observation, first.reset))
        params = network.init(network_key, carry, *example)
        one = jax.tree.map(lambda x: x[0], observation)
        moments = normalize.init(one) if config.normalize_observations else ()
        bonus_state: Any = ()
        if bonus is not None:
            bonus_state = bonus.init(bonus_key, observation_space, action_space, num_envs)
        return PPOState(
            params=params,
            opt_state=optimizer.init(params),
            acting=first,
            observation_moments=moments,
            return_moments=normalize.init(jnp.float32(0)),
            returns=jnp.zeros(num_envs),
            bonus_state=bonus_state,
            key=key,
            count=jnp.int32(0),
        )

    over_envs: dict[str, Any] = dict.fromkeys(PPOState._fields, False)
    over_envs |= {"acting": Acting(False, True, True, True, True), "returns": True}  # type: ignore[arg-type]

    def loss(params: Any, moments: Any, memory: Any, batch: Batch, entropy: jax.Array) -> Any:
        seen = see(moments, batch.observation)
        _, outputs, value = forward(params, memory, seen, batch.reset)
        pi = distributions.policy(action_space, outputs)
        log_ratio = pi.log_prob(batch.action) - batch.log_prob
        advantage = batch.advantage
        if config.normalize_advantages:
            advantage = losses.standardized(advantage)
        policy_loss, metrics = losses.clipped_policy(log_ratio, advantage, config.clip)
        value_clip = config.clip if config.clip_value else None
        known = value, batch.target, batch.value, value_clip
        value_loss = values * losses.squared_value(*known)  # the sum over values
        mean_entropy = pi.entropy().mean()
        total = policy_loss + config.value_coefficient * value_loss - entropy * mean_entropy
        return total, metrics | {
            "loss": total,
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": mean_entropy,
        }

    def split(key: jax.Array, carry: Any, batch: Batch) -> tuple[Any, Batch]:
        """The recurrent state before each minibatch, and the minibatches."""
        if recurrent:
            return minibatches.of_sequences(key, carry, batch, config.minibatches)
        return (), minibatches.of_steps(key, batch, config.minibatches)

    def update(state: PPOState) -> tuple[PPOState, dict[str, Any]]:
        refresh_key, rollout_key, bonus_key, learn_key, key = jax.random.split(state.key, 5)
        fresh = env.refresh(refresh_key, state.acting.env_params)
        state = state._replace(acting=state.acting._replace(env_params=fresh))
        pi = policy(state.params, state.observation_moments)
        last, steps, choices = acting.rollout(
            rollout_key, env, action_space, pi, state.acting, length, take_turns
        )
        metrics = {"an episode": acting.episode_metrics(steps.info)}

        reward, return_moments, returns = steps.reward, state.return_moments, state.returns
        if config.normalize_rewards:
            reward, return_moments, returns = targets.scaled_rewards(
                steps, config.discount, return_moments, returns
            )
        reward = config.extrinsic * reward
        bonus_state, more = state.bonus_state, jnp.zeros_like(reward)
        if bonus is not None:

            def features(observation: Any) -> Any:
                seen = see(state.observation_moments, observation)
                params = jax.lax.stop_gradient(state.params)
                return network.apply(params, seen, method=ActorCritic.features)

            more, bonus_state, bonus_metrics = extra_reward(
                bonus, bonus_key, bonus_state, steps, features
            )
            metrics["the bonus"] = bonus_metrics

        after = acting.next_values(pi, last, steps, choices)
        if apart:
            end = pi(last.carry, last.observation, last.reset)[2]
            aim = targets.apart(config, reward, more, choices.value, after, end, steps)
        else:
            aim = targets.of_sum(config, reward + more, choices.value, after, steps)
        batch = Batch(
            steps.observation,
            steps.action,
            choices.log_prob,
            choices.value,
            aim.advantage,
            aim.target,
            steps.reset,
        )
        entropy = on_policy.entropy_weight(config, state.count, num_updates)
        moments = state.observation_moments
        params, opt_state, loss_metrics = on_policy.passes(
            learn_key,
            state.params,
            state.opt_state,
            optimizer,
            lambda params, memory, part: loss(params, moments, memory, part, entropy),
            lambda key: split(key, state.acting.carry, batch),
            config.epochs,
        )
        unexplained = jnp.var(aim.target - choices.value) / (jnp.var(aim.target) + 1e-8)
        metrics["PPO"] = loss_metrics | {"explained_variance": 1.0 - unexplained}

        if config.normalize_observations:
            moments = normalize.update(moments, steps.observation)
        state = state._replace(
            params=params,
            opt_state=opt_state,
            acting=last,
            observation_moments=moments,
            return_moments=return_moments,
            returns=returns,
            bonus_state=bonus_state,
            key=key,
            count=state.count + 1,
        )
        return state, merged(metrics)

    evaluate, play = on_policy.evaluators(
        env,
        action_space,
        config,
        lambda state: policy(state.params, state.observation_moments),
    )

    return Experiment(
        init=init,
        update=update,
        num_updates=num_updates,
        steps_per_update=num_envs * length,
        evaluate=evaluate,
        play=play,
        headline=evaluation.headline(env, "entropy"),
        over_envs=(PPOState(**over_envs), num_envs),
        learnt=Learnt(
            lambda state: {"params": state.params, "moments": state.observation_moments},
            lambda state, its: state._replace(
                params=its["params"], observation_moments=its["moments"]
            ),
        ),
    )
