"""What the sheets of ``bdgan analyze figures`` show: which classes, and the outlines of a mask (supplement E)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bdgan_cli.analysis.polygons import simplified_polygons
from bdgan_cli.dataset.masks import ignore_value
from bdgan_cli.dataset.pictures import LABEL_COLOURS
from bdgan_cli.dataset.reader import Dataset
from bdgan_cli.reporting.figures_samples import Region
from bdgan_cli.workflows.analysis_io import Named


def choose_classes(datasets: Sequence[Named], rows: int, seed: int) -> tuple[list[list[int]], list[str]]:
    """Draw the classes of each dataset's rows: shared ones first, its own where these are too few."""
    known = [classes_by_token(entry.dataset) for entry in datasets if len(entry.dataset)]
    shared = [token for token in known[0] if all(token in other for other in known)] if known else []
    drawn = [shared[i] for i in np.random.default_rng(seed).permutation(len(shared))[:rows]]
    chosen, notes = [], []
    for entry in datasets:
        ids = classes_by_token(entry.dataset)
        own = [token for token in ids if token not in shared]
        more = [own[i] for i in np.random.default_rng(seed).permutation(len(own))[: rows - len(drawn)]]
        # Shared classes stand in the order of the first dataset, so that rows of two sheets face each other.
        tokens = [token for token in shared if token in drawn] if len(entry.dataset) else []
        chosen.append([ids[token] for token in [*tokens, *sorted(more, key=list(ids).index)]])
        if len(datasets) > 1 and more:
            notes.append(f"{entry.name}: {len(tokens)} classes are in all datasets, {len(more)} rows show others")
    return chosen, notes


def classes_by_token(dataset: Dataset) -> dict[str, int]:
    """Return the id of each class that has samples, by what names it across datasets, in the order of ids."""
    table = {entry.id: entry.wnid or entry.name.lower() for entry in dataset.info.classes}
    ids = np.unique(np.asarray(dataset.table["class_id"].to_numpy())).tolist()
    return {table.get(class_id, str(class_id)): class_id for class_id in ids}


def regions_of(mask: NDArray[Any] | None) -> list[Region]:
    """Return the labels of a mask with their boundary polygons, and what is to be ignored."""
    if mask is None:
        return []
    regions = [Region(None, mask == ignore_value(mask))]
    for label in (int(value) for value in np.unique(mask) if value not in (0, ignore_value(mask))):
        inside = mask == label
        colour = LABEL_COLOURS[(label - 1) % len(LABEL_COLOURS)]
        regions.append(Region(colour, inside, boundary_polygons(inside)))
    return regions


def boundary_polygons(inside: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return (V, 2) x and y in pixels of the simplified boundary of each piece and hole."""
    found, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    contours = [contour.reshape(-1, 2) for contour in found]
    simple = simplified_polygons(contours)
    lines = np.split(simple.points, np.cumsum(simple.counts)[:-1])
    return [
        contour.min(axis=0) + line * (contour.max(axis=0) - contour.min(axis=0))
        for contour, line in zip(contours, lines, strict=False)
    ]
