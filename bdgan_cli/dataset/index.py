"""The index on disk: ``dataset.json`` and the Parquet parts, read with tolerance for what later writers add."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bdgan_cli.dataset.merged import read_merged, write_merged
from bdgan_cli.dataset.schema import INDEX_SCHEMA, INFO_FILE, MEMBERS, REQUIRED_COLUMNS, DatasetInfo
from bdgan_cli.errors import DataError, MissingError, near_names

_SMALL_BYTES = 1 << 20


def read_info(root: Path) -> DatasetInfo:
    """Read ``dataset.json``.

    Raises:
        MissingError: If there is no dataset; the hint names datasets nearby.
        DataError: If the file is broken or of a newer format.
    """
    path = root / INFO_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingError(f"no dataset at {root}: expected {path}", _nearby(root)) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected JSON, got: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return DatasetInfo.from_json(content, str(path))


def part_paths(root: Path) -> list[Path]:
    """Return the index parts in the order of their names."""
    return sorted(path for path in (root / "index").glob("*.parquet") if not path.name.startswith("."))


def read_index(root: Path) -> pa.Table:
    """Read the index, ordered by class_id, index and key.

    The column ``shard`` is taken from the part's file name, so that shards may be renamed when datasets are joined.

    Raises:
        DataError: If a part is broken or lacks a required column.
    """
    merged = read_merged(root, part_paths(root), INDEX_SCHEMA.names)
    return merged if merged is not None else union_of_parts(root)


def union_of_parts(root: Path) -> pa.Table:
    """Read the index from its parts alone; see :func:`read_index`."""
    table = _union(map(read_part, part_paths(root)), INDEX_SCHEMA)
    order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in ("class_id", "index", "key")])
    return table if np.array_equal(order.to_numpy(), np.arange(len(table))) else table.take(order)


def read_columns(root: Path, names: Sequence[str]) -> pa.Table:
    """Read some columns of the index, many times faster than all of it; rows come in any order.

    Raises:
        DataError: If a part is broken or lacks a required column.
    """
    parts = part_paths(root)
    merged = read_merged(root, parts, names)
    if merged is not None:
        return merged
    schema = pa.schema([INDEX_SCHEMA.field(name) for name in names])
    with ThreadPoolExecutor() as threads:
        return _union(threads.map(partial(_read_some, schema=schema), parts), schema)


def merge_index(root: Path) -> None:
    """Write the merged index, unless the one that is there belongs to the parts.

    Raises:
        DataError: If a part is broken or lacks a required column.
        BdganError: If the machine refuses.
    """
    parts = part_paths(root)
    if read_merged(root, parts, ["class_id"]) is None:
        write_merged(root, parts, union_of_parts(root))


def read_part(path: Path) -> pa.Table:
    """Read one index part with exactly the columns of the schema.

    Unknown columns are left out; optional ones that are missing are filled with NaN, -1 or an empty string.

    Raises:
        DataError: If the file is broken, or lacks a required column.
    """
    try:
        with _open_part(path) as file:
            present = set(file.schema_arrow.names)
            missing = sorted(set(REQUIRED_COLUMNS) - present)
            if missing:
                raise DataError(f"{path}: expected the columns {', '.join(missing)}, got {', '.join(sorted(present))}")
            table = file.read(columns=[name for name in INDEX_SCHEMA.names if name in present], use_threads=False)
        table.validate(full=True)  # text that is no UTF-8 would fail wherever it is looked at
        return _complete(table, path.stem)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:  # names: no UTF-8, or there twice
        hint = f"bdgan data verify {path.parent.parent}"
        raise DataError(f"{path}: expected an index part in Parquet format, got: {_first_line(error)}", hint) from error


def _read_some(path: Path, schema: pa.Schema) -> pa.Table:
    """Read some columns of an index part; what is missing, broken or of another type is left to :func:`read_part`."""
    try:
        with _open_part(path) as file:
            table = file.read(columns=schema.names, use_threads=False).select(schema.names)
    except (pa.ArrowException, OSError, ValueError, KeyError):
        table = None
    if table is None or not table.schema.equals(schema) or any(column.null_count for column in table.columns):
        return read_part(path).select(schema.names)
    return table


def _open_part(path: Path) -> pq.ParquetFile:
    # Small parts, of which there may be ten thousand, are read in one piece: twice as fast.
    is_small = path.stat().st_size < _SMALL_BYTES
    source = pa.BufferReader(path.read_bytes()) if is_small else path
    return pq.ParquetFile(source, memory_map=False, page_checksum_verification=True)


def _union(tables: Iterable[pa.Table], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([schema.empty_table(), *tables])


def part_ends_at(path: Path) -> tuple[int, int] | None:
    """Return the rows of an index part and the byte where its last member ends; None if missing or broken."""
    try:
        table = read_part(path) if path.is_file() else None
    except DataError:
        return None
    if table is None:
        return None
    ends = [pc.max(pc.add(table[f"{member}_offset"], table[f"{member}_size"])).as_py() for member in MEMBERS]
    return len(table), max([0, *(end for end in ends if end is not None)])


def _complete(table: pa.Table, stem: str) -> pa.Table:
    is_complete = table.schema.equals(INDEX_SCHEMA) and not any(column.null_count for column in table.columns)
    columns = table.columns if is_complete else [_column(table, field) for field in INDEX_SCHEMA]
    columns[INDEX_SCHEMA.get_field_index("shard")] = pa.repeat(stem, len(table))
    return pa.table(columns, schema=INDEX_SCHEMA)


def _column(table: pa.Table, field: pa.Field) -> pa.Array | pa.ChunkedArray:
    absent = pa.scalar(_absent(field.name, field.type), field.type)
    if field.name not in table.column_names:
        return pa.repeat(absent, len(table))
    return pc.fill_null(table[field.name].cast(field.type), absent)


def _absent(name: str, kind: pa.DataType) -> Any:
    if pa.types.is_floating(kind):
        return math.nan
    if pa.types.is_string(kind):
        return ""
    return 0 if name.endswith("_size") else -1


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _nearby(root: Path) -> str:
    known = sorted(path.parent.name for path in root.parent.glob(f"*/{INFO_FILE}"))
    return near_names(root.name, known) if known else "see what is there: bdgan data info PATH"
