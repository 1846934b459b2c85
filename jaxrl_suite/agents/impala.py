"""IMPALA and APPO: actor-critic on V-trace targets (Espeholt et al., 2018; Petrenko et al., 2020).

An update gathers a rollout of `[T, N]` steps, then takes `epochs` passes over minibatches of whole
environments. V-trace makes its targets anew from the present network in every minibatch, correcting
for the distance to the policy that acted. `clip=None` is IMPALA's policy gradient, a number is
APPO's clipped objective. Made for slow environments: it draws more from a rollout than one pass of
plain policy gradient could.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from envs.core import Environment
from jaxrl_suite import checks, distributions, evaluation, losses, minibatches
from jaxrl_suite.agents import acting, networks, on_policy
from jaxrl_suite.agents.acting import Acting
from jaxrl_suite.experiment import ConfigError, Experiment, Learnt, merged
from jaxrl_suite.exploration.bonus import Bonus, extra_reward
from jaxrl_suite.networks.actor_critic import ActorCritic
from jaxrl_suite.networks.recurrent import initial_carry
from jaxrl_suite.vtrace import vtrace

OPTIMIZERS = ("adam", "rmsprop")


@dataclasses.dataclass(frozen=True)
class IMPALAConfig(networks.Options):
    """Settings of IMPALA; the defaults are APPO's.

    Attributes:
      total_steps: environment steps of one seed.
      num_envs: N, environments stepped side by side.
      rollout_length: T, steps of each between two updates.
      take_turns: one half of the games on the host plays while the policy looks at the other; see
        `docs/results/nethack_training.md`.
      epochs: passes over a rollout.
      minibatches: parts of a rollout per pass, of whole environments.
      optimizer: "adam", or "rmsprop" as in IMPALA.
      epsilon: added to the root of the mean square of gradients, as TorchBeast has it; None: 1e-5 with
        "adam"; with "rmsprop" 0.01 under the root, as IMPALA's paper has it.
      learning_rate: its step size.
      anneal_learning_rate: take the learning rate linearly to zero.
      discount: gamma.
      gae_lambda: lambda of V-trace's targets.
      rho_clip: V-trace's bound on the importance weights of the errors.
      trace_clip: its bound on the weights of the traces.
      clip: epsilon of the clipped objective; None for IMPALA's policy gradient.
      value_coefficient: weight of the value loss.
      entropy: weight of the entropy bonus at the start.
      entropy_end: its weight at the end, the same if None.
      max_grad_norm: gradients are scaled to this global norm.
      normalize_advantages: per minibatch.
      eval_episodes: episodes of one evaluation.
      eval_greedy: evaluate the most likely action.
    """

    total_steps: int = 1_000_000
    num_envs: int = 64
    rollout_length: int = 32
    take_turns: bool = False
    epochs: int = 2
    minibatches: int = 4
    optimizer: str = "adam"
    epsilon: float | None = None
    learning_rate: float = 5e-4
    anneal_learning_rate: bool = False
    discount: float = 0.99
    gae_lambda: float = 0.95
    rho_clip: float = 1.0
    trace_clip: float = 1.0
    clip: float | None = 0.2
    value_coefficient: float = 0.5
    entropy: float = 0.01
    entropy_end: float | None = None
    max_grad_norm: float = 4.0
    normalize_advantages: bool = True
    eval_episodes: int = 32
    eval_greedy: bool = False


class IMPALAState(NamedTuple):
    """Everything a run carries from update to update.

    Attributes:
      params, opt_state: of the network and its optimiser.
      acting: where the N episodes stand.
      bonus_state: of the exploration bonus, `()` without one.
      key: random key.
      count: `[]` int32, updates done.
    """

    params: Any
    opt_state: Any
    acting: Acting
    bonus_state: Any
    key: jax.Array
    count: jax.Array  # type: ignore[assignment]


class Batch(NamedTuple):
    """What the loss sees of a rollout, `[T, n, ...]`.

    `reached` is the value of the state each step reached, by the policy that acted: read where the
    rollout or an episode ends, since there no later step holds a newer one.
    """

    observation: Any
    action: jax.Array
    log_prob: jax.Array
    reward: jax.Array
    reached: jax.Array
    terminated: jax.Array
    done: jax.Array
    reset: jax.Array


def check(config: IMPALAConfig) -> None:
    """Refuses settings that cannot work.

    Raises:
      ConfigError: naming the field.
    """
    checks.at_least(config, 1, "total_steps", most=checks.MOST_STEPS)
    checks.at_least(config, 1, "num_envs", "rollout_length", "epochs", "minibatches")
    checks.batch(config, "num_envs", "rollout_length")
    checks.at_least(config, 1, "eval_episodes")
    checks.within(config, 0.0, 1.0, "discount", "gae_lambda")
    checks.above(config, 0.0, "rho_clip", "trace_clip", "clip", "learning_rate", "max_grad_norm")
    checks.at_least(config, 0.0, "value_coefficient", "entropy", "entropy_end")
    checks.one_of(config, OPTIMIZERS, "optimizer")
    checks.above(config, 0.0, "epsilon")
    networks.check(config)
    if config.num_envs % config.minibatches:
        wanted = f"a divisor of num_envs={config.num_envs}"
        raise ConfigError("minibatches", config.minibatches, wanted)


def make(
    env: Environment,
    env_params: Any,
    config: IMPALAConfig,
    bonus: Bonus | None = None,
    network: nn.Module | None = None,
) -> Experiment:
    """IMPALA on an auto-resetting environment with an episode log.

    Args:
      env, env_params: as `envs.make` returns them.
      config: the settings.
      bonus: an exploration bonus, added to the reward.
      network: an `ActorCritic`; None builds one for the environment's spaces.

    Raises:
      ConfigError: for settings that cannot work.
    """
    check(config)
    observation_space = env.observation_space(env_params)
    action_space = env.action_space(env_params)
    if network is None:
        network = networks.build(observation_space, action_space, config)
    recurrent = config.core != "none"
    num_envs, length = config.num_envs, config.rollout_length
    take_turns = acting.turns(env, num_envs, config.take_turns)
    num_updates = max(1, config.total_steps // (num_envs * length))
    optimizer = _optimizer(config, num_updates)

    def forward(params: Any, carry: Any, observation: Any, reset: jax.Array) -> Any:
        return network.apply(params, carry, observation, reset)

    def policy(params: Any) -> acting.Policy:
        return acting.policy_of(partial(forward, params), action_space, recurrent)

    def init(key: jax.Array) -> IMPALAState:
        network_key, refresh_key, reset_key, bonus_key, key = jax.random.split(key, 5)
        carry = initial_carry(config.core, config.core_features, num_envs)
        first = acting.start(refresh_key, reset_key, env, env_params, num_envs, carry, take_turns)
        example = jax.tree.map(lambda x: x[None], (first.observation, first.reset))
        params = network.init(network_key, carry, *example)
        bonus_state: Any = ()
        if bonus is not None:
            bonus_state = bonus.init(bonus_key, observation_space, action_space, num_envs)
        return IMPALAState(params, optimizer.init(params), first, bonus_state, key, jnp.int32(0))

    def loss(params: Any, memory: Any, batch: Batch, entropy: jax.Array) -> Any:
        _, outputs, value = forward(params, memory, batch.observation, batch.reset)
        pi = distributions.policy(action_space, outputs)
        log_prob = pi.log_prob(batch.action)
        log_ratio = log_prob - batch.log_prob
        later = jnp.concatenate([value[1:], batch.reached[-1:]])
        trace = vtrace(
            log_ratio,
            batch.reward,
            value,
            jnp.where(batch.done, batch.reached, later),
            batch.terminated,
            batch.done,
            config.discount,
            config.gae_lambda,
            config.rho_clip,
            config.trace_clip,
        )
        advantage = trace.advantage
        if config.normalize_advantages:
            advantage = losses.standardized(advantage)
        clip = 1.0 if config.clip is None else config.clip  # 1: for the metrics alone
        policy_loss, metrics = losses.clipped_policy(log_ratio, advantage, clip)
        if config.clip is None:
            policy_loss = -jnp.mean(trace.rho * advantage * log_prob)
        value_loss = 0.5 * jnp.mean(jnp.square(trace.target - value))
        mean_entropy = pi.entropy().mean()
        total = policy_loss + config.value_coefficient * value_loss - entropy * mean_entropy
        unexplained = jnp.var(trace.target - value) / (jnp.var(trace.target) + 1e-8)
        return total, metrics | {
            "loss": total,
            "policy_loss": policy_loss,
            "value_loss": value_loss,
            "entropy": mean_entropy,
            "explained_variance": 1.0 - unexplained,
        }

    def update(state: IMPALAState) -> tuple[IMPALAState, dict[str, Any]]:
        refresh_key, rollout_key, bonus_key, learn_key, key = jax.random.split(state.key, 5)
        fresh = env.refresh(refresh_key, state.acting.env_params)
        state = state._replace(acting=state.acting._replace(env_params=fresh))
        pi = policy(state.params)
        last, steps, choices = acting.rollout(
            rollout_key, env, action_space, pi, state.acting, length, take_turns
        )
        metrics = {"an episode": acting.episode_metrics(steps.info)}
        reward, bonus_state = steps.reward, state.bonus_state
        if bonus is not None:

            def features(observation: Any) -> Any:
                params = jax.lax.stop_gradient(state.params)
                return network.apply(params, observation, method=ActorCritic.features)

            more, bonus_state, bonus_metrics = extra_reward(
                bonus, bonus_key, bonus_state, steps, features
            )
            reward = reward + more
            metrics["the bonus"] = bonus_metrics
        batch = Batch(
            steps.observation,
            steps.action,
            choices.log_prob,
            reward,
            acting.next_values(pi, last, steps, choices),
            steps.terminated,
            steps.done,
            steps.reset,
        )
        entropy = on_policy.entropy_weight(config, state.count, num_updates)
        params, opt_state, loss_metrics = on_policy.passes(
            learn_key,
            state.params,
            state.opt_state,
            optimizer,
            lambda params, memory, part: loss(params, memory, part, entropy),
            lambda key: minibatches.of_sequences(
                key, state.acting.carry, batch, config.minibatches
            ),
            config.epochs,
        )
        state = IMPALAState(params, opt_state, last, bonus_state, key, state.count + 1)
        return state, merged(metrics | {"IMPALA": loss_metrics})

    evaluate, play = on_policy.evaluators(
        env, action_space, config, lambda state: policy(state.params)
    )

    return Experiment(
        init=init,
        update=update,
        num_updates=num_updates,
        steps_per_update=num_envs * length,
        evaluate=evaluate,
        play=play,
        headline=evaluation.headline(env, "entropy"),
        learnt=Learnt(
            lambda state: {"params": state.params},
            lambda state, its: state._replace(params=its["params"]),
        ),
    )


def _optimizer(config: IMPALAConfig, num_updates: int) -> optax.GradientTransformation:
    rate = on_policy.learning_rate(config, num_updates)
    given, adam = config.epsilon, config.optimizer == "adam"
    epsilon = given if given is not None else (1e-5 if adam else 0.01)
    if adam:
        rule = optax.adam(rate, eps=epsilon)
    else:  # decay, and without `given` epsilon, of the paper's Table D.1
        rule = optax.rmsprop(rate, decay=0.99, eps=epsilon, eps_in_sqrt=given is None)
    return optax.chain(optax.clip_by_global_norm(config.max_grad_norm), rule)
