"""Parses the JSON of COCO files within bounded memory, and refuses what is not one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bdgan_cli.dataset.fields import short
from bdgan_cli.dataset.importers.json_file import load_json
from bdgan_cli.errors import DataError, MissingError

PARTS = ("images", "annotations", "categories")


def parse_coco(path: Path) -> dict[str, list[Any]]:
    """Return the content of a COCO file; coordinates and run lengths are arrays, as far as they are numbers.

    Raises:
        MissingError: If there is no such file.
        DataError: If it is no JSON, or lacks one of :data:`PARTS`.
    """
    if not path.is_file():
        raise MissingError(f"expected a file of COCO annotations at {path}, got none", "see bdgan data import coco -h")
    content = load_json(path, str(path), hook=_compact)
    hint = "an instances file of COCO has lists of images, annotations and categories"
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a COCO file, got a JSON {type(content).__name__}", hint)
    for part in PARTS:
        if not isinstance(content.get(part), list):
            got = ", ".join(map(str, list(content)[:8])) or "nothing"
            raise DataError(f"{path}: expected a COCO file with a list of {part}, got {short(got)}", hint)
    return content


def _compact(entry: dict[str, Any]) -> dict[str, Any]:
    """Turn coordinates and run lengths into arrays as soon as they are read: a quarter of the memory of lists."""
    polygons, counts = entry.get("segmentation"), entry.get("counts")
    if isinstance(polygons, list):
        entry["segmentation"] = [_as_array(polygon) for polygon in polygons]
    if isinstance(counts, list):
        entry["counts"] = _as_array(counts)
    return entry


def _as_array(values: Any) -> Any:
    """Return plain numbers as an array; anything else stays as it is, to be named as a fault later."""
    if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
        return values
    array = np.array(values)
    return array if array.dtype.kind in "if" else values
