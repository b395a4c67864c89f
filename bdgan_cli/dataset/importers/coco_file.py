"""Reads the JSON file of COCO instances: pictures, categories, annotations, each checked as far as the file alone goes.

What is odd becomes a fault with the reason; a picture that one of its annotations is odd in counts as odd as a whole,
because what the annotation covers would be taken for background.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.fields import short, take, take_optional
from bdgan_cli.dataset.importers.coco_json import parse_coco
from bdgan_cli.dataset.importers.pairs import Fault
from bdgan_cli.errors import DataError

# The category of what is ignored whichever categories take part; no file has it.
ANY_CATEGORY = -1

_MAX_CLASS_ID = 2**31 - 1
_BEYOND_INT64 = 2**63
_LONGEST_REASON = 300
_SINGULAR = {"images": "image", "annotations": "annotation", "categories": "category"}
_DRIVE = re.compile(r"[A-Za-z]:")


class CocoPicture(NamedTuple):
    """A picture as the file tells of it.

    Attributes:
        id: Its id.
        file_name: Path below the folder of pictures.
        height: In pixels; 0 where only the picture itself tells.
        width: In pixels; 0 where only the picture itself tells.
        extra: Licence and address, where the file has them.
        split: Name of its split; may be empty.
    """

    id: int
    file_name: str
    height: int
    width: int
    extra: dict[str, str]
    split: str = ""


class Drawn(Protocol):
    """A region in the words of another format."""

    def draw(self, size_hw: tuple[int, int], where: str) -> NDArray[np.bool_]:
        """Return the (H, W) bool mask.

        Raises:
            DataError: If it cannot be one of a picture of that size.
        """
        ...


class CocoAnnotation(NamedTuple):
    """One object, or one crowd of them.

    Attributes:
        id: Its id.
        category_id: The category's id.
        segmentation: As in the file: polygons (lists of numbers or arrays), or run lengths; for other formats what
            draws itself (:class:`Drawn`).
        is_crowd: Whether it is a region with an uncounted number of objects.
        bbox: As in the file: x, y, width, height in pixels; None if there is none.
        place: Where it stands in a file of another format, for messages.
    """

    id: int
    category_id: int
    segmentation: Any
    is_crowd: bool
    bbox: Any
    place: str = ""


@dataclass
class CocoFile:
    """What a file holds.

    Attributes:
        pictures: By id, in the file's order.
        annotations: By picture id, in the file's order.
        categories: Names by id, in ascending order of ids.
        faults: What is wrong with entries.
        odd_pictures: Ids of pictures that a faulty entry belongs to.
    """

    pictures: dict[int, CocoPicture] = field(default_factory=dict)
    annotations: dict[int, list[CocoAnnotation]] = field(default_factory=lambda: defaultdict(list))
    categories: dict[int, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    odd_pictures: set[int] = field(default_factory=set)


def read_coco(path: Path) -> CocoFile:
    """Read a file of COCO instances.

    Raises:
        MissingError: If there is no such file.
        DataError: If it is no JSON, or not one of COCO instances.
    """
    parts = parse_coco(path)
    coco = CocoFile()
    _Reader(coco, _licences(parts)).read(parts)
    coco.categories = dict(sorted(coco.categories.items()))
    return coco


class _Reader:
    """Fills a :class:`CocoFile` entry by entry; an entry that is odd becomes a fault and the next one is read."""

    def __init__(self, coco: CocoFile, licences: Mapping[Any, str]) -> None:
        self.coco = coco
        self.licences = licences
        self.seen: set[int] = set()
        self.files: dict[str, int] = {}

    def read(self, parts: Mapping[str, list[Any]]) -> None:
        for part, add in (
            ("categories", self._add_category),
            ("images", self._add_picture),
            ("annotations", self._add_annotation),
        ):
            for number, entry in enumerate(parts[part]):
                place = _place(part, number, entry)
                try:
                    if not isinstance(entry, dict):
                        raise DataError(f"{place}: expected a JSON object, got {type(entry).__name__}")
                    add(entry, place)
                except DataError as error:
                    reason = error.message.removeprefix(f"{place}: ")[:_LONGEST_REASON]
                    self.coco.faults.append(Fault(place, reason, error.hint))

    def _add_category(self, entry: dict[str, Any], place: str) -> None:
        number, name = _id(entry, "id", place), _text(entry, "name", place)
        if number in self.coco.categories:
            raise DataError(f"{place}: expected each category id once, got {number} again")
        if not 0 <= number <= _MAX_CLASS_ID:
            raise DataError(f"{place}: expected a category id of 0 to {_MAX_CLASS_ID}, got {number}")
        self.coco.categories[number] = name

    def _add_picture(self, entry: dict[str, Any], place: str) -> None:
        number, name = _id(entry, "id", place), _text(entry, "file_name", place)
        if number in self.coco.pictures:
            self.coco.odd_pictures.add(number)
            raise DataError(f"{place}: expected each picture id once, got {number} again")
        size = [_id(entry, side, place) for side in ("height", "width")]
        extra = {side: entry[side] for side in ("coco_url", "flickr_url") if _is_text(entry.get(side))}
        licence = entry.get("license")
        if isinstance(licence, int) and licence in self.licences:
            extra["licence"] = self.licences[licence]
        # An odd picture is known all the same: its annotations are no faults of their own.
        self.coco.pictures[number] = CocoPicture(number, name, size[0], size[1], extra)
        self.coco.odd_pictures.add(number)
        if min(size) < 1:
            raise DataError(f"{place}: expected a size of at least 1x1 pixels, got {size[1]}x{size[0]}")
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or "\\" in name or _DRIVE.match(name) or not parts:
            raise DataError(f"{place}: expected a file name inside the folder of pictures, got {name!r}")
        if self.files.setdefault(name, number) != number:
            raise DataError(f"{place}: expected each file once, got {name!r} again")
        self.coco.odd_pictures.discard(number)

    def _add_annotation(self, entry: dict[str, Any], place: str) -> None:
        picture = _id(entry, "image_id", place)
        if picture not in self.coco.pictures:
            raise DataError(f"{place}: expected an image_id of the file, got {picture}")
        odd_before = picture in self.coco.odd_pictures
        self.coco.odd_pictures.add(picture)
        number, category = _id(entry, "id", place), _id(entry, "category_id", place)
        if number in self.seen:
            raise DataError(f"{place}: expected each annotation id once, got {number} again")
        self.seen.add(number)
        if category not in self.coco.categories:
            raise DataError(f"{place}: expected a category_id of the file, got {category}")
        crowd = entry.get("iscrowd", 0)
        if crowd not in (0, 1):
            raise DataError(f"{place}: expected iscrowd to be 0 or 1, got {short(crowd)}")
        annotation = CocoAnnotation(number, category, entry.get("segmentation"), bool(crowd), entry.get("bbox"))
        self.coco.annotations[picture].append(annotation)
        if not odd_before:
            self.coco.odd_pictures.discard(picture)


def _licences(parts: Mapping[str, Any]) -> dict[Any, str]:
    entries = parts.get("licenses")
    known = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return {
        entry["id"]: entry["name"]
        for entry in known
        if isinstance(entry.get("id"), int) and _is_text(entry.get("name"))
    }


def _place(part: str, number: int, entry: Any) -> str:
    """Name an entry by its id, or by its place in the list where it has none."""
    has_id = isinstance(entry, dict) and type(entry.get("id")) is int
    return f"{_SINGULAR[part]} {entry['id']}" if has_id else f"{part}[{number}]"


def _id(entry: dict[str, Any], name: str, place: str) -> int:
    if take_optional(entry, name, int, place) is None:
        raise DataError(f"{place}: expected {name!r} to be an integer, got nothing")
    if not -_BEYOND_INT64 <= entry[name] < _BEYOND_INT64:
        raise DataError(f"{place}: expected {name!r} to be an integer of 64 bits, got {short(entry[name])}")
    return int(entry[name])


def _text(entry: dict[str, Any], name: str, place: str) -> str:
    text = take(entry, name, str, place)
    if not _is_text(text):
        raise DataError(f"{place}: expected {name!r} to be text in one line, got {short(text)}")
    return text


def _is_text(value: Any) -> bool:
    """Whether a value is text that can be printed and stored: no control characters, no halves of characters."""
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()
