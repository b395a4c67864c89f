"""What ``bdgan analyze quality`` found, as JSON, as tables, as charts and as sheets of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bdgan_cli.analysis.duplicates import Duplicates
from bdgan_cli.dataset.pictures import Picture
from bdgan_cli.dataset.reader import Dataset
from bdgan_cli.reporting.drawing import Drawn
from bdgan_cli.reporting.figures_quality import Bar, Box, class_distance_chart, distance_chart, uncertainty_chart
from bdgan_cli.workflows.analysis_io import Named
from bdgan_cli.workflows.quality_distance import Distance
from bdgan_cli.workflows.quality_labels import (
    Uncertainty,
    class_ids,
    class_labels,
    class_names,
    duplicates_json,
    duplicates_sheet,
)

_FIGURES = ("FID", "KID x1000", "std x1000")
_SCORES = ("uncertainty median", "uncertainty 95%")
_SHARES = ("duplicates", "in reference")


class Quality(NamedTuple):
    """What was measured on one dataset.

    Attributes:
        named: The dataset under its name.
        distance: None without a reference.
        uncertainty: By column; empty if no label has one.
        within: Near-duplicates in the dataset; None if they were not sought.
        across: Near-duplicates in the reference; None if they were not sought or there is none.
        notes: What a reader must know.
    """

    named: Named
    distance: Distance | None
    uncertainty: dict[str, Uncertainty]
    within: Duplicates | None
    across: Duplicates | None
    notes: tuple[str, ...]

    @property
    def main_score(self) -> Uncertainty | None:
        """The score that filters use by default, or the first that there is."""
        return self.uncertainty.get("uncertainty", next(iter(self.uncertainty.values()), None))


@dataclass(frozen=True)
class QualityResult:
    """What was measured and drawn.

    Attributes:
        entries: One for each dataset.
        reference: The dataset they were compared with.
        figures: Charts by name.
        pictures: Sheets of near-duplicates by name, (H, W, 3) uint8.
    """

    entries: tuple[Quality, ...]
    reference: Dataset | None
    figures: dict[str, Drawn]
    pictures: dict[str, Picture]

    def to_json(self) -> dict[str, Any]:
        """Return everything but the figures, by dataset."""
        return {"analysis": "quality", "datasets": {entry.named.name: self._entry(entry) for entry in self.entries}}

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Return a row for each dataset; duplicates are shares of its images."""
        columns = ["dataset", "images", "features", "samples", *_FIGURES, *_SCORES, *_SHARES]
        return columns, [_row(entry) for entry in self.entries]

    def class_table(self) -> tuple[list[str], list[list[Any]]]:
        """Return a row for each class of each dataset; duplicates are shares, empty cells were not measured."""
        columns = ["dataset", "class_id", "class", "images", "samples", *_FIGURES, *_SCORES, *_SHARES]
        return columns, [row for entry in self.entries for row in _class_rows(entry)]

    def _entry(self, entry: Quality) -> dict[str, Any]:
        dataset, found = entry.named.dataset, {}
        if entry.within is not None:
            found["within"] = duplicates_json(entry.within, dataset, dataset)
        if entry.across is not None and self.reference is not None:
            found["reference"] = duplicates_json(entry.across, dataset, self.reference)
        return {
            "dataset": dataset.reference,
            "images": len(dataset),
            "notes": list(entry.notes),
            "distance": entry.distance.to_json(class_names(dataset)) if entry.distance else None,
            "uncertainty": {name: column.to_json(dataset) for name, column in entry.uncertainty.items()},
            "duplicates": found or None,
        }


def draw_figures(entries: Sequence[Quality]) -> dict[str, Drawn]:
    """Draw what was measured; a chart without any value is left out."""
    figures = {}
    known = [(entry, entry.distance) for entry in entries if entry.distance is not None]
    if known:
        bars = [Bar(entry.named.name, *distance.overall.figures()) for entry, distance in known]
        figures["quality-distance"] = distance_chart(bars, f"features: {known[0][1].features}")
    by_class = {entry.named.name: _class_bars(entry, distance) for entry, distance in known}
    if any(by_class.values()):
        figures["quality-distance-classes"] = class_distance_chart(by_class, f"features: {known[0][1].features}")
    boxes = {
        entry.named.name: [
            Box(class_labels(entry.named.dataset).get(class_id, str(class_id)), of.quantiles[1:-1])
            for class_id, of in (entry.main_score.classes.items() if entry.main_score else ())
            if of.scored
        ]
        for entry in entries
    }
    if any(boxes.values()):
        figures["quality-uncertainty"] = uncertainty_chart(boxes)
    return figures


def draw_sheets(entries: Sequence[Quality], reference: Dataset | None) -> dict[str, Picture]:
    """Draw the closest pairs of each dataset and of its comparison with the reference, where there are any."""
    sheets = {}
    for number, entry in enumerate(entries, 1):
        ending = f"-{number}" if len(entries) > 1 else ""
        name, dataset = entry.named
        for what, found, other in (("duplicates", entry.within, dataset), ("copies", entry.across, reference)):
            if found is not None and other is not None and found.pair_count:
                where = "within" if other is dataset else f"also in {other.info.name}"
                title = f"{name}: {found.pair_count:,} near-duplicate pairs {where}, the closest"
                sheets[f"quality-{what}{ending}"] = duplicates_sheet(found, dataset, other, title)
    return sheets


def _row(entry: Quality) -> list[Any]:
    distance, score = entry.distance, entry.main_score
    figures = [distance.features, distance.overall.samples, *distance.overall.figures()] if distance else [None] * 5
    scores = [score.overall.median, score.overall.high] if score else [None] * 2
    shares = [found.share if found else None for found in (entry.within, entry.across)]
    return [entry.named.name, len(entry.named.dataset), *figures, *scores, *shares]


def _class_rows(entry: Quality) -> list[list[Any]]:
    dataset, score = entry.named.dataset, entry.main_score
    ids, names = class_ids(dataset), class_names(dataset)
    known, groups, counts = np.unique(ids, return_inverse=True, return_counts=True)
    shares = [
        np.bincount(groups, found.affected_N, len(known)) / counts if found else [None] * len(known)
        for found in (entry.within, entry.across)
    ]
    rows = []
    for class_id, count, *share in zip(known.tolist(), counts.tolist(), *shares, strict=True):
        distance = entry.distance.classes.get(class_id) if entry.distance else None
        of = score.classes[class_id] if score else None
        rows.append(
            [
                entry.named.name, class_id, names.get(class_id, str(class_id)), count,
                *([distance.samples, *distance.figures()] if distance else [None] * 4),
                *([of.median, of.high] if of else [None] * 2),
                *share,
            ]
        )  # fmt: skip
    return rows


def _class_bars(entry: Quality, distance: Distance) -> list[Bar]:
    names = class_labels(entry.named.dataset)
    bars = [Bar(names.get(i, str(i)), *found.figures()) for i, found in distance.classes.items()]
    return [bar for bar in bars if np.isfinite(bar.kid)]
