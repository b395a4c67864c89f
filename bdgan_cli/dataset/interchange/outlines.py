"""The outline of a mask as polygons: one ring for each piece, its holes bridged by seams without width.

The ring runs along the cracks between pixels, drawn :data:`INSET` inside the object. So it gives the same pixels to a
reader that asks whether a pixel's middle is inside (COCO's, and ours) and to one that cuts coordinates to whole numbers
and fills up to and with the outline (OpenCV's fillPoly as tools for YOLO call it, PIL's polygon as LabelMe does).
Letters: x to the right, y down, in pixels from the picture's corner, so that pixel 0 reaches from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

BoolMask = NDArray[np.bool_]
Ring = NDArray[np.float64]
Point = tuple[float, float]

# Below one half, so that no pixel's middle is lost; far above the rounding of coordinates with six digits.
INSET = 0.25

# Directions in the order right, down, left, up. The object is at the right hand: below an edge that runs to the right.
_DOWN, _UP = 1, 3
_STEP = ((1, 0), (0, 1), (-1, 0), (0, -1))
_INWARDS = ((0, 1), (-1, 0), (0, -1), (1, 0))


class _Runs(NamedTuple):
    """Straight pieces of outline between corners, R of them.

    Attributes:
        start: (R, 2) x and y.
        end: (R, 2) x and y.
        way: (R,) direction.
        after: (R,) number of the run that goes on at the end.
        saddle: (R,) whether at the end two pixels of the object touch with their corners alone.
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    way: NDArray[np.int64]
    after: NDArray[np.int64]
    saddle: BoolMask


class _Chain:
    """Points linked to rings, and which of them must stay when a ring is simplified."""

    def __init__(self, inset_px: float) -> None:
        self.inset_px = inset_px
        self.points: list[Point] = []
        self.after: list[int] = []
        self.pinned: list[bool] = []

    def add(self, point: Point, before: int | None = None) -> int:
        """Add a point, pinned if it goes behind another one."""
        number = len(self.points)
        self.points.append(point)
        self.pinned.append(before is not None)
        self.after.append(number if before is None else self.after[before])
        if before is not None:
            self.after[before] = number
        return number

    def ring(self, first: int) -> list[int]:
        """Return the numbers of a ring's points."""
        numbers = [first]
        while (number := self.after[numbers[-1]]) != first:
            numbers.append(number)
        return numbers


def mask_rings(mask: BoolMask, tolerance_px: float = 0.0, inset_px: float = INSET) -> list[Ring]:
    """Return a polygon for each 8-connected piece of a mask.

    Args:
        mask: (H, W) bool.
        tolerance_px: How far a point may lie from the line that leaves it out; with 0 no pixel is lost.
        inset_px: How far inside the object the ring runs; 0 for readers that ask for middles alone, such as COCO's.

    Returns:
        (V, 2) x and y in pixels, V >= 3, without a repeated closing point; one array for each piece.
    """
    if not mask.any():
        return []
    runs = _find_runs(mask)
    loops = list(_loops(runs.after))
    chain = _Chain(inset_px)
    corner = _place_corners(runs, loops, chain)
    holes = [loop for loop in loops if _signed_area(runs, loop) < 0]
    _bridge_all(mask, runs, holes, chain, corner)
    outer = [loop for loop in loops if _signed_area(runs, loop) > 0]
    return [_simplified(chain, chain.ring(corner[loop[0]]), tolerance_px) for loop in outer]


def _find_runs(mask: BoolMask) -> _Runs:
    """Find the cracks with the object on one side, joined to straight runs, and what follows each."""
    padded = np.pad(mask, 1)
    down = np.diff(padded.astype(np.int8), axis=0)[:, 1:-1]  # row y: between pixel rows y - 1 and y
    across = np.diff(padded.astype(np.int8), axis=1)[1:-1].T
    starts, ends, ways = [], [], []
    for edges, value, going in ((down, 1, 0), (across, -1, 1), (down, -1, 2), (across, 1, 3)):
        line, low, high = _straight(edges == value)
        low_xy, high_xy = (np.stack([at, line] if going % 2 == 0 else [line, at], axis=1) for at in (low, high))
        backwards = going in (2, 3)
        starts.append(high_xy if backwards else low_xy)
        ends.append(low_xy if backwards else high_xy)
        ways.append(np.full(len(line), going))
    start, end, way = np.concatenate(starts), np.concatenate(ends), np.concatenate(ways)
    # A corner has one run that goes on, or two in opposite directions: then the one to the left, across the touch.
    width = mask.shape[1] + 1
    place = (start[:, 1] * width + start[:, 0]) * 4 + way
    order = np.argsort(place)
    goal = (end[:, 1] * width + end[:, 0]) * 4
    left, right = (_rows_of(place, order, goal + (way + turn) % 4) for turn in (3, 1))
    return _Runs(start, end, way, np.where(left >= 0, left, right), (left >= 0) & (right >= 0))


def _straight(edges: BoolMask) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return line, first and one past the last position of each run of edges."""
    padded = np.pad(edges, ((0, 0), (1, 1))).astype(np.int8)
    change = np.diff(padded, axis=1)
    line, low = np.nonzero(change == 1)
    return line, low, np.nonzero(change == -1)[1]


def _rows_of(values: NDArray[np.int64], order: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each wanted value stands among the values, -1 where it does not."""
    found = order[np.searchsorted(values, wanted, sorter=order).clip(max=len(values) - 1)]
    return np.where(values[found] == wanted, found, -1)


def _loops(after: NDArray[np.int64]) -> Iterator[list[int]]:
    """Yield the numbers of the runs of each closed outline, in the order in which they follow each other."""
    follower: list[int] = after.tolist()
    seen = [False] * len(follower)
    for first in range(len(follower)):
        loop, number = [], first
        while not seen[number]:
            seen[number] = True
            loop.append(number)
            number = follower[number]
        if loop:
            yield loop


def _signed_area(runs: _Runs, loop: list[int]) -> int:
    """Return twice the area that an outline encloses; below 0 for the outline of a hole."""
    start, end = runs.start[loop], runs.end[loop]
    return int((start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0]).sum())


def _place_corners(runs: _Runs, loops: list[list[int]], chain: _Chain) -> dict[int, int]:
    """Put the corners of all outlines into the chain; return for each run the last point of its end."""
    corner: dict[int, int] = {}
    ends, ways, saddles = runs.end.tolist(), runs.way.tolist(), runs.saddle.tolist()
    for loop in loops:
        first = len(chain.points)
        for run, follower in zip(loop, [*loop[1:], loop[0]], strict=True):
            for point in _corner(ends[run], ways[run], ways[follower], saddles[run], chain.inset_px):
                corner[run] = chain.add(point)
                chain.after[corner[run]] = corner[run] + 1
        chain.after[-1] = first
    return corner


def _corner(at: list[int], way: int, onwards: int, saddle: bool, inset: float) -> list[Point]:
    """Return the corner moved inwards; where pixels touch, two points, so that the line crosses within both of them."""
    (x, y), inwards, then_inwards = at, _INWARDS[way], _INWARDS[onwards]
    if not saddle or not inset:
        return [(x + inset * (inwards[0] + then_inwards[0]), y + inset * (inwards[1] + then_inwards[1]))]
    step, next_step = _STEP[way], _STEP[onwards]
    return [
        (x + inset * (inwards[0] - step[0]), y + inset * (inwards[1] - step[1])),
        (x + inset * (then_inwards[0] + next_step[0]), y + inset * (then_inwards[1] + next_step[1])),
    ]


def _bridge_all(mask: BoolMask, runs: _Runs, holes: list[list[int]], chain: _Chain, corner: dict[int, int]) -> None:
    """Join every hole with the outline to the left of its leftmost pixel: the outer one, or that of another hole.

    A seam goes along the middle of a row, over pixels of the object alone. What it meets begins further to the left, so
    that following seams ends at the outer outline.
    """
    if not holes:
        return
    before = {int(follower): run for run, follower in enumerate(runs.after)}
    upward = np.zeros(mask.shape, np.int64)  # number of the run at the left side of a pixel
    for run in np.flatnonzero(runs.way == _UP):
        upward[runs.end[run, 1] : runs.start[run, 1], runs.start[run, 0]] = run
    seams = []
    for hole in holes:
        # The hole's left side is where the object ends at its right: a run downwards.
        own = min((run for run in hole if runs.way[run] == _DOWN), key=lambda run: tuple(runs.start[run]))
        x, row = runs.start[own].tolist()
        outside = np.flatnonzero(~mask[row, :x])
        left = int(outside[-1]) + 1 if len(outside) else 0
        seams.append((int(upward[row, left]), left, row, x, own))
    for met, left, row, x, own in sorted(seams):  # an upward run is met from its end backwards
        there = chain.add((left + chain.inset_px, row + 0.5), corner[before[met]])
        chain.add((left + chain.inset_px, row + 0.5), there)
        here = chain.add((x - chain.inset_px, row + 0.5), corner[before[own]])
        back = chain.add((x - chain.inset_px, row + 0.5), here)
        chain.after[here], chain.after[there] = chain.after[there], back


def _simplified(chain: _Chain, numbers: list[int], tolerance_px: float) -> Ring:
    """Return a ring's points; with a tolerance, those that Douglas and Peucker keep, the ends of seams included."""
    points = np.array([chain.points[number] for number in numbers])
    if tolerance_px <= 0:
        return points
    pins = [place for place, number in enumerate(numbers) if chain.pinned[number]]
    if not pins:
        kept = _reduce(points, tolerance_px, closed=True)
    else:
        turned = np.roll(points, -pins[0], axis=0)
        turned = np.concatenate([turned, turned[:1]])
        cuts = [place - pins[0] for place in pins] + [len(points)]
        parts = [_reduce(turned[a : b + 1], tolerance_px, closed=False)[:-1] for a, b in pairwise(cuts)]
        kept = np.concatenate(parts)
    return kept if len(kept) >= 3 else points


def _reduce(points: Ring, tolerance_px: float, *, closed: bool) -> Ring:
    reduced = cv2.approxPolyDP(points.astype(np.float32)[:, None], tolerance_px, closed)
    return np.asarray(reduced, np.float64).reshape(-1, 2)
