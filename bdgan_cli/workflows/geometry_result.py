"""What ``bdgan analyze geometry`` found, as JSON and as tables, and the conventions behind the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from bdgan_cli.analysis.geometry import FIGURES, Geometry
from bdgan_cli.analysis.polygons import TOLERANCE
from bdgan_cli.analysis.statistics import BOOTSTRAP_LIMIT, RESAMPLES, Estimate
from bdgan_cli.reporting.drawing import Drawn
from bdgan_cli.workflows.analysis_io import Named
from bdgan_cli.workflows.geometry_masks import MeasuredDataset

_COUNTS = ("samples", "without_mask", "too_small", "masks")
CONVENTIONS = {
    "object": "all pixels with a label, whichever it is; background and ignored pixels are none",
    "IN": "8-connected pieces of the object in an image",
    "MI": "object pixels / image pixels",
    "BI": "pixels of the tight box / image pixels",
    "MB": "object pixels / pixels of the tight box",
    "outline": "outer contour of the largest 8-connected piece (of equals, the first in raster order); no holes",
    "square": "each axis of the contour's points scaled to [0, 1] by itself; an axis without extent becomes 0",
    "simplified": f"Douglas-Peucker at {TOLERANCE} on the closed line; its first point (top row, leftmost) is kept",
    "PL": "length of the simplified outline, closed",
    "SC": "points of the simplified outline, the closing point not repeated",
    "SD": "mean over a class's pairs of the Chamfer distance of their points, then over classes with two masks or "
    "more; squared distances to the nearest point, summed in both directions, not divided by the numbers of points",
    "se": "standard error over masks; of SD over classes; of a class's SD by the jackknife over its masks, or, "
    "if pairs are drawn, of the drawing alone",
    "interval": f"95 % percentile bootstrap, {RESAMPLES} draws of masks (SD: of classes; a class's SD: of its masks' "
    f"jackknife values, or of the drawn pairs); beyond {BOOTSTRAP_LIMIT} masks the normal interval",
}


class DatasetGeometry(NamedTuple):
    """The figures of one dataset under its name."""

    name: str
    reference: str
    class_names: dict[int, str]
    read: MeasuredDataset
    geometry: Geometry

    def counts(self, class_id: int | None = None) -> list[int]:
        """Return samples, samples without mask, masks too small and masks measured, of a class or of all."""
        chosen = self.read.counts.values() if class_id is None else [self.read.counts[class_id]]
        samples, without, small = (sum(numbers) for numbers in zip(*chosen, strict=True)) if chosen else (0, 0, 0)
        return [samples, without, small, samples - without - small]


@dataclass(frozen=True)
class GeometryResult:
    """What was measured and drawn."""

    entries: tuple[DatasetGeometry, ...]
    datasets: tuple[Named, ...]
    pairs: int | None
    min_area_px: int
    seed: int
    figures: dict[str, Drawn]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return, for each dataset and class, ``IN MI BI MB PL SC SD`` with value, se, low, high and n."""
        return {
            "analysis": "geometry",
            "seed": self.seed,
            "min_area_px": self.min_area_px,
            "pairs": self.pairs,
            "conventions": CONVENTIONS,
            "notes": list(self.notes),
            "datasets": {entry.name: _dataset_json(entry) for entry in self.entries},
        }

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Return a row for each dataset: means with standard errors."""
        rows = [
            [entry.name, entry.counts()[3], *(_with_error(entry.geometry.overall[name]) for name in FIGURES)]
            for entry in self.entries
        ]
        return ["dataset", "masks", *FIGURES], rows

    def class_table(self) -> tuple[list[str], list[list[Any]]]:
        """Return a row for each dataset, and after it one for each of its classes, with all numbers."""
        numbers = [name + part for name in FIGURES for part in ("", "_se", "_low", "_high", "_n")]
        rows: list[list[Any]] = []
        for entry in self.entries:
            rows.append([entry.name, "", "all", *entry.counts(), *_flat(entry.geometry.overall)])
            rows += [
                [entry.name, class_id, entry.class_names.get(class_id, ""), *entry.counts(class_id), *_flat(found)]
                for class_id, found in entry.geometry.per_class.items()
            ]
        return ["dataset", "class_id", "class", *_COUNTS, *numbers], rows


def _dataset_json(entry: DatasetGeometry) -> dict[str, Any]:
    classes = {
        str(class_id): {
            "name": entry.class_names.get(class_id, ""),
            **dict(zip(_COUNTS, entry.counts(class_id), strict=True)),
            **{name: estimate._asdict() for name, estimate in found.items()},
        }
        for class_id, found in entry.geometry.per_class.items()
    }
    overall: dict[str, Any] = {name: estimate._asdict() for name, estimate in entry.geometry.overall.items()}
    overall["SD"].update(pairs="drawn" if entry.geometry.sampled else "all", pair_se=entry.geometry.pair_se)
    counts = dict(zip(_COUNTS, entry.counts(), strict=True))
    return {"reference": entry.reference, **counts, **overall, "classes": classes}


def _flat(found: dict[str, Estimate]) -> list[Any]:
    return [number for name in FIGURES for number in found[name]]


def _with_error(estimate: Estimate) -> str | None:
    if not estimate.n or np.isnan(estimate.value):
        return None
    return f"{estimate.value:.4g}" if np.isnan(estimate.se) else f"{estimate.value:.4g} ± {estimate.se:.2g}"
