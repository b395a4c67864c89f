"""The outline of a mask as a polygon in the unit square (supplement C.2).

The steps: largest connected piece, OpenCV's contour, each axis by itself to [0, 1], Douglas-Peucker. The conventions
that the text leaves open are stated in docs/analysis.md and where the code decides them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TOLERANCE = 0.01


class Outline(NamedTuple):
    """What one pass over a mask tells.

    Attributes:
        area_px: Number of object pixels.
        box_hw: Height and width of the tight box in pixels; zero without an object.
        components: Number of 8-connected pieces.
        contour: (V, 2) int32, x and y of the outer contour's points of the largest piece, relative to the box.
    """

    area_px: int
    box_hw: tuple[int, int]
    components: int
    contour: NDArray[np.int32]


class Polygons(NamedTuple):
    """N polygons, stored one after another.

    Attributes:
        points: (P, 2) x and y in [0, 1], without a repeated closing point.
        counts: (N,) points of each polygon.
        lengths: (N,) length of each closed polygon.
    """

    points: Floats
    counts: Ints
    lengths: Floats


def outline(pixels: NDArray[np.uint8]) -> Outline:
    """Measure an object and find the outer contour of its largest piece.

    Holes are not followed: the contour is what ``RETR_EXTERNAL`` with ``CHAIN_APPROX_SIMPLE`` gives for that piece.

    Args:
        pixels: (H, W) uint8, 1 where the object is, else 0.
    """
    area = cv2.countNonZero(pixels)
    if not area:
        return Outline(0, (0, 0), 0, np.zeros((0, 2), np.int32))
    x, y, width, height = cv2.boundingRect(pixels)
    inside = pixels[y : y + height, x : x + width]
    # One pass finds the outer contour of every piece, also of those inside a hole of another, which RETR_EXTERNAL
    # omits. Most masks have one piece, and are spared the labelling of pixels, which takes longer.
    contours, hierarchy = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    outer = np.flatnonzero(np.asarray(hierarchy)[0, :, 3] < 0)
    if len(outer) > 1:
        largest = largest_component(inside)
        contours, _ = cv2.findContours(largest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    contour = contours[0 if len(outer) > 1 else int(outer[0])].reshape(-1, 2)
    return Outline(area, (height, width), len(outer), contour.astype(np.int32, copy=False))


def largest_component(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (H, W) uint8 with the largest 8-connected piece alone.

    Among equally large ones it is the one whose first pixel comes first, row by row from the top left.
    """
    _, labels = cv2.connectedComponents(pixels, connectivity=8)
    sizes = np.bincount(labels.reshape(-1))
    sizes[0] = 0
    candidates = np.flatnonzero(sizes == sizes.max())
    chosen = candidates[0]
    if len(candidates) > 1:  # OpenCV does not promise that labels are numbered in raster order
        chosen = labels.reshape(-1)[np.argmax(np.isin(labels, candidates))]
    inside: NDArray[np.bool_] = labels == chosen
    return inside.astype(np.uint8)


def simplified_polygons(contours: Sequence[NDArray[Any]], tolerance: float = TOLERANCE) -> Polygons:
    """Bring contours to the unit square and simplify them.

    Each axis is scaled by itself; an axis without extent (an object one pixel wide) becomes 0. Douglas-Peucker works on
    the closed line, so the first point stays. It does not treat the contour as an area: one that touches itself would
    fall into several polygons.

    Args:
        contours: (V, 2) x and y of each contour's points, V >= 1, without a repeated closing point.
        tolerance: Greatest distance of a dropped point from the simplified line, in units of the square's side.
    """
    if not contours:
        return Polygons(np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0))
    closed = np.concatenate([part for contour in contours for part in (contour, contour[:1])]).astype(np.float64)
    sizes = np.array([len(contour) + 1 for contour in contours])
    owner, starts = np.repeat(np.arange(len(sizes)), sizes), np.cumsum(sizes) - sizes
    low, high = np.minimum.reduceat(closed, starts), np.maximum.reduceat(closed, starts)
    extent = np.where(high > low, high - low, 1.0)
    lines = shapely.linestrings((closed - low[owner]) / extent[owner], indices=owner)
    simple = shapely.simplify(lines, tolerance, preserve_topology=False)
    points = shapely.get_coordinates(simple)
    counts = shapely.get_num_coordinates(simple).astype(np.int64)
    keep = np.ones(len(points), bool)
    keep[np.cumsum(counts) - 1] = False
    return Polygons(points[keep], counts - 1, shapely.length(simple))


def join_polygons(parts: Sequence[Polygons]) -> Polygons:
    """Return the polygons of all parts, one part after another."""
    if not parts:
        return simplified_polygons([])
    points, counts, lengths = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Polygons(points, counts, lengths)


def take_polygons(polygons: Polygons, rows: NDArray[np.intp]) -> Polygons:
    """Return the polygons of these row numbers, in their order."""
    counts = polygons.counts[rows]
    starts = (np.cumsum(polygons.counts) - polygons.counts)[rows]
    steps = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return Polygons(polygons.points[np.repeat(starts, counts) + steps], counts, polygons.lengths[rows])
