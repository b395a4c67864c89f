"""How well a score finds what is bad: AUROC and the risk-coverage curve."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class RiskCoverage(NamedTuple):
    """What is left when the least certain are dropped.

    Attributes:
        coverage: (N,) shares of the samples kept, rising from 1/N to 1.
        risk: (N,) mean of 1 - quality over the samples kept.
        area: Mean of ``risk`` over the coverages; smaller is better.
    """

    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]
    area: float


def auroc(scores: NDArray[Any], is_bad: NDArray[Any]) -> float | None:
    """Return the probability that a bad sample scores higher than a good one; ties count one half.

    Args:
        scores: (N,) numbers.
        is_bad: (N,) bool.

    Returns:
        A number in [0, 1], or None where there is no bad or no good sample, since nothing can be ranked then.

    Raises:
        ValueError: If the shapes differ or a score is NaN.
    """
    values, bad = _vector(scores), np.asarray(is_bad, bool)
    if values.shape != bad.shape:
        raise ValueError(f"expected as many scores as flags, got {values.shape} and {bad.shape}")
    n_bad, n_good = int(bad.sum()), int((~bad).sum())
    if not n_bad or not n_good:
        return None
    # Equal scores share the mean of the ranks they take up.
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum() - (counts - 1) / 2)[inverse]
    return float((ranks[bad].sum() - n_bad * (n_bad + 1) / 2) / (n_bad * n_good))


def risk_coverage(scores: NDArray[Any], quality: NDArray[Any]) -> RiskCoverage:
    """Return the mean defect of the k most certain samples for every k.

    Samples of equal score take the mean quality of their group, so that the curve does not depend on their order.

    Args:
        scores: (N,) uncertainties, N >= 1.
        quality: (N,) in [0, 1], such as the IoU with the truth.

    Raises:
        ValueError: If the shapes differ, are empty, or a number is NaN.
    """
    values, good = _vector(scores), _vector(quality)
    if values.shape != good.shape or not values.size:
        raise ValueError(f"expected equally many scores and qualities, at least one, got {values.shape}, {good.shape}")
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    group_mean = np.bincount(inverse, weights=good) / counts
    kept = np.arange(1, len(values) + 1)
    risk = 1 - np.repeat(group_mean, counts).cumsum() / kept
    return RiskCoverage(kept / len(values), risk, float(risk.mean()))


def _vector(values: NDArray[Any]) -> NDArray[np.float64]:
    vector = np.asarray(values, np.float64)
    if vector.ndim != 1 or np.isnan(vector).any():
        raise ValueError(f"expected a vector without NaN, got shape {vector.shape} with {np.isnan(vector).sum()} NaN")
    return vector
