"""E3B as a bonus: which states pay, boundaries between episodes and rollouts, the ablations."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs import spaces
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.exploration import e3b_bonus, inverse_dynamics
from jaxrl_suite.exploration.bonus import Transitions

STATES, ACTIONS = 6, 3
OBSERVATIONS, CHOICES = spaces.Box(0.0, 1.0, (STATES,)), spaces.Discrete(ACTIONS)


def walk(seed, steps, envs, end=0.1):
    """Random visits to one-hot states; `[T, N]` index arrays and the `Transitions` of them."""
    rng = np.random.default_rng(seed)
    done = rng.random((steps, envs)) < end
    now = np.zeros((steps, envs), int)
    then = rng.integers(STATES, size=(steps, envs))
    reset = np.zeros((steps, envs), bool)
    reset[0] = True
    for t in range(steps):
        if t:
            reset[t] = done[t - 1]
        now[t] = np.where(reset[t], rng.integers(STATES, size=envs), then[t - 1] if t else 0)
    eye = np.eye(STATES, dtype=np.float32)
    transitions = Transitions(
        observation=jnp.asarray(eye[now]),
        next_observation=jnp.asarray(eye[then]),
        action=jnp.asarray(rng.integers(ACTIONS, size=(steps, envs))),
        reward=jnp.zeros((steps, envs)),
        terminated=jnp.asarray(done),
        truncated=jnp.zeros((steps, envs), bool),
        reset=jnp.asarray(reset),
        info={},
    )
    return now, then, reset, transitions


def identity(observation):
    return observation


def run(config, transitions, rollouts=1):
    """Bonuses `[T, N]` of the policy-feature E3B, fed in `rollouts` equal parts."""
    bonus = e3b_bonus.make(config, OBSERVATIONS, CHOICES, policy_dim=STATES)
    key = jax.random.key(0)
    state = bonus.init(key, OBSERVATIONS, CHOICES, transitions.reset.shape[1])
    update = jax.jit(lambda state, part: bonus.update(key, state, part, identity))
    out, size = [], transitions.reset.shape[0] // rollouts
    for i in range(rollouts):
        part = jax.tree.map(lambda x, i=i: x[i * size : (i + 1) * size], transitions)
        extra, state, _ = update(state, part)
        out.append(extra)
    return np.concatenate(out)


def expected(now, then, reset, ridge, phi_of, episodic=True):
    """With one-hot embeddings each bonus is 1 / (visits + ridge)."""
    steps, envs = now.shape
    out = np.zeros((steps, envs))
    for n in range(envs):
        counts = np.zeros(STATES)
        for t in range(steps):
            if reset[t, n] and episodic:
                counts[:] = 0
            if phi_of == "current":
                out[t, n] = 1 / (counts[now[t, n]] + ridge)
                counts[now[t, n]] += 1
            else:
                counts[now[t, n]] += reset[t, n]
                out[t, n] = 1 / (counts[then[t, n]] + ridge)
                counts[then[t, n]] += 1
    return out


@pytest.mark.parametrize("phi_of", ["next", "current"])
@pytest.mark.parametrize("episodic", [True, False])
@pytest.mark.parametrize("rollouts", [1, 4])
def test_one_hot_features_count_states(phi_of, episodic, rollouts):
    now, then, reset, transitions = walk(0, 48, 3)
    config = e3b_bonus.E3BConfig(encoder="policy", phi_of=phi_of, episodic=episodic)
    got = run(config, transitions, rollouts)
    want = expected(now, then, reset, 0.1, phi_of, episodic)
    np.testing.assert_allclose(got, want, rtol=1e-4)


def test_first_step_zero_still_enters_the_covariance():
    now, then, reset, transitions = walk(1, 40, 2)
    config = e3b_bonus.E3BConfig(encoder="policy", phi_of="current", first_step_zero=True)
    want = np.where(reset, 0, expected(now, then, reset, 0.1, "current"))
    np.testing.assert_allclose(run(config, transitions), want, rtol=1e-4)


@pytest.mark.parametrize(
    ("encoder", "layer_norm"), [("inverse_dynamics", True), ("random", False), ("policy", True)]
)
def test_vmap_over_seeds_equals_single_runs(encoder, layer_norm):
    config = e3b_bonus.E3BConfig(encoder=encoder, widths=(16, 8), layer_norm=layer_norm, hidden=16)
    bonus = e3b_bonus.make(config, OBSERVATIONS, CHOICES, policy_dim=STATES)
    transitions = walk(2, 16, 2)[3]

    def two_rollouts(key):
        state = bonus.init(key, OBSERVATIONS, CHOICES, 2)
        before = state.model
        _, state, _ = bonus.update(key, state, transitions, identity)
        extra, state, metrics = bonus.update(key, state, transitions, identity)
        return extra, before, state.model, metrics

    keys = jax.random.split(jax.random.key(1), 2)
    many, before, after, metrics = jax.jit(jax.vmap(two_rollouts))(keys)
    assert all(value.shape == (2,) for value in metrics.values())
    for i in range(2):
        np.testing.assert_allclose(many[i], jax.jit(two_rollouts)(keys[i])[0], rtol=1e-3)
    changed = [
        not np.array_equal(a, b)
        for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    ]
    assert any(changed) == (encoder == "inverse_dynamics")


def ring(seed, steps, envs):
    """A walk on a ring: action 0 stays, 1 goes right, 2 left; so the action can be told."""
    rng = np.random.default_rng(seed)
    action = rng.integers(ACTIONS, size=(steps, envs))
    moves = np.cumsum(np.array([0, 1, -1])[action], axis=0)
    then = (rng.integers(STATES, size=envs) + moves) % STATES
    now = (then - np.array([0, 1, -1])[action]) % STATES
    eye = np.eye(STATES, dtype=np.float32)
    zeros = jnp.zeros((steps, envs), bool)
    return Transitions(
        jnp.asarray(eye[now]),
        jnp.asarray(eye[then]),
        jnp.asarray(action),
        jnp.zeros((steps, envs)),
        zeros,
        zeros,
        zeros.at[0].set(True),
        {},
    )


def test_inverse_dynamics_learns_the_action():
    from jaxrl_suite.networks.encoders import encoder_for

    model = inverse_dynamics.make(
        encoder_for(OBSERVATIONS, (32, 32)), CHOICES, learning_rate=3e-3, epochs=30, minibatches=4
    )
    state = model.init(jax.random.key(0), OBSERVATIONS)
    update = jax.jit(model.update)
    for i in range(2):
        state, metrics = update(jax.random.key(i), state, ring(i, 32, 8))
    assert metrics["inverse_accuracy"] > 0.97


@pytest.mark.parametrize(("steps", "size"), [(20, 5), (16, 8), (7, 7), (11, 1)])
def test_segments_hold_the_pairs_of_a_rollout(steps, size):
    """Every pair that counts is a pair of the rollout; which ones are left out, by boundaries."""
    _, _, _, transitions = walk(3, steps, 2, end=0.3)
    now, then, action, reset, done = (
        np.asarray(x)
        for x in (
            transitions.observation,
            transitions.next_observation,
            transitions.action,
            transitions.reset,
            transitions.done,
        )
    )
    for boundaries in inverse_dynamics.BOUNDARIES:
        cut = inverse_dynamics.segments(transitions, 1, boundaries)
        assert cut.action.shape == (steps // size, 2, size)
        states = np.asarray(cut.states)
        for t in range(steps):
            piece, k = divmod(t, size)
            for n in range(2):
                counts = {
                    "final": not reset[t, n] or k == 0,
                    "mask": not done[t, n],
                    "release": True,
                }[boundaries]
                assert bool(cut.weight[piece, n, k]) == counts
                assert cut.action[piece, n, k] == action[t, n]
                if counts and (boundaries != "release" or not done[t, n]):
                    np.testing.assert_array_equal(states[piece, n, k], now[t, n])
                    np.testing.assert_array_equal(states[piece, n, k + 1], then[t, n])


def test_segments_leave_out_what_does_not_count():
    _, _, _, transitions = walk(3, 16, 2, end=0.3)
    valid = np.random.default_rng(0).random((16, 2)) < 0.5
    whole, cut = (inverse_dynamics.segments(transitions, 1, valid=v) for v in (None, valid))
    counted = np.moveaxis(valid.reshape(2, 8, 2), 1, 2)
    np.testing.assert_array_equal(cut.weight, np.asarray(whole.weight) * counted)
    assert 0 < cut.weight.sum() < whole.weight.sum()


def test_segments_are_short_enough_for_the_minibatches():
    _, _, _, transitions = walk(3, 16, 2)
    assert inverse_dynamics.segments(transitions, 4).action.shape == (2, 2, 8)
    assert inverse_dynamics.segments(transitions, 8).action.shape == (4, 2, 4)
    assert inverse_dynamics.segments(transitions, 32).action.shape == (16, 2, 1)


def test_continuous_actions():
    from jaxrl_suite.networks.encoders import encoder_for

    box = spaces.Box(-1.0, 1.0, (2,))
    model = inverse_dynamics.make(
        encoder_for(OBSERVATIONS, (16, 8)), box, learning_rate=1e-2, epochs=20
    )
    state = model.init(jax.random.key(0), OBSERVATIONS)
    data = ring(0, 32, 4)
    data = data._replace(action=jnp.stack([data.action - 1.0, 1.0 - data.action], -1))
    first, last = None, None
    update = jax.jit(model.update)
    for i in range(10):
        state, metrics = update(jax.random.key(i), state, data)
        first = metrics["inverse_loss"] if first is None else first
        last = metrics["inverse_loss"]
    assert last < first - 0.5  # below the entropy of actions nobody can predict


@pytest.mark.parametrize(
    ("field", "value"),
    [("encoder", "cnn"), ("phi_of", "s"), ("ridge", 0.0), ("epochs", 0)],
)
def test_bad_options_are_named(field, value):
    config = e3b_bonus.E3BConfig(**{field: value})
    with pytest.raises(ConfigError, match=f"{field}={value!r}"):
        e3b_bonus.make(config, OBSERVATIONS, CHOICES)


def test_policy_features_need_their_size():
    with pytest.raises(ConfigError, match="policy_dim"):
        e3b_bonus.make(e3b_bonus.E3BConfig(encoder="policy"), OBSERVATIONS, CHOICES)
