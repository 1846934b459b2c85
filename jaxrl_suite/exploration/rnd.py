"""Random network distillation (Burda et al., 2018, arXiv 1810.12894), a global bonus.

A predictor f learns the outputs of a fixed random network g on the states that were seen; where it is
wrong, states are new:

    e(s) = |f(s) - g(s)|^2 / 2        (`squared=False`: |f(s) - g(s)|, as the E3B code pays)

Step t pays e(s_{t+1}). `make_model` gives the pair of networks to other bonuses (NovelD).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxrl_suite import checks, normalize
from jaxrl_suite.exploration.bonus import Bonus, PolicyFeatures, Transitions, check_rollout
from jaxrl_suite.minibatches import passes
from jaxrl_suite.networks.encoders import encoder_for, is_board
from jaxrl_suite.networks.initializers import orthogonal


@dataclasses.dataclass(frozen=True)
class RNDConfig:
    """Options of random network distillation.

    Attributes:
      target: layers of g; the last is the number of outputs.
      predictor: hidden layers of f, which ends in as many outputs as g.
      squared: pay half the squared distance, else the distance.
      normalize_observations: standardise vectors and boards by their running moments, cut off at 5
        deviations; dictionaries (grid worlds) are taken as they are.
      learning_rate, epochs, minibatches: of f's training (Adam) on each rollout.
      share: of the minibatches it sees; the paper trains on a quarter of the steps.
    """

    target: tuple[int, ...] = (64, 64)
    predictor: tuple[int, ...] = (128, 128)
    squared: bool = True
    normalize_observations: bool = True
    learning_rate: float = 1e-4
    epochs: int = 1
    minibatches: int = 4
    share: float = 1.0

    def check(self) -> None:
        """Raises `ConfigError` for a value that cannot be used."""
        checks.sizes(self, "target", "predictor")
        checks.at_least(self, 1, "epochs", "minibatches")
        checks.share(self, "share")
        checks.above(self, 0.0, "learning_rate")


class RNDState(NamedTuple):
    """Networks and their inputs' scale.

    Attributes:
      target, predictor: parameters of g and f.
      optimizer: f's.
      moments: of vectors and boards, else ().
    """

    target: Any
    predictor: Any
    optimizer: Any
    moments: Any


class Head(nn.Module):
    """An encoder and a linear layer behind it.

    Attributes:
      encoder: observation `[..., *shape]` -> `[..., D]`.
      outputs: number of outputs.
    """

    encoder: nn.Module
    outputs: int

    @nn.compact
    def __call__(self, observation: Any) -> jax.Array:
        scale = orthogonal(2.0**0.5)
        return nn.Dense(self.outputs, kernel_init=scale)(self.encoder(observation))


@dataclasses.dataclass(frozen=True)
class RND:
    """The pair of networks as pure functions.

    Attributes:
      init: `(key, observation_space) -> RNDState`.
      see: `(state, transitions) -> state`: the inputs' moments with a rollout's; before its bonus,
        so that the first rollout's inputs have a scale too.
      error: `(state, observation [..., *shape]) -> [...]` float32, e(s).
      update: `(key, state, transitions) -> (state, metrics)`: trains f on the states reached.
    """

    init: Callable[[jax.Array, Any], RNDState]
    see: Callable[[RNDState, Transitions], RNDState]
    error: Callable[[RNDState, Any], jax.Array]
    update: Callable[[jax.Array, RNDState, Transitions], tuple[RNDState, dict[str, jax.Array]]]


def make_model(
    config: RNDConfig,
    observation_space: Any,
    encoders: tuple[nn.Module, nn.Module] | None = None,
) -> RND:
    """The networks for an observation space.

    Args:
      config: options.
      observation_space: of the environment.
      encoders: bodies of g and of f; None takes `encoder_for` the space.

    Raises:
      ConfigError: for an option that cannot be used.
    """
    config.check()
    if encoders is None:
        hidden = config.target[:-1] or config.target
        encoders = (
            encoder_for(observation_space, hidden, activation="relu"),
            encoder_for(observation_space, config.predictor, activation="relu"),
        )
    target, predictor = (Head(encoder, config.target[-1]) for encoder in encoders)
    optimizer = optax.adam(config.learning_rate)
    vector = len(getattr(observation_space, "shape", None) or ()) == 1
    numbers = vector or is_board(observation_space)
    standardized = config.normalize_observations and numbers

    def standardize(state: RNDState, observation: Any) -> Any:
        if not standardized:
            return observation
        return normalize.standardize(state.moments, observation, 5.0)

    def init(key: jax.Array, observation_space: Any) -> RNDState:
        sample_key, target_key, predictor_key = jax.random.split(key, 3)
        observation = observation_space.sample(sample_key)
        params = predictor.init(predictor_key, observation)
        moments = normalize.init(observation) if standardized else ()
        return RNDState(
            target.init(target_key, observation), params, optimizer.init(params), moments
        )

    def see(state: RNDState, transitions: Transitions) -> RNDState:
        if not standardized:
            return state
        moments = normalize.update(state.moments, transitions.next_observation)
        return state._replace(moments=moments)

    def distance(state: RNDState, params: Any, observation: Any) -> jax.Array:
        goal = jax.lax.stop_gradient(jnp.asarray(target.apply(state.target, observation)))
        return jnp.sum((jnp.asarray(predictor.apply(params, observation)) - goal) ** 2, -1)

    def error(state: RNDState, observation: Any) -> jax.Array:
        square = distance(state, state.predictor, standardize(state, observation))
        return square / 2 if config.squared else jnp.sqrt(square)

    def update(
        key: jax.Array, state: RNDState, transitions: Transitions
    ) -> tuple[RNDState, dict[str, jax.Array]]:
        def step(state: RNDState, batch: Any) -> tuple[RNDState, jax.Array]:
            seen = standardize(state, batch)
            loss, gradient = jax.value_and_grad(
                lambda params: jnp.mean(distance(state, params, seen)) / 2
            )(state.predictor)
            change, moments = optimizer.update(gradient, state.optimizer)
            params = optax.apply_updates(state.predictor, change)
            return state._replace(predictor=params, optimizer=moments), loss

        reached = transitions.next_observation
        state, loss = passes(
            key, state, step, reached, config.epochs, config.minibatches, config.share
        )
        return state, {"rnd_loss": loss}

    return RND(init, see, error, update)


def make(
    config: RNDConfig,
    observation_space: Any,
    encoders: tuple[nn.Module, nn.Module] | None = None,
) -> Bonus:
    """The bonus e(s_{t+1}); arguments as of `make_model`.

    Raises:
      ConfigError: for an option that cannot be used.
    """
    model = make_model(config, observation_space, encoders)

    def init(key: jax.Array, observation_space: Any, action_space: Any, num_envs: int) -> RNDState:
        del action_space, num_envs
        return model.init(key, observation_space)

    def update(
        key: jax.Array, state: RNDState, transitions: Transitions, policy_features: PolicyFeatures
    ) -> tuple[jax.Array, RNDState, dict[str, jax.Array]]:
        del policy_features
        check_rollout(transitions)
        state = model.see(state, transitions)
        extra = model.error(state, transitions.next_observation)
        state, metrics = model.update(key, state, transitions)
        return extra, state, metrics

    return Bonus(init, update, "rnd")
