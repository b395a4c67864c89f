"""Masks with several labels as polygons, back again, and what the way costs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.importers.coco_file import Drawn
from bdgan_cli.dataset.interchange.outlines import Ring, mask_rings
from bdgan_cli.dataset.masks import distinct_values, ignore_value


def label_rings(mask: NDArray[Any], tolerance_px: float = 0.0, *, ignored: bool = False) -> list[tuple[int, Ring]]:
    """Return the polygons of a mask, each with its label, in the order of labels.

    Args:
        mask: (H, W): 0 background, 1..K labels, the type's largest value ignore.
        tolerance_px: See :func:`mask_rings`.
        ignored: Whether ignored pixels get polygons too.
    """
    left_out = {0} if ignored else {0, ignore_value(mask)}
    labels = [value for value in distinct_values(mask) if value not in left_out]
    return [(label, ring) for label in labels for ring in mask_rings(mask == label, tolerance_px)]


def label_masks(mask: NDArray[Any]) -> list[tuple[int, NDArray[np.bool_]]]:
    """Return the pixels of each label that occurs, ignore included, background not."""
    return [(value, mask == value) for value in distinct_values(mask) if value]


def repaint(regions: Iterable[tuple[int, Drawn]], size_hw: tuple[int, int], dtype: type[Any]) -> NDArray[Any]:
    """Draw regions as importers do: larger ones first, of equal ones the earlier; ignored ones below all.

    Args:
        regions: Label and region.
        size_hw: Height and width in pixels.
        dtype: Of the mask; its largest value is ignore.
    """
    drawn = [(label, region.draw(size_hw, "")) for label, region in regions]
    mask = np.zeros(size_hw, dtype)
    ignore = np.iinfo(dtype).max
    for label, pixels in sorted(drawn, key=lambda pair: (pair[0] != ignore, -np.count_nonzero(pair[1]))):
        mask[pixels] = label
    return mask


def agreement(mask: NDArray[Any], read: NDArray[Any]) -> float:
    """Return the IoU of two masks, the mean over the labels that either has; 1 where neither has one."""
    labels = {*distinct_values(mask), *distinct_values(read)} - {0, ignore_value(mask)}
    ious = []
    for label in labels:
        one, two = mask == label, read == label
        ious.append(np.count_nonzero(one & two) / np.count_nonzero(one | two))
    return float(np.mean(ious)) if ious else 1.0
