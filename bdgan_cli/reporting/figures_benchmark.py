"""Charts of benchmarks: scores of arms, the truncation sweep, confusion of labels, IoU by label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from bdgan_cli.reporting.drawing import ACCENT, INK, QUIET, SECOND, SERIES, Drawn, Floats, drawing, shortened

_MOST_LABELS = 32
_WRITTEN_UP_TO = 16


class ArmScore(NamedTuple):
    """What an arm reached, in percent.

    Attributes:
        name: Of the arm.
        by_seed: Mean IoU of each training.
        interval: 95 % of the mean over seeds.
        paper: What the paper states, on its own data; None if nothing.
    """

    name: str
    by_seed: Sequence[float]
    interval: tuple[float, float]
    paper: float | None = None


class SweepPoint(NamedTuple):
    """A truncation value: mean IoU in percent of each training, and FID, NaN where it was not measured."""

    value: float
    by_seed: Sequence[float]
    fid: float


def scores_chart(scores: Sequence[ArmScore], title: str) -> Drawn:
    """Draw each arm's mean, interval and trainings."""
    with drawing(7.4, 0.9 + 0.36 * len(scores)) as (figure, done):
        axes = figure.subplots()
        for row, score in enumerate(scores):
            mean, colour = float(np.mean(score.by_seed)), ACCENT if row == _best(scores) else SECOND
            axes.plot(score.interval, (row, row), color=colour, lw=3, alpha=0.35, solid_capstyle="round")
            axes.plot(score.by_seed, [row] * len(score.by_seed), "o", color=colour, ms=3.5, alpha=0.6, mew=0)
            axes.plot([mean], [row], "|", color=colour, ms=13, mew=2.2)
            axes.annotate(f"{mean:.1f}", (max(score.interval[1], mean), row), (7, -3), textcoords="offset points")
            if score.paper is not None:
                axes.plot([score.paper], [row], "D", color=QUIET, ms=4)
        if any(score.paper is not None for score in scores):
            axes.plot([], [], "D", color=QUIET, ms=4, label="the paper's, on its own data")
            axes.legend(frameon=False, fontsize=8, loc="lower right")
        axes.set_yticks(range(len(scores)), [shortened(score.name) for score in scores])
        axes.set(xlabel="mIoU in %, bar: 95 % over test pictures, dots: seeds", ylim=(len(scores) - 0.4, -0.6))
        axes.set_title(title)
        axes.margins(x=0.12)
        axes.grid(axis="x", color=QUIET, alpha=0.25, lw=0.6)
        axes.tick_params(axis="y", length=0)
    return done[0]


def sweep_chart(points: Sequence[SweepPoint], fid_name: str, paper: Sequence[tuple[float, float, float]] = ()) -> Drawn:
    """Draw mean IoU and FID against truncation on two axes, each in the colour of its curve.

    Args:
        points: In ascending order.
        fid_name: What the FID is of, for the axis.
        paper: Rows of truncation, mIoU and FID that the paper states; drawn thinly on axes of their own.
    """
    width = 9.6 if paper else 5.2
    with drawing(width, 3.1) as (figure, done):
        panels = figure.subplots(1, 2 if paper else 1, squeeze=False, gridspec_kw={"wspace": 0.12})[0]
        values = [point.value for point in points]
        means = [float(np.mean(point.by_seed)) for point in points]
        _two_axes(panels[0], values, means, [point.fid for point in points], fid_name, "measured here")
        for point in points:
            spread = [point.value] * len(point.by_seed)
            panels[0].plot(spread, point.by_seed, "o", color=ACCENT, ms=3, alpha=0.5, mew=0)
        if paper:
            truncations, miou, fid = zip(*paper, strict=True)
            _two_axes(panels[1], truncations, miou, fid, "FID-5k", "the paper's, ImageNet dogs")
    return done[0]


def confusion_chart(shares_KK: Floats, names: Sequence[str], title: str) -> Drawn | None:
    """Draw the share of each label's pixels (rows) that are predicted as each label; None for many labels."""
    count = len(names)
    if count > _MOST_LABELS:
        return None
    edge = max(2.9, 1.7 + 0.33 * count)
    with drawing(edge + 0.6, edge) as (figure, done):
        axes = figure.subplots()
        axes.imshow(np.sqrt(shares_KK), cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(count), [shortened(name, 14) for name in names], rotation=60, ha="right")
        axes.set_yticks(range(count), [shortened(name, 14) for name in names])
        axes.set(xlabel="predicted", ylabel="label")
        axes.set_title(title)
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.tick_params(length=0)
        if count <= _WRITTEN_UP_TO:
            for (row, column), share in np.ndenumerate(shares_KK):
                if share >= 0.005:
                    colour = "white" if share > 0.4 else INK
                    axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=7, color=colour)
    return done[0]


def labels_chart(names: Sequence[str], columns: dict[str, Floats]) -> Drawn | None:
    """Draw each label's IoU in percent, an arm a colour; None for many labels."""
    if len(names) > _MOST_LABELS:
        return None
    with drawing(2.2 + 0.55 * len(names), 3.0) as (figure, done):
        axes = figure.subplots()
        place, width = np.arange(len(names)), 0.8 / len(columns)
        for number, (arm, values) in enumerate(columns.items()):
            offset = (number - (len(columns) - 1) / 2) * width
            axes.bar(place + offset, values, width * 0.92, color=SERIES[number % len(SERIES)], label=shortened(arm, 16))
        axes.set_xticks(place, [shortened(name, 14) for name in names], rotation=35, ha="right")
        axes.set(ylabel="IoU in %", ylim=(0, 100))
        axes.set_title("By label")
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return done[0]


def _two_axes(
    axes: Axes, values: Sequence[float], miou: Sequence[float], fid: Sequence[float], fid_name: str, title: str
) -> None:
    axes.plot(values, miou, "-o", color=ACCENT, ms=4)
    axes.set(xlabel="truncation")
    axes.set_ylabel("mIoU in %", color=ACCENT)
    axes.set_title(title)
    other = axes.twinx()
    other.plot(values, fid, "--s", color=SECOND, ms=3.5)
    other.set_ylabel(f"{fid_name}, dashed", color=SECOND)
    other.spines["right"].set_visible(True)


def _best(scores: Sequence[ArmScore]) -> int:
    return int(np.nanargmax([np.mean(score.by_seed) for score in scores]))
