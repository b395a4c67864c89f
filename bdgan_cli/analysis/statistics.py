"""Means with their errors: standard error and a bootstrap interval, for several figures of the same things at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 1000
LEVEL = 0.95
# Above this number the bootstrap's interval and the normal one agree in their first digits, and drawing takes long.
BOOTSTRAP_LIMIT = 100_000
_NORMAL_QUANTILE = 1.959963984540054  # of the 95 % interval
_BLOCK = 1 << 18


class Estimate(NamedTuple):
    """A mean and how well it is known.

    Attributes:
        value: The mean; NaN of nothing.
        se: Its standard error; NaN for fewer than two.
        low: Lower end of the 95 % interval; NaN for fewer than two.
        high: Upper end.
        n: How many values were averaged.
    """

    value: float
    se: float
    low: float
    high: float
    n: int


UNKNOWN = Estimate(math.nan, math.nan, math.nan, math.nan, 0)


def estimates(values_MN: Floats, seed: Sequence[int], resamples: int = RESAMPLES) -> list[Estimate]:
    """Average each of M figures over N things.

    The interval is the bootstrap's percentile interval: things are drawn with replacement, all figures of a thing
    together. For more than :data:`BOOTSTRAP_LIMIT` things it is the normal interval, 1.96 standard errors wide.

    Args:
        values_MN: (M, N) finite values.
        seed: Names the draws.
        resamples: How often to draw.

    Returns:
        M estimates.
    """
    count = values_MN.shape[1]
    if not count:
        return [UNKNOWN] * len(values_MN)
    means = values_MN.mean(axis=1)
    if count == 1:
        return [Estimate(float(mean), math.nan, math.nan, math.nan, 1) for mean in means]
    errors = values_MN.std(axis=1, ddof=1) / math.sqrt(count)
    if count > BOOTSTRAP_LIMIT:
        low, high = means - _NORMAL_QUANTILE * errors, means + _NORMAL_QUANTILE * errors
    else:
        drawn = bootstrap_means(values_MN, np.random.default_rng(seed), resamples)
        low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
    rows = zip(means.tolist(), errors.tolist(), low.tolist(), high.tolist(), strict=True)
    return [Estimate(*row, count) for row in rows]


def bootstrap_means(values_MN: Floats, stream: np.random.Generator, resamples: int) -> Floats:
    """Draw N of N things with replacement, many times, and return the means; memory is bounded.

    Args:
        values_MN: (M, N) values, N >= 1.
        stream: Where chance comes from.
        resamples: How often to draw.

    Returns:
        (M, resamples) means.
    """
    figures, count = values_MN.shape
    means = np.empty((figures, resamples))
    rows = max(1, _BLOCK // count)
    for at in range(0, resamples, rows):
        drawn = stream.integers(0, count, size=(min(rows, resamples - at), count))
        for figure in range(figures):
            means[figure, at : at + rows] = values_MN[figure].take(drawn).mean(axis=1)
    return means
