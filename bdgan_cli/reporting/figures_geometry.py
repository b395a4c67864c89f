"""Figures of mask geometry: Table 1's seven numbers with intervals, how complex outlines are, and some outlines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, ScalarFormatter
from numpy.typing import NDArray

from bdgan_cli.reporting.drawing import INK, QUIET, SERIES, Drawn, Floats, drawing

_MEANINGS = {
    "IN": "pieces per image",
    "MI": "mask / image area",
    "BI": "box / image area",
    "MB": "mask / box area",
    "PL": "outline length",
    "SC": "outline points",
    "SD": "distance of outlines",
}
_FAINT = "#868e96"
_TICKS = [digit * 10**power for power in range(5) for digit in (1, 2, 5)]


class Example(NamedTuple):
    """An outline to draw.

    Attributes:
        points: (V, 2) x and y in [0, 1]; none leaves the place empty.
        caption: Such as its class.
        length: Length of the closed outline.
    """

    points: Floats
    caption: str
    length: float


def estimates_figure(names: Sequence[str], numbers: Mapping[str, Floats]) -> Drawn:
    """Draw one small panel for each figure, in it a dot with its 95 % interval for each dataset.

    Args:
        names: D datasets.
        numbers: For each figure, (D, 3) value and the interval's ends; NaN for what is unknown.
    """
    columns = 4
    rows = -(-len(numbers) // columns)
    with drawing(8.4, rows * (0.75 + 0.26 * len(names))) as (figure, done):
        panels = figure.subplots(rows, columns, squeeze=False).flatten()
        for at, (axes, (name, values)) in enumerate(zip(panels, numbers.items(), strict=False)):
            _draw_estimates(axes, values)
            axes.set_yticks(
                range(len(names)), [_short(each) for each in names] if at % columns == 0 else [""] * len(names)
            )
            axes.set_title(name)
            axes.set_xlabel(_MEANINGS.get(name, ""), fontsize=8)
        for axes in panels[len(numbers) :]:
            axes.set_axis_off()
        panels[-1].text(0, 0.5, "dot: mean\nline: 95 % interval", fontsize=8, color=_FAINT, va="center")
    return done[0]


def complexity_figure(counts: Mapping[str, NDArray[np.int64]]) -> Drawn:
    """Draw how many points the simplified outlines have: a row for each dataset, on one logarithmic axis.

    Args:
        counts: For each dataset, (N,) numbers of points, N >= 1.
    """
    edges = _integer_edges(list(counts.values()))
    with drawing(5.2, 0.75 + 0.75 * len(counts)) as (figure, done):
        rows = figure.subplots(len(counts), 1, sharex=True, squeeze=False).flatten()
        for number, (axes, (name, values)) in enumerate(zip(rows, counts.items(), strict=True)):
            _draw_distribution(axes, values, edges, SERIES[number % len(SERIES)])
            axes.text(0.01, 0.95, _short(name), transform=axes.transAxes, va="top", fontsize=8, color=INK)
            axes.text(0.01, 0.68, f"n = {len(values):,}", transform=axes.transAxes, va="top", fontsize=7, color=_FAINT)
        rows[0].set_title("Shape complexity")
        last = rows[-1]
        last.set(xscale="log", xlim=(edges[0], edges[-1]), xlabel="points of the outline (SC); dotted: median")
        last.xaxis.set_major_locator(FixedLocator([tick for tick in _TICKS if edges[0] <= tick <= edges[-1]]))
        last.xaxis.set_minor_locator(NullLocator())
        last.xaxis.set_major_formatter(ScalarFormatter())
    return done[0]


def polygons_figure(examples: Mapping[str, Sequence[Example]], levels: Sequence[str], per_level: int) -> Drawn:
    """Draw outlines of rising complexity in the unit square, a row for each dataset.

    Args:
        examples: For each dataset, ``per_level`` outlines of each level, level by level.
        levels: Names of the levels.
        per_level: Outlines of each.
    """
    columns = len(levels) * per_level
    with drawing(1.05 * columns, 1.45 * len(examples) + 0.3) as (figure, done):
        panels = figure.subplots(len(examples), columns, squeeze=False)
        for number, (row, (name, outlines)) in enumerate(zip(panels, examples.items(), strict=True)):
            for axes, example in zip(row, outlines, strict=True):
                _draw_outline(axes, example, SERIES[number % len(SERIES)])
            row[0].set_ylabel(_short(name), fontsize=8)
        for at, level in enumerate(levels):
            panels[0, at * per_level].set_title(level, pad=9)
    return done[0]


def _draw_estimates(axes: Axes, values: Floats) -> None:
    for place, (value, low, high) in enumerate(values):
        colour = SERIES[place % len(SERIES)]
        axes.plot([low, high], [place, place], color=colour, lw=2, solid_capstyle="round", alpha=0.55)
        axes.plot([value], [place], "o", color=colour, ms=5)
    if np.isnan(values[:, 0]).all():
        axes.text(0.5, 0.5, "unknown", transform=axes.transAxes, ha="center", va="center", color=_FAINT)
        axes.set_xticks([])
    else:
        axes.margins(x=0.2)
        axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=QUIET, lw=0.5, alpha=0.5)
    axes.spines["left"].set_visible(False)


def _draw_outline(axes: Axes, example: Example, colour: str) -> None:
    axes.set(xlim=(-0.06, 1.06), ylim=(1.06, -0.06), aspect="equal", xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    if not len(example.points):
        return
    closed = np.concatenate([example.points, example.points[:1]])
    axes.fill(closed[:, 0], closed[:, 1], color=colour, alpha=0.15, lw=0)
    axes.plot(closed[:, 0], closed[:, 1], color=colour, lw=0.9)
    axes.plot(example.points[:, 0], example.points[:, 1], "o", color=INK, ms=1.1)
    text = f"{_short(example.caption, 16)}\nSC {len(example.points)}, PL {example.length:.1f}"
    axes.set_xlabel(text, fontsize=6, color="#495057", labelpad=2)


def _draw_distribution(axes: Axes, values: NDArray[np.int64], edges: Floats, colour: str) -> None:
    """Draw a histogram whose areas on the logarithmic axis are shares of the masks, and the median."""
    median = float(np.median(values))
    density = np.histogram(values, edges)[0] / len(values) / np.diff(np.log(edges))
    axes.stairs(density, edges, color=colour, fill=True, alpha=0.25)
    axes.stairs(density, edges, color=colour, lw=1.4)
    axes.axvline(median, color=INK, lw=1, ls=":")
    axes.annotate(
        f"{median:g}", (median, 1), (3, 0), xycoords=("data", "axes fraction"), textcoords="offset points",
        va="top", fontsize=8, color=INK,
    )  # fmt: skip
    axes.set_ylim(0, density.max() * 1.3)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _integer_edges(counts: Sequence[NDArray[np.int64]]) -> Floats:
    """Return at most 30 bins between whole numbers, growing by the same factor where they can."""
    least, greatest = (int(edge) for edge in (min(c.min() for c in counts), max(c.max() for c in counts)))
    edges: Floats = np.unique(np.round(np.geomspace(max(least, 1), greatest + 1, 31))) - 0.5
    return edges


def _short(text: str, limit: int = 22) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
