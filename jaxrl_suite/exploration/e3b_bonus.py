"""E3B as a `Bonus`: the elliptical episodic bonus over learned features, and its ablations.

Henaff et al., NeurIPS 2022 (arXiv 2210.05805), algorithm 1. The ablations of its section 5 are
options: a lifelong covariance, a random encoder, the policy's encoder.

Which state pays. By default (`phi_of="next"`) step t pays for the state it reached, s_{t+1}, as the
mathematics has it: the covariance then holds s_0 ... s_t. So s_0 is in an episode's covariance from
the start, without paying, or returning there would pay as much as a new state. The released code
pays phi(s_t) at step t (`phi_of="current"`) and forces the first step's bonus, which no action
earned, to zero (`first_step_zero`).
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrl_suite import checks
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.exploration import e3b, inverse_dynamics
from jaxrl_suite.exploration.bonus import (
    Bonus,
    PolicyFeatures,
    Transitions,
    both_ends,
    check_rollout,
)
from jaxrl_suite.networks.encoders import encoder_for

ENCODERS = ("inverse_dynamics", "random", "policy")


@dataclasses.dataclass(frozen=True)
class E3BConfig:
    """Options of E3B; the defaults follow the paper's mathematics. The bonus is not normalised here:
    see `scale.scaled`.

    Attributes:
      ridge: lambda of the covariance.
      encoder: "inverse_dynamics", "random" (never trained), or "policy" (the policy's own).
      episodic: begin a new covariance with every episode; False keeps one for life.
      widths: layers of the encoder, the last one the size of an embedding.
      layer_norm: normalise embeddings, so that |phi|^2 is their size.
      phi_of: "next" pays for the state reached, "current" for the state left (the release).
      first_step_zero: no bonus at the first step of an episode (the release).
      method: of `e3b.update_block`.
      learning_rate, epochs, minibatches, share, hidden, boundaries, segment: of the inverse dynamics
        model.
    """

    ridge: float = 0.1
    encoder: str = "inverse_dynamics"
    episodic: bool = True
    widths: tuple[int, ...] = (64, 64)
    layer_norm: bool = False
    phi_of: str = "next"
    first_step_zero: bool = False
    method: str = "auto"
    learning_rate: float = 1e-4
    epochs: int = 1
    minibatches: int = 1
    share: float = 1.0
    hidden: int = 256
    boundaries: str = "final"
    segment: int = 8

    def check(self) -> None:
        """Raises `ConfigError` for a value that cannot be used."""
        checks.one_of(self, ENCODERS, "encoder")
        checks.one_of(self, ("next", "current"), "phi_of")
        checks.one_of(self, e3b.METHODS, "method")
        checks.one_of(self, inverse_dynamics.BOUNDARIES, "boundaries")
        checks.above(self, 0.0, "ridge")
        checks.sizes(self, "widths")
        checks.at_least(self, 1, "epochs", "minibatches", "hidden", "segment")
        checks.share(self, "share")


class E3BState(NamedTuple):
    """What E3B carries from rollout to rollout.

    Attributes:
      ellipse: of each environment, `root` `[N, D, D]`.
      model: the encoder's `InverseState`; its parameters alone where it is random; () for "policy".
    """

    ellipse: e3b.EllipticalState
    model: Any


def make(
    config: E3BConfig,
    observation_space: Any,
    action_space: Any,
    encoder: nn.Module | None = None,
    policy_dim: int | None = None,
) -> Bonus:
    """E3B for any agent that speaks the protocol in `bonus`.

    Args:
      config: options.
      observation_space: of the environment.
      action_space: of the environment.
      encoder: module from observations to embeddings; None takes `encoder_for` the space with
        `config.widths`.
      policy_dim: F, the size of the policy's features; needed for `encoder="policy"` alone.

    Raises:
      ConfigError: for an option that cannot be used.
    """
    config.check()
    learned = config.encoder != "policy"
    if not learned and policy_dim is None:
        raise ConfigError("encoder", "policy", "make() needs policy_dim, the size of its features")
    if learned:
        inverse = inverse_dynamics.make(
            encoder_for(observation_space, config.widths) if encoder is None else encoder,
            action_space,
            learning_rate=config.learning_rate,
            epochs=config.epochs,
            minibatches=config.minibatches,
            share=config.share,
            hidden=config.hidden,
            layer_norm=config.layer_norm,
            boundaries=config.boundaries,
            segment=config.segment,
        )

    def init(key: jax.Array, observation_space: Any, action_space: Any, num_envs: int) -> E3BState:
        del action_space
        dim, model = policy_dim or 0, ()  # type: tuple[int, Any]
        if learned:
            model = inverse.init(key, observation_space)
            sample = observation_space.sample(key)
            dim = jax.eval_shape(inverse.embed, model.params, sample).shape[-1]
            model = model if config.encoder == "inverse_dynamics" else model.params
        ellipse = e3b.init(dim, config.ridge)
        ellipse = jax.tree.map(lambda x: jnp.broadcast_to(x, (num_envs, *x.shape)), ellipse)
        return E3BState(ellipse, model)

    def features(state: E3BState, policy_features: PolicyFeatures) -> PolicyFeatures:
        if config.encoder == "policy":
            after = inverse_dynamics.normalize if config.layer_norm else lambda phi: phi
            return lambda x: jax.lax.stop_gradient(after(policy_features(x)))
        params = state.model if config.encoder == "random" else state.model.params
        return lambda x: inverse.embed(params, x)

    def update(
        key: jax.Array, state: E3BState, transitions: Transitions, policy_features: PolicyFeatures
    ) -> tuple[jax.Array, E3BState, dict[str, jax.Array]]:
        check_rollout(transitions, state.ellipse.root.shape[0])
        # the bonus comes before the encoder's training step, as actors do not wait for the learner
        phi = features(state, policy_features)
        raw, ellipse = _elliptical(config, state.ellipse, transitions, phi)
        if config.first_step_zero:
            raw = jnp.where(transitions.reset, 0.0, raw)
        metrics: dict[str, jax.Array] = {}
        model = state.model
        if config.encoder == "inverse_dynamics":
            model, metrics = inverse.update(key, model, transitions)
        return raw, E3BState(ellipse, model), metrics

    return Bonus(init, update, "e3b")


def _elliptical(
    config: E3BConfig, ellipse: e3b.EllipticalState, transitions: Transitions, phi: PolicyFeatures
) -> tuple[jax.Array, e3b.EllipticalState]:
    """`[T, N]` raw bonuses and the new ellipse, `[N, ...]`."""
    begins = transitions.reset
    xs: tuple[jax.Array, ...]
    if config.phi_of == "current":
        xs = phi(transitions.observation), begins & config.episodic
    elif config.episodic:
        left, reached = both_ends(phi, transitions)
        xs = reached, begins, left
    else:  # two places a step: s_t where an episode begins (else zeros, which change nothing), s_t+1
        left, reached = both_ends(phi, transitions)
        embeddings = jnp.stack([jnp.where(begins[..., None], left, 0.0), reached], axis=1)
        embeddings = embeddings.reshape(-1, *reached.shape[1:])
        xs = embeddings, jnp.zeros(embeddings.shape[:2], bool)

    def block(ellipse, embeddings, resets, first=None):
        return e3b.update_block(ellipse, embeddings, resets, first=first, method=config.method)

    in_axes = (0, *(1 for _ in xs))
    bonuses, ellipse = jax.vmap(block, in_axes=in_axes, out_axes=(1, 0))(ellipse, *xs)
    return bonuses[1::2] if len(bonuses) > len(begins) else bonuses, ellipse
