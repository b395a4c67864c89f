"""``bdgan analyze figures``: random samples, and rows of samples by class (supplement E, figures 2 to 7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from bdgan_cli.dataset.pictures import Tile, draw_tile
from bdgan_cli.dataset.reader import Dataset, Record
from bdgan_cli.dataset.selection import draw_rows
from bdgan_cli.errors import UsageError
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.reporting.figures_samples import Picture, class_sheet, mask_tile, pair_sheet, polygon_tile
from bdgan_cli.workflows import analysis_io
from bdgan_cli.workflows.analysis_io import AnalysisConfig, Named, file_stem
from bdgan_cli.workflows.figures_choice import choose_classes, regions_of

_SHEETS = ("samples", "classes")
_SHEET_PX = 1280
CONVENTIONS = {
    "polygons": "OpenCV's contours (CHAIN_APPROX_SIMPLE) of every piece and hole of a label through the middles of "
    "its pixels, simplified by Douglas-Peucker at 0.01 of the polygon's own width and height",
    "ignored": "pixels to be ignored are faded",
    "classes": "matched between datasets by wnid, or by name where there is none",
}


@dataclass(frozen=True)
class FiguresOptions:
    """What is drawn.

    Attributes:
        count: Random samples on a sheet, spread evenly over the classes.
        rows: Classes on a sheet.
        columns: Samples of each class.
        tile_px: Edge of a tile in pixels.
    """

    count: int = 24
    rows: int = 10
    columns: int = 8
    tile_px: int = 160


class Shown(NamedTuple):
    """A sample on a sheet; rows and columns count from 1."""

    dataset: str
    sheet: str
    row: int
    column: int
    key: str
    class_id: int
    class_name: str


@dataclass(frozen=True)
class FiguresResult:
    """The sheets and what is on them."""

    datasets: tuple[Named, ...]
    shown: tuple[Shown, ...]
    pictures: dict[str, Picture]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the samples of each sheet by dataset."""
        datasets = {
            entry.name: {
                "reference": entry.dataset.reference,
                **{
                    sheet: [each._asdict() for each in self.shown if (each.dataset, each.sheet) == (entry.name, sheet)]
                    for sheet in _SHEETS
                },
            }
            for entry in self.datasets
        }
        return {"analysis": "figures", "conventions": CONVENTIONS, "notes": list(self.notes), "datasets": datasets}

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Return a row for each dataset."""
        rows = [
            [entry.name, *(sum((s.dataset, s.sheet) == (entry.name, sheet) for s in self.shown) for sheet in _SHEETS)]
            for entry in self.datasets
        ]
        return ["dataset", "random samples", "samples in rows"], rows

    def class_table(self) -> tuple[list[str], list[list[Any]]]:
        """Return a row for each sample that is shown."""
        return list(Shown._fields), [list(each) for each in self.shown]


def analyze_figures(
    config: AnalysisConfig, options: FiguresOptions | None = None, report: Reporter | None = None
) -> FiguresResult:
    """Draw sheets of random samples and of rows by class; datasets that share classes show the same ones.

    Raises:
        UsageError: If an option cannot be right, or a dataset is named twice.
        MissingError: If there is no dataset.
        DataError: If a sample is damaged.
    """
    options, report = options or FiguresOptions(), report or Silent()
    for field in ("count", "rows", "columns", "tile_px"):
        if getattr(options, field) < 1:
            raise UsageError(f"expected {field} of at least 1, got {getattr(options, field)}", "see --help")
    datasets = analysis_io.open_datasets(config, report)
    labelled, notes = _with_masks(datasets)
    chosen, class_notes = choose_classes(labelled, options.rows, config.seed)
    notes += class_notes
    for note in notes:
        report.note(note)
    shown: list[Shown] = []
    pictures: dict[str, Picture] = {}
    with report.task("sheets", 2 * len(labelled), "sheets") as task:
        for entry, class_ids in zip(labelled, chosen, strict=True):
            if len(entry.dataset):
                pictures[file_stem("samples", entry.name)] = _draw_samples(entry, options, config.seed, shown)
                task.advance()
                pictures[file_stem("classes", entry.name)] = _draw_classes(
                    entry, class_ids, options, config.seed, shown
                )
                task.advance()
    return FiguresResult(tuple(datasets), tuple(shown), pictures, tuple(notes))


def write_figures(config: AnalysisConfig, result: FiguresResult, datasets: Sequence[Named]) -> list[Path]:
    """Write ``figures.json``, ``figures.csv`` (which samples are shown) and the sheets as PNG.

    Raises:
        UsageError: If other results are there and are not to be replaced.
    """
    tables = {"figures": result.class_table()}
    return analysis_io.write_analysis(
        config, datasets, "figures", result.to_json(), tables=tables, pictures=result.pictures
    )


def _with_masks(datasets: Sequence[Named]) -> tuple[list[Named], list[str]]:
    """Keep the samples that have a mask; a dataset without any keeps its pictures."""
    kept, notes = [], []
    for name, dataset in datasets:
        has_mask = np.asarray(dataset.table["mask_offset"].to_numpy()) >= 0
        if not len(dataset):
            notes.append(f"{name}: there is no sample, so no sheet")
        elif not has_mask.any():
            notes.append(f"{name}: there is no mask, so the pictures stand alone")
        elif not has_mask.all():
            notes.append(f"{name}: {int((~has_mask).sum())} samples have no mask and are not shown")
        table = dataset.table.filter(pa.array(has_mask)) if has_mask.any() else dataset.table
        kept.append(Named(name, Dataset(dataset.root, dataset.info, table, dataset.view)))
    return kept, notes


def _draw_samples(entry: Named, options: FiguresOptions, seed: int, shown: list[Shown]) -> Picture:
    rows = draw_rows(entry.dataset.table["class_id"].to_pylist(), options.count, seed)
    rows = np.random.default_rng([seed, len(rows)]).permutation(rows).tolist()
    columns = min(max(1, _SHEET_PX // (2 * options.tile_px)), len(rows))
    pairs, captions = [], []
    for number, (image, record, class_id, name) in enumerate(_read(entry.dataset, rows)):
        regions = regions_of(record.mask)
        tiles = (draw(image, regions, options.tile_px) for draw in (mask_tile, polygon_tile))
        pairs.append((next(tiles), next(tiles)))
        captions.append(name.replace("_", " "))
        place = (number // columns + 1, number % columns + 1)
        shown.append(Shown(entry.name, "samples", *place, record.key, class_id, name))
    title = f"{entry.name}: {len(rows)} of {len(entry.dataset):,} samples, masks and boundary polygons"
    return pair_sheet(pairs, captions, title, columns)


def _draw_classes(
    entry: Named, class_ids: list[int], options: FiguresOptions, seed: int, shown: list[Shown]
) -> Picture:
    of_row = np.asarray(entry.dataset.table["class_id"].to_numpy())
    sheet = []
    for number, class_id in enumerate(class_ids, 1):
        members = np.flatnonzero(of_row == class_id)
        stream = np.random.default_rng([seed, class_id % 2**32])
        rows = stream.permutation(members)[: options.columns].tolist()
        tiles = []
        for column, (image, record, _, name) in enumerate(_read(entry.dataset, rows), 1):
            tiles.append(draw_tile(Tile(image, record.mask, ""), options.tile_px))
            shown.append(Shown(entry.name, "classes", number, column, record.key, class_id, name))
        sheet.append((name, tiles))
    return class_sheet(sheet, f"{entry.name}: samples of {len(sheet)} classes")


def _read(dataset: Dataset, rows: list[int]) -> Iterator[tuple[Picture, Record, int, str]]:
    """Yield image, record, class id and class name of some rows, in their order."""
    names = {entry.id: entry.name for entry in dataset.info.classes}
    table = dataset.table.take(rows)
    records = Dataset(dataset.root, dataset.info, table, dataset.view).iterate(("image", "mask"))
    for record, class_id in zip(records, table["class_id"].to_pylist(), strict=True):
        assert record.image is not None
        yield record.image, record, class_id, names.get(class_id, str(class_id))
