"""What a mask is made of: area, box and pieces of the object.

A mask is (H, W) uint8 (uint16 beyond 254 labels): 0 background, 1..K labels, the type's largest value ignore.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from bdgan_cli.errors import DataError

Mask = NDArray[Any]


class MaskFacts(NamedTuple):
    """Facts of the object: all pixels with a label, whichever it is.

    Attributes:
        area_px: Number of object pixels.
        bbox: Tight box (x, y, width, height) in pixels; all 0 if there is no object.
        components: Number of 8-connected pieces.
    """

    area_px: int
    bbox: tuple[int, int, int, int]
    components: int


NO_MASK = MaskFacts(-1, (-1, -1, -1, -1), -1)


def ignore_value(mask: Mask) -> int:
    """Return the value that means ignore: 255 for uint8, 65535 for uint16."""
    return int(np.iinfo(mask.dtype).max)


def object_pixels(mask: Mask) -> NDArray[np.uint8]:
    """Return (H, W) uint8, 1 where a pixel has a label other than background and ignore."""
    inside: NDArray[np.bool_] = (mask > 0) & (mask != ignore_value(mask))
    return inside.astype(np.uint8)


def mask_facts(mask: Mask) -> MaskFacts:
    """Measure the object of a mask.

    Args:
        mask: (H, W) uint8 or uint16.

    Returns:
        The facts; pieces are counted with 8-connectivity.
    """
    pixels = object_pixels(mask)
    area = cv2.countNonZero(pixels)
    if not area:
        return MaskFacts(0, (0, 0, 0, 0), 0)
    x, y, width, height = cv2.boundingRect(pixels)
    count, _ = cv2.connectedComponents(pixels, connectivity=8)
    return MaskFacts(area, (x, y, width, height), count - 1)


def check_mask(mask: Mask, size_hw: tuple[int, int], labels: int, where: str) -> None:
    """Refuse what is not a mask of the format.

    Args:
        mask: The array to check.
        size_hw: Height and width in pixels of the image.
        labels: Number of labels with background, so values 0..labels-1 and ignore are right.
        where: The key or file, for the message.

    Raises:
        DataError: If channels, type, size or values are wrong.
    """
    if mask.ndim != 2 or mask.dtype not in (np.uint8, np.uint16):
        got = f"{mask.dtype} {'x'.join(map(str, mask.shape))}"
        raise DataError(f"{where}: expected a mask with one channel of uint8 or uint16, got {got}")
    if mask.shape != size_hw:
        expected, got = (f"{width}x{height}" for height, width in (size_hw, mask.shape))
        raise DataError(f"{where}: expected a mask of the image's size {expected} (width x height), got {got}")
    if mask.size and mask.max() < labels:  # nothing to ignore, as in most masks: many times faster than counting
        return
    wrong = [value for value in distinct_values(mask) if value >= labels and value != ignore_value(mask)]
    if wrong:
        got = ", ".join(map(str, wrong[:8])) + (", ..." if len(wrong) > 8 else "")
        expected = f"0 to {labels - 1} or {ignore_value(mask)} (ignore)"
        raise DataError(f"{where}: expected mask values {expected}, got {got}")


def distinct_values(mask: Mask) -> list[int]:
    """Return the values that occur, in ascending order."""
    if mask.dtype == np.uint8 and mask.size:
        # Six times as fast as numpy's count; for uint16 OpenCV is the slower one.
        counts = cv2.calcHist([np.ascontiguousarray(mask)], [0], None, [256], [0, 256])
    else:
        counts = np.bincount(mask.reshape(-1), minlength=1)
    return [int(value) for value in np.flatnonzero(counts)]
