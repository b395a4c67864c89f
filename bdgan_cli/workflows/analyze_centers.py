"""``bdgan analyze centers``: where objects stand in their pictures (supplement C.1, figure 1).

Only the index is read, and of the index only the boxes: a million masks take seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.analysis.centers import CORNER_REACH, NEAR_RADIUS, CenterStats, box_centers, summarize_centers
from bdgan_cli.dataset.index import read_columns, read_info
from bdgan_cli.dataset.reader import Dataset, split_reference
from bdgan_cli.dataset.views import apply_view
from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.reporting.drawing import Drawn
from bdgan_cli.reporting.figures_centers import STYLES, Cloud, centers_figure
from bdgan_cli.workflows import analysis_io
from bdgan_cli.workflows.analysis_io import AnalysisConfig, Named

_BOX = ("bbox_x", "bbox_y", "bbox_w", "bbox_h")
_COLUMNS = ("class_id", "height", "width", *_BOX)
_MEASURES = ("mean_x", "mean_y", "std_x", "std_y", "mean_radius", "near_center", "in_corners")
_HEADINGS = ("masks", "without_object", "without_mask", *_MEASURES)
CONVENTIONS = {
    "center": "(x + w/2) / width and (y + h/2) / height of the tight box, which covers the pixels x to x + w - 1",
    "std": "standard deviation of the population",
    "mean_radius": "mean distance of a centre from (0.5, 0.5)",
    "near_center": f"share of centres at most {NEAR_RADIUS} from (0.5, 0.5); 3.1 % if they were spread evenly",
    "in_corners": f"share of centres with both coordinates at most {CORNER_REACH} from the same corner; 25 % if even",
    "left_out": "masks without object, and samples without mask; they are counted",
}


@dataclass(frozen=True)
class CentersOptions:
    """How centres are drawn: ``points``, ``density``, or ``auto`` by their number."""

    style: str = "auto"


class Centers(NamedTuple):
    """The centres of one dataset; ``stats`` has one group, ``class_stats`` one per entry of ``classes``.

    Attributes:
        name: The dataset's name.
        reference: ``PATH`` or ``PATH@view``.
        centers_N2: x and y in (0, 1).
        left_out: Masks without object, and samples without mask (or box in the index).
        stats: Of all centres.
        classes: Id and name of each class that has samples.
        class_left_out: (C, 2) the same counts for each class.
        class_stats: Of each class.
    """

    name: str
    reference: str
    centers_N2: NDArray[np.float64]
    left_out: NDArray[np.int64]
    stats: CenterStats
    classes: list[tuple[int, str]]
    class_left_out: NDArray[np.int64]
    class_stats: CenterStats


@dataclass(frozen=True)
class CentersResult:
    """What was measured and drawn."""

    entries: tuple[Centers, ...]
    datasets: tuple[Named, ...]
    figures: dict[str, Drawn]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the measures of each dataset and its classes; NaN where there is nothing to measure."""
        datasets = {
            entry.name: {
                "reference": entry.reference,
                **dict(zip(_HEADINGS, _row(entry.stats, 0, entry.left_out), strict=True)),
                "classes": {
                    str(class_id): {"name": name, **dict(zip(_HEADINGS, row, strict=True))}
                    for (class_id, name), row in zip(entry.classes, _class_rows(entry), strict=True)
                },
            }
            for entry in self.entries
        }
        return {"analysis": "centers", "conventions": CONVENTIONS, "notes": list(self.notes), "datasets": datasets}

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Return a row for each dataset."""
        return ["dataset", *_HEADINGS], [[entry.name, *_row(entry.stats, 0, entry.left_out)] for entry in self.entries]

    def class_table(self) -> tuple[list[str], list[list[Any]]]:
        """Return a row for each class of each dataset."""
        rows = [
            [entry.name, *of_class, *row]
            for entry in self.entries
            for of_class, row in zip(entry.classes, _class_rows(entry), strict=True)
        ]
        return ["dataset", "class_id", "class", *_HEADINGS], rows


def analyze_centers(
    config: AnalysisConfig, options: CentersOptions | None = None, report: Reporter | None = None
) -> CentersResult:
    """Measure and draw the centres of the masks' boxes.

    Raises:
        UsageError: If an option cannot be right, or a dataset is named twice.
        MissingError: If there is no dataset.
        DataError: If an index is broken, or a box leaves its picture.
    """
    options, report = options or CentersOptions(), report or Silent()
    if options.style not in STYLES:
        raise UsageError(f"expected a style of {', '.join(STYLES)}, got {options.style!r}", "--style auto")
    datasets = analysis_io.open_datasets(config, report, _open_boxes)
    entries = [_measure(named) for named in datasets]
    notes = [
        f"{entry.name}: no mask with an object, so there is nothing to measure"
        for entry in entries
        if not len(entry.centers_N2)
    ]
    for note in notes:
        report.note(note)
    clouds = [Cloud(entry.name, entry.centers_N2, _caption(entry)) for entry in entries]
    figure = centers_figure(clouds, NEAR_RADIUS, CORNER_REACH, options.style)
    return CentersResult(tuple(entries), tuple(datasets), {"centers": figure}, tuple(notes))


def write_centers(config: AnalysisConfig, result: CentersResult, datasets: Sequence[Named]) -> list[Path]:
    """Write ``centers.json``, ``centers.csv``, ``centers-classes.csv`` and the figure.

    Raises:
        UsageError: If other results are there and are not to be replaced.
    """
    tables = {"centers": result.table(), "centers-classes": result.class_table()}
    return analysis_io.write_analysis(
        config, datasets, "centers", result.to_json(), tables=tables, figures=result.figures
    )


def _open_boxes(reference: str) -> Dataset:
    """Open a dataset with the columns of its boxes alone, many times faster than the whole index."""
    root, view = split_reference(reference)
    info = read_info(root)
    table = read_columns(root, [*_COLUMNS, *(["key"] if view else [])])
    return Dataset(root, info, apply_view(root, view, table) if view else table, view)


def _measure(named: Named) -> Centers:
    dataset = named.dataset
    columns = {name: np.asarray(dataset.table[name].to_numpy()) for name in _COLUMNS}
    boxes, sizes = (np.stack([columns[name] for name in names], 1) for names in (_BOX, ("width", "height")))
    has_mask = (boxes[:, 2:] >= 0).all(axis=1)
    has_object = (boxes[:, 2:] > 0).all(axis=1)
    _check_inside(boxes[has_object], sizes[has_object], dataset)
    ids, groups = np.unique(columns["class_id"], return_inverse=True)
    centers = box_centers(boxes[has_object], sizes[has_object])
    left_out = [np.bincount(groups[kind], minlength=len(ids)) for kind in (has_mask & ~has_object, ~has_mask)]
    class_names = {entry.id: entry.name for entry in dataset.info.classes}
    return Centers(
        named.name,
        dataset.reference,
        centers,
        left_out=np.array([counts.sum() for counts in left_out]),
        stats=summarize_centers(centers, np.zeros(len(centers), np.int64), 1),
        classes=[(int(class_id), class_names.get(int(class_id), str(class_id))) for class_id in ids],
        class_left_out=np.stack(left_out, axis=1),
        class_stats=summarize_centers(centers, groups[has_object], len(ids)),
    )


def _check_inside(boxes: NDArray[Any], sizes: NDArray[Any], dataset: Dataset) -> None:
    outside = ((boxes[:, :2] < 0) | (boxes[:, :2] + boxes[:, 2:] > sizes)).any(axis=1)
    if outside.any():
        first = np.flatnonzero(outside)[0]
        raise DataError(
            f"{dataset.root}: expected boxes inside their pictures, got {outside.sum()} that leave them, such as "
            f"{boxes[first].tolist()} in {'x'.join(map(str, sizes[first]))} (width x height)",
            f"bdgan data verify {dataset.root}",
        )


def _row(stats: CenterStats, group: int, left_out: NDArray[np.int64]) -> list[Any]:
    alone = (stats.mean_radius, stats.near_center, stats.in_corners)
    measures = (*stats.mean_xy[group], *stats.std_xy[group], *(column[group] for column in alone))
    return [int(stats.masks[group]), *map(int, left_out), *map(float, measures)]


def _class_rows(entry: Centers) -> list[list[Any]]:
    return [_row(entry.class_stats, number, counts) for number, counts in enumerate(entry.class_left_out)]


def _caption(entry: Centers) -> str:
    near, corners = (float(share[0]) for share in (entry.stats.near_center, entry.stats.in_corners))
    shares = f"{near:.1%} near the centre, {corners:.1%} in corners"
    masks = f"{len(entry.centers_N2):,} mask{'s' * (len(entry.centers_N2) != 1)}"
    return f"{masks}\n{shares}" if len(entry.centers_N2) else "no mask with an object"
