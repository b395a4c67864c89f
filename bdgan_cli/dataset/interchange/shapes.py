"""Regions as annotation tools draw them; each draws itself into a mask of the picture's size.

Polygons are filled as those of COCO: a pixel belongs to a region if its middle is inside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.codecs import PNG_SIGNATURE, decode_raw
from bdgan_cli.dataset.fields import short
from bdgan_cli.dataset.importers.coco_file import Drawn
from bdgan_cli.dataset.importers.coco_masks import checked_polygon
from bdgan_cli.dataset.importers.coco_rle import fill_polygons
from bdgan_cli.dataset.interchange.brush import decode_brush
from bdgan_cli.errors import DataError

BoolMask = NDArray[np.bool_]
SizeHW = tuple[int, int]

_CIRCLE_CORNERS = 128


@dataclass(frozen=True)
class Polygon:
    """A closed line.

    Attributes:
        points: (N, 2) x and y.
        full: What stands for the picture's whole width or height: 1 for shares, 100 for per cent; None for pixels.
    """

    points: NDArray[np.float64]
    full: float | None = None

    def draw(self, size_hw: SizeHW, where: str) -> BoolMask:
        """Fill it."""
        points = self.points if self.full is None else self.points * (np.array(size_hw[::-1]) / self.full)
        return fill_polygons([checked_polygon(points.reshape(-1), size_hw, where)], size_hw)


@dataclass(frozen=True)
class Brush:
    """What Label Studio keeps of painted pixels."""

    packed: bytes

    def draw(self, size_hw: SizeHW, where: str) -> BoolMask:
        """Unpack it."""
        return decode_brush(self.packed, size_hw, where)


@dataclass(frozen=True)
class Stamp:
    """A small mask as a PNG, and where it lies.

    Attributes:
        png: The file; anything but 0 is the region.
        corner: x and y in pixels of its first pixel.
    """

    png: bytes
    corner: tuple[int, int]

    def draw(self, size_hw: SizeHW, where: str) -> BoolMask:
        """Put it into the picture."""
        # The header is read before anything is decoded: a few bytes can claim to be a picture of any size.
        if not self.png.startswith(PNG_SIGNATURE) or len(self.png) < 33:
            raise DataError(f"{where}: expected a mask as PNG, got {len(self.png)} bytes of something else")
        width, height = (int.from_bytes(self.png[at : at + 4], "big") for at in (16, 20))
        x, y = self.corner
        if x < 0 or y < 0 or x + width > size_hw[1] or y + height > size_hw[0]:
            got = f"{width}x{height} at {x}, {y}"
            raise DataError(f"{where}: expected a mask inside the picture of {size_hw[1]}x{size_hw[0]}, got {got}")
        pixels = decode_raw(self.png, where)
        if pixels.shape[:2] != (height, width):
            raise DataError(f"{where}: expected a mask of {width}x{height}, got {pixels.shape[1]}x{pixels.shape[0]}")
        mask = np.zeros(size_hw, np.bool_)
        mask[y : y + height, x : x + width] = (pixels if pixels.ndim == 2 else pixels[..., :3].max(axis=2)) > 0
        return mask


@dataclass(frozen=True)
class Without:
    """A region from which others were cut out."""

    region: Drawn
    holes: tuple[Drawn, ...]

    def draw(self, size_hw: SizeHW, where: str) -> BoolMask:
        """Draw it, and clear the others."""
        mask = self.region.draw(size_hw, where)
        for hole in self.holes:
            mask &= ~hole.draw(size_hw, where)
        return mask


def circle(centre: tuple[float, float], on_rim: tuple[float, float]) -> Polygon:
    """Return a circle as a polygon."""
    radius = math.dist(centre, on_rim)
    turns = np.linspace(0, 2 * np.pi, _CIRCLE_CORNERS, endpoint=False)
    return Polygon(np.stack([centre[0] + radius * np.cos(turns), centre[1] + radius * np.sin(turns)], axis=1))


def read_points(value: Any, least: int, where: str) -> NDArray[np.float64]:
    """Check a list of points from a foreign file.

    Args:
        value: What should be a list of pairs of numbers.
        least: The fewest that make a shape.
        where: What it belongs to, for messages.

    Returns:
        (N, 2) finite x and y.

    Raises:
        DataError: If it is something else.
    """
    if not isinstance(value, list) or not all(_is_pair(point) for point in value):
        raise DataError(f"{where}: expected points as a list of pairs of numbers, got {short(value)}")
    if len(value) < least:
        raise DataError(f"{where}: expected at least {least} points, got {len(value)}")
    points = np.array(value, np.float64).reshape(-1, 2)
    if not (np.abs(points) < 1e9).all():  # NaN compares as False
        raise DataError(f"{where}: expected finite coordinates, got {short(value)}")
    return points


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_is_number(number) for number in value)


def _is_number(value: Any) -> bool:
    # An integer of hundreds of digits is no coordinate, and numpy cannot take it.
    return type(value) is float or (type(value) is int and abs(value) < 1 << 53)
