"""Inverse dynamics: features phi from which the action between two states can be told.

phi(s_t) and phi(s_{t+1}), concatenated, go through one hidden layer to the action that was taken;
the loss is -log p(a_t | phi_t, phi_{t+1}) (Pathak et al., 2017; in E3B: Henaff et al., 2022,
section 3). What the agent cannot influence (noise, clocks) does not help, so phi leaves it out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxrl_suite.exploration.bonus import Transitions
from jaxrl_suite.minibatches import passes

BOUNDARIES = ("final", "mask", "release")


def normalize(phi: jax.Array) -> jax.Array:
    """LayerNorm without parameters: each embedding `[..., D]` gets mean 0 and |phi|^2 = D."""
    centred = phi - jnp.mean(phi, -1, keepdims=True)
    return centred * jax.lax.rsqrt(jnp.mean(centred**2, -1, keepdims=True) + 1e-6)


class Embedding(nn.Module):
    """phi: an encoder, with `normalize` behind it where asked for.

    Attributes:
      encoder: observation `[..., *shape]` -> `[..., D]`.
      layer_norm: whether to normalise each embedding (so that |phi|^2 = D).
    """

    encoder: nn.Module
    layer_norm: bool = False

    @nn.compact
    def __call__(self, observation: Any) -> jax.Array:
        phi = self.encoder(observation).astype(jnp.float32)
        return normalize(phi) if self.layer_norm else phi


class ActionHead(nn.Module):
    """g: -log p(a | phi, phi') for a discrete action, or a Gaussian one with a learned spread.

    Attributes:
      num_actions: |A|, or None for continuous actions.
      action_dim: length of a continuous action.
      hidden: units of the one hidden layer.
    """

    num_actions: int | None
    action_dim: int = 0
    hidden: int = 256

    @nn.compact
    def __call__(
        self, phi: jax.Array, phi_next: jax.Array, action: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Returns `[...]` losses and `[...]` scores: 1 where the likeliest action is right."""
        x = nn.relu(nn.Dense(self.hidden)(jnp.concatenate([phi, phi_next], -1)))
        if self.num_actions is not None:
            logits = nn.Dense(self.num_actions)(x)
            loss = optax.softmax_cross_entropy_with_integer_labels(logits, action)
            return loss, (jnp.argmax(logits, -1) == action).astype(jnp.float32)
        mean = nn.Dense(self.action_dim)(x)
        log_std = self.param("log_std", nn.initializers.zeros, (self.action_dim,))
        z = (action.reshape(mean.shape) - mean) * jnp.exp(-log_std)
        loss = jnp.sum(0.5 * z**2 + log_std + 0.5 * jnp.log(2 * jnp.pi), -1)
        return loss, (jnp.max(jnp.abs(z), -1) < 1.0).astype(jnp.float32)


class InverseState(NamedTuple):
    """Parameters of phi (`"phi"`) and g (`"g"`), and their optimiser's state."""

    params: dict[str, Any]
    optimizer: Any


@dataclasses.dataclass(frozen=True)
class InverseDynamics:
    """An encoder trained by inverse dynamics, as pure functions.

    Attributes:
      init: `(key, observation_space) -> InverseState`.
      embed: `(params, observation [..., *shape]) -> [..., D]` float32, without gradient.
      update: `(key, state, transitions) -> (state, metrics)`: the epochs over one rollout; metrics
        `inverse_loss` and `inverse_accuracy` are means over them.
    """

    init: Callable[[jax.Array, Any], InverseState]
    embed: Callable[[dict[str, Any], Any], jax.Array]
    update: Callable[
        [jax.Array, InverseState, Transitions], tuple[InverseState, dict[str, jax.Array]]
    ]


def pairs(transitions: Transitions, boundaries: str) -> tuple[Any, Any, jax.Array]:
    """Observations, the next ones, and `[T, N]` float32 weights of the loss.

    Args:
      transitions: a rollout.
      boundaries: "final" takes the true last observation of an episode for the next one, so every
        pair counts; "mask" pairs consecutive observations and gives those across two episodes no
        weight (the Sample Factory port of E3B); "release" gives them full weight (the IMPALA code).
    """
    weights = jnp.ones(transitions.reset.shape, jnp.float32)
    if boundaries == "final":
        return transitions.observation, transitions.next_observation, weights
    following = jax.tree.map(
        lambda now, then: jnp.concatenate([now[1:], then[-1:]]),
        transitions.observation,
        transitions.next_observation,
    )
    if boundaries == "mask":
        weights = 1.0 - transitions.done.astype(jnp.float32)
    return transitions.observation, following, weights


def make(
    encoder: nn.Module,
    action_space: Any,
    *,
    learning_rate: float = 1e-4,
    epochs: int = 1,
    minibatches: int = 1,
    hidden: int = 256,
    layer_norm: bool = False,
    boundaries: str = "final",
    max_grad_norm: float = 40.0,
) -> InverseDynamics:
    """Inverse dynamics around any encoder module.

    Args:
      encoder: observation `[..., *shape]` -> `[..., D]`; its weights are this model's own.
      action_space: discrete (with `n`) or a box (with `shape`).
      learning_rate: of Adam, for phi and g alike.
      epochs: passes over a rollout.
      minibatches: parts a pass is cut into; a remainder of a random few steps is left out.
      hidden: units of g.
      layer_norm: normalise embeddings.
      boundaries: see `pairs`.
      max_grad_norm: global norm the gradient is clipped to.

    Raises:
      ValueError: for unknown `boundaries`, or counts below 1.
    """
    if boundaries not in BOUNDARIES:
        raise ValueError(f"boundaries={boundaries!r}: one of {', '.join(BOUNDARIES)}")
    for name, value in (("epochs", epochs), ("minibatches", minibatches), ("hidden", hidden)):
        if value < 1:
            raise ValueError(f"{name}={value!r}: at least 1")
    phi = Embedding(encoder, layer_norm)
    if hasattr(action_space, "n"):
        g = ActionHead(int(action_space.n), hidden=hidden)
    else:
        g = ActionHead(None, action_dim=_size(action_space.shape), hidden=hidden)
    optimizer = optax.chain(optax.clip_by_global_norm(max_grad_norm), optax.adam(learning_rate))

    def init(key: jax.Array, observation_space: Any) -> InverseState:
        sample_key, phi_key, g_key = jax.random.split(key, 3)
        observation = observation_space.sample(sample_key)
        phi_params = phi.init(phi_key, observation)
        features = phi.apply(phi_params, observation)
        g_params = g.init(g_key, features, features, action_space.sample(sample_key))
        params = {"phi": phi_params, "g": g_params}
        return InverseState(params, optimizer.init(params))

    def embed(params: dict[str, Any], observation: Any) -> jax.Array:
        return jax.lax.stop_gradient(jnp.asarray(phi.apply(params["phi"], observation)))

    def loss(params, observation, following, action, weights):
        losses, right = g.apply(
            params["g"],
            phi.apply(params["phi"], observation),
            phi.apply(params["phi"], following),
            action,
        )
        total = jnp.maximum(jnp.sum(weights), 1.0)
        return jnp.sum(weights * losses) / total, jnp.sum(weights * right) / total

    def step(state, batch):
        (value, accuracy), gradient = jax.value_and_grad(loss, has_aux=True)(state.params, *batch)
        updates, optimizer_state = optimizer.update(gradient, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        return InverseState(params, optimizer_state), (value, accuracy)

    def update(key, state, transitions):
        observation, following, weights = pairs(transitions, boundaries)
        data = (observation, following, transitions.action, weights)
        state, (loss, accuracy) = passes(key, state, step, data, epochs, minibatches)
        return state, {"inverse_loss": loss, "inverse_accuracy": accuracy}

    return InverseDynamics(init, embed, update)


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for n in shape:
        size *= n
    return size
