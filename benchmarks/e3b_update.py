"""E3B's covariance update: `update_block` against a scan of rank-one steps.

    jaxrl bench e3b_update [--dims 64 128 ...] [--envs 64] [--steps 64] [--repeats 7]

Each call does a few rollouts' worth of updates of all environments in one jitted scan, the inverse
covariance carried in place as in training, an episode ending every 100 steps. Beside the times: how
far each method's bonuses are from float64, in the hard case of few states met often.
Written to `docs/results/e3b_update.{json,md}`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import _harness
from jaxrl_suite.exploration import e3b

RIDGE = 0.1


def candidate(method: str, dim: int, envs: int, steps: int, rollouts: int) -> Callable[[], Any]:
    """A call that runs `rollouts` blocks of `steps` for `envs` environments."""
    rng = np.random.default_rng(0)
    embeddings = jnp.asarray(rng.normal(size=(steps, envs, dim)) / np.sqrt(dim), jnp.float32)
    resets = jnp.asarray(rng.random((steps, envs)) < 0.01)

    def block(state: e3b.EllipticalState, embeddings: jax.Array, resets: jax.Array) -> Any:
        return e3b.update_block(state, embeddings, resets, method=method)

    def rollout(state: e3b.EllipticalState, _: None) -> Any:
        bonuses, state = jax.vmap(block, in_axes=(0, 1, 1), out_axes=(1, 0))(
            state, embeddings, resets
        )
        return state, jnp.sum(bonuses)

    @jax.jit
    def run() -> Any:
        state = jax.tree.map(lambda x: jnp.broadcast_to(x, (envs, *x.shape)), e3b.init(dim, RIDGE))
        state, totals = jax.lax.scan(rollout, state, None, length=rollouts)
        return totals, jnp.sum(state.root, axis=(1, 2))

    return run


def errors(dim: int, steps: int, total: int = 1024) -> dict[str, float]:
    """Largest relative error of a bonus over one episode among 20 states of unit length."""
    rng = np.random.default_rng(1)
    states = rng.normal(size=(20, dim))
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    phi = states[rng.integers(20, size=total)].astype(np.float32)
    covariance, exact = np.eye(dim) * RIDGE, []
    for t, row in enumerate(phi.astype(np.float64)):
        if t % 64 == 0:
            inverse = np.linalg.inv(covariance)
        u = inverse @ row
        exact.append(row @ u)
        inverse = inverse - np.outer(u, u) / (1 + row @ u)
        covariance += np.outer(row, row)
    found = {}
    for method in ("scan", "auto"):
        run = jax.jit(lambda s, x, r, m=method: e3b.update_block(s, x, r, method=m))
        state, bonuses = e3b.init(dim, RIDGE), []
        for start in range(0, total, steps):
            part = phi[start : start + steps]
            bonus, state = run(state, part, np.zeros(len(part), bool))
            bonuses.append(np.asarray(bonus, np.float64))
        found[method] = float(np.max(np.abs(np.concatenate(bonuses) / np.array(exact) - 1)))
    return found


def measure(dim: int, envs: int, steps: int, repeats: int) -> dict[str, Any]:
    """Times in milliseconds a rollout, their ratio, and errors, for one size."""
    rollouts = max(1, min(32, int(3e8 / (envs * steps * dim * dim))))
    times = _harness.interleave(
        {m: candidate(m, dim, envs, steps, rollouts) for m in ("scan", "auto")}, repeats
    )
    method, block = e3b.plan(steps, dim)
    return {
        "dim": dim,
        "envs": envs,
        "steps": steps,
        "method": method,
        "block": block,
        "milliseconds": {
            m: _harness.spread([1e3 * t / rollouts for t in ts]) for m, ts in times.items()
        },
        "ratio": _harness.spread(
            [a / b for a, b in zip(times["scan"], times["auto"], strict=True)]
        ),
        "max_relative_error": errors(dim, steps),
    }


def _row(result: dict[str, Any]) -> list[str]:
    times, wrong = result["milliseconds"], result["max_relative_error"]
    how = "scan" if result["method"] == "scan" else f"blocks of {result['block']}"
    return [
        str(result["dim"]),
        str(result["envs"]),
        str(result["steps"]),
        f"{times['scan']['median']:.2f}",
        f"{times['auto']['median']:.2f}",
        how,
        _harness.show_ratio(result["ratio"]),
        f"{wrong['scan']:.0e}",
        f"{wrong['auto']:.0e}",
    ]


def main(argv: list[str] | None = None) -> None:
    """Measures, prints and writes the table."""
    parser = argparse.ArgumentParser(prog="jaxrl bench e3b_update", description=__doc__)
    parser.add_argument("--dims", type=int, nargs="*", default=[16, 32, 64, 128, 256, 512, 1024])
    parser.add_argument("--envs", type=int, default=64, help="16 from dimension 1024 on")
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=7)
    options = _harness.parse(parser, argv)
    results = []
    for dim in options.dims:
        envs = min(options.envs, 16) if dim >= 1024 else options.envs
        results.append(measure(dim, envs, options.steps, options.repeats))
        print(" | ".join(_row(results[-1])), flush=True)
    _harness.write(
        "e3b_update",
        title="E3B: blocked update against rank-one steps",
        header=[
            "D",
            "environments",
            "T",
            "rank-one, ms",
            "update_block, ms",
            "method",
            "ratio (min to max)",
            "rank-one error",
            "update_block error",
        ],
        rows=[_row(r) for r in results],
        notes=f"Median time of one rollout of T steps over {options.repeats} interleaved repeats; "
        "float32, all XLA threads. Errors: the largest relative error of a bonus against float64 "
        "in one episode of 1024 steps among 20 states of unit length, ridge 0.1.",
        data={"options": _harness.settings(options), "results": results},
        folder=options.out,
    )


if __name__ == "__main__":
    main()
