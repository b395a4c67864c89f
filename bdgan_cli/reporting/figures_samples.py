"""Sheets of samples: masks and boundary polygons side by side, and rows of one class each (supplement figures 2 to 7).

Pictures are (H, W, 3) uint8 RGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

PAPER, FRAME, INK, FAINT = (255, 255, 255), (238, 240, 243), "#212529", "#6e7681"
_TINT, _FADE = 0.55, 0.35
_OVERSAMPLING = 2
_GAP, _PAIR_GAP, _CAPTION, _HEADER, _NAMES = 12, 2, 22, 44, 132
_DPI = 100


class Region(NamedTuple):
    """A label's pixels and boundary.

    Attributes:
        colour: How it is drawn; None fades what is to be ignored.
        inside: (H, W) bool.
        polygons: (V, 2) x and y of each boundary in pixels, where the middle of the first pixel is (0, 0).
    """

    colour: Colour | None
    inside: NDArray[np.bool_]
    polygons: Sequence[NDArray[np.float64]] = ()


class Text(NamedTuple):
    """A line of text: its anchor in pixels, its height in points, and whether it ends at the anchor."""

    words: str
    x: float
    y: float
    points: float
    colour: str = INK
    is_bold: bool = False
    ends_there: bool = False


def mask_tile(image: Picture, regions: Sequence[Region], tile_px: int) -> Picture:
    """Draw a picture with its labels tinted, as large as fits into a square."""
    large, _ = _enlarged(image, tile_px)
    size = (large.shape[1], large.shape[0])
    for region in regions:
        # Enlarged by interpolation, so that the edge runs straight between pixels instead of in steps.
        inside = np.asarray(cv2.resize(region.inside.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)) >= 0.5
        share = _FADE if region.colour is None else _TINT
        large[inside] = (large[inside] * (1 - share) + np.array(region.colour or PAPER) * share).astype(np.uint8)
    return _framed(large, tile_px)


def polygon_tile(image: Picture, regions: Sequence[Region], tile_px: int) -> Picture:
    """Draw a picture with the boundary polygons of its labels and their corner points."""
    large, scale = _enlarged(image, tile_px)
    unit = _OVERSAMPLING
    for region in regions:
        if region.colour is None:
            continue
        # OpenCV takes fractions of pixels as whole numbers of 1/16; a pixel's middle is its own coordinate.
        lines = [np.rint(((line + 0.5) * scale - 0.5) * 16).astype(np.int32) for line in region.polygons]
        cv2.polylines(large, lines, True, (20, 20, 20), 3 * unit, cv2.LINE_AA, 4)
        cv2.polylines(large, lines, True, region.colour, unit + 1, cv2.LINE_AA, 4)
        for x, y in (point for line in lines for point in line.tolist()):
            cv2.circle(large, (x, y), 24 * unit, PAPER, -1, cv2.LINE_AA, 4)
    return _framed(large, tile_px)


def pair_sheet(pairs: Sequence[tuple[Picture, Picture]], captions: Sequence[str], title: str, columns: int) -> Picture:
    """Arrange pairs of tiles in rows, each pair with a caption.

    Args:
        pairs: At least one; all tiles of one size.
        captions: A line under each pair.
        title: A line above all.
        columns: Pairs in a row.
    """
    tile = pairs[0][0].shape[0]
    columns = min(columns, len(pairs))
    pitch_x, pitch_y = 2 * tile + _PAIR_GAP + _GAP, tile + _CAPTION + _GAP
    page = _page(_HEADER + -(-len(pairs) // columns) * pitch_y, _GAP + columns * pitch_x)
    texts = [Text(title, _GAP, 28, 11, is_bold=True)]
    for number, ((left, right), caption) in enumerate(zip(pairs, captions, strict=True)):
        x, y = _GAP + number % columns * pitch_x, _HEADER + number // columns * pitch_y
        _place(page, left, x, y)
        _place(page, right, x + tile + _PAIR_GAP, y)
        texts.append(Text(caption, x, y + tile + 15, 7.5, FAINT))
    return _written(page, texts)


def class_sheet(rows: Sequence[tuple[str, Sequence[Picture]]], title: str) -> Picture:
    """Arrange tiles in rows of one class each, with the class's name at the left.

    Args:
        rows: Name and tiles of each class; at least one tile in all, all of one size.
        title: A line above.
    """
    tile = next(tiles[0].shape[0] for _, tiles in rows if tiles)
    pitch = tile + 4
    columns = max(len(tiles) for _, tiles in rows)
    page = _page(_HEADER + len(rows) * pitch + _GAP, _NAMES + columns * pitch + _GAP)
    texts = [Text(title, _GAP, 28, 11, is_bold=True)]
    for number, (name, tiles) in enumerate(rows):
        y = _HEADER + number * pitch
        for column, picture in enumerate(tiles):
            _place(page, picture, _NAMES + column * pitch, y)
        lines = _wrapped(name.replace("_", " "), 17)
        for place, line in enumerate(lines):
            down = y + tile / 2 + 5 + 16 * (place - (len(lines) - 1) / 2)
            texts.append(Text(line, _NAMES - 10, down, 8.5, ends_there=True))
    return _written(page, texts)


def _enlarged(image: Picture, tile_px: int) -> tuple[Picture, float]:
    """Return a copy whose longer side is twice the tile's, and the scale."""
    edge = tile_px * _OVERSAMPLING
    height, width = image.shape[:2]
    scale = edge / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.array(cv2.resize(image, size, interpolation=method), np.uint8), scale


def _framed(large: Picture, tile_px: int) -> Picture:
    """Centre a picture in a square and average it down to the tile's size."""
    edge = tile_px * _OVERSAMPLING
    square = np.full((edge, edge, 3), FRAME, np.uint8)
    y, x = (edge - large.shape[0]) // 2, (edge - large.shape[1]) // 2
    square[y : y + large.shape[0], x : x + large.shape[1]] = large
    return np.asarray(cv2.resize(square, (tile_px, tile_px), interpolation=cv2.INTER_AREA), np.uint8)


def _page(height: int, width: int) -> Picture:
    return np.full((height, max(width, 560), 3), PAPER, np.uint8)


def _place(page: Picture, tile: Picture, x: int, y: int) -> None:
    page[y : y + tile.shape[0], x : x + tile.shape[1]] = tile


def _written(page: Picture, texts: Sequence[Text]) -> Picture:
    """Write on a page in the letters of the charts; the same page and words give the same pixels."""
    height, width = page.shape[:2]
    with matplotlib.rc_context({"font.family": "sans-serif"}):
        figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
        canvas = FigureCanvasAgg(figure)
        figure.figimage(page)
        for text in texts:
            figure.text(
                text.x / width, 1 - text.y / height, text.words, fontsize=text.points, color=text.colour,
                fontweight="bold" if text.is_bold else "normal", ha="right" if text.ends_there else "left",
                va="baseline", parse_math=False,
            )  # fmt: skip
        canvas.draw()  # type: ignore[no-untyped-call]
        drawn: Picture = np.asarray(canvas.buffer_rgba())[:, :, :3]  # type: ignore[no-untyped-call]
    return drawn.copy()


def _wrapped(name: str, letters: int, most: int = 3) -> list[str]:
    """Break a name into lines; what does not fit is cut."""
    lines = [""]
    for word in name.split():
        joined = f"{lines[-1]} {word}".strip()
        if len(joined) <= letters or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(word)
    kept = [line if len(line) <= letters else line[: letters - 1] + "…" for line in lines[:most]]
    return kept if len(lines) <= most else [*kept[:-1], kept[-1][: letters - 1].rstrip() + "…"]
