"""How doubtful the labels of a dataset are: distributions of its uncertainty columns, overall and per class.

Reads columns of the index only. A score that is NaN was not measured; it is counted and left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


class Distribution(NamedTuple):
    """One score over some samples.

    Attributes:
        scored: Samples that have the score.
        missing: Samples that do not.
        mean: NaN without samples, as are all figures below.
        std: Standard deviation of the sample (divided by scored - 1); NaN for fewer than two.
        quantiles: One value for each of ``QUANTILES``, linearly interpolated.
        histogram: Samples in each bin.
    """

    scored: int
    missing: int
    mean: float
    std: float
    quantiles: tuple[float, ...]
    histogram: tuple[int, ...]

    @property
    def median(self) -> float:
        """Half of the samples lie below."""
        return self.quantiles[QUANTILES.index(0.5)]

    @property
    def high(self) -> float:
        """95 % of the samples lie below."""
        return self.quantiles[QUANTILES.index(0.95)]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        named = {f"{share:g}": value for share, value in zip(QUANTILES, self.quantiles, strict=True)}
        return {**self._asdict(), "quantiles": named, "histogram": list(self.histogram)}


def shared_edges(columns: Iterable[Floats], bins: int = 20) -> Floats:
    """Return (bins + 1,) edges of equal bins over all finite values of some columns, so that histograms compare."""
    finite = [values[np.isfinite(values)] for values in columns]
    known = [values for values in finite if len(values)]
    low = min((float(values.min()) for values in known), default=0.0)
    high = max((float(values.max()) for values in known), default=1.0)
    if high <= low:
        high = low + max(abs(low) * 1e-3, 1e-6)
    return np.linspace(low, high, bins + 1)


def describe(values: Floats, edges: Floats) -> Distribution:
    """Describe one column; values outside the edges are in no bin."""
    known = values[np.isfinite(values)]
    missing = len(values) - len(known)
    if not len(known):
        nothing = (math.nan,) * len(QUANTILES)
        return Distribution(0, missing, math.nan, math.nan, nothing, (0,) * (len(edges) - 1))
    std = float(known.std(ddof=1)) if len(known) > 1 else math.nan
    quantiles = tuple(float(value) for value in np.quantile(known, QUANTILES))
    histogram = tuple(int(count) for count in np.histogram(known, edges)[0])
    return Distribution(len(known), missing, float(known.mean()), std, quantiles, histogram)


def describe_classes(values: Floats, class_ids: NDArray[np.int64], edges: Floats) -> dict[int, Distribution]:
    """Describe one column for each class, in ascending order of class ids."""
    return {class_id: describe(values[rows], edges) for class_id, rows in rows_by_class(class_ids)}


def rows_by_class(class_ids: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each class id with the rows that have it, both ascending; one sort, however many classes."""
    order = np.argsort(class_ids, kind="stable")
    known, starts = np.unique(class_ids[order], return_index=True)
    for class_id, rows in zip(known, np.split(order, starts[1:]), strict=False):
        yield int(class_id), rows


def extremes(values: Floats, count: int) -> tuple[list[int], list[int]]:
    """Return the rows of the highest and of the lowest finite values, most extreme first; ties go to earlier rows."""
    rows = np.flatnonzero(np.isfinite(values))
    highest = rows[np.argsort(-values[rows], kind="stable")][:count]
    lowest = rows[np.argsort(values[rows], kind="stable")][:count]
    return highest.tolist(), lowest.tolist()
