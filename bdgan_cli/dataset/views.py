"""Views: named selections beside a dataset; they keep keys and reasons, never pictures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bdgan_cli import atomic
from bdgan_cli.errors import DataError, MissingError, UsageError, near_names

if TYPE_CHECKING:
    from bdgan_cli.dataset.reader import Dataset

VIEW_SCHEMA = pa.schema([("key", pa.string()), ("kept", pa.bool_()), ("rule", pa.string()), ("score", pa.float32())])

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


def write_view(dataset: Dataset, name: str, decisions: pa.Table) -> Path:
    """Write or replace a view.

    Args:
        dataset: What was judged.
        name: The view's name: 1 to 64 letters, digits, ``_``, ``.`` or ``-``.
        decisions: Columns key, kept, rule (empty for kept samples) and score (NaN if none); any order of rows.

    Returns:
        The view's file.

    Raises:
        UsageError: If the name cannot be one.
        DataError: If columns are missing, or keys are double or not in the dataset.
        BdganError: If the machine refuses.
    """
    path = view_path(dataset.root, name)
    table = _checked(dataset, name, decisions)
    with atomic.refusals_explained(path):
        path.parent.mkdir(exist_ok=True)
        atomic.sweep_temporary(path.parent, locked=False)
        with atomic.temporary_file(path) as (temporary, file):
            pq.write_table(table, file, compression="zstd")
            atomic.seal(file)
            atomic.put_in_place(temporary, path)
    return path


def read_view(root: Path, name: str) -> pa.Table:
    """Read a view's decisions: columns key, kept, rule, score.

    Raises:
        UsageError: If the name cannot be one.
        MissingError: If there is no such view; the hint names near ones.
        DataError: If the file is broken.
    """
    path = view_path(root, name)
    if not path.is_file():
        known = list_views(root)
        hint = near_names(name, known) if known else f"make one: bdgan filter {root} --view {name}"
        raise MissingError(f"no view {name!r} of {root}", hint)
    try:
        return pq.read_table(path, columns=VIEW_SCHEMA.names).cast(VIEW_SCHEMA)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: expected the columns {', '.join(VIEW_SCHEMA.names)}, got: {error}") from error


def list_views(root: Path) -> list[str]:
    """Return the names of a dataset's views in order."""
    return sorted(path.stem for path in (root / "views").glob("*.parquet") if not path.name.startswith("."))


def apply_view(root: Path, name: str, table: pa.Table) -> pa.Table:
    """Return the index rows that a view keeps; samples added after the view was made are not in it.

    Raises:
        MissingError: If there is no such view.
        DataError: If the view's file is broken.
    """
    view = read_view(root, name)
    return table.filter(pc.is_in(table["key"], value_set=view.filter(view["kept"])["key"].combine_chunks()))


def view_path(root: Path, name: str) -> Path:
    """Return the view's file.

    Raises:
        UsageError: If the name cannot be one.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"expected a view name of 1 to 64 letters, digits, _ . -, got {name!r}", "choose another name")
    return root / "views" / f"{name}.parquet"


def _checked(dataset: Dataset, name: str, decisions: pa.Table) -> pa.Table:
    missing = [column for column in VIEW_SCHEMA.names if column not in decisions.column_names]
    if missing:
        expected = ", ".join(VIEW_SCHEMA.names)
        raise DataError(f"view {name!r}: expected the columns {expected}, missing {', '.join(missing)}")
    table = decisions.select(VIEW_SCHEMA.names).cast(VIEW_SCHEMA)
    keys = dataset.table["key"]
    position = pc.index_in(table["key"], value_set=keys.combine_chunks())
    if position.null_count:
        foreign = table["key"].filter(pc.is_null(position))[0].as_py()
        got = f"{position.null_count} others such as {foreign}"
        raise DataError(f"view {name!r}: expected keys of {dataset.root}, got {got}")
    distinct = len(pc.unique(table["key"]))
    if distinct != len(table):
        raise DataError(f"view {name!r}: expected each key once, got {len(table)} rows with {distinct} keys")
    return table.take(pc.sort_indices(position)).combine_chunks()
