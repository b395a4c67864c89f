"""The parts of quality that need no reference: how doubtful labels are, and which pictures appear twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.analysis.duplicates import MAX_RMS, Duplicates
from bdgan_cli.analysis.uncertainty import (
    Distribution,
    Floats,
    describe,
    describe_classes,
    extremes,
    shared_edges,
)
from bdgan_cli.dataset.pictures import Picture, Tile, draw_grid
from bdgan_cli.dataset.reader import Dataset
from bdgan_cli.dataset.schema import SCORE_COLUMNS

COLUMNS = tuple(name for name in SCORE_COLUMNS if name.startswith("uncertainty"))
LISTED_PAIRS = 100
_DRAWN_PAIRS = 12


@dataclass(frozen=True)
class Uncertainty:
    """The distribution of one score.

    Attributes:
        edges: Edges of the histograms' bins, the same for all datasets.
        overall: Over all samples.
        classes: For each class id.
        worst: Rows of the most uncertain samples, the worst first.
        best: Rows of the most certain ones, the best first.
        values: (N,) the scores.
    """

    edges: Floats
    overall: Distribution
    classes: dict[int, Distribution]
    worst: list[int]
    best: list[int]
    values: Floats

    def to_json(self, dataset: Dataset) -> dict[str, Any]:
        """Return plain values."""
        names = class_names(dataset)
        return {
            "bins": self.edges,
            **self.overall.to_json(),
            "worst": self._listed(dataset, self.worst),
            "best": self._listed(dataset, self.best),
            "classes": {str(i): {"name": names.get(i, str(i)), **of.to_json()} for i, of in self.classes.items()},
        }

    def _listed(self, dataset: Dataset, rows: list[int]) -> list[dict[str, Any]]:
        chosen = dataset.table.take(rows)
        keys, ids = chosen["key"].to_pylist(), chosen["class_id"].to_pylist()
        return [
            {"key": key, "class_id": class_id, "score": float(self.values[row])}
            for key, class_id, row in zip(keys, ids, rows, strict=True)
        ]


def measure_uncertainty(datasets: list[Dataset], listed: int) -> list[dict[str, Uncertainty]]:
    """Describe the uncertainty columns of datasets, for each those that hold a value."""
    columns = [{name: _column(dataset, name) for name in COLUMNS} for dataset in datasets]
    edges = {name: shared_edges(of[name] for of in columns) for name in COLUMNS}
    return [
        {
            name: Uncertainty(
                edges[name],
                describe(values, edges[name]),
                describe_classes(values, class_ids(dataset), edges[name]),
                *extremes(values, listed),
                values,
            )
            for name, values in of.items()
            if np.isfinite(values).any()
        }
        for dataset, of in zip(datasets, columns, strict=True)
    ]


def duplicates_json(found: Duplicates, first: Dataset, second: Dataset) -> dict[str, Any]:
    """Return the counts, and the closest pairs by key."""
    return {
        "max_rms": MAX_RMS,
        "images": len(found.affected_N),
        "affected": int(found.affected_N.sum()),
        "share": found.share,
        "pairs": found.pair_count,
        "closest": [
            {"key": one, "other": other, "bits": int(bits), "rms": float(rms)}
            for one, other, bits, rms in _closest(found, first, second, LISTED_PAIRS)
        ],
    }


def duplicates_sheet(found: Duplicates, first: Dataset, second: Dataset, title: str) -> Picture:
    """Draw the closest pairs, each side by side; there must be one."""
    tiles = []
    for number, (one, other, bits, rms) in enumerate(_closest(found, first, second, _DRAWN_PAIRS), 1):
        for key, dataset, says in ((one, first, key_end(one)), (other, second, f"{bits} bits, rms {rms:.1f}")):
            image = dataset.read(key, ("image",)).image
            assert image is not None
            tiles.append(Tile(image, None, f"{number}: {says}"))
    return draw_grid(tiles, title, tile_px=160)


def key_end(key: str) -> str:
    """Return the end of a key, which tells samples of a class apart."""
    return key if len(key) <= 16 else f"...{key[-13:]}"


def class_ids(dataset: Dataset) -> NDArray[np.int64]:
    """Return the class of each row."""
    return np.asarray(dataset.table["class_id"].to_numpy(), np.int64)


def class_names(dataset: Dataset) -> dict[int, str]:
    """Return what people call the classes."""
    return {entry.id: entry.name for entry in dataset.info.classes}


def class_labels(dataset: Dataset) -> dict[int, str]:
    """Return names for charts: a name that several classes share is followed by the class's id."""
    names = class_names(dataset)
    shared = Counter(names.values())
    return {i: f"{name} ({i})" if shared[name] > 1 else name for i, name in names.items()}


def _closest(found: Duplicates, first: Dataset, second: Dataset, count: int) -> list[tuple[str, str, int, float]]:
    pairs = found.pairs_P2[:count]
    ones = first.table["key"].take(pairs[:, 0]).to_pylist()
    others = second.table["key"].take(pairs[:, 1]).to_pylist()
    return list(zip(ones, others, found.bits_P[:count].tolist(), found.rms_P[:count].tolist(), strict=True))


def _column(dataset: Dataset, name: str) -> Floats:
    if name not in dataset.table.column_names:
        return np.full(len(dataset), np.nan)
    return np.asarray(dataset.table[name].to_numpy(), np.float64)
