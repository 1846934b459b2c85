"""Training steps of the network papers beside straightforward JAX, in turns.

    jaxrl bench network_training [--repeats 7]

Each pair computes the same numbers (`difference` says how far apart they are):

- the linear memory: gradients of an unroll of 500 steps, beside autodiff of `jax.lax.scan`;
- the entity network: a story is read once and answers all of its questions, beside reading it once a
  question, as the paper's code does;
- the spectral graph convolution: eigenvectors, then products at all frequencies, beside the filter
  matrix V diag(w) V^T of every pair of maps;
- Chebyshev polynomials of a sparse Laplacian, 2,000 nodes, beside the same by dense products;
- descents on a spin glass: 200 at once by `vmap`, beside one after another.

Written to `docs/results/network_training.{json,md}`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import _harness
from jaxrl_suite.landscape import spin_glass
from jaxrl_suite.networks import graph_estimation, orthogonal_rnn, spectral_graph
from jaxrl_suite.networks.entity_network import EntityNetwork

Pair = tuple[Callable[[], Any], Callable[[], Any]]


def memory() -> Pair:
    """Gradients of a memory of 80 units over 500 steps, 32 sequences."""
    keys = jax.random.split(jax.random.key(0))
    v = jnp.linalg.qr(jax.random.normal(keys[0], (80, 80)))[0]
    drive = jax.random.normal(keys[1], (500, 32, 80))
    carry = jnp.zeros((32, 80))

    def plain(v: jax.Array, drive: jax.Array, carry: jax.Array) -> jax.Array:
        def step(h: jax.Array, now: jax.Array) -> tuple[jax.Array, jax.Array]:
            h = now + h @ v.T
            return h, h

        return jax.lax.scan(step, carry, drive)[1]

    def gradients(unroll: Any) -> Any:
        def loss(v: jax.Array, drive: jax.Array) -> jax.Array:
            return jnp.mean(unroll(v, drive, carry) ** 2)

        run = jax.jit(jax.grad(loss, (0, 1)))
        return lambda: run(v, drive)

    return gradients(orthogonal_rnn.unroll), gradients(plain)


def entities() -> Pair:
    """Gradients of 32 stories of 30 sentences with 5 questions each."""
    module = EntityNetwork(40, 40, 20, 50, 6, 4)
    rng = np.random.default_rng(0)
    sentences = jnp.asarray(rng.integers(1, 40, (32, 30, 6)))
    questions, at = jnp.asarray(rng.integers(1, 40, (32, 5, 4))), jnp.asarray([[6, 12, 18, 24, 30]])
    at = jnp.broadcast_to(at, (32, 5))
    params = module.init(jax.random.key(0), sentences, questions, at)

    def once(params: Any) -> jax.Array:
        out: Any = module.apply(params, sentences, questions, at)
        return jnp.mean(out[0] ** 2)

    told = jnp.arange(30)[None, :, None] < at.reshape(-1, 1, 1)
    cut = jnp.repeat(sentences, 5, 0) * told

    def each(params: Any) -> jax.Array:
        last = jnp.full((160, 1), 30)
        out: Any = module.apply(params, cut, questions.reshape(160, 1, 4), last)
        return jnp.mean(out[0] ** 2)

    runs = [jax.jit(jax.grad(f)) for f in (once, each)]
    return lambda: runs[0](params), lambda: runs[1](params)


def spectral() -> Pair:
    """Gradients of a layer of 16 to 32 maps on 200 nodes, 64 samples."""
    weights = graph_estimation.unsupervised(np.random.default_rng(0).normal(size=(300, 200)))
    vectors = spectral_graph.eigenvectors(weights)[1].astype(np.float32)
    module = spectral_graph.SpectralConv(vectors, 32, 12)
    x = jax.random.normal(jax.random.key(0), (64, 200, 16))
    params = module.init(jax.random.key(1), x)
    k = jnp.asarray(spectral_graph.interpolation(200, 12), jnp.float32) * 12**0.5

    def layer(params: Any, x: jax.Array) -> jax.Array:
        out: Any = module.apply(params, x)
        return jnp.mean(out**2)

    def filters(params: Any, x: jax.Array) -> jax.Array:
        w = jnp.einsum("nk,kfg->fgn", k, params["params"]["multipliers"])
        full = jnp.einsum("in,fgn,jn->fgij", vectors, w, vectors)
        y = jnp.einsum("fgij,sjf->sig", full, x) + params["params"]["bias"]
        return jnp.mean(y**2)

    # inputs are arguments: products with constants would be done by the compiler
    runs = [jax.jit(jax.grad(f, (0, 1))) for f in (layer, filters)]
    return lambda: runs[0](params, x), lambda: runs[1](params, x)


def polynomials() -> Pair:
    """Gradients of degree 7 on 2,000 nodes with 8 neighbours, 4 to 8 maps, 16 samples."""
    rng = np.random.default_rng(0)
    place = rng.uniform(size=(2000, 2))
    near = graph_estimation.nearest(np.exp(-graph_estimation.distances(place) / 1e-3), 8)
    laplacian = spectral_graph.laplacian(near)
    x = jax.random.normal(jax.random.key(0), (16, 2000, 4))
    runs, params = [], None
    for matrix in (laplacian, laplacian.toarray()):
        module = spectral_graph.ChebyshevConv(matrix, 8, 8)
        params = params or module.init(jax.random.key(1), x)

        def loss(params: Any, x: jax.Array, module: Any = module) -> jax.Array:
            return jnp.mean(module.apply(params, x) ** 2)

        runs.append(jax.jit(jax.grad(loss, (0, 1))))
    return lambda: runs[0](params, x), lambda: runs[1](params, x)


def descents() -> Pair:
    """100 steps of 200 descents, 25 spins, order 3."""
    x = spin_glass.couplings(jax.random.key(0), 25, 3)
    keys = jax.random.split(jax.random.key(1), 200)
    w = jax.vmap(spin_glass.on_sphere, (0, None))(keys, 25)
    schedule = spin_glass.Schedule()

    def one(key: jax.Array, w: jax.Array) -> jax.Array:
        return spin_glass.descend(key, x, w, schedule, jnp.int32(0), 100)

    together = jax.jit(jax.vmap(one))
    alone = jax.jit(lambda keys, w: jax.lax.map(lambda a: one(*a), (keys, w)))
    return lambda: together(keys, w), lambda: alone(keys, w)


PAIRS = {
    "linear memory": (memory, "autodiff of a scan"),
    "entity network": (entities, "a story once a question"),
    "spectral graph convolution": (spectral, "a filter matrix a pair of maps"),
    "Chebyshev, sparse": (polynomials, "dense products"),
    "descents by vmap": (descents, "one after another"),
}


def difference(pair: Pair) -> float:
    """Largest difference of the results, over the largest value."""
    ours, theirs = (jax.tree.leaves(run()) for run in pair)
    return max(
        float(jnp.abs(a - b).max() / jnp.maximum(jnp.abs(b).max(), 1e-12))
        for a, b in zip(ours, theirs, strict=True)
    )


def measure(name: str, repeats: int) -> dict[str, Any]:
    """Milliseconds of both and their ratio."""
    pair = PAIRS[name][0]()
    times = _harness.interleave({"ours": pair[0], "reference": pair[1]}, repeats)
    return {
        "shape": name,
        "milliseconds": {n: _harness.spread([1e3 * t for t in ts]) for n, ts in times.items()},
        "ratio": _harness.spread(
            [b / a for a, b in zip(times["ours"], times["reference"], strict=True)]
        ),
        "difference": difference(pair),
    }


def _row(result: dict[str, Any]) -> list[str]:
    times = result["milliseconds"]
    return [
        result["shape"],
        PAIRS[result["shape"]][1],
        f"{times['ours']['median']:.1f}",
        f"{times['reference']['median']:.1f}",
        _harness.show_ratio(result["ratio"]),
        f"{result['difference']:.0e}",
    ]


def main(argv: list[str] | None = None) -> None:
    """Measures, prints and writes the table."""
    parser = argparse.ArgumentParser(prog="jaxrl bench network_training", description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    options = _harness.parse(parser, argv)
    results = []
    for name in PAIRS:
        results.append(measure(name, options.repeats))
        print(" | ".join(_row(results[-1])), flush=True)
    _harness.write(
        "network_training",
        title="Training the network papers' models",
        header=[
            "what",
            "reference",
            "ours, ms",
            "reference, ms",
            "ratio (min to max)",
            "difference",
        ],
        rows=[_row(r) for r in results],
        notes=f"Median of {options.repeats} interleaved repeats of the same gradients (descents: of the "
        "same 100 steps), float32; ratios are reference / ours within a repeat. The references are "
        "straightforward JAX in the same file.",
        data={"options": _harness.settings(options), "results": results},
        folder=options.out,
    )


if __name__ == "__main__":
    main()
