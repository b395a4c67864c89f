"""The index on disk: ``dataset.json`` and the Parquet parts, read with tolerance for what later writers add."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bdgan_cli.dataset.schema import INDEX_SCHEMA, INFO_FILE, MEMBERS, REQUIRED_COLUMNS, DatasetInfo
from bdgan_cli.errors import DataError, MissingError, near_names


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
    """Read the union of the index parts, ordered by class_id, index and key.

    The column ``shard`` is taken from the part's file name, so that shards may be renamed when datasets are joined.

    Raises:
        DataError: If a part is broken or lacks a required column.
    """
    tables = [read_part(path) for path in part_paths(root)]
    table = pa.concat_tables(tables) if tables else INDEX_SCHEMA.empty_table()
    order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in ("class_id", "index", "key")])
    if np.array_equal(order.to_numpy(), np.arange(len(table))):
        return table
    return table.take(order)


def read_part(path: Path) -> pa.Table:
    """Read one index part with exactly the columns of the schema.

    Unknown columns are left out; optional ones that are missing are filled with NaN, -1 or an empty string.

    Raises:
        DataError: If the file is broken, or lacks a required column.
    """
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
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
    columns = []
    for column in INDEX_SCHEMA:
        if column.name == "shard":
            columns.append(pa.repeat(stem, len(table)))
        elif column.name in table.column_names:
            absent = pa.scalar(_absent(column.name, column.type), column.type)
            columns.append(pc.fill_null(table[column.name].cast(column.type), absent))
        else:
            columns.append(pa.repeat(pa.scalar(_absent(column.name, column.type), column.type), len(table)))
    return pa.table(columns, schema=INDEX_SCHEMA)


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
