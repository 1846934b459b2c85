"""Where thousands of descents end: distributions over runs, theory's band, directions that lead down.

    jaxrl bench loss_surfaces

Spin glasses of several sizes and orders (five surfaces each, 200 descents a surface) against the
energies -E_infinity and -E_0 of theory; networks of several widths on digits; SGD or gradients against
annealing. Hessians of networks are exact for small ones, by Lanczos for all, on all training data in
float32; some networks train ten times longer for them, at a constant rate, since the paper's indices
are those of networks that have converged. What has been computed is kept in
`runs/results/loss_surfaces` and not computed again. Written to `docs/results/loss_surfaces/`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import _harness
from benchmarks._loss_surfaces_report import (
    Found,
    curvature_row,
    limit,
    network_row,
    networks_figure,
    spins_figure,
    spins_row,
)
from experiments import loss_surfaces
from experiments.loss_surfaces import Config
from jaxrl_suite.data import images
from jaxrl_suite.landscape import complexity, curvature, networks, spin_glass

KEPT = Path("runs/results/loss_surfaces")
UPDATES = 20  # of 100 steps
SPINS = [
    *(Config(size=n, num_updates=UPDATES) for n in (10, 25, 50, 100, 250)),
    *(Config(order=2, size=n, num_updates=UPDATES) for n in (10, 25, 50)),
    *(Config(order=4, size=n, num_updates=UPDATES) for n in (8, 14, 20)),
    *(Config(method="annealing", size=n, num_updates=UPDATES) for n in (10, 25, 50)),
    *(Config(method="sgd", size=n, num_updates=UPDATES) for n in (10, 25, 50)),
]
NETWORKS = [Config(system="network", hidden=h, num_updates=72) for h in (5, 10, 25, 50, 100)]
CONVERGED = [
    Config(system="network", hidden=h, num_updates=n, slowing=0.0, runs=20)
    for h in (5, 10, 25)
    for n in (72, 720)
]
ANNEALED = [
    Config(system="network", method="annealing", hidden=h, num_updates=100, runs=10)
    for h in (5, 25, 100)
]
TOLERANCE, FINE = 1e-3, 1e-4


def named(config: Config) -> str:
    """The file of a configuration's runs."""
    method = config.method or loss_surfaces.METHODS[config.system][0]
    if config.system == "spins":
        return f"spins-p{config.order}-{method}-{config.size}-r{config.runs}"
    constant = "" if config.slowing else f"-constant-{config.num_updates}"
    return f"network-{method}-{config.hidden}-r{config.runs}{constant}"


def compute(config: Config, surfaces: int) -> Found:
    """Final values of all runs, from the file where there is one."""
    path = KEPT / f"{named(config)}.npz"
    if path.is_file():
        return dict(np.load(path))
    experiment = loss_surfaces.build(config)
    update = jax.jit(experiment.update, donate_argnums=0)
    parts = []
    for seed in range(surfaces):
        state = jax.jit(experiment.init)(jax.random.key(seed))
        for _ in range(experiment.num_updates):
            state, _ = update(state)
        parts.append(ends_of_spins(config, state) if config.system == "spins" else of_nets(state))
    found = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **found)  # type: ignore[arg-type]
    return found


def ends_of_spins(config: Config, state: Any) -> Found:
    """Energies, lengths of the gradient and indices, `[R]` each."""

    @jax.jit
    def look(state: Any) -> Any:
        x = spin_glass.couplings(state.surface, config.size, config.order)

        def one(w: jax.Array) -> Any:
            slope = jnp.linalg.norm(spin_glass.gradient(x, w)) / config.size**0.5
            return spin_glass.energy(x, w), slope, spin_glass.index(x, w, TOLERANCE)

        return jax.lax.map(one, state.runs)

    energy, slope, index = look(state)
    return {"energy": np.asarray(energy), "slope": np.asarray(slope), "index": np.asarray(index)}


def of_nets(state: Any) -> Found:
    """Training and test losses `[R]` each, and the share of the spectrum below zero of a few."""
    data = images.digits()
    parts = [(data.train_x, data.train_y), (data.test_x, data.test_y)]
    train, test = [(jnp.asarray(x.reshape(len(x), -1)), jnp.asarray(y)) for x, y in parts]
    weights = state.runs.weights if isinstance(state.runs, networks.Annealed) else state.runs
    values = [
        np.asarray(jax.jit(jax.vmap(networks.loss, (0, None, None)))(weights, *part))
        for part in (train, test)
    ]
    shares: list[float] = []
    exact: list[float] = []
    fine: list[float] = []
    for i in range(3):
        one = jax.tree.map(lambda p, i=i: p[i], weights)
        size = sum(p.size for p in one)

        def loss(weights: Any) -> jax.Array:
            return networks.loss(weights, *train)

        @jax.jit
        def tridiagonal(one: Any, key: jax.Array, size: int = size) -> Any:
            steps = min(100, size)
            return curvature.lanczos(curvature.product(loss, one), key, size, steps)

        shares.append(curvature.share_below(tridiagonal(one, jax.random.key(i)), -TOLERANCE))
        if size < 2000:
            eigenvalues = np.linalg.eigvalsh(np.asarray(curvature.exact(loss, one), np.float64))
        else:
            eigenvalues = np.asarray([np.nan])
        for found, tolerance in ((exact, TOLERANCE), (fine, FINE)):
            below = np.where(np.isnan(eigenvalues), np.nan, eigenvalues < -tolerance)
            found.append(float(below.mean()))
    return {
        "train": values[0],
        "test": values[1],
        "index_lanczos": np.asarray(shares),
        "index_exact": np.asarray(exact),
        "index_fine": np.asarray(fine),
    }


def main(argv: list[str] | None = None) -> None:
    """Computes what is missing, draws and writes."""
    parser = argparse.ArgumentParser(prog="jaxrl bench loss_surfaces", description=__doc__)
    parser.add_argument("--surfaces", type=int, default=5, help="spin glasses a size")
    options = _harness.parse(parser, argv)
    spins, nets, long = [], [], []
    for config in SPINS:
        spins.append((config, compute(config, options.surfaces)))
        print(" | ".join(spins_row(*spins[-1])), flush=True)
    for config in (*NETWORKS, *ANNEALED):
        nets.append((config, compute(config, 1)))
        print(" | ".join(network_row(*nets[-1])), flush=True)
    for config in CONVERGED:
        long.append((config, compute(config, 1)))
        print(" | ".join(curvature_row(*long[-1])), flush=True)
    end, low, high = limit(spins)
    folder = options.out / "loss_surfaces"
    folder.mkdir(parents=True, exist_ok=True)
    spins_figure(spins).savefig(folder / "spins.png", dpi=110)
    networks_figure(nets[: len(NETWORKS)]).savefig(folder / "networks.png", dpi=110)
    network_header = [
        "hidden units, method",
        "runs",
        "training loss",
        "test loss",
        "its deviation",
        "worst",
        "correlation of training and test",
        "index / n, exact",
        "index / n, Lanczos",
    ]
    curvature_header = [
        "hidden units",
        "epochs",
        "training loss",
        "test loss",
        f"index / n, below -{TOLERANCE:g}",
        f"below -{FINE:g}",
    ]
    curvature_table = _harness.table(curvature_header, [curvature_row(*n) for n in long])
    network_table = _harness.table(network_header, [network_row(*n) for n in nets])
    _harness.write(
        "loss_surfaces",
        title="Loss surfaces",
        header=[
            "surface, method",
            "runs",
            "mean energy",
            "deviation within a surface",
            "highest",
            "-E_infinity, -E_0",
            "in the band",
            "index / N",
            "minima",
            "slope",
        ],
        rows=[spins_row(*s) for s in spins],
        notes=f"{options.surfaces} surfaces a size, energies per spin. Index: "
        f"eigenvalues below -{TOLERANCE:g}. Slope: median length of the gradient over sqrt(N). "
        f"Means at p = 3 follow e + b N^-c with e = {end:.3f} ({low:.3f} to {high:.3f}, 95% bootstrap "
        f"over surfaces), where -E_infinity is {-complexity.threshold(3):.3f}. "
        "![spins](spins.png)\n\nNetworks of one hidden layer on digits, SGD of batches of 10, 50 "
        f"epochs, rate 0.1 / (1 + epochs); annealing: 10,000 proposals. Indices of the first three."
        f"\n\n{network_table}\n\n![networks](networks.png)\n\nConverging, at a constant rate of 0.1: "
        f"indices of the first three of 20 networks, exact.\n\n{curvature_table}",
        data={
            "spins": [
                {
                    "surface": named(config),
                    "energy_mean": ends["energy"].mean(1).tolist(),
                    "energy_std": ends["energy"].std(1).tolist(),
                    "minima": float((ends["index"] == 0).mean()),
                }
                for config, ends in spins
            ],
            "networks": [
                {"network": named(config), **{k: np.asarray(v).tolist() for k, v in ends.items()}}
                for config, ends in (*nets, *long)
            ],
        },
        folder=folder,
    )


if __name__ == "__main__":
    main()
