"""The figure of object centres: one panel per dataset on equal axes, y downward as in a picture (supplement figure 1).

Few centres are drawn one by one with a cross at their mean, many as a density of hexagons with lines around the densest
50 % and 90 %. Dashed lines show the regions that are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.patches import Circle, Rectangle
from scipy.ndimage import gaussian_filter

from bdgan_cli.reporting.drawing import INK, QUIET, SERIES, Drawn, Floats, drawing, shortened

STYLES = ("auto", "points", "density")
MOST_POINTS = 5_000
_LEAST_FOR_CONTOURS = 100
_CELLS, _BINS = 128, 50
_COLUMNS, _PANEL = 4, 2.75


class Cloud(NamedTuple):
    """The centres of one dataset.

    Attributes:
        name: The dataset's name.
        centers_N2: x and y in [0, 1].
        caption: A line under the name, such as the number of masks.
    """

    name: str
    centers_N2: Floats
    caption: str


def centers_figure(clouds: Sequence[Cloud], near: float, corner: float, style: str = "auto") -> Drawn:
    """Draw the centres of each dataset.

    Args:
        clouds: At least one.
        near: Radius of the circle that counts as near the picture's centre.
        corner: Edge of the squares that count as corners.
        style: ``points``, ``density``, or ``auto``: points up to 5,000.
    """
    columns = min(len(clouds), _COLUMNS)
    rows = -(-len(clouds) // columns)
    dense = [style == "density" or (style == "auto" and len(cloud.centers_N2) > MOST_POINTS) for cloud in clouds]
    with drawing(columns * _PANEL + 0.2, rows * (_PANEL + (0.65 if any(dense) else 0.35))) as (figure, done):
        panels = figure.subplots(rows, columns, squeeze=False).flatten()
        for number, (axes, cloud) in enumerate(zip(panels, clouds, strict=False)):
            colour = SERIES[number % len(SERIES)]
            _draw_frame(axes, cloud, near, corner, is_first=number % columns == 0)
            if len(cloud.centers_N2):
                (_draw_density if dense[number] else _draw_points)(axes, cloud.centers_N2, colour)
            _draw_margins(axes, cloud.centers_N2, colour)
        for axes in panels[len(clouds) :]:
            axes.set_axis_off()
    return done[0]


def _draw_frame(axes: Axes, cloud: Cloud, near: float, corner: float, *, is_first: bool) -> None:
    """Draw the unit square with the regions that are counted."""
    axes.set(xlim=(0, 1), ylim=(1, 0), aspect="equal", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    axes.set_xlabel("x / width")
    axes.set_title(shortened(cloud.name), pad=44)
    axes.text(0, 1.175, cloud.caption, transform=axes.transAxes, fontsize=7.5, color="#495057", linespacing=1.3)
    axes.set_ylabel("y / height" if is_first else "")
    for spine in axes.spines.values():
        spine.set(visible=True, color=QUIET, linewidth=0.8)
    line: dict[str, Any] = {
        "fill": False,
        "edgecolor": "#495057",
        "linewidth": 0.7,
        "linestyle": (0, (3, 2)),
        "zorder": 4,
    }
    axes.add_patch(Circle((0.5, 0.5), near, **line))
    for x, y in ((0, 0), (1 - corner, 0), (0, 1 - corner), (1 - corner, 1 - corner)):
        axes.add_patch(Rectangle((x, y), corner, corner, **line))


def _draw_points(axes: Axes, centers_N2: Floats, colour: str) -> None:
    size = float(np.clip(2500 / len(centers_N2), 3, 12))
    alpha = float(np.clip(120 / len(centers_N2), 0.3, 0.65))
    axes.scatter(centers_N2[:, 0], centers_N2[:, 1], s=size, color=colour, alpha=alpha, lw=0, rasterized=True)
    axes.plot(*centers_N2.mean(axis=0), "+", color=INK, ms=7, mew=1.3)


def _draw_density(axes: Axes, centers_N2: Floats, colour: str) -> None:
    """Fill hexagons by their number of centres, on a logarithmic scale so that lone ones in the corners are seen."""
    shades: list[Any] = [
        _mixed(colour, "#ffffff", 0.85),
        _mixed(colour, "#ffffff", 0.35),
        colour,
        _mixed(colour, INK, 0.5),
    ]
    shading = LinearSegmentedColormap.from_list("density", shades)
    cells = axes.hexbin(
        centers_N2[:, 0], centers_N2[:, 1], gridsize=(48, 28), extent=(0, 1, 0, 1), bins="log", mincnt=1,
        cmap=shading, lw=0.1, rasterized=True,
    )  # fmt: skip
    bar = axes.figure.colorbar(cells, cax=axes.inset_axes((0.15, -0.34, 0.7, 0.035)), orientation="horizontal")
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7, length=2)
    bar.ax.minorticks_off()
    bar.set_label("masks in a hexagon", fontsize=7.5)
    _draw_contours(axes, centers_N2)


def _draw_contours(axes: Axes, centers_N2: Floats) -> None:
    """Enclose the densest 50 % and 90 % of the centres."""
    if len(centers_N2) < _LEAST_FOR_CONTOURS:
        return
    counts, edges, _ = np.histogram2d(centers_N2[:, 0], centers_N2[:, 1], bins=_CELLS, range=[(0, 1), (0, 1)])
    # Few centres need a wide kernel (Scott's rule), many a narrow one.
    spread = float(centers_N2.std(axis=0).mean())
    kernel = max(1.5, spread * len(centers_N2) ** (-1 / 6) * _CELLS)
    density = gaussian_filter(counts, kernel, mode="nearest")
    falling = np.sort(density, axis=None)[::-1]
    mass = np.cumsum(falling) / falling.sum()
    levels = {float(falling[np.searchsorted(mass, share)]): f"{share:.0%}" for share in (0.9, 0.5)}
    if len(levels) < 2 or min(levels) <= 0:
        return
    middles = (edges[1:] + edges[:-1]) / 2
    lines = axes.contour(middles, middles, density.T, levels=sorted(levels), colors=INK, linewidths=(0.8, 1.1))
    axes.clabel(lines, fmt=levels, fontsize=6.5)


def _draw_margins(axes: Axes, centers_N2: Floats, colour: str) -> None:
    """Draw the distribution of x above the panel and that of y beside it."""
    above, beside = axes.inset_axes((0, 1.02, 1, 0.13)), axes.inset_axes((1.02, 0, 0.13, 1))
    above.set_xlim(0, 1)
    beside.set_ylim(1, 0)
    bins = min(_BINS, max(10, int(np.sqrt(len(centers_N2)) * 1.5)))
    style: dict[str, Any] = {"bins": bins, "range": (0, 1), "color": _mixed(colour, "#ffffff", 0.45)}
    above.hist(centers_N2[:, 0], **style)
    beside.hist(centers_N2[:, 1], orientation="horizontal", **style)
    for margin in (above, beside):
        margin.set_axis_off()


def _mixed(colour: str, other: str, share: float) -> tuple[float, float, float]:
    """Return a colour between two, ``share`` of the way to the other."""
    red, green, blue = (1 - share) * np.array(to_rgb(colour)) + share * np.array(to_rgb(other))
    return float(red), float(green), float(blue)
