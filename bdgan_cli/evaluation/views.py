"""Pictures and masks as a segmenter sees them, for training (supplement B.2) and for testing.

A picture is fitted by its longer side into a square, as wide as the network's input; what is left of the square is
grey and ignored. Training scales the fitted picture by a random factor, cuts out or pads to the square at a random
place, and flips at random, all of it a function of the random generator. Masks are resized by nearest neighbour.

Labels are int16 here, and -1 is ignored: files mark ignored pixels by the largest value of their type, which differs.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Labels = NDArray[np.int16]

IGNORED = -1

# ImageNet's mean colour: zero after the network's normalisation.
_GREY = (124, 116, 104)


def as_labels(mask: NDArray[Any]) -> Labels:
    """Turn a mask of a file, uint8 or uint16, into labels."""
    labels = mask.astype(np.int16)
    labels[mask == np.iinfo(mask.dtype).max] = IGNORED
    return labels


def training_view(
    image: Picture, mask: Labels, size_px: int, scale: tuple[float, float], rng: np.random.Generator
) -> tuple[Picture, Labels]:
    """Return a random view.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) int16 labels.
        size_px: Height and width of the view.
        scale: Least and largest factor; factors are drawn evenly in their logarithm.
        rng: Draws the view.

    Returns:
        (size, size, 3) uint8 and (size, size) int16.
    """
    factor = float(np.exp(rng.uniform(*np.log(scale))))
    image, mask = _fitted(image, mask, max(1, round(size_px * factor)))
    corner = [_place(edge - size_px, rng) for edge in mask.shape]
    image, mask = _window(image, corner, size_px, _GREY), _window(mask, corner, size_px, IGNORED)
    if rng.random() < 0.5:
        image, mask = image[:, ::-1], mask[:, ::-1]
    return np.ascontiguousarray(image), np.ascontiguousarray(mask)


def fitted_view(image: Picture, mask: Labels, size_px: int) -> tuple[Picture, Labels]:
    """Return the picture fitted into the middle of a square; shapes as in :func:`training_view`."""
    image, mask = _fitted(image, mask, size_px)
    corner = [(edge - size_px) // 2 for edge in mask.shape]
    return _window(image, corner, size_px, _GREY), _window(mask, corner, size_px, IGNORED)


def _place(room: int, rng: np.random.Generator) -> int:
    """Draw where a window begins: inside the picture if that is larger, else so that all of the picture is in it."""
    return int(rng.integers(min(0, room), max(0, room) + 1))


def _fitted(image: Picture, mask: Labels, longer_px: int) -> tuple[Picture, Labels]:
    height, width = mask.shape
    ratio = longer_px / max(height, width)
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    if size == (width, height):
        return image, mask
    smooth = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(image, size, interpolation=smooth)
    nearest = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return resized.astype(np.uint8, copy=False), nearest.astype(np.int16, copy=False)


def _window(pixels: NDArray[Any], corner: list[int], size_px: int, filling: Any) -> NDArray[Any]:
    """Cut a square out of an array, filled where it reaches beyond."""
    top, left = corner
    inside = pixels[max(0, top) : max(0, top + size_px), max(0, left) : max(0, left + size_px)]
    if inside.shape[:2] == (size_px, size_px):
        return inside
    whole = np.empty((size_px, size_px, *pixels.shape[2:]), pixels.dtype)
    whole[:] = filling
    down, right = max(0, -top), max(0, -left)
    whole[down : down + inside.shape[0], right : right + inside.shape[1]] = inside
    return whole
