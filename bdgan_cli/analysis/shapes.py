"""The major shapes of a class: masks cropped to their tight box, brought to 32x32, and clustered (supplement E).

Axis legend: H, W pixels of a mask; N masks of a class; k clusters; S the edge of a shape, 32.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

SHAPE_SIZE = 32
CLUSTERS = 5
_ITERATIONS, _MOST_ROUNDS = 10, 30

Shapes = NDArray[np.float32]


class Modes(NamedTuple):
    """The clusters of a class, the largest first; of equal ones that with the larger mean first.

    Attributes:
        means_kSS: (k, S, S) mean shape of each cluster, in [0, 1].
        sizes: (k,) masks in each cluster, at least 1.
        labels_N: (N,) the cluster of each mask.
        distinct: How many different shapes there were; k is never larger.
    """

    means_kSS: Shapes
    sizes: NDArray[np.int64]
    labels_N: NDArray[np.int64]
    distinct: int


def normalized_shape(pixels_HW: NDArray[Any]) -> Shapes:
    """Crop an object to its tight box and bring it to 32x32.

    An axis that shrinks is averaged over areas (INTER_AREA), one that grows is interpolated (INTER_LINEAR); the two
    axes do not touch each other. Values stay between 0 and 1.

    Args:
        pixels_HW: Non-zero where the object is; at least one pixel.
    """
    rows, columns = np.flatnonzero(pixels_HW.any(axis=1)), np.flatnonzero(pixels_HW.any(axis=0))
    assert len(rows), "there is no object"
    box = pixels_HW[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    shape = (box != 0).astype(np.float32)
    height, width = (min(edge, SHAPE_SIZE) for edge in shape.shape)
    # OpenCV averages areas only if no axis grows, so what shrinks comes first.
    shape = cv2.resize(shape, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    shape = cv2.resize(shape, (SHAPE_SIZE, SHAPE_SIZE), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    clipped: Shapes = np.clip(shape, 0, 1)
    return clipped


def find_modes(shapes_NSS: Shapes, stream: np.random.Generator, clusters: int = CLUSTERS) -> Modes:
    """Cluster shapes by k-means (k-means++ start, then until no mask changes its cluster).

    A cluster that loses all its masks takes the mask farthest from its own mean and goes on. With fewer different
    shapes than ``clusters`` there are as many clusters as shapes.

    Args:
        shapes_NSS: (N, S, S) in [0, 1]; N at least 1.
        stream: Draws the start.
        clusters: k.
    """
    points = shapes_NSS.reshape(len(shapes_NSS), -1)
    different, labels = np.unique(points, axis=0, return_inverse=True)
    labels = labels.reshape(-1)
    if len(different) > clusters:
        labels = _cluster(points, stream, clusters)
    # The mean that rounds least: sums of float32 values in float64.
    sizes = np.bincount(labels)
    used = np.flatnonzero(sizes)
    means = np.stack([points[labels == label].mean(axis=0, dtype=np.float64) for label in used])
    order = sorted(range(len(used)), key=lambda i: (-sizes[used[i]], -means[i].mean(), means[i].tobytes()))
    rank = np.zeros(len(sizes), np.int64)
    rank[used[order]] = np.arange(len(used))
    shape = (len(used), *shapes_NSS.shape[1:])
    return Modes(means[order].astype(np.float32).reshape(shape), sizes[used[order]], rank[labels], len(different))


def draw_modes(clusters: Sequence[int], count: int, stream: np.random.Generator) -> NDArray[np.int64]:
    """Draw classes, and of each class one of its clusters.

    Args:
        clusters: Number of clusters of each class; classes without any are never drawn.
        count: How many classes at most.
        stream: Draws both.

    Returns:
        The cluster drawn for each class; -1 for a class that is not drawn.
    """
    drawn = np.full(len(clusters), -1, np.int64)
    for number in stream.permutation(np.flatnonzero(clusters))[:count]:
        drawn[number] = stream.integers(clusters[number])
    return drawn


def _cluster(points: Shapes, stream: np.random.Generator, clusters: int) -> NDArray[np.int64]:
    """Return the cluster of each point; there are more different points than clusters."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One of the clusters is empty", UserWarning)
        means, labels = kmeans2(points, clusters, iter=_ITERATIONS, minit="++", seed=stream)
        for _ in range(_MOST_ROUNDS):
            means = _refilled(points, means, labels)
            means, moved = kmeans2(points, means, iter=_ITERATIONS, minit="matrix")
            settled, labels = np.array_equal(moved, labels), moved
            if settled and len(np.unique(labels)) == clusters:
                break
    return np.asarray(labels, np.int64)


def _refilled(points: Shapes, means: Shapes, labels: NDArray[Any]) -> Shapes:
    """Give each empty cluster the point that is farthest from its mean."""
    distances = ((points - means[labels]) ** 2).sum(axis=1)
    means = means.copy()
    for label in np.setdiff1d(np.arange(len(means)), labels):
        farthest = int(distances.argmax())
        means[label] = points[farthest]
        distances[(points == points[farthest]).all(axis=1)] = 0
    return means
