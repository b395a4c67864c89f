"""Finds pairs of images and masks in a folder; exactly by stem, never by order."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bdgan_cli.dataset.fields import short
from bdgan_cli.dataset.schema import ClassEntry, safe_key
from bdgan_cli.dataset.splits import check_split
from bdgan_cli.errors import DataError, MissingError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_MAX_CLASS_ID = 2**31 - 1
_NUMBER = re.compile(r"[0-9]{1,10}")
_COLUMNS = ("id", "class_name", "class_id", "wnid", "split")


class Fault(NamedTuple):
    """Why a file cannot come in.

    Attributes:
        file: Path relative to the source folder.
        reason: What was expected and what was got.
        hint: What mends it; may be empty.
    """

    file: str
    reason: str
    hint: str = ""


@dataclass(frozen=True)
class Pair:
    """An image with its mask and what the source says of it."""

    key: str
    image: Path
    mask: Path
    entry: ClassEntry
    split: str
    extra: Mapping[str, str] = field(default_factory=dict)


class _Labels(NamedTuple):
    """What ``index.csv`` says of an image."""

    entry: ClassEntry
    split: str
    extra: dict[str, str]


def find_pairs(source: Path) -> tuple[list[Pair], list[Fault]]:
    """List the pairs of ``images/[<split>/]<id>.*`` and ``masks/[<split>/]<id>.png``, ordered by class and key.

    An optional ``index.csv`` with the columns id, class_name, class_id and, if there are any, wnid and split names the
    classes; its other columns are kept with each sample. Without it all images are of one class, ``object``.

    Raises:
        MissingError: If the folder has no ``images``.
        DataError: If ``index.csv`` lacks a column.
    """
    folder = source / "images"
    if not folder.is_dir():
        raise MissingError(f"expected a folder with pictures at {folder}", "see bdgan data import folder --help")
    faults: list[Fault] = []
    images = _by_stem(source, folder, IMAGE_SUFFIXES, faults)
    masks = _by_stem(source, source / "masks", (".png",), faults)
    labels = _read_labels(source / "index.csv", faults) if (source / "index.csv").is_file() else None
    faults += _unpaired(source, images, masks)
    if labels is not None:
        known = {stem for _, stem in images}
        faults += [Fault("index.csv", f"no image for id {name!r}") for name in labels if name not in known]
    keys = _keys(source, images, faults)
    pairs = []
    for place in sorted(set(images) & set(masks) & set(keys)):
        told = _labels_of(place, labels)
        if isinstance(told, str):
            faults.append(Fault(_relative(source, images[place]), told))
            continue
        extra = {**told.extra, "source": _relative(source, images[place])}
        pairs.append(Pair(keys[place], images[place], masks[place], told.entry, told.split, extra))
    return sorted(pairs, key=lambda pair: (pair.entry.id, pair.key)), faults


def _by_stem(source: Path, folder: Path, suffixes: tuple[str, ...], faults: list[Fault]) -> dict[tuple[str, str], Path]:
    """Return the files of a folder and of its direct subfolders by (split, stem)."""
    found: dict[tuple[str, str], Path] = {}
    for path in _visible_files(folder):
        place = ("" if path.parent == folder else path.parent.name, path.stem)
        if path.suffix.lower() not in suffixes:
            faults.append(Fault(_relative(source, path), f"expected a file of {', '.join(suffixes)}"))
        elif place in found:
            faults.append(Fault(_relative(source, path), f"has the same stem as {_relative(source, found[place])}"))
        else:
            found[place] = path
    return found


def _visible_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith("."):
            continue
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from (inner for inner in sorted(path.iterdir()) if inner.is_file() and inner.name[0] != ".")


def _unpaired(
    source: Path, images: Mapping[tuple[str, str], Path], masks: Mapping[tuple[str, str], Path]
) -> Iterator[Fault]:
    for place in sorted(set(images) ^ set(masks)):
        if place in images:
            expected = "/".join(filter(None, ("masks", place[0], f"{place[1]}.png")))
            yield Fault(_relative(source, images[place]), f"no mask: expected {expected}")
        else:
            expected = "/".join(filter(None, ("images", place[0], f"{place[1]}.*")))
            yield Fault(_relative(source, masks[place]), f"no image: expected {expected}")


def _keys(source: Path, images: Mapping[tuple[str, str], Path], faults: list[Fault]) -> dict[tuple[str, str], str]:
    """Name the samples: by stem, with the split in front if stems repeat between splits."""
    repeated = len({stem for _, stem in images}) < len(images)
    keys: dict[tuple[str, str], str] = {}
    holders: dict[str, list[str]] = defaultdict(list)
    for place, path in sorted(images.items()):
        try:
            key = safe_key("_".join(filter(None, place)) if repeated else place[1])
        except DataError as error:
            faults.append(Fault(_relative(source, path), error.message))
            continue
        holders[key].append(_relative(source, path))
        if len(holders[key]) > 1:
            faults.append(Fault(holders[key][-1], f"gets the same key {key} as {holders[key][0]}: rename one of them"))
        else:
            keys[place] = key
    return keys


def _labels_of(place: tuple[str, str], labels: Mapping[str, _Labels] | None) -> _Labels | str:
    """Return what is known of an image, or the reason why that is not enough."""
    split, stem = place
    if labels is None:
        return _Labels(ClassEntry(0, "", "object"), split, {})
    if stem not in labels:
        return f"no row in index.csv: expected id {stem!r}"
    told = labels[stem]
    if split and told.split and split != told.split:
        return f"lies in split {split!r}, but index.csv says {told.split!r}"
    return told._replace(split=told.split or split)


def _read_labels(path: Path, faults: list[Fault]) -> dict[str, _Labels]:
    labels: dict[str, _Labels] = {}
    entries: dict[int, ClassEntry] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _COLUMNS[:3] if name not in (reader.fieldnames or ())]
            if missing:
                got = ", ".join(reader.fieldnames or ()) or "nothing"
                raise DataError(f"{path}: expected the columns {', '.join(_COLUMNS[:3])}, got {got}")
            for row in reader:
                _read_row(row, f"index.csv:{reader.line_num}", labels, entries, faults)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: expected a table with commas in UTF-8, got: {error}") from error
    return labels


def _read_row(
    row: dict[str, Any],
    where: str,
    labels: dict[str, _Labels],
    entries: dict[int, ClassEntry],
    faults: list[Fault],
) -> None:
    """Add a row to the labels; one that is odd becomes a fault."""
    name, number = row["id"] or "", row["class_id"] or ""
    if not _NUMBER.fullmatch(number):
        faults.append(Fault(where, f"expected a class_id of digits, got {short(row['class_id'])}"))
        return
    if int(number) > _MAX_CLASS_ID:
        faults.append(Fault(where, f"expected a class_id up to {_MAX_CLASS_ID}, got {number}"))
        return
    entry = ClassEntry(int(number), row.get("wnid") or "", row["class_name"] or "")
    rest = {column: value for column, value in row.items() if column and column not in _COLUMNS and value}
    odd = [text for text in (entry.wnid, entry.name, *rest, *rest.values()) if not text.isprintable()]
    if odd:
        faults.append(Fault(where, f"expected text in one line, got {short(odd[0])}"))
    elif entries.setdefault(entry.id, entry) != entry:
        first = entries[entry.id].name
        faults.append(Fault(where, f"expected class {entry.id} to be {first!r} as before, got {entry.name!r}"))
    elif name in labels:
        faults.append(Fault(where, f"expected each id once, got {name!r} again"))
    else:
        try:
            split = check_split(row.get("split") or "", where)
        except DataError as error:
            faults.append(Fault(where, error.message.removeprefix(f"{where}: ")))
            return
        labels[name] = _Labels(entry, split, rest)


def _relative(source: Path, path: Path) -> str:
    return path.relative_to(source).as_posix()
