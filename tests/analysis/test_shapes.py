"""Resizing against matrices of overlaps and weights, and clusters against what k-means promises."""

import numpy as np
import pytest

from bdgan_cli.analysis import shapes as analysis_shapes
from bdgan_cli.analysis.shapes import draw_modes, find_modes, normalized_shape


def weights(length, size=32):
    """(size, length) matrix: shares of overlap where the axis shrinks, linear weights where it grows."""
    matrix = np.zeros((size, length))
    for target in range(size):
        if length >= size:
            low, high = target * length / size, (target + 1) * length / size
            for source in range(length):
                matrix[target, source] = max(0.0, min(high, source + 1) - max(low, source)) / (high - low)
        else:
            place = (target + 0.5) * length / size - 0.5
            left = int(np.floor(place))
            for source, share in ((left, 1 - (place - left)), (left + 1, place - left)):
                matrix[target, min(max(source, 0), length - 1)] += share
    return matrix


@pytest.mark.parametrize(
    "size_hw", [(1, 1), (1, 50), (50, 1), (7, 100), (31, 33), (32, 32), (64, 64), (100, 90), (20, 20), (200, 3)]
)
def test_shape_equals_weighted_sums(size_hw):
    stream = np.random.default_rng(size_hw)
    crop = stream.random(size_hw) < 0.6
    crop[0, :], crop[:, 0], crop[-1, :], crop[:, -1] = True, True, True, True  # so that the box is tight
    mask = np.zeros((size_hw[0] + 5, size_hw[1] + 9), np.uint8)
    mask[2 : 2 + size_hw[0], 4 : 4 + size_hw[1]] = crop
    expected = weights(size_hw[0]) @ crop @ weights(size_hw[1]).T
    found = normalized_shape(mask)
    assert found.shape == (32, 32)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert found.min() >= 0
    assert found.max() <= 1


def test_an_object_that_fills_the_picture_is_all_ones():
    assert (normalized_shape(np.ones((40, 17), np.uint8)) == 1).all()


def blobs(stream, centers, count):
    """Shapes near a few centres, and which centre each belongs to."""
    of = stream.integers(0, len(centers), count)
    return np.clip(centers[of] + stream.normal(0, 0.01, (count, 32, 32)), 0, 1).astype(np.float32), of


def test_separate_clusters_are_found_with_their_means():
    stream = np.random.default_rng(3)
    centers = (stream.random((5, 32, 32)) < 0.5).astype(float)
    shapes, of = blobs(stream, centers, 120)
    modes = find_modes(shapes, np.random.default_rng(1))
    assert modes.distinct == 120
    assert sorted(modes.sizes) == sorted(np.bincount(of))
    for label in range(5):
        members = of[modes.labels_N == label]
        assert len(set(members)) == 1
        np.testing.assert_allclose(modes.means_kSS[label], shapes[of == members[0]].mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_clusters_are_what_k_means_promises(seed):
    stream = np.random.default_rng(seed)
    shapes = (stream.random((60, 32, 32)) < stream.random((60, 1, 1))).astype(np.float32)
    modes = find_modes(shapes, np.random.default_rng(seed))
    points, means = shapes.reshape(60, -1).astype(float), modes.means_kSS.reshape(len(modes.sizes), -1).astype(float)
    assert modes.sizes.sum() == 60
    assert np.array_equal(modes.sizes, np.bincount(modes.labels_N))
    assert list(modes.sizes) == sorted(modes.sizes, reverse=True)
    for label, mean in enumerate(means):
        np.testing.assert_allclose(mean, points[modes.labels_N == label].mean(axis=0), atol=1e-6)
    distances = ((points[:, None] - means[None]) ** 2).sum(axis=2)
    assert (distances[np.arange(60), modes.labels_N] <= distances.min(axis=1) + 1e-3).all()


def squares(edges):
    """Shapes that a few edges name; equal edges, equal shapes."""
    shapes = np.zeros((len(edges), 32, 32), np.float32)
    for shape, edge in zip(shapes, edges, strict=True):
        shape[:edge, :edge] = 1
    return shapes


@pytest.mark.parametrize(
    ("edges", "sizes", "distinct"),
    [
        ([9], [1], 1),
        ([9, 9, 9, 9], [4], 1),
        ([9, 4, 9], [2, 1], 2),
        ([3, 9, 4, 20], [1, 1, 1, 1], 4),
        ([3, 9, 4, 20, 30], [1, 1, 1, 1, 1], 5),
    ],
)
def test_few_different_shapes_are_the_clusters(edges, sizes, distinct):
    modes = find_modes(squares(edges), np.random.default_rng(0))
    assert (list(modes.sizes), modes.distinct) == (sizes, distinct)
    # Among equal sizes the larger mean comes first.
    means = modes.means_kSS.mean(axis=(1, 2))
    assert all(
        (-size, -mean) <= (-next_size, -next_mean)
        for size, mean, next_size, next_mean in zip(sizes, means, sizes[1:], means[1:], strict=False)
    )
    for number, edge in enumerate(edges):
        assert np.array_equal(modes.means_kSS[modes.labels_N[number]], squares([edge])[0])


def test_no_cluster_stays_empty(monkeypatch):
    plain = analysis_shapes.kmeans2

    def start_far_away(points, k, iter, minit, seed=None):
        if minit == "++":
            k = np.full((k, points.shape[1]), 100, np.float32)
            k[0] = points.mean(axis=0)
        return plain(points, k, iter=iter, minit="matrix")

    monkeypatch.setattr(analysis_shapes, "kmeans2", start_far_away)
    edges = [2, 2, 2, 30, 31, 3, 16, 17, 24, 10]
    sizes = find_modes(squares(edges), np.random.default_rng(0)).sizes
    assert len(sizes) == 5
    assert sizes.min() >= 1


def test_the_same_stream_gives_the_same_clusters():
    shapes = np.random.default_rng(0).random((80, 32, 32)).astype(np.float32)
    once, again = (find_modes(shapes, np.random.default_rng(4)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))


@pytest.mark.parametrize(("count", "drawn"), [(2, 2), (4, 4), (500, 4)])
def test_classes_and_clusters_are_drawn(count, drawn):
    clusters = [5, 0, 1, 3, 0, 5]
    seen = [draw_modes(clusters, count, np.random.default_rng(seed)) for seed in range(100)]
    for one in seen:
        assert (one >= 0).sum() == drawn
        assert all(-1 <= cluster < most for cluster, most in zip(one, clusters, strict=True))
    # Every class and every cluster has its turn.
    together = np.stack(seen)
    assert [set(together[:, i]) - {-1} for i in range(6)] == [set(range(most)) for most in clusters]
