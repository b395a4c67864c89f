"""Reads datasets: the index as a table, samples by key in O(1), or all of them one after another."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bdgan_cli.dataset.codecs import decode_image, decode_latent, decode_raw
from bdgan_cli.dataset.index import read_index, read_info
from bdgan_cli.dataset.masks import check_mask
from bdgan_cli.dataset.schema import MEMBERS, DatasetInfo
from bdgan_cli.dataset.tar import Place, Shard, member_name
from bdgan_cli.dataset.views import apply_view
from bdgan_cli.errors import DataError, MissingError

_BATCH_ROWS = 1024
# What it takes to find and decode a sample: a third of the columns, a tenth of the time.
_READING = (
    "key", "shard", "image_format", "height", "width",
    *(f"{member}_{what}" for member in MEMBERS for what in ("offset", "size")),
)  # fmt: skip


@dataclass(frozen=True)
class Record:
    """One sample as read; what was not asked for or does not exist is None.

    Attributes:
        key: The sample's key.
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) uint8 (uint16 beyond 254 labels).
        latent: As it was written.
        meta: The sample's JSON.
    """

    key: str
    image: NDArray[np.uint8] | None
    mask: NDArray[Any] | None
    latent: NDArray[Any] | None
    meta: dict[str, Any] | None


class Dataset:
    """An opened dataset or view; holds the index, never the pictures.

    Args:
        root: The dataset's folder.
        info: What ``dataset.json`` says.
        table: The index rows of this dataset or view, ordered by class_id, index, key; columns as in ``INDEX_SCHEMA``.
        view: Name of the view, None for the whole dataset.
    """

    def __init__(self, root: Path, info: DatasetInfo, table: pa.Table, view: str | None = None) -> None:
        self.root = root
        self.info = info
        self.table = table
        self.view = view

    def __len__(self) -> int:
        return len(self.table)

    @property
    def reference(self) -> str:
        """``PATH`` or ``PATH@view``, as commands take it."""
        return f"{self.root}@{self.view}" if self.view else str(self.root)

    def keys(self) -> list[str]:
        """Return all keys in the table's order."""
        keys: list[str] = self.table["key"].to_pylist()
        return keys

    def read(self, key: str, members: Collection[str] = MEMBERS) -> Record:
        """Read one sample by positioned reads.

        Args:
            key: Which sample.
            members: Any of image, mask, latent, meta.

        Raises:
            MissingError: If the dataset or view has no such key.
            DataError: If the sample is damaged; names shard and key.
        """
        return self.read_row(self._number(key), members)

    def read_files(self, key: str, members: Collection[str] = MEMBERS) -> dict[str, bytes]:
        """Return one sample's files as they are, undecoded; see :meth:`read`."""
        row = self._row(self._number(key))
        with Shard(self._shard_path(row)) as shard:
            return read_members(shard, row, members)

    def read_row(self, number: int, members: Collection[str] = MEMBERS) -> Record:
        """Read the sample in a row of the table; see :meth:`read`."""
        row = self._row(number)
        with Shard(self._shard_path(row)) as shard:
            return self._read_row(shard, row, members)

    def restricted(self, rows: Sequence[int] | NDArray[np.int64]) -> Dataset:
        """Return the dataset with some rows of its table, in the order given."""
        return Dataset(self.root, self.info, self.table.take(np.asarray(rows, np.int64)), self.view)

    def iterate(self, members: Collection[str] = MEMBERS) -> Iterator[Record]:
        """Read all samples in the table's order; a few index rows and one sample are held at a time.

        Args:
            members: Any of image, mask, latent, meta.

        Raises:
            DataError: If a sample is damaged; names shard and key.
        """
        shard: Shard | None = None
        try:
            for batch in self.table.select(self._reading).to_batches(max_chunksize=_BATCH_ROWS):
                for row in batch.to_pylist():
                    path = self._shard_path(row)
                    if shard is None or shard.path != path:
                        if shard is not None:
                            shard.close()
                        shard = Shard(path)
                    yield self._read_row(shard, row, members)
        finally:
            if shard is not None:
                shard.close()

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {key: row for row, key in enumerate(self.keys())}

    def _number(self, key: str) -> int:
        if key not in self._rows:
            raise MissingError(f"no sample {key!r} in {self.reference}", f"see bdgan data info {self.root}")
        return self._rows[key]

    def _row(self, number: int) -> dict[str, Any]:
        return {name: column[number].as_py() for name, column in self._reading_columns.items()}

    @cached_property
    def _reading_columns(self) -> dict[str, pa.ChunkedArray]:
        return {name: self.table[name] for name in self._reading}

    @property
    def _reading(self) -> list[str]:
        return [name for name in _READING if name in self.table.column_names]  # analyses hold fewer columns

    def _shard_path(self, row: dict[str, Any]) -> Path:
        return self.root / "shards" / f"{row['shard']}.tar"

    def _read_row(self, shard: Shard, row: dict[str, Any], members: Collection[str]) -> Record:
        try:
            return decode_row(shard, row, members, len(self.info.label_names))
        except DataError as error:
            raise DataError(error.message, error.hint or f"bdgan data verify {self.root}") from error


def open_dataset(reference: str | Path) -> Dataset:
    """Open ``PATH`` or ``PATH@view``.

    Raises:
        MissingError: If there is no such dataset or view; the hint names near ones.
        DataError: If the dataset's own files are broken, or of a newer format.
    """
    root, view = split_reference(reference)
    info = read_info(root)
    table = read_index(root)
    return Dataset(root, info, apply_view(root, view, table) if view else table, view)


def split_reference(reference: str | Path) -> tuple[Path, str | None]:
    """Split ``PATH@view``; a folder whose own name has an @ is taken as it is."""
    text = str(reference)
    path, at, view = text.rpartition("@")
    return (Path(text), None) if not at or Path(text).is_dir() else (Path(path), view)


def decode_row(shard: Shard, row: dict[str, Any], members: Collection[str], labels: int) -> Record:
    """Read and decode the members of one index row.

    Args:
        shard: The open shard that holds them.
        row: A row of the index.
        members: Any of image, mask, latent, meta.
        labels: Number of mask labels with background.

    Raises:
        DataError: If a member is damaged; names shard and key.
    """
    raw = read_members(shard, row, members)
    where = f"{shard.path}: {row['key']}"
    size_hw = (row["height"], row["width"])
    image = decode_image(raw["image"], where) if "image" in raw else None
    if image is not None and image.shape[:2] != size_hw:
        expected, got = (f"{width}x{height}" for height, width in (size_hw, image.shape[:2]))
        raise DataError(f"{where}: expected an image of {expected} (width x height), got {got}")
    mask = decode_raw(raw["mask"], where) if "mask" in raw else None
    if mask is not None:
        check_mask(mask, size_hw, labels, where)
    latent = decode_latent(raw["latent"], where) if "latent" in raw else None
    return Record(row["key"], image, mask, latent, _decode_meta(raw["meta"], where) if "meta" in raw else None)


def read_members(shard: Shard, row: dict[str, Any], members: Collection[str]) -> dict[str, bytes]:
    """Return the file bytes of those of the members that the row has.

    Raises:
        DataError: If the shard is cut short or holds other files.
    """
    places = {member: Place(row[f"{member}_offset"], row[f"{member}_size"]) for member in MEMBERS if member in members}
    if "image" in places and places["image"].offset < 0:
        raise DataError(f"{shard.path}: {row['key']}: expected an image, got none in the index")
    return {
        member: shard.read(place, member_name(row["key"], member, row["image_format"]))
        for member, place in places.items()
        if place.offset >= 0
    }


def _decode_meta(data: bytes, where: str) -> dict[str, Any]:
    try:
        meta = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: expected JSON, got: {error}") from error
    if not isinstance(meta, dict):
        raise DataError(f"{where}: expected a JSON object, got {type(meta).__name__}")
    return meta
