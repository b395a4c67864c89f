"""What a dataset or view consists of, from its index alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bdgan_cli.dataset.reader import Dataset
from bdgan_cli.dataset.schema import SCORE_COLUMNS, DatasetInfo, planned_counts
from bdgan_cli.dataset.views import list_views


@dataclass(frozen=True)
class ClassCount:
    """A class, its samples here, and how many the plan asks for (None if the plan does not say)."""

    id: int
    wnid: str
    name: str
    samples: int
    planned: int | None


@dataclass(frozen=True)
class Summary:
    """What a dataset or view consists of.

    Attributes:
        reference: ``PATH`` or ``PATH@view``.
        info: What ``dataset.json`` says.
        samples: Number of samples.
        shards: Number of shards they lie in.
        image_bytes: Bytes of all image files.
        classes: Samples by class.
        splits: Samples by split.
        views: Names of the dataset's views.
        object_share: Mean share of the picture that the object covers, in [0, 1]; NaN without masks.
        scores: (mean, least, greatest) of each score that any sample has.
    """

    reference: str
    info: DatasetInfo
    samples: int
    shards: int
    image_bytes: int
    classes: tuple[ClassCount, ...]
    splits: dict[str, int]
    views: tuple[str, ...]
    object_share: float
    scores: dict[str, tuple[float, float, float]]

    def facts(self) -> list[tuple[str, str | None]]:
        """Return what people want to know first, as names and words; None where there is nothing."""
        info = self.info
        size = f"{info.image_size} x {info.image_size}" if info.image_size else "varies"
        return [
            ("kind", info.kind),
            ("samples", f"{self.samples} in {self.shards} shards, images {self.image_bytes / 1e6:.1f} MB"),
            ("image size", size),
            ("labels", ", ".join(info.label_names)),
            ("object", f"covers {self.object_share:.1%} of the picture" if self.object_share >= 0 else "no masks"),
            ("generator", info.generator.name if info.generator else None),
            ("head", info.head.name if info.head else None),
            ("splits", ", ".join(f"{name or 'none'} {count}" for name, count in self.splits.items()) or None),
            ("views", ", ".join(self.views) or None),
            ("licence", info.licence or None),
            *((name, f"mean {mean:.4g}, {low:.4g} to {high:.4g}") for name, (mean, low, high) in self.scores.items()),
        ]

    def class_rows(self) -> list[tuple[int, str | None, str, int, int | None]]:
        """Return (id, wnid, name, samples, planned samples) of each class."""
        return [(entry.id, entry.wnid or None, entry.name, entry.samples, entry.planned) for entry in self.classes]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values; NaN where there are no masks."""
        ranges = {name: dict(zip(("mean", "min", "max"), v, strict=True)) for name, v in self.scores.items()}
        return {
            "dataset": self.reference,
            **self.info.to_json(),
            "samples": self.samples,
            "shards": self.shards,
            "image_bytes": self.image_bytes,
            "classes": [asdict(entry) for entry in self.classes],
            "splits": self.splits,
            "views": list(self.views),
            "object_share": self.object_share,
            "scores": ranges,
        }


def summarize(dataset: Dataset) -> Summary:
    """Count and average over the index of a dataset or view, without opening a picture."""
    table = dataset.table
    counts = Counter(table["class_id"].to_pylist())
    planned = planned_counts(dataset.info) or {}
    area, height, width = (table[name].to_numpy() for name in ("area_px", "height", "width"))
    shares = area[area >= 0] / (height * width)[area >= 0]
    return Summary(
        reference=dataset.reference,
        info=dataset.info,
        samples=len(dataset),
        shards=len(table["shard"].unique()),
        image_bytes=int(table["image_size"].to_numpy().sum()),
        classes=tuple(
            ClassCount(entry.id, entry.wnid, entry.name, counts[entry.id], planned.get(entry.id))
            for entry in dataset.info.classes
        ),
        splits=dict(sorted(Counter(table["split"].to_pylist()).items())),
        views=tuple(list_views(dataset.root)),
        object_share=float(shares.mean()) if len(shares) else float("nan"),
        scores=_score_ranges(dataset),
    )


def _score_ranges(dataset: Dataset) -> dict[str, tuple[float, float, float]]:
    ranges = {}
    for name in SCORE_COLUMNS:
        values: Any = dataset.table[name].to_numpy()
        known = values[np.isfinite(values)]
        if len(known):
            ranges[name] = (float(known.mean()), float(known.min()), float(known.max()))
    return ranges
