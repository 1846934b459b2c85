"""The experiments of the network papers, end to end through the runner at a tiny scale."""

from __future__ import annotations

import dataclasses
import json

import jax
import numpy as np
import pytest

from experiments import entnet, fft_conv, graph_conv, long_memory, loss_surfaces
from jaxrl_suite import runner
from jaxrl_suite.data import babi, babi_tasks
from jaxrl_suite.experiment import ConfigError
from jaxrl_suite.runner.curves import Curves

TINY_CONV = fft_conv.Config(num_updates=2, steps=2, batch_size=8, kernels=(3, 5), channels=(2, 3))
TINY_MEMORY = long_memory.Config(delay=5, features=6, num_updates=2, steps=2, batch_size=4)

TINY_SURFACE = loss_surfaces.Config(runs=4, num_updates=2, steps=3, size=5, hidden=3)

TINY_READER = entnet.Config(
    longest=6, test_lengths=(4, 8), num_updates=2, steps=2, batch_size=8, features=4, questions=40
)
TINY_GRAPH = graph_conv.Config(num_updates=2, steps=2, batch_size=8, channels=(2, 3), knots=4)


def train(spec, config, out, seeds=2):
    options = runner.Options(
        out=out, seeds=seeds, log_every=1, plots=False, video=False, tensorboard=False
    )
    summary = runner.run(spec, config, options)
    assert json.loads((out / "summary.json").read_text()) == summary
    return Curves.read(out)


def same(a, b, tolerance=1e-4):
    for name in a.metrics:
        np.testing.assert_allclose(a.metrics[name], b.metrics[name], rtol=tolerance, atol=1e-5)


def learns(curves):
    """The loss falls, in the mean over seeds, by more than batches differ."""
    loss = curves.metrics["loss"]
    assert loss[:, -1].mean() < 0.97 * loss[:, 0].mean(), loss


LEARNING = {"num_updates": 12, "steps": 20, "learning_rate": 0.01}


def test_fft_conv_learns_the_same_by_both_methods(tmp_path):
    runs = [
        train(fft_conv.EXPERIMENT, dataclasses.replace(TINY_CONV, method=method), tmp_path / method)
        for method in ("fft", "direct")
    ]
    same(*runs, tolerance=2e-3)
    assert {"loss", "train_accuracy", "eval/accuracy"} <= set(runs[0].metrics)


@pytest.mark.parametrize(
    ("core", "task", "more"),
    [
        ("orthogonal", "copy", {"penalty": 0.1, "vary": True}),
        ("cayley", "addition", {"pool": True}),
        ("lstm", "copy", {}),
        ("lstm", "addition", {"forget_bias": None}),
    ],
)
def test_long_memory_runs(tmp_path, core, task, more):
    config = dataclasses.replace(TINY_MEMORY, core=core, task=task, **more, **LEARNING)
    curves = train(long_memory.EXPERIMENT, config, tmp_path / core)
    learns(curves)
    assert "eval/relative_loss" in curves.metrics
    assert ("recalled" in curves.metrics) == (task == "copy")


@pytest.mark.parametrize("bias", [2.5, None])
def test_an_lstm_begins_remembering(bias):
    config = dataclasses.replace(TINY_MEMORY, core="lstm", features=200, delay=60, forget_bias=bias)
    params = long_memory.build(config).init(jax.random.key(0)).params
    cell = params["params"]["memory"]["Scan_Step_0"]["OptimizedLSTMCell_0"]
    forget, put = (np.asarray(cell[gate]["bias"]) for gate in ("hf", "hi"))
    if bias is None:  # gates that keep 1 - 1 / t of what there is, t from 1 to the delay
        kept = 1 / (1 + np.exp(-forget))
        assert 0.5 <= kept.min() < 0.6
        assert 0.96 < kept.max() < 59 / 60
        np.testing.assert_array_equal(put, -forget)
    else:
        np.testing.assert_array_equal(forget, 2.5)
        np.testing.assert_array_equal(put, 0)


@pytest.mark.parametrize(
    ("system", "method", "metric"),
    [("spins", "annealing", "eval/minima"), ("network", "annealing", "eval/correlation")],
)
def test_loss_surfaces_run(tmp_path, system, method, metric):
    config = dataclasses.replace(TINY_SURFACE, system=system, method=method)
    curves = train(loss_surfaces.EXPERIMENT, config, tmp_path)
    assert np.isfinite(curves.metrics[metric][:, -1]).all()


@pytest.mark.parametrize(
    ("more", "metric"),
    [
        ({"shortest": 4, "asked": 3, "tie_keys": True}, "eval/error_8"),
        ({"data": "babi", "task": 6, "tie_keys": True, "tied": ("Mary", "John")}, "eval/error"),
        ({"data": "babi", "task": 2, "model": "lstm", "train_sentences": 12}, "eval/kept_error"),
        ({"data": "babi", "train_window": 6, "rename": ("Mary John",)}, "eval/error"),
    ],
)
def test_entnet_runs(tmp_path, more, metric):
    config = dataclasses.replace(TINY_READER, **more, **LEARNING)
    curves = train(entnet.EXPERIMENT, config, tmp_path)
    learns(curves)
    values = curves.metrics[metric][:, -1]
    assert ((values >= 0) & (values <= 1)).all()


def test_entnet_s_settings_are_the_data_s_unless_given():
    world, stories = (entnet.settings(entnet.Config(data=data)) for data in ("world", "babi"))
    assert (world.slots, world.features) == (5, 20)
    assert (stories.slots, stories.features, stories.num_updates * stories.steps) == (
        20,
        100,
        56_000,
    )
    given = entnet.settings(entnet.Config(data="babi", slots=7))
    assert given == dataclasses.replace(stories, slots=7)


def test_entnet_reads_the_original_files(tmp_path):
    for part, seed in (("train", 0), ("test", 1)):
        text = babi.write(babi_tasks.stories(1, 8, seed))
        (tmp_path / f"qa1_single-supporting-fact_{part}.txt").write_text(text)
    config = dataclasses.replace(TINY_READER, data="babi", folder=str(tmp_path))
    assert "eval/error" in train(entnet.EXPERIMENT, config, tmp_path / "run", seeds=1).metrics


@pytest.mark.parametrize(
    ("more", "metric"),
    [
        ({"hidden": 5, "dropout": 0.5, "train_size": 50}, "eval/overlap"),
        ({"graph": "supervised", "data": "wine", "stride": 1, "kept": 0.5}, "eval/accuracy"),
        ({"model": "chebyshev", "graph": "local"}, "eval/overlap"),
        ({"model": "grid"}, "eval/accuracy"),
    ],
)
def test_graph_conv_runs(tmp_path, more, metric):
    config = dataclasses.replace(TINY_GRAPH, **more, **LEARNING)
    curves = train(graph_conv.EXPERIMENT, config, tmp_path)
    learns(curves)
    values = curves.metrics[metric][:, -1]
    assert ((values >= 0) & (values <= 1)).all()


def test_dense_network_has_as_many_parameters(tmp_path):
    found = {
        model: train(
            graph_conv.EXPERIMENT,
            dataclasses.replace(TINY_GRAPH, model=model, channels=(8, 16)),
            tmp_path / model,
            seeds=1,
        ).metrics["eval/parameters"][0, -1]
        for model in ("spectral", "dense")
    }
    assert found["dense"] == pytest.approx(found["spectral"], rel=0.05)


def test_molecules_are_a_regression(tmp_path):
    rng = np.random.default_rng(0)
    for part in ("training", "test"):
        rows = "".join(
            f"M,{rng.normal():.3f},{','.join(map(str, rng.integers(5, size=9)))}\n"
            for _ in range(30)
        )
        header = "MOLECULE,Act," + ",".join(f"D_{i}" for i in range(9)) + "\n"
        (tmp_path / f"DPP4_{part}_disguised.csv").write_text(header + rows)
    config = dataclasses.replace(TINY_GRAPH, data="merck", folder=str(tmp_path), rank=0.2)
    curves = train(graph_conv.EXPERIMENT, config, tmp_path / "run")
    assert "eval/squared_correlation" in curves.metrics


def test_seeds_do_not_depend_on_those_beside_them(tmp_path):
    config = dataclasses.replace(TINY_MEMORY, core="expm")
    two = train(long_memory.EXPERIMENT, config, tmp_path / "two")
    one = train(long_memory.EXPERIMENT, config, tmp_path / "one", seeds=1)
    for name, values in one.metrics.items():
        np.testing.assert_allclose(values[0], two.metrics[name][0], rtol=1e-4)


@pytest.mark.parametrize(
    ("spec", "config", "changes", "field"),
    [
        (fft_conv.EXPERIMENT, TINY_CONV, {"method": "fast"}, "method"),
        (fft_conv.EXPERIMENT, TINY_CONV, {"kernels": (3,)}, "kernels"),
        (fft_conv.EXPERIMENT, TINY_CONV, {"kernels": (3, 0)}, "kernels"),
        (fft_conv.EXPERIMENT, TINY_CONV, {"channels": (2, 0)}, "channels"),
        (fft_conv.EXPERIMENT, TINY_CONV, {"data": "mnist"}, "folder"),
        (fft_conv.EXPERIMENT, TINY_CONV, {"batch_size": 0}, "batch_size"),
        (long_memory.EXPERIMENT, TINY_MEMORY, {"task": "sort"}, "task"),
        (long_memory.EXPERIMENT, TINY_MEMORY, {"core": "rnn"}, "core"),
        (long_memory.EXPERIMENT, TINY_MEMORY, {"delay": 0}, "delay"),
        (long_memory.EXPERIMENT, TINY_MEMORY, {"core": "gru", "pool": True}, "pool"),
        (long_memory.EXPERIMENT, TINY_MEMORY, {"core": "expm", "penalty": 1.0}, "penalty"),
        (long_memory.EXPERIMENT, TINY_MEMORY, {"task": "addition", "vary": True}, "vary"),
        (long_memory.EXPERIMENT, TINY_MEMORY, {"penalty": -1.0}, "penalty"),
        (long_memory.EXPERIMENT, TINY_MEMORY, {"decay": 2.0}, "decay"),
        (long_memory.EXPERIMENT, TINY_MEMORY, {"forget_bias": 1.0}, "forget_bias"),
        (
            long_memory.EXPERIMENT,
            TINY_MEMORY,
            {"core": "lstm", "forget_bias": float("inf")},
            "forget_bias",
        ),
        (long_memory.EXPERIMENT, TINY_MEMORY, {"max_grad_norm": 0.0}, "max_grad_norm"),
        (long_memory.EXPERIMENT, TINY_MEMORY, {"input_scale": float("nan")}, "input_scale"),
        (entnet.EXPERIMENT, TINY_READER, {"data": "cbt"}, "data"),
        (entnet.EXPERIMENT, TINY_READER, {"max_grad_norm": -1.0}, "max_grad_norm"),
        (entnet.EXPERIMENT, TINY_READER, {"data": "babi", "most_sentences": 0}, "most_sentences"),
        (entnet.EXPERIMENT, TINY_READER, {"data": "babi", "questions": 0}, "questions"),
        (entnet.EXPERIMENT, TINY_READER, {"data": "babi", "questions": 1}, "questions"),
        (entnet.EXPERIMENT, TINY_READER, {"data": "babi", "task": 0}, "task"),
        (entnet.EXPERIMENT, TINY_READER, {"model": "gru"}, "model"),
        (entnet.EXPERIMENT, TINY_READER, {"longest": 3}, "longest"),
        (entnet.EXPERIMENT, TINY_READER, {"shortest": 9}, "shortest"),
        (entnet.EXPERIMENT, TINY_READER, {"test_lengths": (2,)}, "test_lengths"),
        (entnet.EXPERIMENT, TINY_READER, {"train_sentences": 0}, "train_sentences"),
        (
            entnet.EXPERIMENT,
            TINY_READER,
            {"data": "babi", "task": 19, "train_sentences": 3},
            "train_sentences",
        ),
        (entnet.EXPERIMENT, TINY_READER, {"data": "babi", "tied": ("Bob",)}, "tied"),
        (entnet.EXPERIMENT, TINY_READER, {"data": "babi", "tie_keys": True}, "tied"),
        (entnet.EXPERIMENT, TINY_READER, {"train_window": 0}, "train_window"),
        (entnet.EXPERIMENT, TINY_READER, {"data": "babi", "along": (1, 21)}, "along"),
        (
            entnet.EXPERIMENT,
            TINY_READER,
            {"train_window": 5, "train_sentences": 5},
            "train_window",
        ),
        (
            entnet.EXPERIMENT,
            TINY_READER,
            {"data": "babi", "task": 19, "train_window": 1},
            "train_window",
        ),
        (entnet.EXPERIMENT, TINY_READER, {"data": "babi", "rename": ("Bob Mary",)}, "rename"),
        (entnet.EXPERIMENT, TINY_READER, {"data": "babi", "rename": ("Mary",)}, "rename"),
        (entnet.EXPERIMENT, TINY_READER, {"data": "babi", "rename": ("Mary Mary",)}, "rename"),
        (
            entnet.EXPERIMENT,
            TINY_READER,
            {"data": "babi", "task": 8, "rename": ("apple milk",)},
            "rename",
        ),
        (entnet.EXPERIMENT, TINY_READER, {"data": "babi", "folder": "nowhere"}, "folder"),
        (graph_conv.EXPERIMENT, TINY_GRAPH, {"graph": "tree"}, "graph"),
        (graph_conv.EXPERIMENT, TINY_GRAPH, {"model": "gcn"}, "model"),
        (graph_conv.EXPERIMENT, TINY_GRAPH, {"data": "wine", "graph": "grid"}, "data"),
        (graph_conv.EXPERIMENT, TINY_GRAPH, {"kept": 0.0}, "kept"),
        (graph_conv.EXPERIMENT, TINY_GRAPH, {"channels": ()}, "channels"),
        (graph_conv.EXPERIMENT, TINY_GRAPH, {"data": "merck"}, "folder"),
        (loss_surfaces.EXPERIMENT, TINY_SURFACE, {"system": "glass"}, "system"),
        (
            loss_surfaces.EXPERIMENT,
            TINY_SURFACE,
            {"system": "network", "method": "langevin"},
            "method",
        ),
        (loss_surfaces.EXPERIMENT, TINY_SURFACE, {"order": 5}, "order"),
        (loss_surfaces.EXPERIMENT, TINY_SURFACE, {"size": 1}, "size"),
        (loss_surfaces.EXPERIMENT, TINY_SURFACE, {"share": 0.0}, "share"),
        (loss_surfaces.EXPERIMENT, TINY_SURFACE, {"temperature": 0.0}, "temperature"),
        (loss_surfaces.EXPERIMENT, TINY_SURFACE, {"slowing": -1.0}, "slowing"),
    ],
)
def test_bad_settings_are_named(spec, config, changes, field):
    with pytest.raises(ConfigError, match=f"^{field}="):
        spec.build(dataclasses.replace(config, **changes))
