"""Inverse and forward dynamics together: the model behind ICM and RIDE.

phi is trained so that the action between two states can be told from their embeddings (inverse), and
so that the next embedding can be told from embedding and action (forward), Pathak et al. (2017,
arXiv 1705.05363, equations 2 to 6):

    loss = (1 - beta) L_inverse + beta L_forward,    L_forward = |F(phi(s_t), a_t) - phi(s_{t+1})|^2 / 2
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxrl_suite import checks
from jaxrl_suite.exploration.bonus import (
    Bonus,
    PolicyFeatures,
    Transitions,
    both_ends,
    check_rollout,
)
from jaxrl_suite.exploration.inverse_dynamics import Embedding, Segments, action_head, segments
from jaxrl_suite.losses import weighted_mean
from jaxrl_suite.minibatches import passes
from jaxrl_suite.networks.encoders import encoder_for


@dataclasses.dataclass(frozen=True)
class DynamicsConfig:
    """Options of the model.

    Attributes:
      widths: layers of phi's encoder; the last is the size of an embedding.
      layer_norm: normalise embeddings.
      hidden: units of the one hidden layer of each head.
      beta: weight of the forward loss; the inverse one has 1 - beta.
      learning_rate, epochs, minibatches: of the training (Adam) on each rollout.
      share: of the minibatches it sees.
      segment: steps encoded together (`inverse_dynamics.segments`); 1 for very short episodes.
    """

    widths: tuple[int, ...] = (64, 32)
    layer_norm: bool = False
    hidden: int = 256
    beta: float = 0.2
    learning_rate: float = 1e-3
    epochs: int = 1
    minibatches: int = 4
    share: float = 1.0
    segment: int = 8

    def check(self) -> None:
        """Raises `ConfigError` for a value that cannot be used."""
        checks.sizes(self, "widths")
        checks.within(self, 0.0, 1.0, "beta")
        checks.at_least(self, 1, "epochs", "minibatches", "hidden", "segment")
        checks.share(self, "share")


class DynamicsState(NamedTuple):
    """Parameters of phi (`"phi"`), the inverse (`"inverse"`) and forward heads, and the optimiser."""

    params: dict[str, Any]
    optimizer: Any


class ForwardHead(nn.Module):
    """F: the next embedding from embedding and action.

    Attributes:
      num_actions: |A|, or None for continuous actions.
      hidden: units of the one hidden layer.
    """

    num_actions: int | None
    hidden: int = 256

    @nn.compact
    def __call__(self, phi: jax.Array, action: jax.Array) -> jax.Array:
        if self.num_actions is not None:
            action = jax.nn.one_hot(action, self.num_actions)
        else:
            action = action.reshape(*phi.shape[:-1], -1)
        x = nn.relu(nn.Dense(self.hidden)(jnp.concatenate([phi, action], -1)))
        return nn.Dense(phi.shape[-1])(x)


@dataclasses.dataclass(frozen=True)
class Dynamics:
    """The model as pure functions.

    Attributes:
      init: `(key, observation_space) -> DynamicsState`.
      embed: `(state, observation [..., *shape]) -> [..., D]`, without gradient.
      error: `(state, transitions) -> [T, N]`, the forward loss of each step, without gradient.
      update: `(key, state, transitions) -> (state, metrics)`.
    """

    init: Callable[[jax.Array, Any], DynamicsState]
    embed: Callable[[DynamicsState, Any], jax.Array]
    error: Callable[[DynamicsState, Transitions], jax.Array]
    update: Callable[
        [jax.Array, DynamicsState, Transitions], tuple[DynamicsState, dict[str, jax.Array]]
    ]


def make_model(
    config: DynamicsConfig,
    observation_space: Any,
    action_space: Any,
    encoder: nn.Module | None = None,
) -> Dynamics:
    """The model for an environment's spaces; `encoder` is phi's body, `encoder_for` if None.

    Raises:
      ConfigError: for an option that cannot be used.
    """
    config.check()
    if encoder is None:
        encoder = encoder_for(observation_space, config.widths, "linear")
    phi = Embedding(encoder, config.layer_norm)
    inverse = action_head(action_space, config.hidden)
    forward = ForwardHead(inverse.num_actions, config.hidden)
    optimizer = optax.adam(config.learning_rate)

    def init(key: jax.Array, observation_space: Any) -> DynamicsState:
        sample_key, *keys = jax.random.split(key, 4)
        observation, action = observation_space.sample(sample_key), action_space.sample(sample_key)
        params = {"phi": phi.init(keys[0], observation)}
        features = phi.apply(params["phi"], observation)
        params["inverse"] = inverse.init(keys[1], features, features, action)
        params["forward"] = forward.init(keys[2], features, action)
        return DynamicsState(params, optimizer.init(params))

    def embed(state: DynamicsState, observation: Any) -> jax.Array:
        features = jnp.asarray(phi.apply(state.params["phi"], observation))
        return jax.lax.stop_gradient(features)

    def forward_loss(params: Any, now: Any, then: Any, action: jax.Array) -> jax.Array:
        guess = jnp.asarray(forward.apply(params["forward"], now, action))
        return jnp.sum((guess - then) ** 2, -1) / 2

    def error(state: DynamicsState, transitions: Transitions) -> jax.Array:
        now, then = both_ends(partial(embed, state), transitions)
        return jax.lax.stop_gradient(forward_loss(state.params, now, then, transitions.action))

    def loss(params: Any, batch: Segments) -> Any:
        features = jnp.asarray(phi.apply(params["phi"], batch.states))
        now, then = features[:, :-1], features[:, 1:]
        inverse_loss, right = jax.tree.map(
            jnp.asarray, inverse.apply(params["inverse"], now, then, batch.action)
        )
        forward_losses = forward_loss(params, now, then, batch.action)
        *losses, accuracy = (
            weighted_mean(x, batch.weight) for x in (inverse_loss, forward_losses, right)
        )
        total = (1 - config.beta) * losses[0] + config.beta * losses[1]
        return total, (*losses, accuracy)

    def step(state: DynamicsState, batch: Any) -> tuple[DynamicsState, Any]:
        gradient, values = jax.grad(loss, has_aux=True)(state.params, batch)
        change, moments = optimizer.update(gradient, state.optimizer)
        return DynamicsState(optax.apply_updates(state.params, change), moments), values

    def update(
        key: jax.Array, state: DynamicsState, transitions: Transitions
    ) -> tuple[DynamicsState, dict[str, jax.Array]]:
        data = segments(transitions, config.minibatches, longest=config.segment)
        state, values = passes(
            key, state, step, data, config.epochs, config.minibatches, config.share
        )
        names = ("inverse_loss", "forward_loss", "inverse_accuracy")
        return state, dict(zip(names, values, strict=True))

    return Dynamics(init, embed, error, update)


def bonus(
    name: str,
    pays: Callable[[Dynamics, DynamicsState, Transitions], jax.Array],
    config: DynamicsConfig,
    observation_space: Any,
    action_space: Any,
    encoder: nn.Module | None = None,
) -> Bonus:
    """A bonus that the model pays before it learns from a rollout.

    Args:
      name: of the bonus.
      pays: `(model, state, transitions) -> [T, N]`.
      config, observation_space, action_space, encoder: as of `make_model`.

    Raises:
      ConfigError: for an option that cannot be used.
    """
    model = make_model(config, observation_space, action_space, encoder)

    def init(
        key: jax.Array, observation_space: Any, action_space: Any, num_envs: int
    ) -> DynamicsState:
        del action_space, num_envs
        return model.init(key, observation_space)

    def update(
        key: jax.Array,
        state: DynamicsState,
        transitions: Transitions,
        policy_features: PolicyFeatures,
    ) -> tuple[jax.Array, DynamicsState, dict[str, jax.Array]]:
        del policy_features
        check_rollout(transitions)
        extra = pays(model, state, transitions)
        state, metrics = model.update(key, state, transitions)
        return extra, state, metrics

    return Bonus(init, update, name)
