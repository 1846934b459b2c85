"""Recurrent orthogonal networks and long-memory tasks (Henaff, Szlam and LeCun, arXiv 1602.06662).

    jaxrl run long_memory --task copy --delay 500 --core orthogonal --seeds 3
    jaxrl run long_memory --task addition --delay 750 --core identity --learning-rate 1e-3

Copying wants a memory that keeps many things apart, adding one that lets them sum up. A linear memory
`h_t = relu(U x_t + b) + V h_{t-1}` does the first when V rotates, the second when V stands still:
`--core` is `orthogonal` or `identity` (where V begins), `cayley`, `expm` or `householder` (where V
stays), `gru` or `lstm`. `--penalty` draws V back towards orthogonal, `--pool` lets the output see
lengths without angles. With `--vary` every sequence has a delay of its own.

`relative_loss` is the loss over that of a model without memory: cross entropy S ln 8 / (T + 2 S) for
copying, squared error 1/6 for adding.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxrl_suite import checks, supervised
from jaxrl_suite.data import long_memory
from jaxrl_suite.experiment import ConfigError, Experiment, Spec, known
from jaxrl_suite.networks import recurrent
from jaxrl_suite.networks.orthogonal_matrix import distance
from jaxrl_suite.networks.orthogonal_rnn import KINDS, OrthogonalRNN

SYMBOLS, LENGTH = 8, 10
TASKS = ("copy", "addition")


@dataclasses.dataclass(frozen=True)
class Config:
    """Task, network and training.

    Attributes:
      task: "copy" or "addition".
      delay: T, steps between the symbols and the flag; of addition the whole length.
      vary: copy only: draw every sequence's delay from 1 to `delay`.
      core: "orthogonal", "identity", "cayley", "expm", "householder", "gru" or "lstm".
      features: units of the memory.
      pool: linear memories only: also show the output the lengths of pairs of units.
      penalty: weight of |V^T V - I|^2 in the loss ("orthogonal" and "identity" only).
      input_scale: of the initial input weights of linear memories.
      forget_bias: LSTM only: what its forget gates' biases begin with; None draws each as
        log U(1, delay), for memories from one step to the whole delay (Tallec and Ollivier, 2018,
        section 2), and begins the input gates' with the opposite.
      num_updates: of the run.
      steps: gradient steps of an update.
      batch_size: sequences of a gradient step.
      learning_rate: of RMSProp.
      anneal_learning_rate: take it linearly to zero.
      decay: of RMSProp's mean of squares.
      max_grad_norm: gradients are scaled to this global norm.
    """

    task: str = "copy"
    delay: int = 100
    vary: bool = False
    core: str = "orthogonal"
    features: int = 80
    pool: bool = False
    penalty: float = 0.0
    input_scale: float = 1.0
    forget_bias: float | None = 0.0
    num_updates: int = 200
    steps: int = 50
    batch_size: int = 32
    learning_rate: float = 3e-4
    anneal_learning_rate: bool = False
    decay: float = 0.9
    max_grad_norm: float = 1.0


class Network(nn.Module):
    """A recurrent core and a linear read-out of every step."""

    core: str
    features: int
    outputs: int
    pool: bool
    input_scale: float

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """`[T, N, F]` -> `[T, N, outputs]`."""
        carry = recurrent.initial_carry(self.core, self.features, x.shape[1])
        if self.core in KINDS:
            _, h = OrthogonalRNN(
                self.core, self.features, self.pool, self.input_scale, name="memory"
            )(carry, x)
        else:
            never = jnp.zeros(x.shape[:2], bool)
            _, h = recurrent.Recurrent(self.core, self.features, name="memory")(carry, x, never)
        return nn.Dense(self.outputs)(h)


def remembering(params: Any, config: Config, key: jax.Array) -> Any:
    """Biases of an LSTM's gates as `forget_bias` says."""
    cell = params["params"]["memory"]["Scan_Step_0"]["OptimizedLSTMCell_0"]
    if config.forget_bias is not None:
        forget = jnp.full(config.features, config.forget_bias)
        opposite = cell["hi"]["bias"]
    else:
        longest = max(config.delay - 1.0, 1.0)
        forget = jnp.log(jax.random.uniform(key, (config.features,), minval=1.0, maxval=longest))
        opposite = -forget
    cell["hf"]["bias"], cell["hi"]["bias"] = forget, opposite
    return params


def check(config: Config) -> None:
    """Refuses settings that cannot work.

    Raises:
      ConfigError: naming the field.
    """
    checks.one_of(config, TASKS, "task")
    checks.one_of(config, recurrent.KINDS, "core")
    checks.at_least(config, 1, "num_updates", "steps", "batch_size", "features")
    checks.above(config, 0.0, "learning_rate", "max_grad_norm")
    checks.within(config, 0.0, 1.0, "decay")
    checks.at_least(config, 0.0, "penalty")
    checks.finite(config, "input_scale")
    if config.delay < (2 if config.task == "addition" else 1):
        raise ConfigError("delay", config.delay, "at least 1, for addition 2")
    if config.vary and config.task != "copy":
        raise ConfigError("vary", config.vary, "the copy task's alone")
    if config.pool and (config.core not in KINDS or config.features % 2):
        raise ConfigError("pool", config.pool, "a linear memory of an even number of features")
    if config.core != "lstm" and config.forget_bias != Config.forget_bias:
        raise ConfigError("forget_bias", config.forget_bias, "that of core='lstm' alone")
    if config.forget_bias is not None:
        checks.finite(config, "forget_bias")
    free = config.core in ("orthogonal", "identity")
    if known(config.penalty) and config.penalty and not free:
        raise ConfigError("penalty", config.penalty, "0, or a core 'orthogonal' or 'identity'")


def build(config: Config) -> Experiment:
    """The network on sequences drawn as it trains."""
    check(config)
    copying = config.task == "copy"
    outputs = SYMBOLS + 1 if copying else 1
    network = Network(config.core, config.features, outputs, config.pool, config.input_scale)
    baseline = long_memory.ADDITION_BASELINE
    if copying:
        baseline = long_memory.copy_baseline(config.delay, SYMBOLS, LENGTH)

    def draw(key: jax.Array, number: int) -> Any:
        if copying:
            shortest = 1 if config.vary else None
            return long_memory.copy(key, number, config.delay, SYMBOLS, LENGTH, shortest)
        return long_memory.addition(key, number, config.delay)

    def task_loss(params: Any, batch: Any) -> tuple[jax.Array, dict[str, Any]]:
        out: Any = network.apply(params, batch.x)
        if not copying:
            error = jnp.mean((out[-1, :, 0] - batch.y) ** 2)
            return error, {"relative_loss": error / baseline}
        value = optax.softmax_cross_entropy_with_integer_labels(out, batch.y).mean()
        right = (jnp.argmax(out, -1) == batch.y) & batch.recall
        recalled = jnp.sum(right) / jnp.sum(batch.recall)
        return value, {"relative_loss": value / baseline, "recalled": recalled}

    def loss(params: Any, batch: Any, key: jax.Array) -> tuple[jax.Array, dict[str, Any]]:
        value, metrics = task_loss(params, batch)
        v = params["params"]["memory"].get("recurrent")
        if config.core in ("orthogonal", "identity"):
            metrics["distance"] = distance(v)
            value = value + config.penalty * metrics["distance"]
        return value, metrics

    def evaluate(key: jax.Array, params: Any) -> dict[str, Any]:
        value, metrics = task_loss(params, draw(key, 256))
        return {"loss": value, **metrics}

    rate: Any = config.learning_rate
    if config.anneal_learning_rate:
        total = config.num_updates * config.steps

        def rate(count: jax.Array) -> jax.Array:
            return config.learning_rate * (1.0 - count / total)

    def init(key: jax.Array) -> Any:
        params = network.init(key, draw(key, 1).x)
        return remembering(params, config, key) if config.core == "lstm" else params

    return supervised.make(
        init,
        loss,
        lambda key, count: draw(key, config.batch_size),
        optax.chain(
            optax.clip_by_global_norm(config.max_grad_norm), optax.rmsprop(rate, config.decay)
        ),
        config.num_updates,
        config.steps,
        config.batch_size,
        evaluate,
        headline=("relative_loss", "recalled", "eval/relative_loss"),
    )


EXPERIMENT = Spec(
    name="long_memory",
    config=Config,
    build=build,
    summary="copy and addition over long delays, by orthogonal memories and others",
    paper="Henaff, Szlam and LeCun, Recurrent Orthogonal Networks and Long-Memory Tasks, ICML 2016",
    sweepable=("learning_rate", "penalty"),
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
