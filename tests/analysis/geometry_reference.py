"""The paper's mask geometry in the plainest way: one mask and one pair at a time (supplement C.2)."""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np
from scipy.ndimage import label
from scipy.spatial import cKDTree
from shapely.geometry import LineString


def plain_outline(pixels):
    """Return the simplified outline of a mask's largest piece and the number of pieces."""
    labels, count = label(pixels, np.ones((3, 3)))  # numbered in raster order, so argmax takes the first of equals
    areas = [int((labels == piece).sum()) for piece in range(1, count + 1)]
    largest = (labels == 1 + int(np.argmax(areas))).astype(np.uint8)
    contours, _ = cv2.findContours(largest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    assert len(contours) == 1
    points = contours[0].reshape(-1, 2).astype(float)
    for axis in range(2):
        low, high = points[:, axis].min(), points[:, axis].max()
        points[:, axis] = (points[:, axis] - low) / (high - low) if high > low else 0.0
    ring = LineString([*map(tuple, points), tuple(points[0])]).simplify(0.01, preserve_topology=False)
    return np.array(ring.coords)[:-1], count


def plain_length(points):
    """Add up the sides of a closed polygon."""
    return sum(float(np.hypot(*(points[i] - points[i - 1]))) for i in range(len(points)))


def plain_chamfer(first, second):
    """Return the sum of squared nearest distances in both directions."""
    there, _ = cKDTree(second).query(first)
    back, _ = cKDTree(first).query(second)
    return float((there**2).sum() + (back**2).sum())


def plain_figures(mask):
    """Return IN, MI, BI, MB, PL, SC of a mask of the format, and its polygon."""
    ignore = np.iinfo(mask.dtype).max
    pixels = np.array([[int(0 < value < ignore) for value in row] for row in mask.tolist()], np.uint8)
    rows, columns = np.nonzero(pixels)
    box = int(rows.max() - rows.min() + 1) * int(columns.max() - columns.min() + 1)
    points, pieces = plain_outline(pixels)
    shares = [len(rows) / mask.size, box / mask.size, len(rows) / box]
    return [pieces, *shares, plain_length(points), len(points)], points


def plain_diversity(polygons_by_class):
    """Return SD: the mean over pairs in each class with two polygons or more, then the mean over those classes."""
    means = {}
    for name, polygons in polygons_by_class.items():
        distances = [plain_chamfer(a, b) for a, b in combinations(polygons, 2)]
        if distances:
            means[name] = sum(distances) / len(distances)
    return means
