"""Statistics over seeds: mean, interquartile mean, percentile bootstrap intervals.

The interquartile mean drops the lowest and highest quarter of the seeds (Agarwal et al., Deep
Reinforcement Learning at the Edge of the Statistical Precipice, NeurIPS 2021); intervals resample
seeds with replacement (Efron's percentile method), through `scipy.stats.bootstrap`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

Statistic = Callable[..., Any]


def mean(values: np.ndarray, axis: int = 0) -> Any:
    """Mean over `axis`."""
    return np.mean(values, axis=axis)


def iqm(values: np.ndarray, axis: int = 0) -> Any:
    """Interquartile mean over `axis`: mean of what a quarter cut off each end leaves."""
    return stats.trim_mean(values, 0.25, axis=axis)


STATISTICS: dict[str, Statistic] = {"mean": mean, "iqm": iqm}


def interval(
    values: np.ndarray, statistic: Statistic = mean, resamples: int = 2000, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap interval of `statistic` over seeds.

    Args:
      values: `[seeds, ...]` finite floats.
      statistic: maps `(values, axis)` to values without that axis.
      resamples: how many bootstrap samples.
      level: confidence level.

    Returns:
      Lower and upper ends, `[...]` each; NaN with a single seed, which has no spread to resample.
    """
    values = np.asarray(values, np.float64)
    if len(values) < 2:
        nothing = np.full(values.shape[1:], np.nan)
        return nothing, nothing.copy()
    # Bounded memory: a batch of resamples copies the data that many times.
    batch = max(1, min(resamples, 4_000_000 // max(values.size, 1)))
    result = stats.bootstrap(
        (values,),
        statistic,
        n_resamples=resamples,
        batch=batch,
        axis=0,
        vectorized=True,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return result.confidence_interval.low, result.confidence_interval.high


def summary(values: np.ndarray) -> dict[str, float | None]:
    """Mean, interquartile mean and the 95% interval of the mean of `[seeds]` values; NaNs left out."""
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return {"mean": None, "iqm": None, "ci_low": None, "ci_high": None}
    low, high = interval(values, resamples=10_000)
    return {
        "mean": float(mean(values)),
        "iqm": float(iqm(values)),
        "ci_low": float(low) if np.isfinite(low) else None,
        "ci_high": float(high) if np.isfinite(high) else None,
    }
