"""Inverse dynamics: features phi from which the action between two states can be told.

phi(s_t) and phi(s_{t+1}), concatenated, go through one hidden layer to the action that was taken;
the loss is -log p(a_t | phi_t, phi_{t+1}) (Pathak et al., 2017; in E3B: Henaff et al., 2022,
section 3). What the agent cannot influence (noise, clocks) does not help, so phi leaves it out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxrl_suite.exploration.bonus import Transitions
from jaxrl_suite.losses import weighted_mean
from jaxrl_suite.minibatches import passes

BOUNDARIES = ("final", "mask", "release")
SEGMENT = 8  # steps


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


def action_head(action_space: Any, hidden: int) -> ActionHead:
    """g for an action space: discrete (with `n`) or a box (with `shape`)."""
    if hasattr(action_space, "n"):
        return ActionHead(int(action_space.n), hidden=hidden)
    return ActionHead(None, math.prod(action_space.shape), hidden)


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
      update: `(key, state, transitions, valid=None) -> (state, metrics)`: the epochs over the steps of
        one rollout that are `valid`; metrics `inverse_loss` and `inverse_accuracy` are means over them.
    """

    init: Callable[[jax.Array, Any], InverseState]
    embed: Callable[[dict[str, Any], Any], jax.Array]
    update: Callable[..., tuple[InverseState, dict[str, jax.Array]]]


class Segments(NamedTuple):
    """Pieces of L steps of a rollout, `[S, N, ...]`.

    Attributes:
      states: pytree of `[S, N, L + 1, ...]`: the state before the first step, then those reached.
      action: `[S, N, L, ...]`.
      weight: `[S, N, L]` float32, 0 where an episode begins inside: its first state is not in `states`.
    """

    states: Any
    action: jax.Array
    weight: jax.Array


def segments(
    transitions: Transitions,
    minibatches: int,
    boundaries: str = "final",
    longest: int = SEGMENT,
    valid: jax.Array | None = None,
) -> Segments:
    """A rollout in pieces of at most `longest` steps.

    A model of the pairs (s_t, s_{t+1}) encodes the states of a piece once each, L + 1 times and not
    2 L times, which saves nearly half of its work; pieces are short so that minibatches stay mixed.

    Args:
      transitions: a rollout.
      minibatches: the pieces must make so many.
      boundaries: "final" takes the true last observation of an episode for the next one, and leaves
        out the first pair of episodes that begin inside a piece; "mask" pairs consecutive observations
        and leaves out those across two episodes (the Sample Factory port of E3B); "release" gives
        these full weight (the IMPALA code).
      longest: 1 leaves out no pair, and saves nothing; for tasks of very short episodes.
      valid: `[T, N]` bool, steps that count; None for all.
    """
    length, width = transitions.reset.shape
    fits = [n for n in range(1, longest + 1) if length % n == 0]
    size = max((n for n in fits if length // n * width >= minibatches), default=1)

    def cut(x: jax.Array) -> jax.Array:
        return jnp.moveaxis(x.reshape(length // size, size, *x.shape[1:]), 1, 2)

    now, then = (
        jax.tree.map(cut, x) for x in (transitions.observation, transitions.next_observation)
    )
    reset, done = cut(transitions.reset), cut(transitions.done)
    if boundaries == "final":
        states = jax.tree.map(lambda a, b: jnp.concatenate([a[:, :, :1], b], 2), now, then)
        skipped = reset.at[:, :, 0].set(False)
    else:
        states = jax.tree.map(lambda a, b: jnp.concatenate([a, b[:, :, -1:]], 2), now, then)
        skipped = done if boundaries == "mask" else jnp.zeros_like(done)
    counts = ~skipped if valid is None else ~skipped & cut(valid)
    return Segments(states, cut(transitions.action), counts.astype(jnp.float32))


def make(
    encoder: nn.Module,
    action_space: Any,
    *,
    learning_rate: float = 1e-4,
    epochs: int = 1,
    minibatches: int = 1,
    share: float = 1.0,
    hidden: int = 256,
    layer_norm: bool = False,
    boundaries: str = "final",
    segment: int = SEGMENT,
    max_grad_norm: float = 40.0,
) -> InverseDynamics:
    """Inverse dynamics around any encoder module.

    Args:
      encoder: observation `[..., *shape]` -> `[..., D]`; its weights are this model's own.
      action_space: discrete (with `n`) or a box (with `shape`).
      learning_rate: of Adam, for phi and g alike.
      epochs: passes over a rollout.
      minibatches: parts a pass is cut into; a remainder of a random few segments is left out.
      share: of the minibatches it sees, at least one.
      hidden: units of g.
      layer_norm: normalise embeddings.
      boundaries: see `segments`.
      segment: `longest` of `segments`.
      max_grad_norm: global norm the gradient is clipped to.

    Raises:
      ValueError: for unknown `boundaries`, or counts below 1.
    """
    if boundaries not in BOUNDARIES:
        raise ValueError(f"boundaries={boundaries!r}: one of {', '.join(BOUNDARIES)}")
    for name, value in (
        ("epochs", epochs),
        ("minibatches", minibatches),
        ("hidden", hidden),
        ("segment", segment),
    ):
        if value < 1:
            raise ValueError(f"{name}={value!r}: at least 1")
    phi = Embedding(encoder, layer_norm)
    g = action_head(action_space, hidden)
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

    def loss(params, batch):
        features = jnp.asarray(phi.apply(params["phi"], batch.states))
        losses, right = jax.tree.map(
            jnp.asarray, g.apply(params["g"], features[:, :-1], features[:, 1:], batch.action)
        )
        return weighted_mean(losses, batch.weight), weighted_mean(right, batch.weight)

    def step(state, batch):
        (value, accuracy), gradient = jax.value_and_grad(loss, has_aux=True)(state.params, batch)
        updates, optimizer_state = optimizer.update(gradient, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        return InverseState(params, optimizer_state), (value, accuracy)

    def update(key, state, transitions, valid=None):
        data = segments(transitions, minibatches, boundaries, segment, valid)
        state, (loss, accuracy) = passes(key, state, step, data, epochs, minibatches, share)
        return state, {"inverse_loss": loss, "inverse_accuracy": accuracy}

    return InverseDynamics(init, embed, update)
