"""The seven figures of the paper's Table 1 that describe masks (supplement C.2), per class and over all.

IN pieces per image, MI mask area by image area, BI box area by image area, MB mask area by box area; of the simplified
outline, PL its length and SC its number of points; SD the mean distance between the outlines of a class.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.analysis.chamfer import (
    Rows,
    distance_sums,
    draw_pairs,
    mean_distance,
    pair_distances,
    pseudo_values,
    row_jobs,
)
from bdgan_cli.analysis.parallel import in_threads
from bdgan_cli.analysis.polygons import Polygons
from bdgan_cli.analysis.statistics import RESAMPLES, UNKNOWN, Estimate, estimates
from bdgan_cli.progress import Task

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FIGURES = ("IN", "MI", "BI", "MB", "PL", "SC", "SD")
MASK_FIGURES = FIGURES[:6]
# Names the random streams, so that one figure's draws never depend on another's.
_OF_MASKS, _OF_CLASSES, _OF_PAIRS, _OF_DIVERSITY = range(4)


class Measured(NamedTuple):
    """N masks and their outlines, ordered by class.

    Attributes:
        class_ids: (N,) class of each mask, ascending.
        values_MN: (6, N) IN, MI, BI, MB, PL and SC of each mask.
        polygons: The N simplified outlines.
    """

    class_ids: Ints
    values_MN: Floats
    polygons: Polygons


class ClassDiversity(NamedTuple):
    """How far apart the outlines of a class are.

    Attributes:
        mean: Mean distance over the pairs; NaN for fewer than two polygons.
        values: (n,) what the mean's error is taken from: the polygons' pseudo-values, or the drawn pairs' distances.
        pair_se: Standard error that comes from drawing pairs; 0 if all pairs were taken.
        sampled: Whether pairs were drawn.
    """

    mean: float
    values: Floats
    pair_se: float
    sampled: bool


@dataclass(frozen=True)
class Geometry:
    """The figures of a dataset.

    Attributes:
        overall: For each of :data:`FIGURES`, the mean over all masks; for SD, over classes with two masks or more.
        per_class: The same for each class.
        pair_se: Standard error of the overall SD that comes from drawing pairs; 0 if all pairs were taken.
        sampled: Whether the SD of any class was estimated from drawn pairs.
    """

    overall: dict[str, Estimate]
    per_class: dict[int, dict[str, Estimate]]
    pair_se: float
    sampled: bool


def mask_figures(facts_4N: Ints, image_area_px: Ints, polygons: Polygons) -> Floats:
    """Return (6, N) IN, MI, BI, MB, PL and SC of each mask.

    Args:
        facts_4N: (4, N) pieces, area in pixels, height and width of the tight box in pixels; areas above 0.
        image_area_px: (N,) pixels of each image.
        polygons: The N simplified outlines.
    """
    components, area, height, width = facts_4N.astype(np.float64)
    box = height * width
    shares = [area / image_area_px, box / image_area_px, area / box]
    return np.stack([components, *shares, polygons.lengths, polygons.counts.astype(np.float64)])


def diversity_work(class_ids: Ints, pairs: int | None = None) -> int:
    """Return how many steps :func:`diversity` counts: comparisons of one polygon with another, or drawn pairs."""
    sizes = np.unique(class_ids, return_counts=True)[1]
    return sum(pairs if _draws(int(n), pairs) and pairs else int(n) ** 2 for n in sizes if n > 1)


def diversity(
    measured: Measured, seed: int, task: Task, *, pairs: int | None = None, workers: int | None = None
) -> dict[int, ClassDiversity]:
    """Compare the outlines within each class.

    Args:
        measured: The masks, ordered by class.
        seed: Names the draw of pairs.
        task: Counts :func:`diversity_work` steps.
        pairs: Draw so many pairs in each class that has more; by default all are taken.
        workers: Threads.

    Returns:
        For each class in order.
    """
    classes = list(_classes(measured.class_ids))
    bounds = np.concatenate([[0], np.cumsum(measured.polygons.counts)])
    outlines = {
        class_id: (
            measured.polygons.points[bounds[rows.first] : bounds[rows.last]],
            measured.polygons.counts[rows.slice],
        )
        for class_id, rows in classes
    }
    jobs = (
        _Job(class_id, *outlines[class_id], rows, pairs, (seed, _OF_PAIRS, class_id % 2**32))
        for class_id, _ in classes
        for rows in _jobs(outlines[class_id][1], pairs)
    )
    sums: dict[int, Floats] = {class_id: np.zeros(len(counts)) for class_id, (_, counts) in outlines.items()}
    drawn: dict[int, Floats] = {}
    for class_id, result, steps in in_threads(_run, jobs, workers):
        if _draws(len(sums[class_id]), pairs):
            drawn[class_id] = result
        else:
            sums[class_id] += result
        task.advance(steps)
    return {
        class_id: _of_drawn(drawn[class_id], len(total)) if class_id in drawn else _of_all(total)
        for class_id, total in sums.items()
    }


def summarise(
    measured: Measured,
    diverse: dict[int, ClassDiversity],
    class_ids: Sequence[int],
    seed: int,
    resamples: int = RESAMPLES,
) -> Geometry:
    """Average the figures per class and over all.

    Args:
        measured: The masks, ordered by class.
        diverse: What :func:`diversity` returned.
        class_ids: The classes to report; one without masks has figures of nothing.
        seed: Names the bootstrap's draws.
        resamples: How often the bootstrap draws.
    """
    known = {class_id: rows.slice for class_id, rows in _classes(measured.class_ids)}
    per_class = {}
    for class_id in class_ids:
        values = measured.values_MN[:, known.get(class_id, slice(0))]
        own = estimates(values, (seed, _OF_MASKS, class_id % 2**32), resamples)
        shape = _class_estimate(diverse.get(class_id), (seed, _OF_DIVERSITY, class_id % 2**32), resamples)
        per_class[class_id] = dict(zip(FIGURES, [*own, shape], strict=True))
    means = np.array([entry.mean for entry in diverse.values() if not math.isnan(entry.mean)])
    of_masks = estimates(measured.values_MN, (seed, _OF_MASKS), resamples)
    (of_classes,) = estimates(means[None], (seed, _OF_CLASSES), resamples)
    drawn = math.sqrt(sum(entry.pair_se**2 for entry in diverse.values())) / max(1, len(means))
    sampled = any(entry.sampled for entry in diverse.values())
    return Geometry(dict(zip(FIGURES, [*of_masks, of_classes], strict=True)), per_class, drawn, sampled)


class _Span(NamedTuple):
    first: int
    last: int

    @property
    def slice(self) -> slice:
        return slice(self.first, self.last)


class _Job(NamedTuple):
    class_id: int
    points: Floats
    counts: Ints
    rows: Rows | None
    pairs: int | None
    seed: tuple[int, ...]


def _classes(class_ids: Ints) -> Iterator[tuple[int, _Span]]:
    ids, starts, sizes = np.unique(class_ids, return_index=True, return_counts=True)
    for class_id, start, size in zip(ids.tolist(), starts.tolist(), sizes.tolist(), strict=True):
        yield class_id, _Span(start, start + size)


def _draws(polygons: int, pairs: int | None) -> bool:
    return pairs is not None and pairs < polygons * (polygons - 1) // 2


def _jobs(counts: Ints, pairs: int | None) -> Iterator[Rows | None]:
    if len(counts) > 1:
        yield from [None] if _draws(len(counts), pairs) else row_jobs(counts)


def _run(job: _Job) -> tuple[int, Any, int]:
    """Do one job; return class, sums or distances, and the steps done."""
    if job.rows is not None:
        steps = (job.rows.last - job.rows.first) * len(job.counts)
        return job.class_id, distance_sums(job.points, job.counts, job.rows), steps
    assert job.pairs is not None
    chosen = draw_pairs(len(job.counts), job.pairs, np.random.default_rng(job.seed))
    return job.class_id, pair_distances(job.points, job.counts, chosen), job.pairs


def _of_all(sums: Floats) -> ClassDiversity:
    return ClassDiversity(mean_distance(sums), pseudo_values(sums), 0.0, False)


def _of_drawn(distances: Floats, polygons: int) -> ClassDiversity:
    """Describe drawn pairs; drawing without replacement makes the error smaller the more of them are taken."""
    taken = len(distances) / (polygons * (polygons - 1) / 2)
    error = float(distances.std(ddof=1)) if len(distances) > 1 else math.nan
    return ClassDiversity(
        float(distances.mean()), distances, error / math.sqrt(len(distances)) * math.sqrt(1 - taken), True
    )


def _class_estimate(diverse: ClassDiversity | None, seed: Sequence[int], resamples: int) -> Estimate:
    if diverse is None or math.isnan(diverse.mean):
        return UNKNOWN._replace(n=0 if diverse is None else len(diverse.values))
    if np.isnan(diverse.values).any():  # two polygons make one distance, which has no error
        return UNKNOWN._replace(value=diverse.mean, n=len(diverse.values))
    (estimate,) = estimates(diverse.values[None], seed, resamples)
    return estimate._replace(value=diverse.mean, se=diverse.pair_se if diverse.sampled else estimate.se)
