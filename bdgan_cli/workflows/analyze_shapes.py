"""``bdgan analyze shapes``: the major shapes of each class by k-means, and the figure of mean shapes (supplement E)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from bdgan_cli.analysis.parallel import in_threads
from bdgan_cli.analysis.shapes import CLUSTERS, SHAPE_SIZE, draw_modes, find_modes, normalized_shape
from bdgan_cli.dataset.masks import object_pixels
from bdgan_cli.dataset.reader import Dataset
from bdgan_cli.errors import UsageError
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.reporting.drawing import SERIES, Drawn
from bdgan_cli.reporting.figures_shapes import ClassModes, class_modes_figure, mean_shapes_figure
from bdgan_cli.workflows import analysis_io
from bdgan_cli.workflows.analysis_io import AnalysisConfig, Named, file_stem
from bdgan_cli.workflows.shapes_result import ClassShapes, DatasetShapes, ShapesResult

PICKS = ("random", "largest")
CLASSES_PER_SHEET = 40
# What reading a mask needs of an index row; the other columns would be turned into Python objects for nothing.
_COLUMNS = ["key", "class_id", "shard", "image_format", "mask_offset", "mask_size", "height", "width", "area_px"]


@dataclass(frozen=True)
class ShapesOptions:
    """How shapes are found and shown.

    Attributes:
        clusters: k.
        pick: Which cluster the figure shows of each class: ``random`` or ``largest``.
        classes: Classes in the figure, drawn at random; the paper shows 500.
        min_area_px: Masks with fewer object pixels are left out, as in the geometry measures.
        most_per_class: Masks of a class that are clustered, drawn at random if there are more; bounds the memory.
    """

    clusters: int = CLUSTERS
    pick: str = "random"
    classes: int = 500
    min_area_px: int = 100
    most_per_class: int = 5_000


def analyze_shapes(
    config: AnalysisConfig, options: ShapesOptions | None = None, report: Reporter | None = None
) -> ShapesResult:
    """Cluster the shapes of each class and draw their means; all cores work, a class at a time each.

    Raises:
        UsageError: If an option cannot be right, or a dataset is named twice.
        MissingError: If there is no dataset.
        DataError: If a dataset is broken.
    """
    options, report = options or ShapesOptions(), report or Silent()
    _check(options)
    datasets, entries = analysis_io.open_datasets(config, report), []
    for named in datasets:
        groups = _by_class(named.dataset)
        classes = []
        with report.task(f"shapes of {named.name}", len(named.dataset), "masks") as task:
            for one in in_threads(partial(_of_class, options=options, seed=config.seed), groups, config.workers):
                classes.append(one)
                task.advance(sum(one.counts[:4]))
        entries.append(DatasetShapes(named.name, named.dataset.reference, _choose(classes, options, config.seed)))
    notes = [note for entry in entries for note in _notes(entry, options)]
    for note in notes:
        report.note(note)
    figures: dict[str, Drawn] = {}
    for entry, colour in zip(entries, SERIES * len(entries), strict=False):
        figures |= _draw(entry, options, colour)
    return ShapesResult(tuple(entries), tuple(datasets), options.clusters, options.min_area_px, figures, tuple(notes))


def write_shapes(config: AnalysisConfig, result: ShapesResult, datasets: Sequence[Named]) -> list[Path]:
    """Write ``shapes.json``, ``shapes.csv`` (classes) and the figures.

    Raises:
        UsageError: If other results are there and are not to be replaced.
    """
    tables = {"shapes": result.class_table()}
    return analysis_io.write_analysis(
        config, datasets, "shapes", result.to_json(), tables=tables, figures=result.figures
    )


def _check(options: ShapesOptions) -> None:
    if options.pick not in PICKS:
        raise UsageError(f"expected a pick of {' or '.join(PICKS)}, got {options.pick!r}", "--pick random")
    for name in ("clusters", "classes", "most_per_class"):
        if getattr(options, name) < 1:
            raise UsageError(f"expected {name} of at least 1, got {getattr(options, name)}", "see --help")


def _by_class(dataset: Dataset) -> Iterator[tuple[int, str, Dataset]]:
    """Yield the id, the name and the rows of each class that has samples."""
    names = {entry.id: entry.name for entry in dataset.info.classes}
    table = dataset.table.select(_COLUMNS)
    # The index is ordered by class.
    ids, starts, counts = np.unique(np.asarray(table["class_id"]), return_index=True, return_counts=True)
    for class_id, start, count in zip(ids.tolist(), starts, counts, strict=True):
        rows = table.slice(start, count)
        yield class_id, names.get(class_id, str(class_id)), Dataset(dataset.root, dataset.info, rows, dataset.view)


def _of_class(group: tuple[int, str, Dataset], options: ShapesOptions, seed: int) -> ClassShapes:
    class_id, name, dataset = group
    # The class names its stream, so that other classes, threads and their order change nothing.
    stream = np.random.default_rng([seed, class_id % 2**32])
    area, offset = (np.asarray(dataset.table[column].to_numpy()) for column in ("area_px", "mask_offset"))
    # An unknown area is -1; such a mask is measured when it is read.
    candidates = np.flatnonzero((offset >= 0) & ((area < 0) | (area >= options.min_area_px)))
    drawn = np.sort(stream.permutation(candidates)[: options.most_per_class])
    chosen = dataset.restricted(drawn)
    shapes = []
    for record in chosen.iterate(("mask",)):
        assert record.mask is not None
        pixels = object_pixels(record.mask)
        if np.count_nonzero(pixels) >= max(1, options.min_area_px):
            shapes.append(normalized_shape(pixels))
    without, undrawn = int((offset < 0).sum()), len(candidates) - len(drawn)
    small = len(area) - without - undrawn - len(shapes)
    if not shapes:
        none = np.zeros((0, SHAPE_SIZE, SHAPE_SIZE), np.float32), np.zeros(0, np.int64)
        return ClassShapes(class_id, name, (0, small, without, undrawn, 0, 0), *none)
    modes = find_modes(np.stack(shapes), stream, options.clusters)
    counts = (len(shapes), small, without, undrawn, modes.distinct, len(modes.sizes))
    return ClassShapes(class_id, name, counts, modes.means_kSS, modes.sizes)


def _choose(classes: list[ClassShapes], options: ShapesOptions, seed: int) -> list[ClassShapes]:
    stream = np.random.default_rng([seed, len(classes)])
    shown = draw_modes([len(one.sizes) for one in classes], options.classes, stream)
    if options.pick == "largest":
        shown = np.minimum(shown, 0)
    return [one._replace(shown=int(cluster)) for one, cluster in zip(classes, shown, strict=True)]


def _draw(entry: DatasetShapes, options: ShapesOptions, colour: str) -> dict[str, Drawn]:
    found = [one for one in entry.classes if len(one.sizes)]
    shown = [one for one in found if one.shown >= 0]
    if not found:
        return {}
    title = f"{entry.name}: mean shapes of {len(shown)} of {len(found)} classes, {options.pick} cluster"
    means = [one.means_kSS[one.shown] for one in shown]
    figures = {file_stem("shapes", entry.name): mean_shapes_figure([one.name for one in shown], means, title, colour)}
    pages = [found[i : i + CLASSES_PER_SHEET] for i in range(0, len(found), CLASSES_PER_SHEET)]
    for number, page in enumerate(pages, 1):
        of = f", sheet {number} of {len(pages)}" if len(pages) > 1 else ""
        stem = file_stem("shapes-classes", entry.name, *([f"{number:02}"] if len(pages) > 1 else []))
        modes = [ClassModes(one.name, one.means_kSS, one.sizes) for one in page]
        figures[stem] = class_modes_figure(modes, f"{entry.name}: mean shapes of each class{of}", colour)
    return figures


def _notes(entry: DatasetShapes, options: ShapesOptions) -> list[str]:
    totals = entry.totals()
    few = sum(0 < one.counts[4] < options.clusters for one in entry.classes)
    empty = sum(not len(one.sizes) for one in entry.classes)
    said = {
        f"masks under {options.min_area_px} pixels left out: {totals['too_small']}": totals["too_small"],
        f"samples without mask: {totals['without_mask']}": totals["without_mask"],
        f"of the larger classes {options.most_per_class} masks were drawn": totals["not_drawn"],
        f"classes with fewer than {options.clusters} different shapes, each of which is a cluster: {few}": few,
        f"classes without a mask to cluster: {empty}": empty,
        "there is no mask to cluster": not totals["masks"],
    }
    return [f"{entry.name}: {text}" for text, is_so in said.items() if is_so]
