"""Tracking the world state with recurrent entity networks (Henaff et al., ICLR 2017, arXiv 1612.03969).

    jaxrl run entnet --data world --longest 20 --seeds 2          # two agents on a grid
    jaxrl run entnet --data babi --task 6 --seeds 10              # ten restarts, the authors' settings
    jaxrl run entnet --data babi --task 6 --folder tasks_1-20_v1-2/en-10k

An agent reads a story sentence by sentence and is then asked about it; it is never told before what it
will be asked. The entity network (`jaxrl_suite.networks.entity_network`) keeps a slot for each thing it
reads about, `--model lstm` one state for everything. Without a folder bAbI's stories are generated
(`jaxrl_suite.data.babi_tasks`), new draws in the way of the released corpus.

World stories are drawn as the network trains, asked about after `shortest` to `longest` statements, and
tested at `test_lengths`: at those beyond `longest` it has never been.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from experiments._babi import prepared
from jaxrl_suite import checks, supervised
from jaxrl_suite.data import babi, babi_tasks, world_model
from jaxrl_suite.experiment import ConfigError, Experiment, Spec
from jaxrl_suite.networks.entity_network import EntityNetwork
from jaxrl_suite.networks.lstm_reader import LSTMReader


@dataclasses.dataclass(frozen=True)
class Config:
    """Stories, network and training. None is what `PRESETS` has for the data.

    Attributes:
      data: "world" or "babi".
      task: of bAbI, 1 to 20.
      along: other families whose words the network knows, too; from a run of one of these, with this one
        along, `--init-from` goes on here.
      folder: bAbI's files (`qa1_..._train.txt`, ...); None generates stories.
      questions: generated training questions; a tenth is kept for validation.
      most_sentences: what is told this long before a bAbI question is left out.
      train_sentences: bAbI stories end after as many in training, so that the few longest do not set
        the pace; None trains on whole stories. Validation and test always read whole ones.
      train_window: bAbI questions are trained on with as many sentences before them, those answered
        by these; to go on to more of them, `--init-from` the run. None as `train_sentences` says.
      rename: groups of words that change places from one training story to the next, words of a group
        with spaces in between ("apple football milk"), as things do that are alike.
      longest: statements of a world story.
      shortest: None draws all of them at `longest`.
      asked: questions of a world story while training, after `shortest` to `longest` statements.
      test_lengths: of world stories.
      model: "entnet" or "lstm".
      slots: m.
      features: d; of the LSTM its units.
      tied: keys are the embeddings of these words (bAbI: names; world: always the agents).
      tie_keys: use `tied`; False learns keys of their own.
      plain_start: begin with masks of ones and biases of zero, not at random.
      num_updates: of the run.
      steps: gradient steps of an update.
      batch_size: of a gradient step: world stories, or bAbI questions.
      learning_rate: of Adam.
      halve_every: gradient steps after which it is halved, again and again.
      max_grad_norm: gradients of the summed loss are scaled to this global norm.
    """

    data: str = "world"
    task: int = 1
    along: tuple[int, ...] = ()
    folder: str | None = None
    questions: int = 10_000
    most_sentences: int | None = None
    train_sentences: int | None = None
    train_window: int | None = None
    rename: tuple[str, ...] = ()
    longest: int = 10
    shortest: int | None = None
    asked: int = 1
    test_lengths: tuple[int, ...] = (10, 20, 40)
    model: str = "entnet"
    slots: int | None = None
    features: int | None = None
    tied: tuple[str, ...] = ()
    tie_keys: bool = False
    plain_start: bool = False
    num_updates: int | None = None
    steps: int = 100
    batch_size: int | None = None
    learning_rate: float = 0.01
    halve_every: int | None = None
    max_grad_norm: float = 40.0


# babi: the authors' code, 200 passes and a halving every 25 (which remembers 150 sentences in task 3)
PRESETS: dict[str, dict[str, Any]] = {
    "world": {
        "most_sentences": 70,
        "slots": 5,
        "features": 20,
        "num_updates": 200,
        "batch_size": 64,
        "halve_every": 5_000,
    },
    "babi": {
        "most_sentences": 70,
        "slots": 20,
        "features": 100,
        "num_updates": 560,
        "batch_size": 32,
        "halve_every": 7_000,
    },
}


def settings(config: Config) -> Any:
    """The config with what its data's preset has where it says None.

    Raises:
      ConfigError: for other data.
    """
    checks.one_of(config, tuple(PRESETS), "data")
    usual = {k: v for k, v in PRESETS[config.data].items() if getattr(config, k) is None}
    return dataclasses.replace(config, **usual)


def check(config: Any) -> None:
    """Refuses settings that cannot work.

    Raises:
      ConfigError: naming the field.
    """
    checks.one_of(config, ("entnet", "lstm"), "model")
    if config.data == "babi" and config.task not in babi_tasks.FAMILIES:
        raise ConfigError("task", config.task, "from 1 to 20")
    if not set(config.along) <= set(babi_tasks.FAMILIES):
        raise ConfigError("along", config.along, "from 1 to 20, each")
    counts = ("num_updates", "steps", "batch_size", "slots", "features", "halve_every", "asked")
    checks.at_least(config, 1, *counts, "train_sentences", "train_window", "most_sentences")
    if config.train_window is not None and config.train_sentences is not None:
        raise ConfigError("train_window", config.train_window, "None beside train_sentences")
    checks.above(config, 0.0, "learning_rate", "max_grad_norm")
    checks.at_least(config, 4, "longest")
    if config.shortest is not None and not 4 <= config.shortest <= config.longest:
        raise ConfigError("shortest", config.shortest, f"from 4 to longest={config.longest}")
    if min(config.test_lengths, default=4) < 4:
        raise ConfigError("test_lengths", config.test_lengths, "all at least 4")


def build(config: Config) -> Experiment:
    """The network on stories."""
    chosen = settings(config)
    check(chosen)
    return on_world(chosen) if config.data == "world" else on_babi(chosen)


def network_of(
    config: Any, words: int, answers: int, sizes: tuple[int, int], tied: tuple[int, ...]
) -> nn.Module:
    """The model for a vocabulary."""
    if config.model == "lstm":
        return LSTMReader(words, answers, config.features)
    return EntityNetwork(
        words,
        answers,
        len(tied) if config.tie_keys else config.slots,
        config.features,
        *sizes,
        tied=tied if config.tie_keys else None,
        plain=config.plain_start,
    )


def train(config: Any, init: Any, loss: Any, sample: Any, evaluate: Any) -> Experiment:
    """Adam with a rate that halves, on gradients of bounded length."""

    def rate(count: jax.Array) -> jax.Array:
        return config.learning_rate * 0.5 ** (count // config.halve_every)

    optimizer = optax.chain(
        optax.clip_by_global_norm(config.max_grad_norm),
        optax.adam(rate),  # type: ignore[arg-type]
    )
    return supervised.make(
        init,
        loss,
        sample,
        optimizer,
        config.num_updates,
        config.steps,
        config.batch_size,
        evaluate,
        headline=("train_error",) + (("eval/error",) if config.data == "babi" else ()),
    )


def on_world(config: Any) -> Experiment:
    """Walks drawn as the network trains."""
    agents = tuple(range(world_model.AGENT, world_model.AGENT + world_model.AGENTS))
    network = network_of(config, world_model.WORDS, world_model.CELLS, (2, 1), agents)

    def logits(params: Any, batch: world_model.Walks) -> jax.Array:
        out: Any = network.apply(params, batch.sentences, batch.question[..., None], batch.lengths)
        return out[0]

    def loss(params: Any, batch: Any, key: jax.Array) -> Any:
        value, right = supervised.classification(logits(params, batch), batch.answer)
        return value * batch.answer.size, {"train_error": 1.0 - right}

    def sample(key: jax.Array, count: jax.Array) -> world_model.Walks:
        return world_model.draw(
            key, config.batch_size, config.longest, config.shortest, config.asked
        )

    def init(key: jax.Array) -> Any:
        batch = world_model.draw(key, 1, config.longest)
        return network.init(key, batch.sentences, batch.question[..., None], batch.lengths)

    def evaluate(key: jax.Array, params: Any) -> dict[str, Any]:
        metrics = {}
        for length in config.test_lengths:
            batch = world_model.draw(key, 2000, length)
            _, right = supervised.classification(logits(params, batch), batch.answer)
            metrics[f"error_{length}"] = 1.0 - right
        return metrics

    return train(config, init, loss, sample, evaluate)


def on_babi(config: Any) -> Experiment:
    """One family of bAbI's."""
    told = prepared(config)
    words, widths = len(told.vocabulary), (told.sizes.words, told.sizes.question_words)
    network = network_of(config, words, words, widths, told.tied)
    stories = max(1, round(config.batch_size / told.questions))

    def judged(params: Any, batch: babi.Arrays) -> tuple[jax.Array, jax.Array]:
        out: Any = network.apply(params, batch.sentences, batch.questions, batch.at)
        asked = batch.answers > 0
        found = optax.softmax_cross_entropy_with_integer_labels(out[0], batch.answers)
        wrong = (jnp.argmax(out[0], -1) != batch.answers) & asked
        return jnp.sum(found * asked), jnp.sum(wrong) / jnp.sum(asked)

    def loss(params: Any, batch: Any, key: jax.Array) -> Any:
        value, error = judged(params, batch)
        return value, {"train_error": error}

    def evaluate(key: jax.Array, params: Any) -> dict[str, Any]:
        return {"error": judged(params, told.test)[1], "kept_error": judged(params, told.kept)[1]}

    def sample(key: jax.Array, count: jax.Array) -> babi.Arrays:
        batch = supervised.minibatch(key, told.learnt, stories)
        if not told.renamed:
            return batch
        return babi.renamed(jax.random.fold_in(key, 1), batch, told.renamed)

    first = babi.Arrays(*(x[:1] for x in told.learnt))

    def init(key: jax.Array) -> Any:
        return network.init(key, first.sentences, first.questions, first.at)

    return train(config, init, loss, sample, evaluate)


EXPERIMENT = Spec(
    name="entnet",
    config=Config,
    build=build,
    summary="entity networks that read stories and answer questions",
    settings=settings,
    paper="Henaff et al., Tracking the World State with Recurrent Entity Networks, ICLR 2017",
)

if __name__ == "__main__":
    from jaxrl_suite.runner.cli import run_script

    run_script(EXPERIMENT)
