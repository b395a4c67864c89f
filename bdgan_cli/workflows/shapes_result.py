"""What ``bdgan analyze shapes`` found: clusters of each class, as JSON and as tables (supplement E)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.reporting.drawing import Drawn
from bdgan_cli.workflows.analysis_io import Named

HEADINGS = ("masks", "too_small", "without_mask", "not_drawn", "distinct", "clusters")
CONVENTIONS = {
    "object": "all pixels with a label, whichever it is, cropped to their tight box",
    "resize": "the 0/1 crop to 32x32, each axis by itself: averaged over areas (INTER_AREA) where it shrinks, "
    "interpolated (INTER_LINEAR) where it grows; values in [0, 1]",
    "k_means": "k-means++ start, until no mask changes its cluster; no more clusters than different shapes at 32x32",
    "order": "the largest cluster first; of equal ones that with the larger mean",
}


class ClassShapes(NamedTuple):
    """The shapes of one class.

    Attributes:
        class_id: The class.
        name: What people call it.
        counts: Masks clustered, too small, samples without mask, masks not drawn, different shapes, clusters.
        means_kSS: (k, 32, 32) mean shapes in [0, 1], the largest cluster first; k is 0 if no mask is left.
        sizes: (k,) masks in each cluster.
        shown: The cluster in the figure; -1 if the class is not in it.
    """

    class_id: int
    name: str
    counts: tuple[int, ...]
    means_kSS: NDArray[np.float32]
    sizes: NDArray[np.int64]
    shown: int = -1


class DatasetShapes(NamedTuple):
    """The shapes of one dataset's classes."""

    name: str
    reference: str
    classes: list[ClassShapes]

    def totals(self) -> dict[str, int]:
        """Return the sums over the classes of what ``HEADINGS`` names."""
        return {name: sum(one.counts[i] for one in self.classes) for i, name in enumerate(HEADINGS)}


@dataclass(frozen=True)
class ShapesResult:
    """What was found and drawn."""

    entries: tuple[DatasetShapes, ...]
    datasets: tuple[Named, ...]
    clusters: int
    min_area_px: int
    figures: dict[str, Drawn]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return counts and cluster sizes of each dataset and class."""
        datasets = {
            entry.name: {
                "reference": entry.reference,
                **entry.totals(),
                "classes": {
                    str(one.class_id): {
                        "name": one.name,
                        **dict(zip(HEADINGS, one.counts, strict=True)),
                        "sizes": one.sizes.tolist(),
                        "shown": one.shown if one.shown >= 0 else None,
                    }
                    for one in entry.classes
                },
            }
            for entry in self.entries
        }
        conventions = {**CONVENTIONS, "left_out": f"masks under {self.min_area_px} pixels; they are counted"}
        return {"analysis": "shapes", "conventions": conventions, "notes": list(self.notes), "datasets": datasets}

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Return a row for each dataset."""
        rows = [[entry.name, len(entry.classes), *entry.totals().values()] for entry in self.entries]
        return ["dataset", "classes", *HEADINGS], rows

    def class_table(self) -> tuple[list[str], list[list[Any]]]:
        """Return a row for each class of each dataset, with the sizes of its clusters."""
        most = self.clusters
        rows = [
            [entry.name, one.class_id, one.name, *one.counts, *one.sizes.tolist(), *[None] * (most - len(one.sizes))]
            for entry in self.entries
            for one in entry.classes
        ]
        return ["dataset", "class_id", "class", *HEADINGS, *(f"size_{i + 1}" for i in range(most))], rows
