"""How charts look, and how they become files: SVG text for pages, PNG for papers and slides.

The same figure always gives the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ACCENT, SECOND, QUIET, INK = "#d6336c", "#1c7ed6", "#adb5bd", "#212529"
# One colour per dataset, told apart by people with any colour vision.
SERIES = (SECOND, ACCENT, "#2b8a3e", "#e67700", "#6741d9", "#0b7285")
_STYLE: Any = {
    "font.family": "sans-serif", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "axes.edgecolor": QUIET, "axes.labelcolor": INK, "xtick.color": "#495057", "ytick.color": "#495057",
    "axes.titlesize": 10, "axes.titleweight": "bold", "axes.titlelocation": "left", "svg.fonttype": "none",
    "svg.hashsalt": "bdgan", "figure.constrained_layout.use": True,
}  # fmt: skip
_PNG_DPI = 200


class Drawn(NamedTuple):
    """A finished chart.

    Attributes:
        svg: The ``<svg>`` element as text.
        png: The same as a PNG file on white.
    """

    svg: str
    png: bytes


def shortened(name: str, most: int = 34) -> str:
    """Cut a name to what fits over a small chart, keeping its end, which tells datasets apart."""
    return name if len(name) <= most else f"…{name[1 - most :]}"


@contextmanager
def drawing(width: float, height: float) -> Iterator[tuple[Figure, list[Drawn]]]:
    """Open a figure of some inches; on leaving, the chart is the list's only entry."""
    done: list[Drawn] = []
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), dpi=150)
        yield figure, done
        _settle_layout(figure)
        text, picture = io.StringIO(), io.BytesIO()
        figure.savefig(
            text, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")), transparent=True
        )
        figure.savefig(picture, format="png", dpi=_PNG_DPI, metadata={"Software": None})
    svg = text.getvalue()
    done.append(Drawn(svg[svg.index("<svg") :], picture.getvalue()))


def _settle_layout(figure: Figure) -> None:
    """Place the axes for good: the solver's last digits vary between runs, and would vary the file's bytes."""
    for _ in range(2):  # the second pass knows the sizes that the first one gave
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        x, y, width, height = axes.get_position(original=True).bounds
        axes.set_position((round(x, 5), round(y, 5), round(width, 5), round(height, 5)))
