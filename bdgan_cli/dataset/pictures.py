"""Pictures of samples for people: tiles with the mask's colour and boundary, arranged in a grid.

All pictures are (H, W, 3) uint8 RGB. Tiles are drawn at twice their size and averaged down, so that boundaries are
smooth and sharp even on small images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.masks import ignore_value
from bdgan_cli.dataset.reader import Dataset
from bdgan_cli.dataset.selection import draw_rows

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

LABEL_COLOURS = (
    (0, 220, 255), (255, 64, 129), (255, 214, 0), (118, 255, 3), (213, 100, 249), (255, 145, 0),
    (41, 98, 255), (0, 191, 165), (255, 138, 128), (141, 110, 99), (255, 255, 255), (96, 125, 139),
)  # fmt: skip
PAPER, FRAME, INK, FAINT = (255, 255, 255), (238, 240, 243), (33, 37, 41), (110, 118, 129)
_FILL, _HATCH = 0.18, 0.5
_OVERSAMPLING = 2
_GAP, _CAPTION, _HEADER, _SWATCH = 10, 24, 40, 12
_FONT = cv2.FONT_HERSHEY_SIMPLEX


class Tile(NamedTuple):
    """One sample to draw; the mask may be None."""

    image: Picture
    mask: NDArray[Any] | None
    caption: str


class LegendEntry(NamedTuple):
    """A label's name and colour; no colour means the hatching of ignored pixels."""

    name: str
    colour: Colour | None


def legend_of(tiles: Sequence[Tile], label_names: Sequence[str]) -> list[LegendEntry]:
    """Return the labels that the tiles show, in their colours."""
    masks = [tile.mask for tile in tiles if tile.mask is not None]
    values = sorted({int(value) for mask in masks for value in np.unique(mask)} - {0})
    ignored = {ignore_value(mask) for mask in masks}
    return [
        LegendEntry("ignored", None) if value in ignored else LegendEntry(label_names[value], _label_colour(value))
        for value in values
    ]


def sample_tiles(dataset: Dataset, count: int, seed: int) -> list[Tile]:
    """Draw samples evenly over the classes and read them.

    Raises:
        DataError: If a sample is damaged.
    """
    names = {entry.id: entry.name for entry in dataset.info.classes}
    chosen = dataset.table.take(draw_rows(dataset.table["class_id"].to_pylist(), count, seed))
    some = Dataset(dataset.root, dataset.info, chosen, dataset.view)
    tiles = []
    for record, row in zip(some.iterate(("image", "mask")), chosen.to_pylist(), strict=True):
        assert record.image is not None
        name = names.get(row["class_id"], str(row["class_id"]))
        caption = name if math.isnan(row["uncertainty"]) else f"{name}  {row['uncertainty']:.3f}"
        tiles.append(Tile(record.image, record.mask, caption))
    return tiles


def draw_grid(
    tiles: Sequence[Tile], title: str, legend: Sequence[LegendEntry] = (), *, columns: int = 6, tile_px: int = 224
) -> Picture:
    """Arrange tiles in rows under a title, each with its caption.

    Args:
        tiles: At least one.
        title: A line above the tiles.
        legend: What the colours mean; stands at the end of the title's line.
        columns: Tiles in a row.
        tile_px: Edge of a tile in pixels.
    """
    assert tiles, "nothing to draw"
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    pitch_x, pitch_y = tile_px + _GAP, tile_px + _CAPTION + _GAP
    page = np.full((_HEADER + rows * pitch_y + _GAP, columns * pitch_x + _GAP, 3), PAPER, np.uint8)
    left = _draw_legend(page, legend)
    _write(page, title, (_GAP, 27), 0.55, INK, left - 2 * _GAP)
    for number, tile in enumerate(tiles):
        y = _HEADER + number // columns * pitch_y
        x = _GAP + number % columns * pitch_x
        page[y : y + tile_px, x : x + tile_px] = draw_tile(tile, tile_px)
        _write(page, tile.caption, (x, y + tile_px + 17), 0.42, FAINT, tile_px)
    return page


def draw_tile(tile: Tile, tile_px: int) -> Picture:
    """Draw a sample as large as fits into a square, the rest in a quiet colour."""
    edge = tile_px * _OVERSAMPLING
    height, width = tile.image.shape[:2]
    scale = edge / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    drawn = _resize(tile.image, size, cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    if tile.mask is not None:
        drawn = _draw_mask(drawn, tile.mask)
    square = np.full((edge, edge, 3), FRAME, np.uint8)
    x, y = (edge - size[0]) // 2, (edge - size[1]) // 2
    square[y : y + size[1], x : x + size[0]] = drawn
    return _resize(square, (tile_px, tile_px), cv2.INTER_AREA)


def _draw_mask(image: Picture, mask: NDArray[Any]) -> Picture:
    """Tint and outline each label; hatch what is to be ignored."""
    size = (image.shape[1], image.shape[0])
    drawn = image.copy()
    ignored = _smooth(mask == ignore_value(mask), size)
    rows, columns = np.ogrid[: size[1], : size[0]]
    hatched = ignored & ((rows + columns) % 12 < 4)
    drawn[hatched] = _blend(drawn[hatched], PAPER, _HATCH)
    for label in (int(value) for value in np.unique(mask) if value not in (0, ignore_value(mask))):
        colour = _label_colour(label)
        inside = _smooth(mask == label, size)
        drawn[inside] = _blend(drawn[inside], colour, _FILL)
        _outline(drawn, inside, colour)
    return drawn


def _draw_legend(page: Picture, legend: Sequence[LegendEntry]) -> int:
    """Draw a swatch and a name for each entry from the right, and return where the legend begins.

    The entries that do not fit into three quarters of the page are counted instead.
    """
    x: int = page.shape[1] - _GAP
    room = page.shape[1] * 3 // 4
    reach = np.cumsum([_text_width(name) + _SWATCH + 6 + 2 * _GAP for name, _ in legend])
    fitting = int(np.searchsorted(reach, room))
    if fitting < len(legend):
        # The count of the others takes room, too.
        fitting = int(np.searchsorted(reach, room - _text_width(f"+ {len(legend)} more") - 2 * _GAP))
        text = f"+ {len(legend) - fitting} more"
        x -= _text_width(text)
        _write(page, text, (x, 26), 0.42, FAINT, page.shape[1])
        x -= 2 * _GAP
    for name, colour in reversed(legend[:fitting]):
        x -= _text_width(name)
        _write(page, name, (x, 26), 0.42, FAINT, page.shape[1])
        x -= _SWATCH + 6
        page[15 : 15 + _SWATCH, x : x + _SWATCH] = _swatch(colour)
        x -= 2 * _GAP
    return x


def _text_width(text: str) -> int:
    width: int = cv2.getTextSize(text, _FONT, 0.42, 1)[0][0]
    return width


def _swatch(colour: Colour | None) -> Picture:
    swatch = np.full((_SWATCH, _SWATCH, 3), colour or FAINT, np.uint8)
    if colour is None:
        rows, columns = np.ogrid[:_SWATCH, :_SWATCH]
        swatch[(rows + columns) % 6 < 2] = PAPER
    return swatch


def _label_colour(label: int) -> Colour:
    return LABEL_COLOURS[(label - 1) % len(LABEL_COLOURS)]


def _outline(image: Picture, inside: NDArray[np.bool_], colour: Colour) -> None:
    polygons, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.polylines(image, polygons, True, (20, 20, 20), 3 * _OVERSAMPLING, cv2.LINE_AA)
    cv2.polylines(image, polygons, True, colour, 2 * _OVERSAMPLING - 1, cv2.LINE_AA)


def _smooth(region: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Enlarge a region so that its boundary runs straight between pixels instead of in steps."""
    return _resize(region.astype(np.float32), size, cv2.INTER_LINEAR) >= 0.5


def _resize(pixels: NDArray[Any], size: tuple[int, int], method: int) -> NDArray[Any]:
    return cv2.resize(pixels, size, interpolation=method)


def _blend(pixels: Picture, colour: Colour, share: float) -> Picture:
    return (pixels * (1 - share) + np.array(colour) * share).astype(np.uint8)


def _write(page: Picture, text: str, at: tuple[int, int], scale: float, colour: Colour, width_px: int) -> None:
    """Write a line of text, shortened to the width it has."""
    while len(text) > 4 and cv2.getTextSize(text, _FONT, scale, 1)[0][0] > width_px:
        text = text[:-4].rstrip() + "..."
    cv2.putText(page, text, at, _FONT, scale, colour, 1, cv2.LINE_AA)
