"""Agreement of masks. Axis legend: N pictures, H rows, W columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

IGNORE = 255


def foreground_iou(predicted: NDArray[Any], truth: NDArray[Any], ignore: int | None = IGNORE) -> NDArray[np.float64]:
    """Return the intersection over union of the foreground (any label but 0), of one mask or a batch.

    With several labels a pixel is common if both masks give it the same label. Two empty masks agree: 1.

    Args:
        predicted: (..., H, W) labels.
        truth: Labels of the same shape.
        ignore: A value of ``truth`` whose pixels are not judged; None judges all.

    Returns:
        (...) float64 in [0, 1].

    Raises:
        ValueError: If the shapes differ or have fewer than two axes.
    """
    predicted, truth = np.asarray(predicted), np.asarray(truth)
    if predicted.shape != truth.shape or predicted.ndim < 2:
        raise ValueError(f"expected two arrays (..., H, W) of one shape, got {predicted.shape} and {truth.shape}")
    judged = np.ones(truth.shape, bool) if ignore is None or truth.dtype == bool else truth != ignore
    common = ((predicted == truth) & (truth != 0) & judged).sum(axis=(-2, -1))
    union = (((predicted != 0) | (truth != 0)) & judged).sum(axis=(-2, -1))
    return np.where(union == 0, 1.0, common / np.maximum(union, 1))
