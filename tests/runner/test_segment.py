"""The compiled part: seeds are independent, metrics are reduced as promised."""

from __future__ import annotations

import dataclasses
import functools
import os
import signal
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.experimental import io_callback
from walks import walk

from jaxrl_suite.experiment import Mean
from jaxrl_suite.runner import segment, signals


@functools.cache
def run_segments(first: int, count: int, lengths=(4, 4)):
    program = segment.Program(walk.build(walk.Config()), first, count)
    states, rows = program.init(), []
    for length in lengths:
        states, reduced = program.segment(length, states)(states)
        rows.append(segment.fetch(reduced))
    return program, states, rows


def leaves(states):
    key = jax.dtypes.prng_key
    return [
        np.asarray(jax.random.key_data(x) if jax.dtypes.issubdtype(x.dtype, key) else x)
        for x in jax.tree.leaves(states)
    ]


def test_a_seed_does_not_depend_on_the_seeds_beside_it():
    _, states, rows = run_segments(4, 3)
    for i in (0, 2):
        _, alone, alone_rows = run_segments(4 + i, 1)
        for many, one in zip(leaves(states), leaves(alone), strict=True):
            np.testing.assert_array_equal(many[i], one[0])
        for many, one in zip(rows, alone_rows, strict=True):
            for a, b in zip(many, one, strict=True):
                np.testing.assert_array_equal(a[i], b[0])


def test_seeds_equal_the_experiment_run_by_hand():
    experiment = walk.build(walk.Config())
    _, states, rows = run_segments(4, 3)
    state, metrics = experiment.init(jax.random.key(5)), []
    update = jax.jit(experiment.update)
    for _ in range(8):
        state, found = update(state)
        metrics.append(found)
    np.testing.assert_allclose(states.position[1], state.position, rtol=1e-6)
    losses = np.array([m["loss"] for m in metrics], np.float64)
    found = [row.values[1, 1] for row in rows]  # sorted names: episode_return, loss, ...
    expected = [losses[:4].mean(), losses[4:].mean()]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    returns = [m["episode_return"] for m in metrics]
    total = sum(float(r.total) for r in returns[:4])
    count = sum(float(r.count) for r in returns[:4])
    assert rows[0].present[1, 0] == (count > 0)
    if count:
        np.testing.assert_allclose(rows[0].values[1, 0], total / count, rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-9, 9, width=32), st.integers(0, 3)), min_size=1, max_size=6))
def test_reduction(pairs):
    totals = np.array([t for t, _ in pairs], np.float32)
    counts = np.array([c for _, c in pairs], np.float32)
    reduced = segment.reduce_metrics(
        {"z": jnp.asarray(totals), "a": Mean(jnp.asarray(totals), jnp.asarray(counts))}
    )
    pooled = totals[counts > 0].astype(np.float64).sum() / max(counts.sum(), 1)
    assert bool(reduced.present[0]) == bool(counts.sum() > 0) and bool(reduced.present[1])
    np.testing.assert_allclose(reduced.values[0], pooled, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(
        reduced.values[1], totals.astype(np.float64).mean(), rtol=1e-5, atol=1e-5
    )
    assert segment.never_bad(np.asarray(reduced.first_bad)).all()


def test_the_first_bad_update_is_found():
    values = jnp.array([1.0, jnp.inf, 2.0, jnp.nan])
    counts = jnp.array([1.0, 0.0, 1.0, 1.0])
    reduced = segment.reduce_metrics({"plain": values, "mean": Mean(values, counts)})
    assert list(reduced.first_bad) == [3, 1]  # the mean's update 1 counted nothing


def test_mean_where_ignores_what_is_masked_out():
    mean = Mean.where(jnp.array([1.0, jnp.nan, 3.0]), jnp.array([True, False, True]))
    assert (float(mean.total), float(mean.count)) == (4.0, 2.0)


@pytest.mark.parametrize(("seeds", "devices", "used"), [(1, 1, 1), (4, 1, 1), (3, 2, 1), (5, 4, 1)])
def test_layout_falls_back_to_fewer_devices(seeds, devices, used):
    device = jax.devices()[0]  # several real devices are in test_devices
    sharding, message = segment.layout(seeds, [device] * devices)
    assert len(sharding.device_set) == used
    assert ("do not divide evenly" in message) == (devices > 1)


def test_metrics_must_be_scalars_with_free_names():
    with pytest.raises(TypeError, match="'loss'.*scalar"):
        segment.metric_names(lambda: {"loss": jnp.zeros(3)})
    with pytest.raises(TypeError, match="'wall_s'"):
        segment.metric_names(lambda: {"wall_s": jnp.float32(0)})
    assert segment.metric_names(lambda: {"b": jnp.float32(0), "a": Mean(0.0, 1.0)}) == ("a", "b")


def test_evaluation_depends_on_the_update_but_not_on_the_other_seeds():
    program, states, _ = run_segments(4, 3)
    first, again, later = (program.evaluate(states, u) for u in (8, 8, 9))
    np.testing.assert_array_equal(first.values, again.values)
    assert (first.values[:, 1] != later.values[:, 1]).all()
    alone, alone_states, _ = run_segments(6, 1)
    np.testing.assert_array_equal(alone.evaluate(alone_states, 8).values[0], first.values[2])


def test_no_retrace():
    experiment = walk.build(walk.Config())
    traces = []

    def update(state):
        traces.append(1)
        return experiment.update(state)

    program = segment.Program(dataclasses.replace(experiment, update=update), 0, 2)
    states = program.init()
    before = len(traces)
    for _ in range(3):
        states, _ = program.segment(4, states)(states)
    assert len(traces) - before <= 2  # scan may trace its body twice, once for weak types


def test_signals_are_handled_while_a_segment_is_waited_for():
    """Also one that keeps its thread, as programs with callbacks do."""
    handled = threading.Event()

    @jax.jit
    def patient(x):
        return io_callback(lambda x: np.float32(handled.wait(20.0)), jnp.float32(0), x)

    before = signal.signal(signal.SIGALRM, lambda *_: handled.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        assert float(segment.finished(patient, 1.0)) == 1.0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_what_a_segment_raises_is_raised():
    def wrong(x):
        raise ValueError("of its own")

    with pytest.raises(ValueError, match="of its own"):
        segment.finished(wrong, 1.0)


def test_a_second_signal_of_either_kind_ends_the_process():
    before = signal.getsignal(signal.SIGTERM)
    with signals.watch() as request:
        os.kill(os.getpid(), signal.SIGINT)
        assert request.signal == signal.SIGINT
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is before
