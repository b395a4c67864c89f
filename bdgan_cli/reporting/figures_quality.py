"""Charts of quality: FID and KID by dataset and by class, uncertainty of labels by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bdgan_cli.reporting.drawing import INK, QUIET, SERIES, Drawn, drawing

_MOST_CLASSES = 40
_ROW, _MARGIN = 0.2, 1.0
_DODGE = 0.6
_KID = "KID × 1000 (± 1 s.d. of subsets)"


class Bar(NamedTuple):
    """Distances of one set from the reference; NaN where one was not measured.

    Attributes:
        name: Of the dataset or class.
        fid: Fréchet distance.
        kid: Kernel distance in thousandths.
        spread: Standard deviation of ``kid`` over subsets.
    """

    name: str
    fid: float
    kid: float
    spread: float


class Box(NamedTuple):
    """A distribution within a class: its 5 %, 25 %, 50 %, 75 % and 95 % quantiles."""

    name: str
    quantiles: tuple[float, ...]


def distance_chart(bars: Sequence[Bar], features: str) -> Drawn:
    """Draw FID and KID of each dataset side by side.

    Args:
        bars: One for each dataset, in the order of their colours.
        features: Which features were compared; every such figure must say it.
    """
    with drawing(6.6, 0.95 + 0.32 * len(bars)) as (figure, done):
        left, right = figure.subplots(1, 2, sharey=True)
        for number, bar in enumerate(bars):
            colour = SERIES[number % len(SERIES)]
            left.barh(number, bar.fid, 0.6, color=colour)
            right.barh(number, bar.kid, 0.6, color=colour)
            right.errorbar(bar.kid, number, xerr=bar.spread, color=INK, lw=1, capsize=2.5)
            _write_number(left, bar.fid, bar.fid, number)
            _write_number(right, bar.kid, bar.kid + np.nan_to_num(bar.spread), number)
        left.set_yticks(range(len(bars)), [bar.name for bar in bars])
        left.set(xlabel="FID", ylim=(len(bars) - 0.5, -0.5))
        right.set(xlabel=_KID)
        left.set_title(features)
        for axes in (left, right):
            axes.margins(x=0.18)
            axes.tick_params(axis="y", length=0)
            axes.axvline(0, color=QUIET, lw=0.8)
    return done[0]


def class_distance_chart(series: Mapping[str, Sequence[Bar]], features: str) -> Drawn:
    """Draw each class's KID with its spread, and its FID where there is one, the farthest classes on top.

    Args:
        series: For each dataset its classes, in the order of their colours; a dataset may have none.
        features: Which features were compared.
    """
    means = _mean_by_name({name: {bar.name: bar.kid for bar in bars} for name, bars in series.items()})
    names, title = _extremes_of(means, f"Distance by class, {features}")
    has_fid = any(np.isfinite(bar.fid) for bars in series.values() for bar in bars if bar.name in names)
    drawn = [(colour, bars) for colour, bars in zip(_colours(series), series.values(), strict=True) if bars]
    with drawing(6.6, _MARGIN + _ROW * len(names)) as (figure, done):
        panels = figure.subplots(1, 2 if has_fid else 1, sharey=True, squeeze=False)[0]
        for number, (colour, bars) in enumerate(drawn):
            shown = [bar for bar in bars if bar.name in names]
            y = _places(names, [bar.name for bar in shown], number, len(drawn))
            style = {"fmt": "o", "ms": 4, "color": colour, "lw": 1}
            panels[0].errorbar([b.kid for b in shown], y, xerr=[np.nan_to_num(b.spread) for b in shown], **style)
            if has_fid:
                panels[1].errorbar([bar.fid for bar in shown], y, **style)
        panels[0].set_xlabel(_KID)
        panels[0].axvline(0, color=QUIET, lw=0.8)
        if has_fid:
            panels[1].set(xlabel="FID")
            panels[1].set_xlim(left=0)
        _finish(panels, names, title)
        _add_legend(figure, series)
    return done[0]


def uncertainty_chart(series: Mapping[str, Sequence[Box]]) -> Drawn:
    """Draw boxes of each class's uncertainty, the most uncertain classes on top.

    Args:
        series: For each dataset its classes, in the order of their colours; a dataset may have none.
    """
    means = _mean_by_name({name: {box.name: box.quantiles[2] for box in boxes} for name, boxes in series.items()})
    names, title = _extremes_of(means, "Label uncertainty by class")
    drawn = [(colour, boxes) for colour, boxes in zip(_colours(series), series.values(), strict=True) if boxes]
    height = 0.7 * _DODGE / len(drawn) if len(drawn) > 1 else 0.5
    with drawing(6.6, _MARGIN + _ROW * len(names) * (1 + 0.35 * (len(drawn) - 1))) as (figure, done):
        axes = figure.subplots()
        for number, (colour, boxes) in enumerate(drawn):
            shown = [box for box in boxes if box.name in names]
            y = _places(names, [box.name for box in shown], number, len(drawn))
            low, first, middle, third, high = np.array([box.quantiles for box in shown]).reshape(-1, 5).T
            axes.hlines(y, low, high, color=colour, lw=1)
            axes.barh(y, third - first, height, first, color=colour, alpha=0.45, lw=0)
            axes.vlines(middle, y - height / 2, y + height / 2, color=colour, lw=2)
        axes.set_xlabel("uncertainty (box: middle half, line: 5 % to 95 %, tick: median)")
        axes.set_xlim(left=0)
        _finish([axes], names, title)
        _add_legend(figure, series)
    return done[0]


def _mean_by_name(values: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return for each class the mean over the datasets that have a number for it."""
    collected: dict[str, list[float]] = {}
    for of in values.values():
        for name, value in of.items():
            if np.isfinite(value):
                collected.setdefault(name, []).append(value)
    return {name: float(np.mean(known)) for name, known in collected.items()}


def _extremes_of(means: Mapping[str, float], title: str) -> tuple[list[str], str]:
    """Return the classes to draw, the highest first; of very many the highest and the lowest."""
    names = sorted(means, key=lambda name: (-means[name], name))
    if len(names) <= _MOST_CLASSES:
        return names, title
    half = _MOST_CLASSES // 2
    return names[:half] + names[-half:], f"{title}: the {half} highest and lowest of {len(names)}"


def _places(names: Sequence[str], shown: Sequence[str], number: int, of: int) -> np.ndarray:
    """Return the heights at which a dataset's classes are drawn, so that datasets do not cover each other."""
    rows = {name: row for row, name in enumerate(names)}
    offset = (number - (of - 1) / 2) * _DODGE / of if of > 1 else 0.0
    return np.array([rows[name] + offset for name in shown])


def _colours(series: Mapping[str, Sequence[Any]]) -> list[str]:
    return [SERIES[number % len(SERIES)] for number in range(len(series))]


def _finish(panels: Sequence[Axes], names: Sequence[str], title: str) -> None:
    first = panels[0]
    first.set_yticks(range(len(names)), names)
    first.set_ylim(len(names) - 0.4, -0.6)
    first.set_title(title)
    for axes in panels:
        axes.grid(axis="y", color=QUIET, lw=0.4, alpha=0.5)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)


def _add_legend(figure: Figure, series: Mapping[str, Sequence[Any]]) -> None:
    """Name the datasets that are drawn in a line below, where nothing is covered."""
    known = [(name, colour) for (name, of), colour in zip(series.items(), _colours(series), strict=True) if of]
    handles = [Line2D([], [], marker="o", lw=0, ms=5, color=colour) for _, colour in known]
    names = [name for name, _ in known]
    figure.legend(handles, names, frameon=False, fontsize=8, loc="outside lower center", ncols=min(4, len(names)))


def _write_number(axes: Axes, value: float, beside: float, row: int) -> None:
    text = f"{value:.3g}" if np.isfinite(value) else "not measured"
    place = max(0.0, beside) if np.isfinite(beside) else 0.0
    axes.annotate(text, (place, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
