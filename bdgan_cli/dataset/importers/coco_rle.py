"""The two ways in which COCO files draw a mask: run lengths and polygons (T.-Y. Lin et al., ECCV 2014).

Run lengths go down the columns, first background, then object, in turns. Polygons are filled as pycocotools fills them,
pixel for pixel: the outline is walked on a grid five times as fine, and a column is filled between the places where the
outline crosses its middle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.fields import short
from bdgan_cli.errors import DataError

BoolMask = NDArray[np.bool_]

_FINER = 5
_MIDDLE = 2  # of the five fine columns of a pixel, the one whose right side is its middle
_POINTS_AT_ONCE = 1 << 20

# Compressed run lengths: characters from '0' carry 5 bits each, a flag for more to come, and the sign in the last one.
_FIRST, _LAST = ord("0"), ord("0") + 63
_BITS, _MORE, _SIGN = 5, 0x20, 0x10
_MOST_CHARACTERS = 8


def decode_rle(rle: Mapping[str, Any], size_hw: tuple[int, int], where: str) -> BoolMask:
    """Decode run lengths, plain (a list) or compressed (text).

    Args:
        rle: ``{"size": [height, width], "counts": ...}``.
        size_hw: Height and width in pixels of the picture; nothing larger is ever made.
        where: What it belongs to, for messages.

    Returns:
        (H, W) bool.

    Raises:
        DataError: If the size is another one, or the runs do not fill the picture exactly.
    """
    size = rle.get("size")
    if not isinstance(size, (list, tuple)) or tuple(size) != size_hw:
        raise DataError(f"{where}: expected run lengths of size [{size_hw[0]}, {size_hw[1]}], got {short(size)}")
    counts = _counts(rle.get("counts"), where)
    pixels = size_hw[0] * size_hw[1]
    # No count may exceed the picture, so that the sum cannot overflow and pass by chance.
    if counts.size and (counts.min() < 0 or counts.max() > pixels):
        wrong = int(counts.min()) if counts.min() < 0 else int(counts.max())
        raise DataError(f"{where}: expected run lengths of 0 to {pixels}, got {wrong}")
    if int(counts.sum()) != pixels:
        raise DataError(f"{where}: expected run lengths that add up to {pixels} pixels, got {int(counts.sum())}")
    runs = np.arange(counts.size) % 2 == 1
    return np.ascontiguousarray(np.repeat(runs, counts).reshape(size_hw[1], size_hw[0]).T)


def fill_polygons(polygons: Sequence[NDArray[np.float64]], size_hw: tuple[int, int]) -> BoolMask:
    """Fill polygons as pycocotools does, and unite them.

    Args:
        polygons: (2N,) coordinates x, y, x, y, ... in pixels each; finite, and not far outside the picture.
        size_hw: Height and width in pixels.

    Returns:
        (H, W) bool.
    """
    mask = np.zeros(size_hw, np.bool_)
    for polygon in polygons:
        _fill(mask, polygon)
    return mask


def _counts(value: Any, where: str) -> NDArray[np.int64]:
    if isinstance(value, (str, bytes)):
        return _decompress(value.encode("utf-8", "replace") if isinstance(value, str) else value, where)
    if isinstance(value, (list, np.ndarray)):
        try:
            counts = np.asarray(value if len(value) else np.zeros(0, np.int64))
        except ValueError:  # lists of different lengths inside
            counts = np.zeros(0, np.object_)
        if counts.dtype.kind == "i" and counts.ndim == 1:
            return counts.astype(np.int64, copy=False)
    raise DataError(f"{where}: expected run lengths as a list of integers or as text, got {short(value)}")


def _decompress(text: bytes, where: str) -> NDArray[np.int64]:
    """Undo the compression: from the fourth on, a number is the difference to the one two before it."""
    counts: list[int] = []
    number = used = 0
    for place, character in enumerate(text):
        if not _FIRST <= character <= _LAST or used == _MOST_CHARACTERS:
            raise DataError(f"{where}: expected compressed run lengths, got {chr(character)!r} at character {place}")
        bits = character - _FIRST
        number |= (bits & (_MORE - 1)) << (_BITS * used)
        used += 1
        if bits & _MORE:
            continue
        if bits & _SIGN:
            number -= 1 << (_BITS * used)
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
        number = used = 0
    if used:
        raise DataError(f"{where}: compressed run lengths end in the middle of a number")
    # Differences of up to 40 bits add up beyond 64 bits only in texts of millions of characters; those are refused.
    if any(not -(1 << 62) < count < 1 << 62 for count in counts):
        raise DataError(f"{where}: expected compressed run lengths of a picture, got numbers beyond 62 bits")
    return np.array(counts, np.int64)


def _fill(mask: BoolMask, polygon: NDArray[np.float64]) -> None:
    """Set the pixels of one polygon; a pixel is inside after an odd number of crossings above it."""
    low, high = polygon.reshape(-1, 2).min(axis=0), polygon.reshape(-1, 2).max(axis=0)
    x, y = (max(0, int(edge) - 1) for edge in low)
    right, bottom = (min(size, int(edge) + 2) for size, edge in zip(mask.shape[::-1], high, strict=True))
    if right <= x or bottom <= y:
        return
    parity = np.zeros((right - x, bottom - y + 1), np.uint8)
    for edges in _edge_groups(polygon):
        columns, rows = _crossings(edges)
        inside = (columns >= x) & (columns < right)
        np.add.at(parity, (columns[inside] - x, rows[inside].clip(y, bottom) - y), 1)
    filled = np.bitwise_and(np.cumsum(parity, axis=1, dtype=np.uint8), 1)[:, :-1].astype(np.bool_)
    mask[y:bottom, x:right] |= filled.T


def _edge_groups(polygon: NDArray[np.float64]) -> Iterator[NDArray[np.int64]]:
    """Yield the edges (E, 4) as fine x, y, x, y in groups whose walks fit into memory, whatever the polygon."""
    points = np.trunc(polygon.reshape(-1, 2) * _FINER + 0.5).astype(np.int64)
    edges = np.concatenate([points, np.roll(points, -1, axis=0)], axis=1)
    walked = np.cumsum(np.abs(edges[:, :2] - edges[:, 2:]).max(axis=1) + 1)
    groups = walked // _POINTS_AT_ONCE
    yield from np.split(edges, np.flatnonzero(np.diff(groups)) + 1)


def _crossings(edges: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Walk along edges in steps of one fine pixel; return (column, row) wherever the middle of a column is crossed."""
    extent = np.abs(edges[:, 2:] - edges[:, :2])
    flat = extent[:, 0] >= extent[:, 1]
    # Along its longer side an edge makes steps of one, whichever way it was drawn.
    along = np.where(flat[:, None], edges[:, [0, 2]], edges[:, [1, 3]])
    across = np.where(flat[:, None], edges[:, [1, 3]], edges[:, [0, 2]])
    backwards = along[:, 0] > along[:, 1]
    along[backwards], across[backwards] = along[backwards, ::-1], across[backwards, ::-1]
    length = along[:, 1] - along[:, 0]
    slope = (across[:, 1] - across[:, 0]) / np.maximum(length, 1)
    edge = np.repeat(np.arange(len(edges)), length + 1)
    step = np.arange(edge.size) - np.repeat(np.cumsum(length + 1) - (length + 1), length + 1)
    on_along = along[edge, 0] + step
    on_across = np.trunc(across[edge, 0] + slope[edge] * step + 0.5).astype(np.int64)
    x, y = np.where(flat[edge], on_along, on_across), np.where(flat[edge], on_across, on_along)
    left = np.minimum(x[1:], x[:-1])
    crossed = (x[1:] != x[:-1]) & (edge[1:] == edge[:-1]) & (left % _FINER == _MIDDLE)
    top = np.minimum(y[1:], y[:-1])[crossed]
    return left[crossed] // _FINER, (top + _MIDDLE) // _FINER
