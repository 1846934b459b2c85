"""Natural policy gradient and PPO on batches small enough to do by hand."""

from __future__ import annotations

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs import spaces
from jaxrl_suite import distributions, losses
from jaxrl_suite.agents.pcpg import learners

STEPS, FEATURES, ACTIONS = 40, 3, 4
CONFIG = types.SimpleNamespace(
    max_grad_norm=0.5,
    learning_rate=1e-2,
    clip=0.2,
    entropy=0.0,
    minibatch_size=20,
    passes=4,
    cg_iterations=30,
    damping=1e-3,
    kl=1e-3,
)


def problem(space, seed=0):
    """A linear policy of its own and a linear critic; half of the weights are padding or not 1."""
    rng = np.random.default_rng(seed)
    outputs = distributions.action_size(space)
    params = {
        "actor": jnp.asarray(rng.normal(size=(FEATURES, outputs)), jnp.float32),
        "scale": jnp.asarray(rng.normal(size=outputs) * 0.3, jnp.float32),
        "critic": jnp.zeros(FEATURES),
    }
    if isinstance(space, spaces.Discrete):
        del params["scale"]

    def forward(params, x):
        made = x @ params["actor"]
        if isinstance(space, spaces.Box):
            made = made, jnp.broadcast_to(jnp.exp(params["scale"]), made.shape)
        return made, x @ params["critic"]

    x = jnp.asarray(rng.normal(size=(STEPS, FEATURES)), jnp.float32)
    pi = distributions.policy(space, forward(params, x)[0])
    action, log_prob = pi.sample_and_log_prob(seed=jax.random.key(seed))
    advantage = jnp.asarray(rng.normal(size=STEPS), jnp.float32)
    weight = jnp.asarray(rng.random(STEPS) < 0.8, jnp.float32)
    target = x @ jnp.asarray([1.0, -2.0, 0.5])
    return params, forward, learners.Batch(x, action, log_prob, advantage, target, weight)


def scores(forward, space, params, x, action):
    """d log pi(a|s) / d theta of each step, `[S, P]`, in float64."""
    flat, back = jax.flatten_util.ravel_pytree(params)

    def one(flat, x, a):
        return distributions.policy(space, forward(back(flat), x[None])[0]).log_prob(a[None])[0]

    return np.asarray(jax.vmap(jax.grad(one), (None, 0, 0))(flat, x, action), np.float64)


def test_natural_direction_against_a_dense_fisher_matrix():
    space = spaces.Discrete(ACTIONS)
    params, forward, batch = problem(space)
    found, along = learners.natural_direction(
        lambda p: forward(p, batch.observation)[0], params, batch, space, 50, 1e-3
    )
    weight = np.asarray(batch.weight) / np.asarray(batch.weight).sum()
    fisher = np.zeros((15, 15))
    p = np.asarray(jax.nn.softmax(forward(params, batch.observation)[0]), np.float64)
    for a in range(ACTIONS):
        score = scores(forward, space, params, batch.observation, jnp.full(STEPS, a))
        fisher += np.einsum("s,si,sj->ij", weight * p[:, a], score, score)
    score = scores(forward, space, params, batch.observation, batch.action)
    gradient = (weight * np.asarray(batch.advantage)) @ score
    x = np.linalg.solve(fisher + 1e-3 * np.eye(15), gradient)
    np.testing.assert_allclose(jax.flatten_util.ravel_pytree(found)[0], x, rtol=2e-2, atol=2e-3)
    np.testing.assert_allclose(along, x @ gradient, rtol=1e-2)


def test_natural_direction_is_the_compatible_function_approximation():
    """Advantages that are linear in the scores, under the policy's own actions: x is their weights."""
    space = spaces.Discrete(2)
    params = {"actor": jnp.asarray([[0.3, -0.2]])}

    def forward(params, x):
        return x @ params["actor"], jnp.zeros(x.shape[0])

    x = jnp.repeat(jnp.asarray([[1.0], [0.5], [-1.5]]), 2, 0)  # both actions of each state once...
    action = jnp.tile(jnp.asarray([0, 1]), 3)
    pi = jax.nn.softmax(forward(params, x)[0])
    weight = pi[jnp.arange(6), action]  # ... as often as the policy takes them
    w = np.asarray([1.0, -1.0])
    advantage = scores(forward, space, params, x, action) @ w
    zero = jnp.zeros(6)
    batch = learners.Batch(x, action, zero, jnp.asarray(advantage, jnp.float32), zero, weight)
    found, _ = learners.natural_direction(
        lambda p: forward(p, x)[0], params, batch, space, 20, 1e-6
    )
    np.testing.assert_allclose(found["actor"][0], w, rtol=1e-3)


def test_fisher_of_a_gaussian():
    space = spaces.Box(-1.0, 1.0, (2,))
    params, forward, batch = problem(space)
    rng = np.random.default_rng(1)
    vector = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), jnp.float32), params)
    weight = batch.weight / batch.weight.sum()
    product = learners.fisher_product(
        lambda p: forward(p, batch.observation)[0], params, vector, space, weight
    )

    def divergence(moved):
        old, new = (
            distributions.policy(space, forward(p, batch.observation)[0]) for p in (params, moved)
        )
        return jnp.sum(weight * old.kl_divergence(new))

    _, exact = jax.jvp(jax.grad(divergence), (params,), (vector,))
    for name in params:
        np.testing.assert_allclose(product[name], exact[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("space", [spaces.Discrete(ACTIONS), spaces.Box(-1.0, 1.0, (2,))])
@pytest.mark.parametrize("kind", ["ppo", "npg"])
def test_learners_follow_advantages_and_ignore_padding(kind, space):
    params, forward, batch = problem(space)
    learner = getattr(learners, kind)(forward, space, CONFIG)
    padded = jax.tree.map(lambda x: jnp.where(_like(batch.weight, x) > 0, x, 1), batch)
    padded = padded._replace(weight=batch.weight)

    def after(batch):
        return jax.jit(learner.update)(jax.random.key(0), params, learner.init(params), batch)[0]

    new = after(batch)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), new, after(padded))
    log_prob = distributions.policy(space, forward(new, batch.observation)[0]).log_prob
    change = (log_prob(batch.action) - batch.log_prob) * batch.weight
    centred = learners.standardized(batch).advantage
    assert float(jnp.sum(change * centred)) > 0
    error = (forward(new, batch.observation)[1] - batch.target) ** 2
    assert float(jnp.sum(error * batch.weight)) < float(jnp.sum(batch.target**2 * batch.weight))


def test_a_natural_step_has_the_length_asked_for():
    space = spaces.Discrete(ACTIONS)
    params, forward, batch = problem(space)
    learner = learners.npg(forward, space, CONFIG)
    new, _, _ = learner.update(jax.random.key(0), params, learner.init(params), batch)
    old, moved = (
        distributions.policy(space, forward(p, batch.observation)[0]) for p in (params, new)
    )
    divergence = losses.weighted_mean(old.kl_divergence(moved), batch.weight)
    np.testing.assert_allclose(divergence, CONFIG.kl, rtol=0.2)


def _like(mask, x):
    return mask.reshape(mask.shape + (1,) * (x.ndim - 1))


def test_rmsprop_is_pytorchs():
    """eps outside of the root, where a small gradient shows it."""
    optimizer = learners._optimizer(CONFIG)
    rng = np.random.default_rng(0)
    params, average = jnp.zeros(3), np.zeros(3)
    state = optimizer.init(params)
    for scale in (1e-6, 1e-5, 1.0):
        gradient = scale * rng.normal(size=3)
        change, state = optimizer.update(jnp.asarray(gradient, jnp.float32), state, params)
        gradient *= min(1.0, 0.5 / np.linalg.norm(gradient))
        average = 0.99 * average + 0.01 * gradient**2
        np.testing.assert_allclose(change, -0.01 * gradient / (np.sqrt(average) + 1e-8), rtol=1e-4)
