"""The loss surfaces of multilayer networks (Choromanska, Henaff, Mathieu, Ben Arous and LeCun, 2015).

    jaxrl run loss_surfaces --system spins --order 3 --size 100 --seeds 5      # 200 runs a seed
    jaxrl run loss_surfaces --system network --hidden 25
    jaxrl run loss_surfaces --system spins --method annealing

A seed is one surface: the couplings of a spherical spin glass, or digits split in training and test
data. On it `runs` descents start at random points, all in one program. As the surface grows (`size`
spins, `hidden` units) their ends come closer to each other and to the band of low critical points,
-E_0 to -E_infinity; hardly any direction leads down from there (`eval/index`); and what the training
loss says about the test loss gets less. `--method` descends by gradients, stochastic gradients,
Langevin dynamics or simulated annealing (networks: sgd or annealing).

`jaxrl bench loss_surfaces` draws the distributions, and counts directions in networks too.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrl_suite import checks
from jaxrl_suite.data import images
from jaxrl_suite.experiment import ConfigError, Experiment, Spec
from jaxrl_suite.landscape import complexity, networks, spin_glass

METHODS = {
    "spins": ("gradient", "sgd", "langevin", "annealing"),
    "network": ("sgd", "annealing"),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """The surface and how to go down.

    Attributes:
      system: "spins" or "network".
      method: "gradient", "sgd", "langevin", "annealing"; None is "gradient" for spins, "sgd" else.
      runs: descents of a seed.
      num_updates: of the run.
      steps: of an update.
      order: p, spins of an interaction: 2, 3 or 4.
      size: N, spins.
      rate: step size; None is what converges for spins, 0.1 for networks.
      slowing: SGD on networks: the rate is `rate / (1 + slowing * epochs)`.
      share: stochastic gradients of spins: share of the spins a step takes the couplings of.
      temperature: at the start; of annealed networks in units of the loss.
      cooling: annealing: the temperature's factor over the run.
      hidden: units of the network.
      data: "digits", "mnist" or "cifar10".
      folder: that holds the files of the last two.
      batch_size: of a step of SGD.
      width: annealing of networks: deviation of a changed weight.
      changed: annealing of networks: share of the weights that a proposal changes.
    """

    system: str = "spins"
    method: str | None = None
    runs: int = 200
    num_updates: int = 30
    steps: int = 100
    order: int = 3
    size: int = 50
    rate: float | None = None
    slowing: float = 1.0
    share: float = 0.5
    temperature: float = 0.3
    cooling: float = 1e-3
    hidden: int = 25
    data: str = "digits"
    folder: str | None = None
    batch_size: int = 10
    width: float = 0.3
    changed: float = 0.02


class State(NamedTuple):
    """Where the runs of a seed stand.

    Attributes:
      surface: random key of the couplings.
      runs: pytree of `[R, ...]`.
      key: random key of the descents.
      count: `[]` int32, steps done.
    """

    surface: jax.Array
    runs: Any
    key: jax.Array
    count: jax.Array  # type: ignore[assignment]


def check(config: Config) -> None:
    """Refuses settings that cannot work.

    Raises:
      ConfigError: naming the field.
    """
    checks.one_of(config, METHODS, "system")
    if config.method not in (None, *METHODS[config.system]):
        raise ConfigError("method", config.method, f"one of {', '.join(METHODS[config.system])}")
    checks.at_least(config, 1, "runs", "num_updates", "steps", "hidden", "batch_size")
    if config.order not in (2, 3, 4):
        raise ConfigError("order", config.order, "2, 3 or 4")
    checks.at_least(config, 2, "size")
    checks.share(config, "share", "changed", "cooling")
    checks.at_least(config, 0, "slowing")
    checks.above(config, 0.0, "temperature", "rate", "width")


def build(config: Config) -> Experiment:
    """The runs of one seed."""
    check(config)
    return spins(config) if config.system == "spins" else network(config)


def schedule_of(config: Config) -> spin_glass.Schedule:
    """How spins go down."""
    method = config.method or "gradient"
    noisy = method in ("langevin", "annealing")
    return spin_glass.Schedule(
        rate=config.rate or spin_glass.stable_rate(config.order),
        slowing=0.02 if method == "sgd" else 1.0,
        temperature=config.temperature if noisy else 0.0,
        cooling=config.cooling if method == "annealing" else 1.0,
        share=config.share if method == "sgd" else 1.0,
        steps=config.num_updates * config.steps,
    )


def spins(config: Config) -> Experiment:
    """Descents on a spin glass."""
    schedule, size = schedule_of(config), config.size
    threshold = complexity.threshold(config.order)

    def couplings(state: State) -> jax.Array:
        return spin_glass.couplings(state.surface, size, config.order)

    def init(key: jax.Array) -> State:
        surface, first, key = jax.random.split(key, 3)
        starts = jax.random.split(first, config.runs)
        w = jax.vmap(spin_glass.on_sphere, (0, None))(starts, size)
        return State(surface, w, key, jnp.int32(0))

    def update(state: State) -> tuple[State, dict[str, jax.Array]]:
        x = couplings(state)
        keys = jax.vmap(jax.random.fold_in, (None, 0))(state.key, jnp.arange(config.runs))
        w = jax.vmap(lambda k, w: spin_glass.descend(k, x, w, schedule, state.count, config.steps))(
            keys, state.runs
        )
        energies = jax.vmap(spin_glass.energy, (None, 0))(x, w)
        slopes = jnp.linalg.norm(jax.vmap(spin_glass.gradient, (None, 0))(x, w), axis=1)
        metrics = {
            "energy": energies.mean(),
            "energy_std": energies.std(),
            "lowest": energies.min(),
            "highest": energies.max(),
            "gradient": slopes.mean() / size**0.5,
            "below_threshold": (energies < -threshold).mean(),
        }
        return state._replace(runs=w, count=state.count + config.steps), metrics

    def evaluate(key: jax.Array, state: State) -> dict[str, jax.Array]:
        x = couplings(state)
        # one Hessian at a time: N^2 numbers each
        found = jax.lax.map(lambda w: spin_glass.index(x, w), state.runs)
        return {"index": found.mean() / size, "minima": (found == 0).mean()}

    return Experiment(
        init,
        update,
        config.num_updates,
        config.steps,
        evaluate,
        headline=("energy", "energy_std", "eval/index", "eval/minima"),
    )


def network(config: Config) -> Experiment:
    """Networks trained on one split of the data."""
    data = images.load(config.data, config.folder)
    train, test = (
        (jnp.asarray(x.reshape(len(x), -1)), jnp.asarray(y))
        for x, y in ((data.train_x, data.train_y), (data.test_x, data.test_y))
    )
    inputs, annealed = train[0].shape[1], config.method == "annealing"
    rate, total = config.rate or 0.1, config.num_updates * config.steps

    def init(key: jax.Array) -> State:
        first, key = jax.random.split(key)

        def start(key: jax.Array) -> Any:
            weights = networks.init(key, inputs, config.hidden, data.classes)
            if annealed:
                return networks.Annealed(weights, networks.loss(weights, *train))
            return weights

        runs = jax.vmap(start)(jax.random.split(first, config.runs))
        return State(first, runs, key, jnp.int32(0))

    def advance(key: jax.Array, run: Any, count: jax.Array) -> Any:
        if not annealed:
            x, y = train
            return networks.sgd(
                key, run, x, y, count, config.steps, config.batch_size, rate, config.slowing
            )
        heats = config.temperature, config.temperature * config.cooling
        return networks.anneal(
            key, run, *train, count, config.steps, total, heats, config.width, config.changed
        )

    def weights_of(state: State) -> Any:
        return state.runs.weights if annealed else state.runs

    def update(state: State) -> tuple[State, dict[str, jax.Array]]:
        keys = jax.vmap(jax.random.fold_in, (None, 0))(state.key, jnp.arange(config.runs))
        runs = jax.vmap(advance, (0, 0, None))(keys, state.runs, state.count)
        state = state._replace(runs=runs, count=state.count + config.steps)
        values = jax.vmap(networks.loss, (0, None, None))(weights_of(state), *test)
        return state, {"test_loss": values.mean(), "test_std": values.std()}

    def evaluate(key: jax.Array, state: State) -> dict[str, jax.Array]:
        both = [
            jax.vmap(networks.loss, (0, None, None))(weights_of(state), *part)
            for part in (train, test)
        ]
        return networks.summary(*both)

    return Experiment(
        init,
        update,
        config.num_updates,
        config.steps,
        evaluate,
        headline=("test_loss", "test_std", "eval/correlation"),
    )


EXPERIMENT = Spec(
    name="loss_surfaces",
    config=Config,
    build=build,
    summary="where thousands of descents end: spin glasses and small networks",
    paper="Choromanska et al., The Loss Surfaces of Multilayer Networks, AISTATS 2015",
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
