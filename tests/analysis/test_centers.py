"""Centres of boxes against the mean of their pixels' middles, and statistics against a plain loop."""

import math

import numpy as np
import pytest

from bdgan_cli.analysis.centers import box_centers, summarize_centers


@pytest.mark.parametrize(
    ("box", "size_wh", "expected"),
    [
        ((0, 0, 10, 20), (10, 20), (0.5, 0.5)),
        ((0, 0, 1, 1), (10, 20), (0.05, 0.025)),
        ((9, 19, 1, 1), (10, 20), (0.95, 0.975)),
        ((2, 4, 3, 6), (10, 20), (0.35, 0.35)),
    ],
)
def test_center_of_a_box(box, size_wh, expected):
    assert box_centers(np.array([box]), np.array([size_wh]))[0] == pytest.approx(expected, abs=1e-15)


def test_center_is_the_mean_of_the_middles_of_the_covered_pixels():
    stream = np.random.default_rng(0)
    for _ in range(50):
        width, height = stream.integers(1, 40, 2)
        w, h = stream.integers(1, width + 1), stream.integers(1, height + 1)
        x, y = stream.integers(0, width - w + 1), stream.integers(0, height - h + 1)
        across = np.mean([(column + 0.5) / width for column in range(x, x + w)])
        down = np.mean([(row + 0.5) / height for row in range(y, y + h)])
        found = box_centers(np.array([[x, y, w, h]], np.int32), np.array([[width, height]], np.int32))
        assert found[0] == pytest.approx((across, down), abs=1e-12)
        assert ((found > 0) & (found < 1)).all()


def reference(points):
    """What the summary says, computed one point at a time."""
    if not points:
        return [math.nan] * 7
    n = len(points)
    mean = [sum(point[axis] for point in points) / n for axis in (0, 1)]
    std = [math.sqrt(sum((point[axis] - mean[axis]) ** 2 for point in points) / n) for axis in (0, 1)]
    radii = [math.dist(point, (0.5, 0.5)) for point in points]
    corners = [(0, 0), (0, 1), (1, 0), (1, 1)]
    cornered = [any(max(abs(x - a), abs(y - b)) <= 0.25 for a, b in corners) for x, y in points]
    return [*mean, *std, sum(radii) / n, sum(radius <= 0.1 for radius in radii) / n, sum(cornered) / n]


@pytest.mark.parametrize("count", [0, 1, 7, 400])
def test_summary_equals_a_plain_loop(count):
    stream = np.random.default_rng(count)
    centers, groups = stream.random((count, 2)), stream.integers(0, 4, count) * 2
    stats = summarize_centers(centers, groups, 8)
    for group in range(8):
        points = [tuple(map(float, point)) for point, of in zip(centers, groups, strict=True) if of == group]
        found = [*stats.mean_xy[group], *stats.std_xy[group], *(column[group] for column in stats[3:])]
        assert stats.masks[group] == len(points)
        assert found == pytest.approx(reference(points), abs=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    ("point", "near", "cornered"),
    [
        ((0.5, 0.5), 1, 0),
        ((0.5, 0.59), 1, 0),
        ((0.58, 0.58), 0, 0),
        ((0.25, 0.25), 0, 1),
        ((0.75, 0.25), 0, 1),
        ((0.25, 0.26), 0, 0),
        ((0.01, 0.5), 0, 0),
        ((0.9, 0.99), 0, 1),
    ],
)
def test_regions(point, near, cornered):
    stats = summarize_centers(np.array([point]), np.zeros(1, int), 1)
    assert (stats.near_center[0], stats.in_corners[0]) == (near, cornered)
