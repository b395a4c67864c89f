"""Reads the masks of a dataset by all cores and measures them for ``bdgan analyze geometry`` (supplement C.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bdgan_cli.analysis.geometry import Measured, mask_figures
from bdgan_cli.analysis.parallel import in_threads
from bdgan_cli.analysis.polygons import Polygons, join_polygons, outline, simplified_polygons, take_polygons
from bdgan_cli.dataset.masks import object_pixels
from bdgan_cli.dataset.reader import Dataset
from bdgan_cli.progress import Reporter

Ints = NDArray[np.int64]

_CHUNK_MASKS = 128
# What reading a mask needs of an index row; the other columns would be turned into Python objects for nothing.
_COLUMNS = ["key", "class_id", "shard", "image_format", "mask_offset", "mask_size", "height", "width"]


class MeasuredDataset(NamedTuple):
    """What a dataset's masks are like.

    Attributes:
        measured: The masks that are large enough, ordered by class.
        class_ids: The classes that have samples, ascending.
        counts: For each class id: samples, samples without mask, masks too small.
    """

    measured: Measured
    class_ids: list[int]
    counts: dict[int, tuple[int, int, int]]


class _Chunk(NamedTuple):
    facts: Ints
    polygons: Polygons
    kept: NDArray[np.bool_]


def measure_dataset(
    dataset: Dataset, min_area_px: int, report: Reporter, *, label: str = "outlines", workers: int | None = None
) -> MeasuredDataset:
    """Measure every mask that is large enough; masks that the index knows to be smaller are not read.

    Args:
        dataset: Dataset or view.
        min_area_px: Least number of object pixels, at least 1.
        report: Shows progress.
        label: The progress bar's name.
        workers: Threads; by default one per core.

    Raises:
        DataError: If a mask is damaged; names shard and key.
    """
    table = dataset.table
    has_mask = table["mask_offset"].to_numpy() >= 0
    known_area = table["area_px"].to_numpy()
    rows = np.flatnonzero(has_mask & ((known_area < 0) | (known_area >= min_area_px)))
    wanted = table.select(_COLUMNS).take(rows)
    # Masks are read in the order in which they lie on the disk, and put back into the order of the index.
    order = np.asarray(
        pc.sort_indices(wanted, sort_keys=[("shard", "ascending"), ("mask_offset", "ascending")]), np.int64
    )
    chunks = _read_chunks(dataset, wanted.take(order), min_area_px, workers)
    parts = []
    with report.task(label, len(rows), "masks") as task:
        for chunk in chunks:
            parts.append(chunk)
            task.advance(len(chunk.kept))
    facts = np.concatenate([part.facts for part in parts], axis=1) if parts else np.zeros((4, 0), np.int64)
    polygons = join_polygons([part.polygons for part in parts])
    kept = rows[order[np.concatenate([part.kept for part in parts])]] if parts else rows
    measured = _in_order(table, kept, facts, polygons)
    class_ids = table["class_id"].to_numpy().astype(np.int64)
    return MeasuredDataset(measured, np.unique(class_ids).tolist(), _count(class_ids, has_mask, kept))


def _read_chunks(dataset: Dataset, table: pa.Table, min_area_px: int, workers: int | None) -> Iterator[_Chunk]:
    def read(start: int) -> _Chunk:
        part = Dataset(dataset.root, dataset.info, table.slice(start, _CHUNK_MASKS), dataset.view)
        masks = (record.mask for record in part.iterate(("mask",)))
        outlines = [outline(object_pixels(mask)) for mask in masks if mask is not None]
        kept = np.array([found.area_px >= min_area_px for found in outlines], bool)
        large = [found for found in outlines if found.area_px >= min_area_px]
        facts = [(found.components, found.area_px, *found.box_hw) for found in large]
        return _Chunk(np.array(facts, np.int64).reshape(-1, 4).T, simplified_polygons([f.contour for f in large]), kept)

    return in_threads(read, range(0, len(table), _CHUNK_MASKS), workers)


def _in_order(table: pa.Table, kept: Ints, facts: Ints, polygons: Polygons) -> Measured:
    """Bring what was read into the order of classes and rows."""
    class_ids = table["class_id"].to_numpy().astype(np.int64)[kept]
    areas = table["height"].to_numpy().astype(np.int64) * table["width"].to_numpy()
    order = np.lexsort([kept, class_ids])
    polygons = take_polygons(polygons, order)
    return Measured(class_ids[order], mask_figures(facts[:, order], areas[kept[order]], polygons), polygons)


def _count(class_ids: Ints, has_mask: NDArray[np.bool_], kept: Ints) -> dict[int, tuple[int, int, int]]:
    ids, place = np.unique(class_ids, return_inverse=True)
    samples = np.bincount(place, minlength=len(ids))
    masks = np.bincount(place[has_mask], minlength=len(ids))
    large = np.bincount(place[kept], minlength=len(ids))
    rows = zip(ids.tolist(), samples.tolist(), (samples - masks).tolist(), (masks - large).tolist(), strict=True)
    return {class_id: (total, without, small) for class_id, total, without, small in rows}
