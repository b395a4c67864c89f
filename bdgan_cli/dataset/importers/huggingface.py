"""Imports Hugging Face datasets in Parquet: rows with the bytes of a picture and of its mask.

The column of classes and its names are read from the schema that the library stores; names of mask values from
``id2label.json`` beside the files. A row group is read at a time, whatever the size of the files.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from bdgan_cli.dataset.importers.intake import Content, Found, main_class
from bdgan_cli.dataset.importers.mask_rules import MaskRule, read_mask
from bdgan_cli.dataset.importers.pairs import Fault
from bdgan_cli.dataset.importers.upright import read_upright
from bdgan_cli.dataset.schema import ClassEntry, safe_key
from bdgan_cli.errors import DataError, MissingError, near_names

LABELS_FILE = "id2label.json"
_MAX_CLASS_ID = 2**31 - 1
_SPLIT = re.compile(r"(?P<split>.+?)-\d+-of-\d+")


@dataclass(frozen=True)
class HubColumns:
    """Names of the columns.

    Attributes:
        image: The pictures.
        mask: The masks.
        label: The classes; may be missing in the file.
        key: The names of samples; may be missing in the file.
    """

    image: str = "image"
    mask: str = "mask"
    label: str = "label"
    key: str = "key"


@contextmanager
def _damage_named(what: str) -> Iterator[None]:
    """Name the file that the library cannot read; text that is no UTF-8 and wrong lengths are ValueErrors to it."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{what}, got: {str(error)[:200]}") from error


class _Files:
    """The files of a source; the last one stays open, and its last row group in memory."""

    def __init__(self) -> None:
        self._file: tuple[Path, pq.ParquetFile] | None = None
        self._group: tuple[Path, int, pa.Table] | None = None

    def open(self, path: Path) -> pq.ParquetFile:
        if self._file is None or self._file[0] != path:
            with _damage_named(f"{path.name}: expected a Parquet file"):
                self._file = (path, pq.ParquetFile(path, memory_map=False))
        return self._file[1]

    def group(self, path: Path, group: int, columns: Sequence[str]) -> pa.Table:
        if self._group is None or self._group[:2] != (path, group):
            with _damage_named(f"{path.name}: expected row group {group} to be whole"):
                self._group = (path, group, self.open(path).read_row_group(group, columns=list(columns)))
        return self._group[2]


class _Row(NamedTuple):
    """Where a row is: file, row group and row in it."""

    file: Path
    group: int
    row: int

    @property
    def where(self) -> str:
        return f"{self.file.name}: row {self.row} of group {self.group}"


class _Meaning(NamedTuple):
    """What mask values mean: names of the labels 0..K, and the rule."""

    names: Sequence[str]
    rule: MaskRule


def label_names(root: Path) -> tuple[str, ...] | None:
    """Return the names of the mask values that ``id2label.json`` gives, None if there is no such file.

    Raises:
        DataError: If it is not an object of names by the numbers 0..K.
    """
    path = root / LABELS_FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected JSON, got: {error}") from error
    wanted = [str(number) for number in range(len(content))] if isinstance(content, dict) else []
    if len(wanted) < 2 or set(content) != set(wanted):
        raise DataError(f"{path}: expected names of the mask values 0, 1, ..., got {str(content)[:80]}")
    if not all(isinstance(content[number], str) for number in wanted):
        raise DataError(f"{path}: expected names as strings, got {str(content)[:80]}")
    return tuple(content[number] for number in wanted)


def find_rows(root: Path, columns: HubColumns, names: Sequence[str], rule: MaskRule) -> tuple[list[Found], list[Fault]]:
    """List the rows of all Parquet files of a folder, in the order of the files.

    Args:
        root: A file, or a folder with files in it or in ``data``.
        columns: Names of the columns.
        names: Names of the mask values 0..K.
        rule: What mask values mean.

    Raises:
        MissingError: If there are no files.
        DataError: If a file is broken or lacks a column.
    """
    files = [root] if root.is_file() else sorted([*root.glob("*.parquet"), *root.glob("data/*.parquet")])
    if not files:
        raise MissingError(
            f"expected Parquet files in {root} or {root / 'data'}, got none", "give the dataset's folder"
        )
    found: list[Found] = []
    faults: list[Fault] = []
    holders: Counter[str] = Counter()
    opened = _Files()
    for path in files:
        classes = _check_columns(opened.open(path), path, columns)
        match = _SPLIT.fullmatch(path.stem)
        split = match["split"] if match else ""
        for place, told in _rows(opened.open(path), path, columns):
            where = place.where
            try:
                key = _key(told, split or path.stem, len(found))
            except DataError as error:
                faults.append(Fault(where, error.message))
                continue
            holders[key] += 1
            if holders[key] > 1:
                faults.append(Fault(where, f"expected each key once, got {key} again"))
                continue
            entry = _entry(told.get(columns.label), classes)
            read = partial(_read, opened, place, columns, entry, _Meaning(names, rule))
            found.append(Found(key, (where,), _split_name(split), read, {"source": f"{path.name}#{told['number']}"}))
    return found, faults


def _check_columns(file: pq.ParquetFile, path: Path, columns: HubColumns) -> list[str] | None:
    """Return the names of the classes that the file's schema has."""
    schema = file.schema_arrow
    for name in (columns.image, columns.mask):
        if name not in schema.names:
            hint = f"name it: --image-column, --mask-column; {near_names(name, schema.names)}"
            raise DataError(f"{path}: expected a column {name!r}, got {', '.join(schema.names)}", hint)
    text = (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        feature = json.loads(text)["info"]["features"][columns.label]
        names = feature["names"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return names if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def _rows(file: pq.ParquetFile, path: Path, columns: HubColumns) -> Iterator[tuple[_Row, dict[str, Any]]]:
    """Yield each row's place, and its values in the small columns."""
    small = [name for name in (columns.key, columns.label) if name in file.schema_arrow.names]
    number = 0
    for group in range(file.num_row_groups):
        with _damage_named(f"{path.name}: expected row group {group} to be whole"):
            rows = file.read_row_group(group, columns=small).to_pylist() if small else None
        for row in range(file.metadata.row_group(group).num_rows):
            yield _Row(path, group, row), {**(rows[row] if rows else {}), "number": number}
            number += 1


def _key(told: Mapping[str, Any], prefix: str, number: int) -> str:
    name = next((value for key, value in told.items() if key != "number" and isinstance(value, str)), None)
    return safe_key(PurePosixPath(name).name if name else f"{prefix}_{number:08d}")


def _split_name(split: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", split)[:40]


def _entry(value: Any, classes: list[str] | None) -> ClassEntry | None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_CLASS_ID:
        return None
    name = classes[value] if classes is not None and value < len(classes) else str(value)
    return ClassEntry(value, "", name)


def _read(files: _Files, place: _Row, columns: HubColumns, entry: ClassEntry | None, meaning: _Meaning) -> Content:
    where = place.where
    group = files.group(place.file, place.group, (columns.image, columns.mask))
    with _damage_named(f"{where}: expected a row"):
        row = group.slice(place.row, 1).to_pylist()[0]
    image, mask = (_bytes(row[name], f"{where}: {name}") for name in (columns.image, columns.mask))
    picture = read_upright(image, f"{where}: {columns.image}")
    size_hw = (picture.pixels.shape[0], picture.pixels.shape[1])
    labels = read_mask(mask, size_hw, meaning.rule, f"{where}: {columns.mask}")
    return Content(picture, labels, entry or main_class(labels, meaning.names))


def _bytes(value: Any, where: str) -> bytes:
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, bytes):
        got = "a path alone" if isinstance(value, dict) else type(value).__name__
        raise DataError(
            f"{where}: expected the bytes of a file, got {got}", "store pictures in the Parquet file itself"
        )
    return data
