"""The objects of a mask: all pixels of a label together, or each connected piece of it by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.masks import distinct_values, ignore_value


class Region(NamedTuple):
    """One object.

    Attributes:
        label: Its label, from 1.
        crop: (height, width) bool, its pixels in its box: there may be thousands of objects, so no more is kept.
        area_px: Number of its pixels.
        bbox: Tight box x, y, width, height in pixels.
    """

    label: int
    crop: NDArray[np.bool_]
    area_px: int
    bbox: tuple[int, int, int, int]

    def paint(self, canvas: NDArray[Any], value: int) -> None:
        """Set its pixels in an array of the picture's size."""
        x, y, width, height = self.bbox
        canvas[y : y + height, x : x + width][self.crop] = value

    def pixels(self, size_hw: tuple[int, int]) -> NDArray[np.bool_]:
        """Return its pixels in the whole picture, (H, W) bool."""
        canvas = np.zeros(size_hw, np.bool_)
        self.paint(canvas, True)
        return canvas


def regions(mask: NDArray[Any], components: bool) -> Iterator[Region]:
    """Yield the objects of a mask by label, pieces of a label in the order of their first pixel, row by row.

    Args:
        mask: (H, W): 0 background, 1..K labels, the type's largest value ignore.
        components: Whether each 8-connected piece is an object; otherwise each label is one.
    """
    for label in distinct_values(mask):
        if label in (0, ignore_value(mask)):
            continue
        inside = mask == label
        if not components:
            yield _region(label, inside)
            continue
        count, pieces, boxes, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8), connectivity=8)
        for piece in range(1, count):
            x, y, width, height, area = boxes[piece].tolist()
            yield Region(label, pieces[y : y + height, x : x + width] == piece, area, (x, y, width, height))


def ignored_region(mask: NDArray[Any]) -> Region | None:
    """Return the pixels to ignore as an object of label 0; None if there are none."""
    inside = mask == ignore_value(mask)
    return _region(0, inside) if inside.any() else None


def main_label(mask: NDArray[Any]) -> int:
    """Return the label with the most pixels, the smaller of equal ones; 1 if there is none."""
    found = [label for label in distinct_values(mask) if label not in (0, ignore_value(mask))]
    return min(found, key=lambda label: (-int(np.count_nonzero(mask == label)), label), default=1)


def _region(label: int, pixels: NDArray[Any]) -> Region:
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    x, y = int(columns[0]), int(rows[0])
    crop = pixels[y : rows[-1] + 1, x : columns[-1] + 1].astype(np.bool_, copy=False)
    return Region(label, crop, int(np.count_nonzero(crop)), (x, y, crop.shape[1], crop.shape[0]))
