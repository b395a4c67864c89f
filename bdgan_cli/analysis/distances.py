"""How far one set of pictures is from another, in the space of a network's features.

FID (Heusel et al. 2017): the Fréchet distance of two normal distributions fitted to the features. KID (Binkowski et al.
2018): the squared maximum mean discrepancy under the kernel (x·y/d + 1)^3, which has no bias at any number of samples.

Axis legend: N, M samples of the two sets, D dimensions of a feature.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import svdvals

Floats = NDArray[np.float64]


class KernelDistance(NamedTuple):
    """KID over random subsets of both sets.

    Attributes:
        mean: Mean over the subsets, raw; papers often print 1000 times this. It may be below zero by chance.
        std: Standard deviation over the subsets, which tells the noise of one subset, not of the mean.
        subset_size: Samples of each set in a subset.
        subsets: Number of subsets.
    """

    mean: float
    std: float
    subset_size: int
    subsets: int


def frechet_distance(features_ND: NDArray[Any], reference_MD: NDArray[Any]) -> float:
    """Return |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) with unbiased covariances, in float64.

    With centred data matrices A and B, the trace of the root is the sum of the singular values of A B^T, divided by
    sqrt((N - 1)(M - 1)): no covariance is formed and no root of a singular matrix taken. Large sets are reduced to
    their triangular factors first, so that the work does not grow with N·M.

    Returns:
        The distance, at least 0, in squared units of the features; NaN if a set has fewer than two samples.
    """
    if min(len(features_ND), len(reference_MD)) < 2:
        return math.nan
    mean_1, factor_1 = _mean_and_factor(features_ND)
    mean_2, factor_2 = _mean_and_factor(reference_MD)
    shift = float(np.square(mean_1 - mean_2).sum())
    spread = float(np.square(factor_1).sum() + np.square(factor_2).sum())
    overlap = float(svdvals(factor_1 @ factor_2.T).sum())
    return max(0.0, shift + spread - 2 * overlap)


def kernel_distance(
    features_ND: NDArray[Any], reference_MD: NDArray[Any], *, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> KernelDistance:
    """Return the mean and the spread of the unbiased MMD^2 over random subsets.

    A subset has at most half of the smaller set, since subsets of nearly all samples would hardly differ and their
    spread would say nothing.

    Returns:
        The distance; NaN if a set has fewer than four samples.
    """
    size = min(subset_size, len(features_ND) // 2, len(reference_MD) // 2)
    if size < 2 or subsets < 1:
        return KernelDistance(math.nan, math.nan, size, subsets)
    stream = np.random.default_rng(seed)
    features, reference = features_ND.astype(np.float64), reference_MD.astype(np.float64)
    values = np.array(
        [
            unbiased_mmd(features[rows_1], reference[rows_2])
            for rows_1, rows_2 in _subset_rows(stream, (len(features), len(reference)), size, subsets)
        ]
    )
    return KernelDistance(float(values.mean()), float(values.std()), size, subsets)


def unbiased_mmd(features_ND: Floats, reference_MD: Floats) -> float:
    """Return the unbiased estimate of MMD^2 under (x·y/d + 1)^3: the diagonals of both own kernels are left out."""
    count_1, count_2 = len(features_ND), len(reference_MD)
    own_1 = _kernel_sum(features_ND, features_ND) - float(_kernel_diagonal(features_ND).sum())
    own_2 = _kernel_sum(reference_MD, reference_MD) - float(_kernel_diagonal(reference_MD).sum())
    between = _kernel_sum(features_ND, reference_MD) / (count_1 * count_2)
    return own_1 / (count_1 * (count_1 - 1)) + own_2 / (count_2 * (count_2 - 1)) - 2 * between


def _mean_and_factor(features_ND: NDArray[Any]) -> tuple[Floats, Floats]:
    """Return the mean and a matrix F with F^T F = covariance, of at most D rows."""
    features = features_ND.astype(np.float64)
    mean = features.mean(0)
    centred = (features - mean) / math.sqrt(len(features) - 1)
    if len(centred) > centred.shape[1]:
        centred = np.linalg.qr(centred, mode="r")
    return mean, centred


def _subset_rows(
    stream: np.random.Generator, counts: tuple[int, int], size: int, subsets: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    for _ in range(subsets):
        yield stream.choice(counts[0], size, replace=False), stream.choice(counts[1], size, replace=False)


def _kernel_sum(left: Floats, right: Floats) -> float:
    root = left @ right.T / left.shape[1] + 1
    return float((root * root * root).sum())


def _kernel_diagonal(features: Floats) -> Floats:
    diagonal: Floats = (np.square(features).sum(1) / features.shape[1] + 1) ** 3
    return diagonal
