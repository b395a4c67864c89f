"""Which of many candidates to annotate: the least certain, those most unlike each other, or both in turn."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SELECTIONS = ("random", "uncertain", "diverse", "active")
THUMBNAIL_PX = 8

# 'active' looks for differences among this many times the number that is wanted.
_ACTIVE_POOL = 3


def describe_picture(image: NDArray[np.uint8]) -> Floats:
    """Return what tells pictures apart cheaply and without a network: the picture shrunk to 8x8 pixels.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (192,) in [0, 1].
    """
    small = cv2.resize(image, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float64).reshape(-1) / 255


def farthest_points(features: Floats, count: int, first: int) -> list[int]:
    """Choose rows, each time the one farthest from all that are chosen (Gonzalez 1985); the earlier of equal ones.

    Args:
        features: (N, D).
        count: How many rows.
        first: The row to begin with.
    """
    chosen = [first]
    distance = ((features - features[first]) ** 2).sum(axis=1)
    while len(chosen) < min(count, len(features)):
        distance[chosen] = -1
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, ((features - features[chosen[-1]]) ** 2).sum(axis=1))
    return chosen


def choose(how: str, count: int, uncertainty: Floats, features: Floats, stream: np.random.Generator) -> list[int]:
    """Choose candidates of one class.

    Args:
        how: ``random``; ``uncertain``: the largest uncertainties; ``diverse``: farthest points, from a random one on;
            ``active``: farthest points among the three times as many least certain, from the least certain one on.
        count: How many.
        uncertainty: (N,); may be NaN where nothing asks for it.
        features: (N, D); may have no column where nothing asks for it.
        stream: Random numbers.

    Returns:
        Rows, at most ``count``, in ascending order.
    """
    candidates = len(uncertainty)
    count = min(count, candidates)
    by_doubt = np.argsort(-uncertainty, kind="stable")
    if how == "random":
        rows = stream.permutation(candidates)[:count].tolist()
    elif how == "uncertain":
        rows = by_doubt[:count].tolist()
    elif how == "diverse":
        rows = farthest_points(features, count, int(stream.integers(candidates)))
    else:
        pool = by_doubt[: _ACTIVE_POOL * count]
        rows = [int(pool[row]) for row in farthest_points(features[pool], count, 0)]
    return sorted(int(row) for row in rows)
