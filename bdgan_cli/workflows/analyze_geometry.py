"""``bdgan analyze geometry``: the mask columns of the paper's Table 1, IN to SD, for any datasets (supplement C.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bdgan_cli.analysis.geometry import FIGURES, diversity, diversity_work, summarise
from bdgan_cli.errors import UsageError
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.reporting.drawing import Drawn
from bdgan_cli.reporting.figures_geometry import Example, complexity_figure, estimates_figure, polygons_figure
from bdgan_cli.workflows.analysis_io import (
    AnalysisConfig,
    Named,
    open_datasets,
    write_analysis,
)
from bdgan_cli.workflows.geometry_masks import measure_dataset
from bdgan_cli.workflows.geometry_result import DatasetGeometry, GeometryResult

MIN_AREA_PX = 100
_LEVELS = (("low SC (2 %)", 0.02), ("median SC", 0.5), ("high SC (98 %)", 0.98))
_EXAMPLES = 3


@dataclass(frozen=True)
class GeometryOptions:
    """What is measured.

    Attributes:
        pairs: Estimate SD from so many pairs drawn in each class that has more; by default all pairs are taken.
        min_area_px: Masks with fewer object pixels are left out, and counted.
    """

    pairs: int | None = None
    min_area_px: int = MIN_AREA_PX


def analyze_geometry(
    config: AnalysisConfig, options: GeometryOptions | None = None, report: Reporter | None = None
) -> GeometryResult:
    """Measure the masks of each dataset; nothing is written.

    Raises:
        UsageError: If an option is out of range.
        MissingError: If there is no dataset.
        DataError: If a mask is damaged; names shard and key.
    """
    options, report = options or GeometryOptions(), report or Silent()
    if options.pairs is not None and options.pairs < 2:
        raise UsageError(f"expected at least 2 pairs for each class, got --pairs {options.pairs}")
    if options.min_area_px < 1:
        raise UsageError(f"expected a least area of at least 1 pixel, got --min-area {options.min_area_px}")
    datasets = tuple(open_datasets(config, report))
    entries = tuple(_measure(entry, config, options, report) for entry in datasets)
    notes = tuple(note for entry in entries for note in _notes(entry, options))
    for note in notes:
        report.note(note)
    figures = _draw(entries, config.seed)
    return GeometryResult(entries, datasets, options.pairs, options.min_area_px, config.seed, figures, notes)


def write_geometry(config: AnalysisConfig, result: GeometryResult, datasets: Sequence[Named]) -> list[Path]:
    """Write ``geometry.json``, ``geometry.csv`` and the figures.

    Raises:
        UsageError: If other results are there and are not to be replaced.
    """
    tables = {"geometry": result.class_table()}
    return write_analysis(config, datasets, "geometry", result.to_json(), tables=tables, figures=result.figures)


def _measure(entry: Named, config: AnalysisConfig, options: GeometryOptions, report: Reporter) -> DatasetGeometry:
    read = measure_dataset(
        entry.dataset, options.min_area_px, report, label=f"outlines of {entry.name}", workers=config.workers
    )
    work = diversity_work(read.measured.class_ids, options.pairs)
    with report.task(f"diversity of {entry.name}", work, "comparisons") as task:
        diverse = diversity(read.measured, config.seed, task, pairs=options.pairs, workers=config.workers)
    names = {known.id: known.name for known in entry.dataset.info.classes}
    geometry = summarise(read.measured, diverse, read.class_ids, config.seed)
    return DatasetGeometry(entry.name, entry.dataset.reference, names, read, geometry)


def _notes(entry: DatasetGeometry, options: GeometryOptions) -> list[str]:
    samples, without, small, masks = entry.counts()
    notes = []
    if not samples:
        notes.append(f"{entry.name}: no samples, so there is nothing to measure")
    elif not masks:
        notes.append(f"{entry.name}: no mask of {options.min_area_px} pixels or more, so there is nothing to measure")
    if without:
        notes.append(f"{entry.name}: {without} of {samples} samples have no mask")
    if small:
        notes.append(f"{entry.name}: {small} masks under {options.min_area_px} pixels were left out")
    if masks and not entry.geometry.overall["SD"].n:
        notes.append(f"{entry.name}: no class has two masks, so there is no SD")
    if masks and entry.geometry.overall["SD"].n == 1:
        notes.append(f"{entry.name}: SD comes from one class, so it has no error over classes")
    if entry.geometry.sampled:
        error = entry.geometry.pair_se
        notes.append(f"{entry.name}: SD from {options.pairs} drawn pairs per class, which adds an error of {error:.2g}")
    return notes


def _draw(entries: Sequence[DatasetGeometry], seed: int) -> dict[str, Drawn]:
    found = {entry.name: entry.geometry.overall for entry in entries if entry.counts()[3]}
    points = {entry.name: entry.read.measured.polygons.counts for entry in entries if entry.counts()[3]}
    if not found:
        return {}
    numbers = {
        figure: np.array([(each[figure].value, each[figure].low, each[figure].high) for each in found.values()])
        for figure in FIGURES
    }
    examples = {entry.name: _examples(entry, seed) for entry in entries if entry.name in found}
    return {
        "geometry-figures": estimates_figure(list(found), numbers),
        "geometry-complexity": complexity_figure(points),
        "geometry-polygons": polygons_figure(examples, [level for level, _ in _LEVELS], _EXAMPLES),
    }


def _examples(entry: DatasetGeometry, seed: int) -> list[Example]:
    """Choose outlines whose number of points is nearest to some quantiles; among equals chance decides."""
    polygons = entry.read.measured.polygons
    ends = np.cumsum(polygons.counts)
    chance = np.random.default_rng(seed).random(len(ends))
    examples = []
    for _, share in _LEVELS:
        away = np.abs(polygons.counts - np.quantile(polygons.counts, share))
        for row in np.lexsort([chance, away])[:_EXAMPLES].tolist():
            name = entry.class_names.get(int(entry.read.measured.class_ids[row]), "")
            points = polygons.points[ends[row] - polygons.counts[row] : ends[row]]
            examples.append(Example(points, name, float(polygons.lengths[row])))
        examples += [Example(np.zeros((0, 2)), "", 0.0)] * (_EXAMPLES - min(_EXAMPLES, len(ends)))
    return examples
