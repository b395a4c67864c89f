"""Outlines of masks along the edges of pixels: polygons that fill to exactly the pixels they were made of.

The corners of such an outline are where the four pixels around a point of the lattice are neither all equal nor split
along a line. In a row of the lattice they are the ends of horizontal edges, two by two; in a column, of vertical edges.
So every corner has one neighbour in its row and one in its column, and walking from one to the other closes rings.

A polygon has one ring. Holes, and parts that touch at a point alone, are joined to the outer ring by a bridge that is
walked there and back: it has no width, and a fill by parity, as that of COCO, does not see it.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.int64]


def outline_polygons(mask: NDArray[Any]) -> list[Ring]:
    """Return one polygon for each 8-connected piece of a mask.

    Args:
        mask: (H, W), an object where it is not 0.

    Returns:
        (V, 2) int64 corners x, y each, in pixels from 0 to W and H: the pixel (x, y) covers x to x + 1 and y to y + 1.
        Pieces are in the order of their first pixel, row by row.
    """
    solid = (mask != 0).astype(np.uint8)
    rings: dict[int, list[Ring]] = {}
    _, pieces = cv2.connectedComponents(solid, connectivity=8)
    padded = np.pad(pieces, 1)
    for ring in _rings(solid):
        x, y = ring[0]
        rings.setdefault(int(padded[y : y + 2, x : x + 2].max()), []).append(ring)
    return [_bridge(rings[piece]) for piece in sorted(rings)]


def _rings(solid: NDArray[np.uint8]) -> list[Ring]:
    padded = np.pad(solid, 1).astype(np.bool_)
    a, b, c, d = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    corners = (a ^ b ^ c ^ d) + 2 * ((a == d) & (b == c) & (a != b)).astype(np.int64)
    ys, xs = np.nonzero(corners)
    times = corners[ys, xs]
    ys, xs = np.repeat(ys, times), np.repeat(xs, times)
    in_row = np.arange(len(xs)) ^ 1
    by_column = np.lexsort((ys, xs))
    in_column = np.empty_like(by_column)
    in_column[by_column] = by_column[in_row]
    across, down = in_row.tolist(), in_column.tolist()
    unseen = [True] * len(xs)
    points = np.stack([xs, ys], axis=1)
    rings = []
    for start in range(len(xs)):
        place, ring = start, []
        while unseen[place]:
            beside = across[place]
            unseen[place] = unseen[beside] = False
            ring += [place, beside]
            place = down[beside]
        if ring:
            rings.append(points[ring])
    return rings


def _bridge(rings: list[Ring]) -> Ring:
    """Join the rings of a piece into one, by bridges from each ring's first corner to the nearest corner so far."""
    rings = sorted(rings, key=lambda ring: -abs(_area(ring)))
    joined = rings[0]
    for ring in rings[1:]:
        nearest = int(np.abs(joined - ring[0]).sum(axis=1).argmin())
        joined = np.concatenate([joined[: nearest + 1], ring, ring[:1], joined[nearest:]])
    return joined


def _area(ring: Ring) -> int:
    x, y = ring[:, 0], ring[:, 1]
    return int((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) // 2
