"""Neural-E3 on control and mazes: the search against a plain one, segments, end to end when tiny."""

from __future__ import annotations

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from envs import spaces
from experiments import neural_e3_control as script
from jaxrl_suite import runner
from jaxrl_suite.agents.neural_e3 import frontier, segments, transition
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.runner.curves import Curves

TINY = script.Config(
    episodes=6,
    together=2,
    random_episodes=2,
    vertices=20,
    expand=2,
    deepest=6,
    members=2,
    width=8,
    model_updates=2,
    model_batch=4,
    segment=3,
    q_updates=2,
    q_widths=(8,),
    eval_episodes=2,
)
MEMBERS, ACTIONS = 3, 2
MOVES = np.array([[1.0, 0.0], [0.0, 1.0]])
DRIFT = np.array([0.0, 0.1, -0.2])[:, None]  # members disagree the further the first number is


def grid(states, action):
    """On a plane: action 0 goes right, 1 up, by different ways for each member and place."""
    step = jnp.asarray(MOVES)[action][None] * (1 + 0.07 * states[..., ::-1])
    step = step + jnp.asarray(DRIFT)[:, None] * states[..., :1]
    return states + step, -jnp.abs(states - 2.0).sum(-1)


def plain_search(state, vertices, deepest, explore):
    """One vertex at a time, in lists: what `frontier.grow` with `expand=1` must find."""
    found = [(np.repeat(state[None], MEMBERS, 0), 0.0, ())]  # states, worth, way
    priority = [np.inf]
    while len(found) < vertices and max(priority) > -np.inf:
        at = int(np.argmax(priority))
        states, worth, way = found[at]
        priority[at] = -np.inf
        for action in range(ACTIONS):
            if len(found) == vertices:
                break
            after, reward = (np.asarray(x)[:, 0] for x in grid(states[:, None], np.array([action])))
            gaps = [((a - b) ** 2).sum() for a, b in itertools.combinations(after, 2)]
            mean = after.mean(0)
            near = min(((mean - other.mean(0)) ** 2).sum() for other, *_ in found)
            paid = max(gaps) if explore else reward.mean()
            found.append((after, worth + paid, (*way, action)))
            priority.append(near if len(way) + 1 < deepest else -np.inf)
    return found


@pytest.mark.parametrize("explore", [True, False])
def test_one_vertex_at_a_time_is_the_plain_search(explore):
    config = frontier.SearchConfig(vertices=40, expand=1, deepest=5)
    state = np.array([0.3, -0.7])
    with jax.enable_x64(True):  # in which no two distances are equal by rounding
        expected = plain_search(state, 40, 5, explore)
        graph = frontier.grow(grid, jnp.asarray(state), config, MEMBERS, ACTIONS, explore)
        assert int(graph.size) == len(expected) == 40
        np.testing.assert_allclose(graph.states, np.stack([e[0] for e in expected]), rtol=1e-5)
        np.testing.assert_allclose(graph.worth, [e[1] for e in expected], rtol=1e-5, atol=1e-6)
    for vertex in (1, 7, 39):
        path = frontier.way_to(graph, jnp.int32(vertex), config.deepest)
        assert tuple(np.asarray(path.actions)[: int(path.length)]) == expected[vertex][2]


@pytest.mark.parametrize("expand", [1, 4])
def test_the_best_way_is_found_where_everything_is_looked_at(expand):
    config = frontier.SearchConfig(vertices=127, expand=expand, deepest=6)  # all of 2 + 4 .. + 64
    state = jnp.array([0.5, 0.0])
    for explore in (True, False):
        best = -np.inf
        for length in range(1, 7):
            for way in itertools.product(range(ACTIONS), repeat=length):
                states, worth = np.repeat(np.asarray(state)[None], MEMBERS, 0), 0.0
                for action in way:
                    after, reward = (
                        np.asarray(x)[:, 0] for x in grid(states[:, None], np.array([action]))
                    )
                    gaps = [((a - b) ** 2).sum() for a, b in itertools.combinations(after, 2)]
                    states, worth = after, worth + (max(gaps) if explore else reward.mean())
                if worth / length > best:
                    best, expected = worth / length, way
        path = frontier.search(jax.random.key(0), grid, state, config, MEMBERS, ACTIONS, explore)
        assert tuple(np.asarray(path.actions)[: int(path.length)]) == expected


@pytest.mark.parametrize("dim", [3, 40])
def test_distances(dim):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4, dim)), rng.normal(size=(5, dim))
    expected = ((a[:, None] - b[None]) ** 2).sum(-1)
    got = frontier.distances(jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32))
    np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_segments_stay_inside_episodes_and_end_at_the_largest_reward():
    count, steps, lengths = 5, 8, np.array([8, 3, 6, 8, 0])
    index = np.arange(count * steps).reshape(count, steps).astype(np.float32)
    real = np.arange(steps) < lengths[:, None]
    reward = np.where(real, 0.0, 99.0)  # what lies after an end must not be seen
    reward[2, 5] = 1.0
    data = segments.Episode(
        jnp.asarray(index)[..., None],
        jnp.asarray(index, jnp.int32),
        jnp.asarray(reward, jnp.float32),
        jnp.asarray(index + 1)[..., None],
        jnp.zeros((count, steps), bool),
        jnp.asarray(real),
    )
    options = script.Config(model_batch=400, segment=4, recent=0.5, rewarded=0.25)
    draw = jax.jit(lambda key: segments.draw(key, data, jnp.int32(2), jnp.int32(4), options))
    got = jax.tree.map(np.asarray, draw(jax.random.key(0)))
    episode = got.first[:, 0] // steps
    assert set(episode[:200]) == {2, 3} and set(episode[200:300]) == {0, 1, 2, 3}
    assert (got.first[300:, 0] == index[2, 2]).all() and (got.reward[300:, -1] == 1.0).all()
    for first, weight, after in zip(got.first[:, 0], got.weight, got.after[..., 0], strict=True):
        left = lengths[int(first) // steps] - int(first) % steps
        np.testing.assert_array_equal(weight, np.arange(4) < left)
        inside = min(4, left)
        np.testing.assert_array_equal(after[:inside], first + 1 + np.arange(inside))
    sample = jax.jit(lambda key: segments.transitions(key, data, jnp.int32(4), 400, options))
    seen = np.asarray(sample(jax.random.key(1)).observation)[:, 0]
    np.testing.assert_array_equal(np.unique(seen[:360]), index[:4][real[:4]])
    np.testing.assert_array_equal(np.unique(seen[360:]), index[2, 2:6])  # a tenth of them


@pytest.mark.parametrize("shape", [(4,), (5, 5, 3)])
def test_models_add_to_the_state(shape):
    network = transition.model_for(spaces.Box(0.0, 1.0, shape), 3, 8)
    state, action = jnp.ones((2, 6, *shape)), jnp.zeros((2, 6), jnp.int32)
    params = network.init(jax.random.key(0), state, action)
    after, reward = network.apply(params, state, action)
    assert after.shape == state.shape and reward.shape == (2, 6)
    nothing = jax.tree.map(jnp.zeros_like, params)
    np.testing.assert_array_equal(network.apply(nothing, state, action)[0], state)


@pytest.mark.parametrize(
    "change",
    [
        {"env": "Maze-5?fixed=True", "exploit": "plan", "eval_episodes": 1},
        {"env": "MountainCar-v0?scaled=True"},
    ],
    ids=["maze", "control"],
)
def test_seeds_by_vmap_equal_single_runs(change):
    made = script.build(dataclasses.replace(TINY, **change))

    def run(over_seeds, key):
        init, update = jax.jit(over_seeds(made.init)), jax.jit(over_seeds(made.update))
        state = init(key)
        for _ in range(2):  # at random, then planned
            state, metrics = update(state)
        return state, metrics

    keys = jax.random.split(jax.random.key(0), 2)
    together, alone = run(jax.vmap, keys), run(lambda f: f, keys[1])
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
        if not jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            np.testing.assert_allclose(a[1], b, rtol=2e-3, atol=2e-4)
    data = together[0].data
    lengths = np.asarray(data.real.sum(-1))
    assert (lengths[:, :4] > 0).all() and (lengths[:, 4:] == 0).all()
    # each step begins where the one before ended
    inside = np.asarray(data.real)[:, :4, 1:]
    before, after = np.asarray(data.after)[:, :4, :-1], np.asarray(data.state)[:, :4, 1:]
    np.testing.assert_array_equal(before[inside], after[inside])


def test_runs_through_the_runner(tmp_path):
    options = runner.Options(
        out=tmp_path, seeds=2, log_every=1, plots=False, video=False, tensorboard=False
    )
    config = dataclasses.replace(TINY, env="Maze-5?fixed=True&steps=8", exploit="plan")
    runner.run(script.EXPERIMENT, config, options)
    curves = Curves.read(tmp_path)
    assert {
        "episode_return",
        "reached",
        "steps_to_goal",
        "real_steps",
        "model_loss",
        "eval/solved",
    } <= set(curves.metrics)
    experiment = script.build(config)
    state = jax.jit(experiment.init)(jax.random.key(0))
    moments = itertools.islice(experiment.play(jax.random.key(1), state), 3)
    assert [moment.step for moment in moments] == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"env": "MultiRoom-N2-S4"}, "env"),
        ({"env": "Pendulum-v1"}, "env"),
        ({"vertices": 1}, "vertices"),
        ({"expand": 50}, "expand"),
        ({"recent": 0.8, "rewarded": 0.3}, "rewarded"),
        ({"together": 9}, "together"),
        ({"members": 1}, "members"),
    ],
)
def test_what_cannot_work_is_refused(change, field):
    with pytest.raises(ConfigError, match=f"^{field}="):
        script.build(dataclasses.replace(TINY, **change))
