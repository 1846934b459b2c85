"""Features phi of states, or of states and actions, whose covariance says what has been seen.

| name | phi |
|---|---|
| `identity` | the observation itself (vectors) |
| `fourier` | sqrt(2 / D) cos(W x + u) of x = (state, action), W ~ N(0, 2 gamma) |
| `random` | a random network, normalised to length 1; any observation |
| `centred` | the same around its mean over the first policy's steps, before it is normalised |
| `inverse` | trained by inverse dynamics (`exploration.inverse_dynamics`); any observation |

Fourier features are random ones of the kernel exp(-gamma |x - y|^2) (Rahimi and Recht, 2007); gamma is
one over the squared median distance of the first policy's steps.

Pictures of one place share most of what is in them, and so do their random features: what an agent
changes is a small part of their length. Around the mean it is all of it.

Learned features change what earlier episodes look like, so the agent then keeps states of each policy
and takes their moments anew.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from envs import spaces
from jaxrl_suite import distributions
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.exploration import inverse_dynamics
from jaxrl_suite.exploration.bonus import Transitions
from jaxrl_suite.networks.encoders import encoder_for

NAMES = ("identity", "fourier", "random", "centred", "inverse")


@dataclasses.dataclass(frozen=True)
class Features:
    """phi as pure functions.

    Attributes:
      dim: D.
      init: `key -> state`.
      apply: `(state, observation [..., *shape], action [..., *]) -> [..., D]` float32.
      fit: `(key, state, transitions [T, N], valid [T, N], first) -> state`: what a policy's episodes
        teach, or where `learned`, those of all policies; `first` (`[]` bool) for the first policy's.
      learned: whether `fit` changes features after the first policy.
    """

    dim: int
    init: Callable[[jax.Array], Any]
    apply: Callable[[Any, Any, jax.Array], jax.Array]
    fit: Callable[[jax.Array, Any, Transitions, jax.Array, jax.Array], Any]
    learned: bool = False


def make(name: str, size: int, observation_space: Any, action_space: Any) -> Features:
    """Features by name.

    Args:
      name: one of `NAMES`.
      size: D; `identity` has the observation's.
      observation_space, action_space: of the environment.

    Raises:
      ConfigError: for an unknown name, or observations it cannot take.
    """
    if name not in NAMES:
        raise ConfigError("features", name, f"one of {', '.join(NAMES)}")
    if size < 1:
        raise ConfigError("feature_dim", size, "at least 1")
    vector = len(getattr(observation_space, "shape", None) or ()) == 1
    if name in ("identity", "fourier") and not vector:
        raise ConfigError(
            "features", name, "'random', 'centred' or 'inverse', as observations are no vectors"
        )
    if name == "identity":
        return _identity(observation_space.shape[0])
    if name == "fourier":
        return _fourier(size, observation_space.shape[0], action_space)
    if name in ("random", "centred"):
        return _random(size, observation_space, name == "centred")
    return _inverse(size, observation_space, action_space)


def side_by_side(kept: Any) -> Any:
    """Episodes of C policies as of one: `[C, T, M, ...]` to `[T, C M, ...]`, a pytree."""
    return jax.tree.map(lambda x: jnp.moveaxis(x, 0, 1).reshape(x.shape[1], -1, *x.shape[3:]), kept)


def _keep(key: jax.Array, state: Any, *_: Any) -> Any:
    del key
    return state


def _identity(dim: int) -> Features:
    def apply(state: Any, observation: Any, action: jax.Array) -> jax.Array:
        del state, action
        return observation.astype(jnp.float32)

    return Features(dim, lambda key: (), apply, _keep)


class Fourier(NamedTuple):
    """Frequencies `[D, X]` for gamma = 1/2, phases `[D]`, and gamma, `[]`."""

    frequencies: jax.Array
    phases: jax.Array
    gamma: jax.Array


def median_distance(points: jax.Array, mask: jax.Array) -> jax.Array:
    """Median distance between different points of `[P, X]` where `mask`, `[P]` bool, holds."""
    square = jnp.sum((points[:, None] - points[None]) ** 2, -1)
    both = mask[:, None] & mask[None] & ~jnp.eye(points.shape[0], dtype=bool)
    return jnp.nanmedian(jnp.where(both, jnp.sqrt(square), jnp.nan))


def _fourier(dim: int, size: int, action_space: Any, most: int = 512) -> Features:
    width = size + distributions.action_size(action_space)

    def join(observation: jax.Array, action: jax.Array) -> jax.Array:
        if isinstance(action_space, spaces.Discrete):
            acted = jax.nn.one_hot(action, action_space.n)
        else:
            acted = jnp.clip(action, -1.0, 1.0)
        return jnp.concatenate([observation, acted], -1)

    def init(key: jax.Array) -> Fourier:
        frequency_key, phase_key = jax.random.split(key)
        phases = jax.random.uniform(phase_key, (dim,), maxval=2 * jnp.pi)
        return Fourier(jax.random.normal(frequency_key, (dim, width)), phases, jnp.float32(1))

    def apply(state: Fourier, observation: Any, action: jax.Array) -> jax.Array:
        frequencies = jnp.sqrt(2.0 * state.gamma) * state.frequencies
        angle = join(observation, action) @ frequencies.T + state.phases
        return jnp.sqrt(2.0 / dim) * jnp.cos(angle)

    def fit(
        key: jax.Array, state: Fourier, steps: Transitions, valid: jax.Array, first: jax.Array
    ) -> Fourier:
        points = join(steps.observation, steps.action).reshape(-1, width)
        chosen = jax.random.randint(key, (min(most, points.shape[0]),), 0, points.shape[0])
        distance = median_distance(points[chosen], valid.reshape(-1)[chosen])
        gamma = jnp.where(jnp.isfinite(distance) & (distance > 0), distance**-2, 1.0)
        return state._replace(gamma=jnp.where(first, gamma, state.gamma))

    return Features(dim, init, apply, fit)


class Random(NamedTuple):
    """Parameters of the network, and what is taken from its features, `[D]`."""

    params: Any
    centre: jax.Array


def _random(dim: int, observation_space: Any, centred: bool) -> Features:
    name, hidden = ("centred", dim) if centred else ("random", 64)
    network = _encoder(observation_space, (hidden, dim), name)

    def init(key: jax.Array) -> Random:
        sample_key, key = jax.random.split(key)
        return Random(network.init(key, observation_space.sample(sample_key)), jnp.zeros(dim))

    def apply(state: Random, observation: Any, action: jax.Array) -> jax.Array:
        del action
        phi = jnp.asarray(network.apply(state.params, observation)) - state.centre
        return phi / (jnp.linalg.norm(phi, axis=-1, keepdims=True) + 1e-8)

    def fit(
        key: jax.Array, state: Random, steps: Transitions, valid: jax.Array, first: jax.Array
    ) -> Random:
        phi = jnp.asarray(network.apply(state.params, steps.observation))
        mean = jnp.sum(phi * valid[..., None], (0, 1)) / jnp.maximum(valid.sum(), 1)
        return state._replace(centre=jnp.where(first, mean, state.centre))

    return Features(dim, init, apply, fit if centred else _keep)


def _inverse(dim: int, observation_space: Any, action_space: Any) -> Features:
    model = inverse_dynamics.make(
        _encoder(observation_space, (64, dim), "inverse"),
        action_space,
        learning_rate=1e-3,
        epochs=4,
        minibatches=8,
        layer_norm=True,
    )

    def apply(state: Any, observation: Any, action: jax.Array) -> jax.Array:
        del action
        return model.embed(state.params, observation) / jnp.sqrt(float(dim))

    def fit(
        key: jax.Array, state: Any, steps: Transitions, valid: jax.Array, first: jax.Array
    ) -> Any:
        del first
        return model.update(key, state, steps, valid)[0]

    return Features(dim, lambda key: model.init(key, observation_space), apply, fit, learned=True)


def _encoder(space: Any, widths: tuple[int, int], name: str) -> Any:
    try:
        return encoder_for(space, widths, "linear", activation="relu")
    except ValueError as error:
        raise ConfigError("features", name, str(error)) from None
