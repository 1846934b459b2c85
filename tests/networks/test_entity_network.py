"""The entity network against a NumPy transcription of the paper's equations."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrl_suite.networks.entity_network import EntityNetwork, Writing, read, write
from jaxrl_suite.networks.recurrent import SLOTS, Recurrent, initial_carry

WORDS, ANSWERS, M, D, L, K = 9, 5, 3, 4, 3, 2


def stories(seed=0, n=2, s=5, q=2):
    rng = np.random.default_rng(seed)
    sentences = rng.integers(1, WORDS, (n, s, L))
    sentences[:, :, 2] *= rng.integers(0, 2, (n, s))  # some are shorter
    sentences[1, 4] = 0  # one story is shorter
    questions = rng.integers(1, WORDS, (n, q, K))
    return sentences, questions, np.asarray([[2, 5], [1, 4]])


def network(**options):
    return EntityNetwork(WORDS, ANSWERS, M, D, L, K, **options)


def perturbed(params):
    """Away from initial ones and zeros, so that every parameter shows."""
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(9), len(leaves))
    moved = [p + 0.5 * jax.random.normal(k, p.shape) for p, k in zip(leaves, keys, strict=True)]
    return jax.tree.unflatten(tree, moved)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference(p, sentences, questions, at, normalize, tied=None):
    """Sentence by sentence, slot by slot, float64."""
    p = {k: np.asarray(v, np.float64) for k, v in p["params"].items()}
    table = p["embedding"].copy()
    table[0] = 0

    def phi(x, slope):
        return np.where(x > 0, x, slope * x)

    out = np.zeros((*at.shape, ANSWERS))
    for n, story in enumerate(sentences):
        w = p["keys"] if tied is None else table[list(tied)]
        h = w.copy()
        for t, sentence in enumerate(story, 1):
            s = sum(table[word] * p["sentence_mask"][i] for i, word in enumerate(sentence))
            for j in range(M if sentence.any() else 0):
                g = sigmoid(s @ h[j] + s @ w[j] + p["gate"][j])
                new = h[j] @ p["u"] + w[j] @ p["v"] + s @ p["w"] + p["bias"]
                h[j] = h[j] + g * phi(new, p["slope"])
                if normalize:
                    h[j] /= np.linalg.norm(h[j])
            for i in np.flatnonzero(at[n] == t):
                q = sum(table[x] * p["question_mask"][k] for k, x in enumerate(questions[n, i]))
                weight = np.exp(h @ q) / np.exp(h @ q).sum()
                out[n, i] = phi(q + (weight @ h) @ p["h"], p["slope"]) @ p["r"]
    return out


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("tied", [None, (1, 4, 2)])
def test_answers_are_those_of_the_paper_s_equations(normalize, tied):
    data = stories()
    module = network(normalize=normalize, tied=tied)
    params = perturbed(module.init(jax.random.key(0), *data))
    logits, gates = jax.jit(module.apply)(params, *data)
    want = reference(params, *data, normalize, tied)
    np.testing.assert_allclose(logits, want, atol=1e-4, rtol=1e-4)
    assert gates.shape == (5, 2, M) and (gates[4, 1] == 0).all() and (gates[:4] > 0).all()


def test_padding_changes_nothing_and_gets_no_gradient():
    sentences, questions, at = stories()
    module = network()
    params = module.init(jax.random.key(0), sentences, questions, at)
    longer = np.concatenate([sentences, np.zeros_like(sentences[:, :3])], 1)
    a, b = (module.apply(params, s, questions, at)[0] for s in (sentences, longer))
    np.testing.assert_allclose(a, b, atol=1e-6)
    gradient = jax.grad(lambda p: module.apply(p, sentences, questions, at)[0].sum())(params)
    assert not np.any(gradient["params"]["embedding"][0])
    assert np.any(gradient["params"]["embedding"][1:])
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradient))


def test_restarts_by_vmap_are_single_runs():
    data = stories()
    module = network()
    keys = jax.random.split(jax.random.key(1), 3)

    def run(key):
        return module.apply(module.init(key, *data), *data)[0]

    together = jax.jit(jax.vmap(run))(keys)
    for i in range(3):
        np.testing.assert_allclose(together[i], run(keys[i]), atol=1e-5)


def test_as_an_agent_s_memory_it_forgets_at_resets():
    module = Recurrent("entities", 6)
    x = jax.random.normal(jax.random.key(0), (8, 2, 3))
    reset = np.zeros((8, 2), bool)
    reset[0], reset[5, 1] = True, True
    carry = initial_carry("entities", 6, 2)
    assert carry.shape == (2, SLOTS, 6)
    params = module.init(jax.random.key(1), carry, x, reset)
    end, out = module.apply(params, carry + 1.0, x, reset)
    no = np.zeros((3, 1), bool)
    # a carry of zeros is a new episode
    _, alone = module.apply(params, carry[:1], x[5:, 1:], no)
    np.testing.assert_allclose(out[5:, 1], alone[:, 0], atol=1e-6)
    half, first = module.apply(params, carry, x[:4], reset[:4])
    _, second = module.apply(params, half, x[4:], reset[4:])
    np.testing.assert_allclose(jnp.concatenate([first, second]), out, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(end, axis=-1), 1.0, atol=1e-4)
    # what was seen at the first step still tells three steps later
    other, _ = module.apply(params, carry, x.at[0].add(1.0), reset)
    assert np.abs(other[0] - end[0]).max() > 1e-4


def test_bad_keys_are_named():
    with pytest.raises(ValueError, match=r"tied=\(1, 2\): 3 words"):
        network(tied=(1, 2)).init(jax.random.key(0), *stories())


@pytest.mark.parametrize("normalize", [True, False])
def test_gradients_of_reading_are_those_of_writing_sentence_by_sentence(normalize):
    sizes = {"u": (D, D), "v": (D, D), "w": (D, D), "bias": (D,), "slope": (D,), "gate": (M,)}
    rng = np.random.default_rng(1)

    def normal(*shape):
        return jnp.asarray(0.7 * rng.normal(size=shape), jnp.float32)

    weights = Writing(**{name: normal(3, *size) for name, size in sizes.items()})
    keys, s = normal(3, M, D), normal(3, 6, 2, D)
    told = jnp.asarray(rng.random((3, 6, 2)) < 0.8)
    due = normal(6, 2, M, D), normal(6, 2, M)

    def plain(weights, keys, s, told, normalize):
        h, found = jnp.broadcast_to(keys, (s.shape[1], M, D)), []
        for sentence, is_one in zip(s, told, strict=True):
            new, gates = write(weights, keys, h, sentence, normalize)
            h = jnp.where(is_one[:, None, None], new, h)
            found.append((h, gates * is_one[:, None]))
        return tuple(jnp.stack(x) for x in zip(*found, strict=True))

    def gradients(run):
        def loss(weights, keys, s, told):
            found = run(weights, keys, s, told, normalize)
            return sum(jnp.sum(a * b) for a, b in zip(found, due, strict=True))

        # three restarts at once
        return jax.jit(jax.vmap(jax.value_and_grad(loss, (0, 1, 2))))(weights, keys, s, told)

    got, want = (jax.tree.leaves(gradients(run)) for run in (read, plain))
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)


def test_it_begins_at_random_or_plain():
    words = jnp.zeros((1, 2, 3), jnp.int32)
    for plain in (False, True):
        network = EntityNetwork(5, 5, 4, 6, 3, 3, plain=plain)
        params = network.init(jax.random.key(0), words, words, jnp.ones((1, 2), jnp.int32))[
            "params"
        ]
        assert bool((params["sentence_mask"] == 1).all()) == plain
        assert bool((params["gate"] == 0).all() & (params["bias"] == 0).all()) == plain
        assert (params["question_mask"] == 1).all()
