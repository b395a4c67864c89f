"""Measures a segmenter on the pictures of a part, by one process or several."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from bdgan_cli.evaluation.counts import Counts, count_pixels
from bdgan_cli.evaluation.segmenters import Segmenter
from bdgan_cli.progress import Reporter
from bdgan_cli.runtime import Runtime
from bdgan_cli.training.order import Visit
from bdgan_cli.workflows.benchmark.parts import FittedSource

EXTREMES = 6
# With a thousand labels the logits of more pictures at once would take tens of GB.
_LOGITS_AT_ONCE = 60_000_000


@dataclass(frozen=True)
class Tested:
    """What a test found.

    Attributes:
        counts: Pixels of every picture by label.
        rows_E: Rows of the pictures with the lowest and then the highest mean IoU.
        predictions_EHW: uint16 labels predicted for them, at the network's size.
    """

    counts: Counts
    rows_E: NDArray[np.int64]
    predictions_EHW: NDArray[np.uint16]


@torch.inference_mode()
def measure(
    segmenter: Segmenter, source: FittedSource, labels: int, runtime: Runtime, report: Reporter, label: str
) -> Tested:
    """Predict every picture and count.

    Args:
        segmenter: On the runtime's device.
        source: The test pictures.
        labels: Number of labels with background.
        runtime: The processes that share the work; all get the whole result.
        report: Where progress goes.
        label: What the progress bar says.

    Raises:
        DataError: If a sample is damaged.
    """
    segmenter.eval()
    mine = list(runtime.share(len(source)))
    arrays = [np.zeros((len(source), labels), np.int64) for _ in range(3)]
    confusion = np.zeros((labels, labels), np.int64)
    with report.task(label, len(mine), "pictures") as task:
        for start in range(0, len(mine), _batch_of(source, labels)):
            rows = mine[start : start + _batch_of(source, labels)]
            predicted, truth = _predict(segmenter, source, rows, runtime)
            for row, guess, mask in zip(rows, predicted, truth, strict=True):
                counted = count_pixels(guess, mask, labels)
                for array, values in zip(arrays, counted[:3], strict=True):
                    array[row] = values[0]
                confusion += counted.confusion_KK
            task.advance(len(rows))
    summed = [_summed(array, runtime) for array in (*arrays, confusion)]
    counts = Counts(summed[0], summed[1], summed[2], summed[3])
    chosen = _extremes(counts)
    predictions = np.zeros((0, source.size_px, source.size_px), np.uint16)
    if len(chosen):
        predictions = _predict(segmenter, source, chosen.tolist(), runtime)[0].astype(np.uint16)
    return Tested(counts, chosen, predictions)


def _predict(
    segmenter: Segmenter, source: FittedSource, rows: list[int], runtime: Runtime
) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
    pictures, truth = zip(*(source.load(Visit(0, row)) for row in rows), strict=True)
    logits = segmenter(torch.stack(pictures).to(runtime.device))
    return logits.argmax(1).cpu().numpy(), torch.stack(truth).numpy()


def _batch_of(source: FittedSource, labels: int) -> int:
    return max(1, min(32, _LOGITS_AT_ONCE // (labels * source.size_px**2)))


def _extremes(counts: Counts) -> NDArray[np.int64]:
    """Return the rows of the worst and then of the best pictures, each once; the earlier one of equals."""
    iou = counts.mean_iou_by_picture()
    order = np.argsort(iou, kind="stable")[: int(np.isfinite(iou).sum())]
    many = min(EXTREMES, len(order) // 2) or len(order)
    return np.concatenate([order[:many], order[::-1][: min(many, len(order) - many)]]).astype(np.int64)


def _summed(array: NDArray[np.int64], runtime: Runtime) -> NDArray[np.int64]:
    result: NDArray[np.int64] = runtime.all_sum(torch.from_numpy(array).to(runtime.device)).cpu().numpy()
    return result
