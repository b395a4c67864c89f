"""Charts as SVG text, ready to stand inside a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from matplotlib.axes import Axes

from bdgan_cli.reporting.drawing import ACCENT, QUIET, SECOND, Floats, drawing


def risk_coverage_chart(coverage: Floats, curves: dict[str, Floats], ideal: Floats, random: float) -> str:
    """Draw mean label error against the share of samples kept, one curve for each score.

    Args:
        coverage: (P,) shares kept, in (0, 1].
        curves: For each score, (P,) mean errors (1 - IoU) among the kept; the first is drawn boldly.
        ideal: (P,) mean errors if labels were sorted by their true error.
        random: Mean error of all samples, which a useless score keeps at every coverage.
    """
    with _chart(4.6, 3.0) as (axes, svg):
        axes.plot(coverage, ideal, color=QUIET, lw=1.2, ls=":", label="perfect score")
        axes.axhline(random, color=QUIET, lw=1.2, ls="--", label="no score")
        for i, (name, risk) in enumerate(curves.items()):
            axes.plot(
                coverage,
                risk,
                color=ACCENT if i == 0 else SECOND,
                lw=2.2 if i == 0 else 1,
                alpha=1 if i == 0 else 0.55,
                label=name,
            )
        axes.set(xlabel="share of samples kept", ylabel="mean label error (1 - IoU)", title="Risk and coverage")
        axes.set_xlim(0, 1)
        axes.set_ylim(bottom=0, top=1.45 * random)
        axes.legend(frameon=False, fontsize=8, ncols=3, loc="upper center", columnspacing=1.2)
    return svg[0]


def scatter_chart(clouds: dict[str, tuple[Floats, Floats]], score_name: str, reference: str) -> str:
    """Draw each sample's IoU against its uncertainty.

    Args:
        clouds: For each set of samples, their scores and their IoU; the last is drawn in the accent colour.
        score_name: Name of the score, for the axis.
        reference: What the IoU is with, for the axis.
    """
    colours = [SECOND] * (len(clouds) - 1) + [ACCENT]
    with _chart(4.6, 3.0) as (axes, svg):
        for colour, (name, (scores, iou)) in zip(colours, clouds.items(), strict=True):
            axes.scatter(scores, iou, s=7, color=colour, alpha=0.4, lw=0, label=name, rasterized=True)
        axes.axhline(0.8, color=QUIET, lw=1, ls="--")
        axes.set(xlabel=f"uncertainty ({score_name})", ylabel=f"IoU with {reference}", title="Uncertainty and truth")
        if all((scores > 0).all() for scores, _ in clouds.values()):
            axes.set_xscale("log")
        axes.legend(frameon=False, fontsize=8, loc="lower left", markerscale=2.5)
    return svg[0]


def paired_bars_chart(names: Sequence[str], before: Floats, after: Floats) -> str:
    """Draw each class's mean IoU before and after the filter."""
    with _chart(9.4, 2.7) as (axes, svg):
        place = np.arange(len(names))
        axes.bar(place - 0.2, before, 0.38, color=QUIET, label="all samples")
        axes.bar(place + 0.2, after, 0.38, color=ACCENT, label="after the filter")
        low = np.nanmin([before.min(), after.min()])
        axes.set_ylim(max(0.0, float(np.floor(low * 10 - 0.5) / 10)), 1.0)
        axes.set_xticks(place, names)
        axes.set(ylabel="mean IoU", title="Label quality by class")
        axes.legend(frameon=False, fontsize=8, ncols=2, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2)
    return svg[0]


@contextmanager
def _chart(width: float, height: float) -> Iterator[tuple[Axes, list[str]]]:
    """Open axes; on leaving, the SVG text is the list's only entry."""
    svg: list[str] = []
    with drawing(width, height) as (figure, done):
        yield figure.subplots(), svg
    svg.append(done[0].svg)
