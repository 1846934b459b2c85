"""Statistics over seeds against independent computations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from jaxrl_suite.runner import stats


def by_hand_iqm(values):
    ordered = np.sort(values, axis=0)
    cut = int(0.25 * len(ordered))
    return ordered[cut : len(ordered) - cut].mean(axis=0)


@pytest.mark.parametrize("seeds", [1, 2, 3, 4, 7, 8, 20])
def test_iqm(seeds):
    values = np.random.default_rng(seeds).normal(size=(seeds, 5)) ** 3
    np.testing.assert_allclose(stats.iqm(values), by_hand_iqm(values), rtol=1e-12)


@pytest.mark.parametrize("name", ["mean", "iqm"])
def test_interval_against_a_bootstrap_by_hand(name):
    rng = np.random.default_rng(0)
    values = rng.gamma(2.0, size=(10, 3))
    low, high = stats.interval(values, stats.STATISTICS[name], resamples=20_000)
    drawn = values[rng.integers(0, 10, (20_000, 10))]  # [resamples, 10, 3]
    by_hand = {"mean": drawn.mean(axis=1), "iqm": by_hand_iqm(np.moveaxis(drawn, 1, 0))}[name]
    expected = np.percentile(by_hand, [2.5, 97.5], axis=0)
    spread = expected[1] - expected[0]
    np.testing.assert_allclose(low, expected[0], atol=0.03 * spread.max())
    np.testing.assert_allclose(high, expected[1], atol=0.03 * spread.max())


def test_interval_against_scipy():
    values = np.random.default_rng(1).normal(size=(12,))
    low, high = stats.interval(values, resamples=5000)
    reference = scipy_stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=5000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    np.testing.assert_allclose([low, high], [reference.low, reference.high], rtol=0.02)


def test_interval_in_batches_is_the_same():
    values = np.random.default_rng(2).normal(size=(6, 5000))  # 30,000 numbers: several batches
    low, high = stats.interval(values, resamples=500)
    for column in (0, 4999):
        one_low, one_high = stats.interval(values[:, column], resamples=500)
        assert abs(low[column] - one_low) < 0.2 and abs(high[column] - one_high) < 0.2
    assert (low <= values.mean(axis=0)).all() and (values.mean(axis=0) <= high).all()


def test_one_seed_has_no_interval():
    low, high = stats.interval(np.zeros((1, 4)))
    assert np.isnan(low).all() and np.isnan(high).all() and low.shape == (4,)
    assert stats.summary(np.array([2.0])) == {
        "mean": 2.0,
        "iqm": 2.0,
        "ci_low": None,
        "ci_high": None,
    }


def test_summary_leaves_missing_seeds_out():
    found = stats.summary(np.array([1.0, np.nan, 3.0]))
    assert found["mean"] == 2.0 and (found["ci_low"], found["ci_high"]) == (1.0, 3.0)
    assert set(stats.summary(np.array([np.nan])).values()) == {None}
