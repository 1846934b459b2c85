"""Deep convolutional networks on graph-structured data (Henaff, Bruna and LeCun, arXiv 1506.05163).

    jaxrl run graph_conv --seeds 5                       # digits, pixels shuffled, estimated graph
    jaxrl run graph_conv --seeds 5 --graph supervised
    jaxrl run graph_conv --seeds 5 --model dense         # as many parameters
    jaxrl run graph_conv --seeds 5 --model grid          # a convolution that knows the grid
    jaxrl run graph_conv --data 20news --folder PATH     # reuters, merck, mnist, ...

Shuffled pixels are features without a geometry. The geometry is estimated: which features are alike over
the samples (`--graph global` or `local`), or to the first layer of a dense network trained before
(`--graph supervised`). On that graph multipliers that are smooth in frequency are convolutions with
local filters, and clusters of nodes are pooled. `--graph grid` is the true one, `random` none.

`overlap` is the share of the grid's edges that the estimated graph has found.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrl_suite import checks, supervised
from jaxrl_suite.data import images, tables
from jaxrl_suite.data.images import Labelled
from jaxrl_suite.experiment import ConfigError, Experiment, Spec
from jaxrl_suite.networks import graph_estimation
from jaxrl_suite.networks.graph_estimation import Level
from jaxrl_suite.networks.spectral_graph import (
    ChebyshevConv,
    GridConv,
    SpectralConv,
    eigenvectors,
    laplacian,
)

GRAPHS = ("global", "local", "supervised", "grid", "random")
MODELS = ("spectral", "chebyshev", "grid", "dense")


@dataclasses.dataclass(frozen=True)
class Config:
    """Data, graph, network and training.

    Attributes:
      data: "digits", "moved_digits", "topics", "wine", "breast_cancer", "mnist", "cifar10", "20news",
        "reuters" or "merck".
      folder: that holds the files of the last five.
      shuffle: the order of the features is random.
      train_size: training samples to use; None takes all.
      graph: "global", "local", "supervised", "grid" or "random".
      rank: of the neighbour that sets the width of the graph's kernel, as a share of all features.
      neighbours: strongest edges kept a node ("chebyshev" only, which wants sparse graphs).
      model: "spectral", "chebyshev", "grid" (pictures only) or "dense" (as many parameters as spectral).
      channels: of each convolution.
      knots: k, numbers a multiplier has; of "grid" its kernel is 3 x 3.
      kept: share of the frequencies that are used.
      stride: nodes that are pooled to one after each convolution, 1 for none.
      hidden: units of a dense layer before the output, 0 for none.
      dropout: before the output.
      num_updates: of the run.
      steps: gradient steps of an update.
      batch_size: samples of a gradient step.
      learning_rate: of Adam.
    """

    data: str = "digits"
    folder: str | None = None
    shuffle: bool = True
    train_size: int | None = None
    graph: str = "global"
    rank: float = 0.05
    neighbours: int = 8
    model: str = "spectral"
    channels: tuple[int, ...] = (16, 32)
    knots: int = 8
    kept: float = 1.0
    stride: int = 2
    hidden: int = 0
    dropout: float = 0.0
    num_updates: int = 100
    steps: int = 20
    batch_size: int = 64
    learning_rate: float = 3e-3


class GraphNetwork(nn.Module):
    """Convolutions on graphs, ReLU and max pooling after each, then dense layers."""

    levels: tuple[Level, ...]
    config: Config
    classes: int

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """`[S, N]` -> `[S, classes]`."""
        x, config = x[..., None], self.config
        for level, features in zip(self.levels, config.channels, strict=True):
            x = nn.relu(self._layer(level, features)(x))
            if level.pools is not None:
                x = x[:, level.pools].max(2)
        x = x.reshape(len(x), -1)
        if config.hidden:
            x = nn.relu(nn.Dense(config.hidden)(x))
        x = nn.Dropout(config.dropout, deterministic=not train)(x)
        return nn.Dense(self.classes)(x)

    def _layer(self, level: Level, features: int) -> nn.Module:
        if self.config.model == "grid":
            return GridConv(level.weights, features, 3)
        if self.config.model == "chebyshev":
            sparse = graph_estimation.nearest(level.weights, self.config.neighbours)
            return ChebyshevConv(laplacian(sparse), features, self.config.knots)
        frequencies = max(1, round(self.config.kept * len(level.weights)))
        vectors = eigenvectors(level.weights, frequencies)[1]
        return SpectralConv(vectors, features, min(self.config.knots, frequencies))


class Dense(nn.Module):
    """One hidden layer: the baseline, and where supervised graphs come from."""

    hidden: int
    classes: int
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """`[S, N]` -> `[S, classes]`."""
        x = nn.relu(nn.Dense(self.hidden, name="first")(x))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.classes)(x)


def check(config: Config) -> None:
    """Refuses settings that cannot work.

    Raises:
      ConfigError: naming the field.
    """
    checks.one_of(config, GRAPHS, "graph")
    checks.one_of(config, MODELS, "model")
    if not has_grid(config) and "grid" in (config.graph, config.model):
        raise ConfigError("data", config.data, "digits, moved_digits or mnist: others have no grid")
    checks.at_least(
        config, 1, "num_updates", "steps", "batch_size", "knots", "stride", "neighbours"
    )
    checks.at_least(config, 1, "train_size")
    checks.above(config, 0.0, "rank", "learning_rate")
    checks.share(config, "kept")
    checks.within(config, 0.0, 1.0, "dropout")
    if not config.rank < 1:
        raise ConfigError("rank", config.rank, "below 1")
    checks.sizes(config, "channels")
    checks.at_least(config, 0, "hidden")


def has_grid(config: Config) -> bool:
    """Whether features are the pixels of square grey pictures."""
    return config.data in images.NAMES and config.data != "cifar10"


def data_of(config: Config) -> tuple[Labelled, np.ndarray]:
    """The data with its features shuffled, and where each feature of the original order went."""
    data = tables.load(config.data, config.folder)
    n = data.train_x.shape[1]
    new = np.random.default_rng(0).permutation(n) if config.shuffle else np.arange(n)
    size = config.train_size or len(data.train_x)
    data = data._replace(
        train_x=data.train_x[:size, new], train_y=data.train_y[:size], test_x=data.test_x[:, new]
    )
    return data, np.argsort(new)


def graph_of(config: Config, data: Labelled, order: np.ndarray) -> np.ndarray:
    """The weights `[N, N]` of the graph that the config asks for."""
    n = data.train_x.shape[1]
    if config.graph == "grid":
        true = graph_estimation.grid(math.isqrt(n))
        new = np.argsort(order)
        return true[np.ix_(new, new)]
    if config.graph == "random":
        noise = np.random.default_rng(1).normal(size=(50, n))
        return graph_estimation.unsupervised(noise, config.rank)
    if config.graph == "supervised":
        first = first_layer(config, data)
        return graph_estimation.supervised(first, config.rank, local=True)
    return graph_estimation.unsupervised(data.train_x, config.rank, config.graph == "local")


def first_layer(config: Config, data: Labelled, hidden: int = 200) -> np.ndarray:
    """The first weights `[N, hidden]` of a dense network trained on standardised features."""
    mean, deviation = data.train_x.mean(0), data.train_x.std(0)
    x = (data.train_x - mean) / np.where(deviation > 0, deviation, 1)
    experiment = training(
        config, data._replace(train_x=x.astype(np.float32)), Dense(hidden, data.classes, 0.5)
    )
    state = jax.jit(experiment.init)(jax.random.key(0))
    for _ in range(min(config.num_updates, 50)):
        state, _ = jax.jit(experiment.update)(state)
    weights = np.asarray(state.params["params"]["first"]["kernel"])
    return np.where(deviation[:, None] > 0, weights, 0.0)


def build(config: Config) -> Experiment:
    """Estimates the graph, then trains on it."""
    check(config)
    data, order = data_of(config)
    n, depth = data.train_x.shape[1], len(config.channels)
    spectral = dataclasses.replace(
        config, model="spectral" if config.model == "dense" else config.model
    )
    if config.model == "grid":
        levels = graph_estimation.grid_levels(order, depth, config.stride)
    else:
        graph = graph_of(config, data, order)
        levels = graph_estimation.levels(graph, depth, config.stride)
    network: nn.Module = GraphNetwork(levels, spectral, data.classes)
    constant = {"parameters": jnp.float32(supervised.parameters(network, n))}
    if config.model == "dense":
        each = n + 1 + data.classes  # weights and bias of a hidden unit, weights out
        hidden = max(1, round((float(constant["parameters"]) - data.classes) / each))
        network = Dense(hidden, data.classes, config.dropout)
        constant = {"parameters": jnp.float32(supervised.parameters(network, n))}
    elif config.model != "grid" and has_grid(config):
        true = graph_of(dataclasses.replace(config, graph="grid"), data, order)
        constant["overlap"] = jnp.float32(graph_estimation.overlap(levels[0].weights, true))
    return training(config, data, network, constant)


def training(
    config: Config, data: Labelled, network: nn.Module, constant: dict[str, Any] | None = None
) -> Experiment:
    """A network on the data; `constant` is reported with the evaluation."""
    train = jnp.asarray(data.train_x), jnp.asarray(data.train_y)
    test = jnp.asarray(data.test_x), jnp.asarray(data.test_y)

    def judged(out: jax.Array, y: jax.Array) -> tuple[jax.Array, dict[str, Any]]:
        if data.classes > 1:
            value, accuracy = supervised.classification(out, y)
            return value, {"accuracy": accuracy}
        guess = out[:, 0]
        correlation = jnp.corrcoef(guess, y)[0, 1]
        return jnp.mean((guess - y) ** 2), {"squared_correlation": correlation**2}

    def loss(params: Any, batch: Any, key: jax.Array) -> Any:
        out: Any = network.apply(params, batch[0], train=True, rngs={"dropout": key})
        value, metrics = judged(out, batch[1])
        return value, {f"train_{name}": metric for name, metric in metrics.items()}

    def evaluate(key: jax.Array, params: Any) -> dict[str, Any]:
        out: Any = network.apply(params, test[0])
        value, metrics = judged(out, test[1])
        return {"loss": value, **metrics, **(constant or {})}

    return supervised.make(
        lambda key: network.init(key, train[0][:1]),
        loss,
        lambda key, count: supervised.minibatch(key, train, config.batch_size),
        optax.adam(config.learning_rate),
        config.num_updates,
        config.steps,
        config.batch_size,
        evaluate,
        headline=("loss", "eval/accuracy", "eval/parameters"),
    )


EXPERIMENT = Spec(
    name="graph_conv",
    config=Config,
    build=build,
    summary="spectral convolutions on graphs estimated from data",
    paper="Henaff, Bruna and LeCun, Deep Convolutional Networks on Graph-Structured Data, 2015",
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
