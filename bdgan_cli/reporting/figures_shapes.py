"""Figures of mean shapes: one mode of each of many classes (supplement figure 8), and all modes of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from numpy.typing import NDArray

from bdgan_cli.reporting.drawing import INK, Drawn, drawing

_GROUND = "#f1f3f5"
_GAP_PX = 3
_LETTER = 0.088  # inches of a letter of the title
_MOST_NAMED = 60


class ClassModes(NamedTuple):
    """The mean shapes of one class: (k, S, S) in [0, 1] and (k,) sizes, the largest cluster first."""

    name: str
    means_kSS: NDArray[np.float32]
    sizes: NDArray[np.int64]


def mean_shapes_figure(names: Sequence[str], shapes: Sequence[NDArray[np.float32]], title: str, colour: str) -> Drawn:
    """Draw one mean shape for each class, row by row; up to 60 are named.

    Args:
        names: One per class.
        shapes: At least one (S, S) in [0, 1].
        title: A line above.
        colour: Of a pixel that all masks cover.
    """
    named = len(names) <= _MOST_NAMED
    rows = -(-len(names) // (10 if named else 25))
    columns = -(-len(names) // rows)
    tile = 0.78 if named else 0.36
    size = (max(columns * tile, _LETTER * len(title)), rows * (tile + (0.14 if named else 0)) + 0.38)
    with drawing(*size) as (figure, done):
        figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
        if not named:
            _show(figure.subplots(), _mosaic(shapes, columns), colour)
        else:
            panels = figure.subplots(rows, columns, squeeze=False).flatten()
            for axes, name, shape in zip(panels, names, shapes, strict=False):
                _show(axes, shape, colour)
                axes.set_xlabel(_shortened(name, 18), fontsize=6.5, labelpad=2)
            for axes in panels[len(names) :]:
                axes.set_axis_off()
    return done[0]


def class_modes_figure(classes: Sequence[ClassModes], title: str, colour: str, columns: int = 2) -> Drawn:
    """Draw all mean shapes of each class with the sizes of their clusters, the largest first.

    Args:
        classes: At least one.
        title: A line above.
        colour: Of a pixel that all masks cover.
        columns: Classes side by side.
    """
    columns = min(columns, len(classes))
    rows = -(-len(classes) // columns)
    most = max(len(entry.sizes) for entry in classes)
    with drawing(max(columns * (0.62 * most + 0.95), _LETTER * len(title)), rows * 0.84 + 0.36) as (figure, done):
        figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.025, wspace=0, hspace=0)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
        ratios = ([1.45] + [1.0] * most) * columns
        grid = figure.subplots(rows, len(ratios), squeeze=False, width_ratios=ratios)
        for axes in grid.flat:
            axes.set_axis_off()
        for number, entry in enumerate(classes):
            first = number % columns * (most + 1)
            _draw_class(grid[number // columns, first : first + most + 1], entry, colour)
    return done[0]


def _draw_class(cells: NDArray[Any], entry: ClassModes, colour: str) -> None:
    total = int(entry.sizes.sum())
    cells[0].set(xlim=(0, 1), ylim=(0, 1))
    cells[0].text(0.95, 0.56, _shortened(entry.name, 17), ha="right", va="center", fontsize=7.5, color=INK)
    cells[0].text(0.95, 0.36, f"{total:,} masks", ha="right", va="center", fontsize=6, color="#868e96")
    for axes, mean, size in zip(cells[1:], entry.means_kSS, entry.sizes, strict=False):
        axes.set_axis_on()
        _show(axes, mean, colour)
        axes.set_xlabel(f"{size:,} ({size / total:.0%})", fontsize=6, labelpad=1.5, color="#495057")


def _show(axes: Axes, shape: NDArray[np.float32], colour: str) -> None:
    """Draw values in [0, 1] from the ground's colour to the dataset's; NaN stays white."""
    shades: list[Any] = [_GROUND, *_shades(colour)]
    shading = LinearSegmentedColormap.from_list("shape", shades)
    axes.imshow(np.ma.masked_invalid(shape), cmap=shading, vmin=0, vmax=1, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _mosaic(shapes: Sequence[NDArray[np.float32]], columns: int) -> NDArray[np.float32]:
    """Arrange shapes in rows with gaps of NaN."""
    edge = shapes[0].shape[0]
    rows, pitch = -(-len(shapes) // columns), edge + _GAP_PX
    page = np.full((rows * pitch - _GAP_PX, columns * pitch - _GAP_PX), np.nan, np.float32)
    for number, shape in enumerate(shapes):
        y, x = number // columns * pitch, number % columns * pitch
        page[y : y + edge, x : x + edge] = shape
    return page


def _shades(colour: str) -> list[NDArray[np.float64]]:
    """Return a light, the full and a dark shade of a colour, so that half-covered pixels are told apart."""
    full = np.array(to_rgb(colour))
    return [0.5 * full + 0.5, full, 0.65 * full]


def _shortened(name: str, letters: int) -> str:
    name = name.replace("_", " ")
    return name if len(name) <= letters else name[: letters - 1].rstrip() + "…"
