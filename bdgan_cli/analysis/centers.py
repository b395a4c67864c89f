"""Where objects stand in their pictures: centres of tight boxes (supplement C.1, figure 1).

A box (x, y, w, h) covers the pixels x to x + w - 1 and y to y + h - 1, so its centre is (x + w/2, y + h/2) when the
picture runs from 0 to its width and height. Divided by these, centres lie in the open unit square, y downward.

Axis legend: N boxes, G groups (classes, or one for the whole dataset).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

NEAR_RADIUS = 0.1
CORNER_REACH = 0.25

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class CenterStats(NamedTuple):
    """What is known of each group's centres; NaN where a group has none.

    Attributes:
        masks: (G,) number of centres.
        mean_xy: (G, 2) mean centre.
        std_xy: (G, 2) standard deviation of each axis, of the population.
        mean_radius: (G,) mean distance from the picture's centre.
        near_center: (G,) share of centres at most 0.1 from the picture's centre.
        in_corners: (G,) share of centres with both coordinates at most 0.25 from the same corner of the picture.
    """

    masks: Counts
    mean_xy: Floats
    std_xy: Floats
    mean_radius: Floats
    near_center: Floats
    in_corners: Floats


def box_centers(boxes_N4: NDArray[Any], sizes_wh_N2: NDArray[Any]) -> Floats:
    """Return the centres of boxes, normalised by the size of the picture.

    Args:
        boxes_N4: x, y, width and height in pixels; width and height at least 1.
        sizes_wh_N2: Width and height of each picture in pixels.

    Returns:
        (N, 2) x and y in (0, 1).
    """
    boxes = boxes_N4.astype(np.float64)
    centers: Floats = (boxes[:, :2] + boxes[:, 2:] / 2) / sizes_wh_N2
    return centers


def summarize_centers(centers_N2: Floats, groups_N: NDArray[Any], groups: int) -> CenterStats:
    """Summarize centres by group.

    Args:
        centers_N2: x and y in [0, 1].
        groups_N: Which group each belongs to, 0 to ``groups`` - 1.
        groups: Number of groups; some may be empty.
    """
    masks = np.bincount(groups_N, minlength=groups)
    # An empty group has no mean; 0/0 says so without a warning.
    share = np.divide(1.0, masks, out=np.full(groups, np.nan), where=masks > 0)

    def mean(values_N: NDArray[Any]) -> Floats:
        means: Floats = np.bincount(groups_N, values_N, minlength=groups) * share
        return means

    mean_xy = np.stack([mean(axis) for axis in centers_N2.T], axis=1)
    variance = np.stack([mean(axis) for axis in (centers_N2 - mean_xy[groups_N]).T ** 2], axis=1)
    radius = np.hypot(*(centers_N2 - 0.5).T)
    to_edge = np.minimum(centers_N2, 1 - centers_N2).max(axis=1)
    return CenterStats(
        masks, mean_xy, np.sqrt(variance), mean(radius), mean(radius <= NEAR_RADIUS), mean(to_edge <= CORNER_REACH)
    )
