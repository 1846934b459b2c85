"""Fast training of convolutional networks through FFTs (Mathieu, Henaff and LeCun, arXiv 1312.5851).

    jaxrl run fft_conv --seeds 5 --method fft
    jaxrl run fft_conv --seeds 5 --method direct       # the same losses, another way
    jaxrl run fft_conv --data mnist --folder PATH      # or cifar10

A convolution of two layers, all of whose convolutions and gradients are products of Fourier transforms
(`jaxrl_suite.networks.fft_conv`). The method changes how long a step takes and nothing else: the
learning curves of equal seeds lie on each other. `jaxrl bench fft_conv` has the times.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxrl_suite import checks, supervised
from jaxrl_suite.data import images
from jaxrl_suite.experiment import ConfigError, Experiment, Spec
from jaxrl_suite.networks import fft_conv


@dataclasses.dataclass(frozen=True)
class Config:
    """Data, network and training.

    Attributes:
      data: "digits", "mnist" or "cifar10".
      folder: that holds the files of the last two.
      method: of the convolutions, "auto", "fft" or "direct".
      kernels: side of each layer's kernel.
      channels: of each layer.
      num_updates: of the run.
      steps: gradient steps of an update.
      batch_size: pictures of a gradient step.
      learning_rate: of Adam.
    """

    data: str = "digits"
    folder: str | None = None
    method: str = "auto"
    kernels: tuple[int, ...] = (5, 9)
    channels: tuple[int, ...] = (16, 32)
    num_updates: int = 60
    steps: int = 10
    batch_size: int = 64
    learning_rate: float = 1e-3


class Network(nn.Module):
    """Convolutions with ReLU, their mean over the picture, and a linear layer."""

    kernels: tuple[int, ...]
    channels: tuple[int, ...]
    classes: int
    method: str

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """`[S, H, W, C]` -> `[S, classes]`."""
        for side, width in zip(self.kernels, self.channels, strict=True):
            x = nn.relu(fft_conv.conv(width, (side, side), self.method)(x))
        return nn.Dense(self.classes)(x.mean((1, 2)))


def check(config: Config) -> None:
    """Refuses settings that cannot work.

    Raises:
      ConfigError: naming the field.
    """
    checks.one_of(config, fft_conv.METHODS, "method")
    checks.sizes(config, "kernels", "channels")
    if len(config.kernels) != len(config.channels):
        raise ConfigError("kernels", config.kernels, f"as many as channels={config.channels}")
    checks.at_least(config, 1, "num_updates", "steps", "batch_size")
    checks.above(config, 0.0, "learning_rate")


def build(config: Config) -> Experiment:
    """The network on the data."""
    check(config)
    data = images.load(config.data, config.folder)
    train, test = (jnp.asarray(data.train_x), jnp.asarray(data.train_y)), data
    network = Network(config.kernels, config.channels, data.classes, config.method)

    def init(key: jax.Array) -> Any:
        return network.init(key, train[0][:1])

    def loss(params: Any, batch: Any, key: jax.Array) -> Any:
        logits: Any = network.apply(params, batch[0])
        value, accuracy = supervised.classification(logits, batch[1])
        return value, {"train_accuracy": accuracy}

    def sample(key: jax.Array, count: jax.Array) -> Any:
        return supervised.minibatch(key, train, config.batch_size)

    def evaluate(key: jax.Array, params: Any) -> dict[str, Any]:
        logits: Any = network.apply(params, jnp.asarray(test.test_x))
        value, accuracy = supervised.classification(logits, jnp.asarray(test.test_y))
        return {"loss": value, "accuracy": accuracy}

    return supervised.make(
        init,
        loss,
        sample,
        optax.adam(config.learning_rate),
        config.num_updates,
        config.steps,
        config.batch_size,
        evaluate,
        headline=("loss", "train_accuracy", "eval/accuracy"),
    )


EXPERIMENT = Spec(
    name="fft_conv",
    config=Config,
    build=build,
    summary="a convolutional network trained through Fourier transforms",
    paper="Mathieu, Henaff and LeCun, Fast Training of Convolutional Networks through FFTs, 2013",
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
