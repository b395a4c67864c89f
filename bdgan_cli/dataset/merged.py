"""``index.parquet``: all parts of the index in one file, in the reader's order, so that large datasets open at once.

It only saves time. It names the parts that it was made from, and a reader that finds others, or a damaged file, reads
the parts. A writer removes it before it replaces a part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bdgan_cli import atomic
from bdgan_cli.dataset.schema import INDEX_SCHEMA

MERGED_FILE = "index.parquet"

_PARTS = b"bdgan.parts"
_GROUP_ROWS = 1 << 16


def read_merged(root: Path, parts: Sequence[Path], columns: Sequence[str]) -> pa.Table | None:
    """Read the merged index.

    Args:
        root: The dataset's folder.
        parts: The index parts that are there.
        columns: Some of the names in ``INDEX_SCHEMA``.

    Returns:
        Their rows by class_id, index and key; None if the file is missing, damaged, or not made from these parts.
    """
    path = root / MERGED_FILE
    if not path.is_file():
        return None
    wanted = pa.schema([INDEX_SCHEMA.field(name) for name in columns])
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            if (file.schema_arrow.metadata or {}).get(_PARTS) != _name_of(parts):
                return None
            # One group after the other: reading all at once would hold the table twice.
            groups = [file.read_row_group(i, columns=list(columns)) for i in range(file.num_row_groups)]
        table = pa.concat_tables(groups) if groups else wanted.empty_table()
        return table.replace_schema_metadata().cast(wanted)
    except (pa.ArrowException, OSError, ValueError, KeyError):
        return None


def write_merged(root: Path, parts: Sequence[Path], table: pa.Table) -> None:
    """Write the merged index.

    Args:
        root: The dataset's folder.
        parts: The index parts.
        table: Their rows, in the reader's order.

    Raises:
        BdganError: If the machine refuses.
    """
    path = root / MERGED_FILE
    named = table.replace_schema_metadata({_PARTS: _name_of(parts)})
    with atomic.refusals_explained(path), atomic.temporary_file(path) as (temporary, file):
        pq.write_table(named, file, compression="zstd", row_group_size=_GROUP_ROWS, write_page_checksum=True)
        atomic.seal(file)
        atomic.put_in_place(temporary, path)


def drop_merged(root: Path) -> None:
    """Remove the merged index, before a part is replaced by another of the same name."""
    path = root / MERGED_FILE
    if path.exists():
        path.unlink(missing_ok=True)
        atomic.sync_folder(root)


def same_rows(table: pa.Table, other: pa.Table) -> bool:
    """Return whether two tables of the index hold the same rows; NaN equals NaN."""

    def same(name: str) -> bool:
        ours, theirs = table[name], other[name]
        if pa.types.is_floating(ours.type):
            return np.array_equal(ours.to_numpy(), theirs.to_numpy(), equal_nan=True)
        return bool(ours.equals(theirs))

    return table.schema.equals(other.schema) and len(table) == len(other) and all(map(same, table.column_names))


def _name_of(parts: Sequence[Path]) -> bytes:
    """Return a digest of the parts' names and sizes."""
    lines = (f"{path.name} {path.stat().st_size}\n".encode() for path in parts)
    return hashlib.sha256(b"".join(lines)).hexdigest().encode()
