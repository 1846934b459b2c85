"""Count bonuses against Python dictionaries."""

from __future__ import annotations

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import envs
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.exploration import counts, global_counts, keys
from jaxrl_suite.exploration.bonus import Transitions


def rollout(seed, steps=64, envs=3, size=4, noise=False):
    rng = np.random.default_rng(seed)
    done = rng.random((steps, envs)) < 0.08
    reset = np.concatenate([np.ones((1, envs), bool), done[:-1]])
    then = rng.integers(size, size=(steps, envs, 2)).astype(np.int32)
    now = np.where(
        reset[..., None],
        rng.integers(size, size=then.shape),
        np.concatenate([then[:1], then[:-1]]),
    ).astype(np.int32)

    def observation(position):
        image = np.zeros((steps, envs, 3, 3), np.uint8)
        image[..., 0, 0], image[..., 2, 1] = position[..., 0], position[..., 1]
        extra = {"noise": rng.random((steps, envs, 2)).astype(np.float32)} if noise else {}
        return {"image": jnp.asarray(image), **extra}

    zeros = jnp.zeros((steps, envs))
    transitions = Transitions(
        observation(now),
        observation(then),
        zeros.astype(int),
        zeros,
        jnp.asarray(done),
        zeros.astype(bool),
        jnp.asarray(reset),
        {"position": jnp.asarray(then)},
    )
    return now, then, reset, transitions


def reference(now, then, reset, count_first):
    out = np.zeros(reset.shape, int)
    for n in range(reset.shape[1]):
        seen: collections.Counter = collections.Counter()
        for t in range(reset.shape[0]):
            if reset[t, n]:
                seen.clear()
                if count_first:
                    seen[tuple(now[t, n])] += 1
            seen[tuple(then[t, n])] += 1
            out[t, n] = seen[tuple(then[t, n])]
    return out


def run(config, transitions, parts=1, module=counts):
    bonus = module.make(config)
    envs = transitions.reset.shape[1]
    state, out = bonus.init(jax.random.key(0), None, None, envs), []
    size = transitions.reset.shape[0] // parts
    update = jax.jit(lambda state, part: bonus.update(jax.random.key(0), state, part, None))
    for i in range(parts):
        part = jax.tree.map(lambda x, i=i: x[i * size : (i + 1) * size], transitions)
        extra, state, metrics = update(state, part)
        assert all(value.shape == () for value in metrics.values())
        out.append(extra)
    return np.concatenate(out)


@pytest.mark.parametrize("key", ["position", "observation"])
@pytest.mark.parametrize("form", ["inverse_sqrt", "indicator"])
@pytest.mark.parametrize("parts", [1, 4])
def test_equals_a_dictionary(key, form, parts):
    now, then, reset, transitions = rollout(0)
    n = reference(now, then, reset, count_first=key == "observation")
    want = n == 1 if form == "indicator" else 1 / np.sqrt(n)
    assert n.max() > 3 and (n == 1).any()
    got = run(counts.CountConfig(key=key, form=form, log2_slots=8), transitions, parts)
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_noise_makes_every_observation_new_but_not_every_position():
    transitions = rollout(1, noise=True)[3]
    assert np.all(run(counts.CountConfig(key="observation"), transitions) == 1)
    assert np.any(run(counts.CountConfig(key="position"), transitions) < 1)


def test_a_function_may_be_the_key():
    now, then, reset, transitions = rollout(2)
    config = counts.CountConfig(key=lambda observation, info: info["position"][:1])
    n = reference(now[..., :1], then[..., :1], reset, count_first=False)
    np.testing.assert_allclose(run(config, transitions), 1 / np.sqrt(n), rtol=1e-5)


@pytest.mark.parametrize("key", ["position", "observation"])
@pytest.mark.parametrize("form", ["inverse_sqrt", "indicator"])
@pytest.mark.parametrize("parts", [1, 4])
def test_global_counts_equal_one_dictionary_for_all_environments(key, form, parts):
    _, then, _, transitions = rollout(0)
    seen: collections.Counter = collections.Counter()
    n = np.zeros(then.shape[:2])
    for t, e in np.ndindex(*n.shape):
        seen[tuple(then[t, e])] += 1
        n[t, e] = seen[tuple(then[t, e])]
    config = counts.CountConfig(key=key, form=form, log2_slots=16)
    got = run(config, transitions, parts, global_counts)
    np.testing.assert_allclose(got, n == 1 if form == "indicator" else 1 / np.sqrt(n), rtol=1e-5)


def test_every_small_position_has_a_counter_of_its_own():
    """Of 64 x 64 positions some 30 pairs share one by their hashes, 3 pairs of 25 x 25."""
    places = jnp.stack(jnp.meshgrid(jnp.arange(64), jnp.arange(64)), -1).reshape(-1, 2)
    slots = np.asarray(jax.vmap(lambda p: global_counts.slot_of(p, 18))(places))
    assert len(np.unique(slots)) == 64 * 64 and slots.min() >= 0 and slots.max() < 1 << 18
    hashed = jax.vmap(lambda p: global_counts.slot_of(p.astype(jnp.float32), 18))(places)
    assert len(np.unique(hashed)) < 64 * 64  # so that the test can tell the difference


@pytest.mark.parametrize("log2_slots", [5, 12])
def test_positions_outside_of_the_exact_table_are_hashed_into_it(log2_slots):
    for place in ([-1, 3], [3, -1], [1 << 20, 0], [0, 1 << log2_slots]):
        slot = global_counts.slot_of(jnp.asarray(place), log2_slots)
        hashed = int(keys.hash_words(jnp.asarray(place))[0]) & ((1 << log2_slots) - 1)
        assert int(slot) == hashed


def test_hashed_and_exact_counts_are_the_same_where_no_hashes_meet():
    transitions = rollout(5)[3]
    as_floats = {"key": lambda observation, info: info["position"].astype(jnp.float32)}
    got = [
        run(counts.CountConfig(log2_slots=18, **how), transitions, 2, global_counts)
        for how in ({"key": "position"}, as_floats)
    ]
    np.testing.assert_array_equal(*got)
    assert got[0].min() < 0.3


def test_messages_of_grid_worlds():
    image = np.zeros((7, 7, 3), np.uint8)
    image[3, 6], image[3, 5] = [5, 2, 0], [4, 1, 2]  # carries a key, before a locked door
    elsewhere = image.copy()
    elsewhere[0, 0] = [6, 1, 0]
    before = image.copy()
    before[3, 5] = [1, 0, 0]
    hashes = [np.asarray(keys.hash_words(keys.message({"image": x}, {}))) for x in
              (image, elsewhere, before)]  # fmt: skip
    assert (hashes[0] == hashes[1]).all() and (hashes[0] != hashes[2]).any()
    with pytest.raises(ConfigError, match="message"):
        keys.message(np.zeros(4), {})


def test_messages_of_full_views_follow_the_agent():
    env, params = envs.make("DoorKey-5x5", view="full")
    env, params = env.unwrapped, None
    key = jax.random.key(0)
    observation, state = env.reset(key, params)
    ways = {0: (1, 0), 1: (0, 1), 2: (-1, 0), 3: (0, -1)}
    seen = set()
    for step in range(60):
        got = np.asarray(keys.message(observation, {}))
        x, y = np.asarray(state.position) + ways[int(state.direction)]
        np.testing.assert_array_equal(got[1], np.asarray(observation["image"])[x, y])
        seen.add(tuple(got[1]))
        action = jax.random.randint(jax.random.fold_in(key, step), (), 0, 3)
        observation, state, *_ = env.step(key, state, action, params)
    assert len(seen) > 1


def test_a_long_episode_fills_a_quarter_of_the_table_without_mistakes():
    visited = np.random.default_rng(3).integers(900, size=(2000, 2)) % [[30, 30]]

    def visits(table, key):
        count, table = counts.visit(table, keys.hash_words(key))
        return table, count

    _, got = jax.jit(lambda k: jax.lax.scan(visits, counts.empty(12), k))(jnp.asarray(visited))
    seen: collections.Counter = collections.Counter()
    for t, key in enumerate(map(tuple, visited)):
        seen[key] += 1
        assert got[t] == seen[key]


def test_zero_has_one_hash():
    for run in (keys.hash_words, jax.jit(keys.hash_words)):
        one, other = (np.asarray(run(jnp.asarray([zero, 1.0]))) for zero in (0.0, -0.0))
        np.testing.assert_array_equal(one, other)


def test_hashes_spread():
    grid = jnp.stack(jnp.meshgrid(jnp.arange(200), jnp.arange(200)), -1).reshape(-1, 2)
    hashes = np.asarray(jax.jit(jax.vmap(keys.hash_words))(grid))
    assert len(np.unique(hashes, axis=0)) == len(grid)
    load = np.bincount(hashes[:, 0] & 4095, minlength=4096)  # Poisson with mean 9.77
    assert abs(load.var() / load.mean() - 1) < 0.15
    assert abs(np.corrcoef(hashes.T.astype(float))[0, 1]) < 0.02


@pytest.mark.parametrize("module", [counts, global_counts])
def test_vmap_over_seeds(module):
    config = counts.CountConfig(key="position", log2_slots=6)
    bonus = module.make(config)
    batch = [rollout(seed)[3] for seed in (4, 5)]
    both = jax.tree.map(lambda *x: jnp.stack(x), *batch)

    def once(transitions):
        state = bonus.init(jax.random.key(0), None, None, 3)
        return bonus.update(jax.random.key(0), state, transitions, None)[0]

    got = jax.jit(jax.vmap(once))(both)
    for i in range(2):
        np.testing.assert_array_equal(got[i], once(batch[i]))


def test_bad_options_are_named():
    for field, value in (("key", "glyphs"), ("form", "log"), ("log2_slots", 40)):
        with pytest.raises(ConfigError, match=f"{field}={value!r}"):
            counts.make(counts.CountConfig(**{field: value}))
    transitions = rollout(6)[3]._replace(info={})
    with pytest.raises(ConfigError, match="position"):
        run(counts.CountConfig(key="position"), transitions)


def test_bad_shapes_are_named():
    table = counts.empty(4)
    with pytest.raises(ValueError, match=r"hashes of shape \(3, 2\): must be \[2\].*vmap"):
        counts.visit(table, jnp.zeros((3, 2), jnp.uint32))
    with pytest.raises(ValueError, match=r"table.count of shape \(3, 16\).*vmap"):
        tables = jax.tree.map(lambda x: jnp.stack([x] * 3), table)
        counts.visit(tables, jnp.zeros(2, jnp.uint32))
    with pytest.raises(ValueError, match=r"slots of shape \(2, 3\): must have one axis"):
        global_counts.visit(jnp.zeros(8, jnp.int32), jnp.zeros((2, 3), jnp.int32))
