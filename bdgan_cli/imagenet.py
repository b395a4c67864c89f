"""The 1000 ImageNet classes in the order of ILSVRC 2012, and their ids in the released list of 992 entries.

The paper's MC-992 task labels pixels by ``seg_id``: 0 is background, 1..991 are classes. The list that was released
lacks nine of the 1000 classes; the paper's text speaks of eight.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from bdgan_cli.errors import DataError

CLASS_COUNT = 1000
_TABLE = "data/imagenet.csv"


class ImageNetClass(NamedTuple):
    """One class.

    Attributes:
        id: Index 0..999; the classes are sorted by wnid.
        wnid: WordNet id, such as ``n02084071``.
        name: A short name, unique in the table without regard to case.
        seg_id: Id 1..991 in the released list of 992; None for the nine classes it lacks.
    """

    id: int
    wnid: str
    name: str
    seg_id: int | None


@lru_cache(maxsize=1)
def imagenet_classes() -> tuple[ImageNetClass, ...]:
    """Return the 1000 classes in index order.

    Raises:
        DataError: If the table in the installed package is damaged.
    """
    text = (files("bdgan_cli") / _TABLE).read_text(encoding="utf-8")
    classes = tuple(
        ImageNetClass(int(row["index"]), row["wnid"], row["name"], int(row["seg_id"]) if row["seg_id"] else None)
        for row in csv.DictReader(text.splitlines())
    )
    if [entry.id for entry in classes] != list(range(CLASS_COUNT)):
        raise DataError(
            f"expected classes 0 to {CLASS_COUNT - 1} in {_TABLE}, got {len(classes)} rows",
            "install the package again: pip install --force-reinstall --no-deps bdgan",
        )
    return classes


@lru_cache(maxsize=1)
def classes_by_wnid() -> dict[str, ImageNetClass]:
    """Return the classes by wnid."""
    return {entry.wnid: entry for entry in imagenet_classes()}
