"""Mean IoU from counts of pixels: per label, per picture, over pictures drawn again, over seeds.

A label that is neither in the masks nor predicted has no IoU (NaN) and is left out of means; background counts as a
label. Axis legend: N pictures, K labels, R resamples.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.classification import multiclass_confusion_matrix

from bdgan_cli.evaluation.views import IGNORED

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Counts(NamedTuple):
    """Pixels of N pictures by label.

    Attributes:
        common_NK: Pixels whose label is K in mask and prediction.
        predicted_NK: Pixels predicted K, where the mask is not ignored.
        masked_NK: Pixels of K in the mask.
        confusion_KK: Pixels of all pictures by label in the mask (rows) and predicted (columns).
    """

    common_NK: Ints
    predicted_NK: Ints
    masked_NK: Ints
    confusion_KK: Ints

    @property
    def union_NK(self) -> Ints:
        """Pixels whose label is K in mask or prediction."""
        return self.predicted_NK + self.masked_NK - self.common_NK

    def iou_by_label(self) -> Floats:
        """Return the (K,) IoU over all pixels of all pictures, NaN where a label never occurs."""
        return _ratio(self.common_NK.sum(0), self.union_NK.sum(0))

    def mean_iou(self) -> float:
        """Return the mean IoU over labels; NaN if every pixel is ignored."""
        return _nanmean(self.iou_by_label())

    def mean_iou_by_picture(self) -> Floats:
        """Return the (N,) mean IoU of each picture over the labels that occur in it or are predicted there."""
        return np.array([_nanmean(row) for row in _ratio(self.common_NK, self.union_NK)], np.float64)


def count_pixels(predicted: NDArray[Any], labels: NDArray[Any], count: int) -> Counts:
    """Count the pixels of one picture.

    Args:
        predicted: (H, W) labels below ``count``.
        labels: (H, W) labels; -1 is ignored.
        count: Number of labels K with background.
    """
    target = torch.from_numpy(labels.reshape(-1).astype(np.int64))
    if bool((target == IGNORED).all()):
        confusion = np.zeros((count, count), np.int64)
    else:
        guess = torch.from_numpy(predicted.reshape(-1).astype(np.int64))
        confusion = _confusion(guess, target, count)
    return Counts(np.diag(confusion)[None], confusion.sum(0)[None], confusion.sum(1)[None], confusion)


def join(parts: list[Counts]) -> Counts:
    """Put the counts of several pictures after another."""
    rows = [np.concatenate(columns) for columns in zip(*[part[:3] for part in parts], strict=True)]
    return Counts(rows[0], rows[1], rows[2], np.sum([part.confusion_KK for part in parts], axis=0))


def bootstrap_interval(
    runs: list[Counts], *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Return an interval for the mean IoU, averaged over runs, by drawing the test pictures again with replacement.

    Args:
        runs: Counts on the same pictures, one for each seed of the training.
        level: Share of the resamples inside the interval.
        resamples: R.
        seed: Names the draws.
    """
    pictures = len(runs[0].common_NK)
    rng = np.random.default_rng(seed)
    draws_RN = rng.multinomial(pictures, np.full(pictures, 1 / pictures), size=resamples).astype(np.float64)
    means_R = np.zeros(resamples)
    for run in runs:
        iou_RK = _ratio(draws_RN @ run.common_NK, draws_RN @ run.union_NK)
        means_R += np.array([_nanmean(row) for row in iou_RK]) / len(runs)
    low, high = np.quantile(means_R, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _confusion(predicted: torch.Tensor, target: torch.Tensor, count: int) -> Ints:
    matrix = multiclass_confusion_matrix(predicted, target, count, ignore_index=IGNORED, validate_args=False)
    result: Ints = matrix.numpy().astype(np.int64)
    return result


def _ratio(common: NDArray[Any], union: NDArray[Any]) -> Floats:
    ratio: Floats = np.divide(common, union, out=np.full(common.shape, np.nan), where=union > 0)
    return ratio


def _nanmean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
