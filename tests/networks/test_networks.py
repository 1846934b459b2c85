"""Recurrent unrolls against single steps, and encoders over any batch axes."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import envs
from envs import spaces
from jaxrl_suite.networks.actor_critic import ActorCritic
from jaxrl_suite.networks.encoders import (
    BoardEncoder,
    ChoiceEncoder,
    GridEncoder,
    MLPEncoder,
    encoder_for,
    is_vector,
)
from jaxrl_suite.networks.initializers import orthogonal
from jaxrl_suite.networks.patches import neighbourhoods
from jaxrl_suite.networks.recurrent import Recurrent, initial_carry


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_unroll_equals_separate_episodes(kind):
    module = Recurrent(kind, 8)
    x = jax.random.normal(jax.random.key(0), (10, 2, 3))
    reset = np.zeros((10, 2), bool)
    reset[0], reset[4, 0], reset[7, 1] = True, True, True
    carry = initial_carry(kind, 8, 2)
    params = module.init(jax.random.key(1), carry, x, reset)
    junk = jax.tree.map(lambda c: c + 5.0, carry)  # a reset at step 0 must forget it
    _, whole = module.apply(params, junk, x, reset)

    def alone(env, start, stop):
        part = x[start:stop, env : env + 1]
        no = np.zeros((stop - start, 1), bool)
        return module.apply(params, initial_carry(kind, 8, 1), part, no)[1][:, 0]

    np.testing.assert_allclose(whole[:4, 0], alone(0, 0, 4), atol=1e-6)
    np.testing.assert_allclose(whole[4:, 0], alone(0, 4, 10), atol=1e-6)
    np.testing.assert_allclose(whole[7:, 1], alone(1, 7, 10), atol=1e-6)
    assert np.abs(whole[4:7, 0] - whole[4:7, 1]).max() > 1e-3


def test_grid_encoder_takes_any_batch_axes_and_extra_keys():
    env, params = envs.make("Empty-5x5", noise=3, time_counter=True)
    observation, _ = env.reset(jax.random.key(0), params)
    module = encoder_for(env.observation_space(params), (16, 8))
    assert isinstance(module, GridEncoder)
    weights = module.init(jax.random.key(1), observation)
    one = module.apply(weights, observation)
    many = jax.tree.map(lambda x: jnp.broadcast_to(x, (2, 3, *x.shape)), observation)
    np.testing.assert_allclose(module.apply(weights, many)[1, 2], one, atol=1e-6)
    moved = {**observation, "noise": 1 - observation["noise"]}
    assert np.abs(module.apply(weights, moved) - one).max() > 1e-4


def test_mission_is_used_only_when_asked():
    env, params = envs.make("Empty-5x5")
    observation, _ = env.reset(jax.random.key(0), params)
    other = {**observation, "mission": observation["mission"] + 1}
    for use in (False, True):
        module = GridEncoder(use_mission=use)
        weights = module.init(jax.random.key(1), observation)
        gap = np.abs(module.apply(weights, other) - module.apply(weights, observation)).max()
        assert (gap > 1e-4) == use


def test_encoder_for_vectors_and_refusal():
    assert isinstance(encoder_for(spaces.Box(-1.0, 1.0, (4,))), MLPEncoder)
    with pytest.raises(ValueError, match="no encoder"):
        encoder_for(spaces.Box(0.0, 255.0, (84, 84, 3)))


CHOICE = spaces.Box(2.0, 6.0, (), jnp.int32)  # as Gymnasium's Discrete(5, start=2) comes


@pytest.mark.parametrize("space", [spaces.Discrete(5), CHOICE])
def test_every_choice_has_features_of_its_own(space):
    module = encoder_for(space, (16, 8))
    assert isinstance(module, ChoiceEncoder) and not is_vector(space)
    start = 0 if isinstance(space, spaces.Discrete) else 2
    every = start + jnp.arange(5, dtype=jnp.int32)
    weights = module.init(jax.random.key(0), every[:1])
    features = module.apply(weights, every)
    assert features.shape == (5, 8)
    gaps = np.linalg.norm(features[:, None] - features[None], axis=-1) + 10 * np.eye(5)
    assert gaps.min() > 0.1
    batched = module.apply(weights, every.reshape(1, 5)[None])
    np.testing.assert_allclose(batched[0, 0], features, rtol=1e-5)
    np.testing.assert_allclose(module.apply(weights, every[3]), features[3], rtol=1e-5)


def test_dictionaries_of_choices_numbers_and_vectors():
    parts = {"a": spaces.Discrete(4), "b": CHOICE, "c": spaces.Box(-1.0, 1.0, (3,))}
    space = spaces.Dict.of(parts | {"d": spaces.Box(0.0, 9.0, ())})
    module = encoder_for(space, (16, 8))
    seen = jax.vmap(space.sample)(jax.random.split(jax.random.key(0), 6))
    weights = module.init(jax.random.key(1), seen)
    features = module.apply(weights, seen)
    assert features.shape == (6, 8)
    for name in parts:
        other = seen | {name: jnp.roll(seen[name], 1, 0) + (0 if name == "c" else 1)}
        assert np.abs(module.apply(weights, other) - features).max() > 1e-3, name


def test_boards_are_read_with_any_batch_axes_and_by_place():
    env, params = envs.make("Maze-5")
    module = encoder_for(env.observation_space(params))
    assert isinstance(module, BoardEncoder)
    boards, _ = jax.vmap(env.reset, (0, None))(jax.random.split(jax.random.key(0), 6), params)
    weights = module.init(jax.random.key(1), boards)
    flat = module.apply(weights, boards)
    nested = module.apply(weights, boards.reshape(2, 3, *boards.shape[1:]))
    np.testing.assert_allclose(nested.reshape(6, -1), flat, rtol=1e-5, atol=1e-6)
    moved = module.apply(weights, jnp.roll(boards, 1, 1))
    assert np.abs(moved - flat).max() > 1e-3


def test_separate_critic_shares_nothing_with_the_actor():
    network = ActorCritic(MLPEncoder((8,)), spaces.Discrete(2), MLPEncoder((8,)))
    x = jnp.ones((3, 4))
    params = network.init(jax.random.key(0), (), x, jnp.zeros(3, bool))

    def value(p):
        return network.apply(p, (), x, jnp.zeros(3, bool))[2].sum()

    gradient = jax.grad(value)(params)["params"]
    assert all(not np.any(g) for g in jax.tree.leaves(gradient["encoder"]))
    assert any(np.any(g) for g in jax.tree.leaves(gradient["critic_encoder"]))


@pytest.mark.parametrize("shape", [(64, 64), (980, 64), (8, 50), (3, 3, 4, 8)])
def test_orthogonal_weights_without_lapack(shape):
    keys = jax.random.split(jax.random.key(0), 8)
    draw = jax.jit(jax.vmap(lambda k: orthogonal(2.0)(k, shape)))
    for w in np.asarray(draw(keys), np.float64):
        w = w.reshape(-1, shape[-1])
        gram = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
        np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=2e-3)
    assert "custom_call" not in draw.lower(keys).as_text()


@pytest.mark.parametrize("stride", [1, 2])
def test_a_dense_layer_on_neighbourhoods_is_a_convolution(stride):
    board = jax.random.normal(jax.random.key(0), (2, 3, 5, 4, 2))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 2, 6))
    got = neighbourhoods(board, stride) @ kernel.reshape(-1, 6)
    flat = board.reshape(6, 5, 4, 2)
    want = jax.lax.conv_general_dilated(
        flat, kernel, (stride,) * 2, [(1, 1)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(got, want.reshape(got.shape), rtol=1e-4, atol=1e-4)
