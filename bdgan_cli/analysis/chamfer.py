"""Chamfer distances between the polygons of a class: all pairs exactly, or some drawn at random (supplement C.2).

d(A, B) is the sum, over the points of A, of the squared distance to the nearest point of B, plus the same from B to A;
it is not divided by the numbers of points. Points are taken as they are, so a polygon is the set of its corners.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# A tile of distances fits into a core's cache, and BLAS computes a product of its size in one thread: below
# 2^18 multiplications, and each distance takes three. The threads are ours.
_TILE_POINTS, _TILE_ROWS = 4096, 16
_JOB_DISTANCES = 1 << 26
_BATCH_DISTANCES = 1 << 17


class Rows(NamedTuple):
    """Polygons first to last - 1 of a class: a job of :func:`distance_sums`."""

    first: int
    last: int


def row_jobs(counts: Ints) -> Iterator[Rows]:
    """Split a class into jobs of some tenths of a second, the same ones on every machine.

    Args:
        counts: (N,) points of each polygon.
    """
    ends = np.cumsum(counts)
    first = 0
    while first < len(counts):
        before = ends[first - 1] if first else 0
        last = int(np.searchsorted(ends, before + _JOB_DISTANCES // max(1, int(ends[-1])), side="right"))
        last = min(len(counts), max(first + 1, last))
        yield Rows(first, last)
        first = last


def distance_sums(points: Floats, counts: Ints, rows: Rows) -> Floats:
    """Sum the distances from the points of some polygons to each polygon of the class.

    Added over all jobs of a class, entry i is the sum of d(i, j) over all j. Memory is bounded: a tile at a time.

    Args:
        points: (P, 2) points of the class's N polygons, one polygon after another.
        counts: (N,) points of each polygon.
        rows: The polygons whose points are the starting points.

    Returns:
        (N,) for each polygon, what these starting points contribute to its distances in both roles.
    """
    starts = np.cumsum(counts) - counts
    own = slice(int(starts[rows.first]), int(starts[rows.last - 1] + counts[rows.last - 1]))
    from_points = np.zeros(own.stop - own.start)
    sums = np.zeros(len(counts))
    left, squares = _factors(points[own])
    for tile in _tiles(counts):
        begin, end = int(starts[tile.first]), int(starts[tile.last - 1] + counts[tile.last - 1])
        right = _right_factor(points[begin:end])
        edges = starts[tile.first : tile.last] - begin
        for at in range(0, len(left), _TILE_ROWS):
            block = slice(at, at + _TILE_ROWS)
            nearest = np.minimum.reduceat(left[block] @ right, edges, axis=1)
            nearest += squares[block, None]
            np.maximum(nearest, 0.0, out=nearest)  # rounding may leave -1e-16 between equal points
            from_points[block] += nearest.sum(axis=1)
            sums[tile.first : tile.last] += nearest.sum(axis=0)
    sums[rows.first : rows.last] += np.add.reduceat(from_points, starts[rows.first : rows.last] - own.start)
    return sums


def mean_distance(sums: Floats) -> float:
    """Return the mean over all unordered pairs, NaN for fewer than two polygons.

    Args:
        sums: (N,) for each polygon, the sum of its distances to all others.
    """
    count = len(sums)
    return float(sums.sum() / (count * (count - 1))) if count > 1 else float("nan")


def pseudo_values(sums: Floats) -> Floats:
    """Return each polygon's jackknife pseudo-value of the mean distance.

    Their mean is the mean distance, and their standard error is the jackknife's: pairs that share a polygon are not
    independent, polygons are.

    Args:
        sums: (N,) for each polygon, the sum of its distances to all others.

    Returns:
        (N,) values; NaN for fewer than three polygons, which do not allow to leave one out.
    """
    count = len(sums)
    if count < 3:
        return np.full(count, np.nan)
    without = (sums.sum() / 2 - sums) * 2 / (count - 2)
    values: Floats = count * mean_distance(sums) - without
    return values


def draw_pairs(polygons: int, pairs: int, stream: np.random.Generator) -> Ints:
    """Draw unordered pairs without replacement, each as likely.

    Args:
        polygons: How many there are, at least 2.
        pairs: How many pairs, at most all of them.
        stream: Where chance comes from.

    Returns:
        (pairs, 2) numbers of polygons, the smaller first.
    """
    total = polygons * (polygons - 1) // 2
    number = np.sort(stream.choice(total, pairs, replace=False, shuffle=False))
    # Pair number k counts (0,1), (0,2), (1,2), (0,3), ...: the greater one is the triangular root of k.
    high = ((1 + np.sqrt(8.0 * number + 1)) / 2).astype(np.int64)
    high -= high * (high - 1) // 2 > number
    high += high * (high + 1) // 2 <= number
    return np.stack([number - high * (high - 1) // 2, high], axis=1)


def pair_distances(points: Floats, counts: Ints, pairs: Ints) -> Floats:
    """Return d(i, j) for each pair.

    Args:
        points: (P, 2) points of N polygons, one polygon after another.
        counts: (N,) points of each polygon.
        pairs: (M, 2) numbers of polygons.

    Returns:
        (M,) distances.
    """
    starts = np.cumsum(counts) - counts
    widths = counts[pairs].max(axis=1)
    order = np.argsort(widths, kind="stable")
    distances = np.empty(len(pairs))
    at = 0
    while at < len(order):
        # Pairs of like size come together, so that little is padded; the last of a batch is the widest.
        size = max(1, _BATCH_DISTANCES // int(widths[order[at]]) ** 2)
        chosen = order[at : at + size]
        distances[chosen] = _padded_distances(points, starts[pairs[chosen]], counts[pairs[chosen]])
        at += size
    return distances


def _padded_distances(points: Floats, starts: Ints, counts: Ints) -> Floats:
    """Compute a batch of pairs; shorter polygons repeat their last point, which changes no minimum."""
    steps = np.arange(counts.max())
    places = starts[:, :, None] + np.minimum(steps, counts[:, :, None] - 1)
    first, second = points[places[:, 0]], points[places[:, 1]]
    left, squares = _factors(first)
    between = left @ np.swapaxes(_columns(second), 1, 2) + squares[:, :, None]
    np.maximum(between, 0.0, out=between)
    real = steps < counts[:, :, None]
    there: Floats = np.where(real[:, 0], between.min(axis=2), 0.0).sum(axis=1)
    back: Floats = np.where(real[:, 1], between.min(axis=1), 0.0).sum(axis=1)
    return there + back


def _factors(points: Floats) -> tuple[Floats, Floats]:
    """Return (..., 3) rows and (...) squares with |a - b|^2 = |a|^2 + (-2 a, 1) . (b, |b|^2)."""
    left = np.concatenate([-2.0 * points, np.ones((*points.shape[:-1], 1))], axis=-1)
    return left, (points**2).sum(axis=-1)


def _columns(points: Floats) -> Floats:
    columns: Floats = np.concatenate([points, (points**2).sum(axis=-1, keepdims=True)], axis=-1)
    return columns


def _right_factor(points: Floats) -> Floats:
    return np.ascontiguousarray(_columns(points).T)


def _tiles(counts: Ints) -> Iterator[Rows]:
    """Split the polygons of a class into runs of at most so many points, or of one polygon with more."""
    ends = np.cumsum(counts)
    first = 0
    while first < len(counts):
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + _TILE_POINTS, side="right")))
        yield Rows(first, last)
        first = last
