"""The merged index: the same rows as the parts, used only when it was made from them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bdgan_cli.dataset.index import merge_index, part_paths, read_columns, read_index, union_of_parts
from bdgan_cli.dataset.merged import MERGED_FILE, read_merged, same_rows
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.schema import INDEX_SCHEMA
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.progress import Silent
from tests.dataset.builders import make_info, make_sample


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A finished dataset of three shards whose names are not in the order of their rows."""
    writer = open_for_writing(tmp_path / "data", make_info(classes=1))
    for number, stem in enumerate(("c", "a", "b")):
        writer.write_shard(stem, [make_sample(index=2 * number + i) for i in range(2)])
    writer.finalize()
    return tmp_path / "data"


def merged_of(root: Path) -> pa.Table | None:
    return read_merged(root, part_paths(root), INDEX_SCHEMA.names)


def test_holds_the_rows_of_the_parts_in_the_readers_order(root: Path):
    merged = merged_of(root)
    assert merged is not None
    assert merged.schema.equals(INDEX_SCHEMA)
    assert same_rows(merged, union_of_parts(root))
    assert merged["index"].to_pylist() == sorted(merged["index"].to_pylist())
    assert read_columns(root, ["key"]).equals(merged.select(["key"]))


def test_is_read_in_place_of_the_parts(root: Path):
    before = read_index(root)
    for part in part_paths(root):  # same names and sizes, but nothing to read
        part.write_bytes(bytes(part.stat().st_size))
    assert same_rows(read_index(root), before)
    assert len(open_dataset(root)) == 6


@pytest.mark.parametrize("change", ["removed", "added", "renamed", "resized"])
def test_is_left_alone_when_the_parts_are_others(root: Path, change: str):
    parts = part_paths(root)
    if change == "removed":
        parts[0].unlink()
    elif change == "added":
        extra = pq.read_table(parts[0])
        extra = extra.set_column(0, extra.schema.field("key"), pa.array(["new1", "new2"]))
        pq.write_table(extra, parts[0].with_name("z.parquet"))
    elif change == "renamed":
        parts[0].rename(parts[0].with_name("z.parquet"))
    else:
        pq.write_table(pq.read_table(parts[0]).slice(0, 1), parts[0])
    assert merged_of(root) is None
    assert same_rows(read_index(root), union_of_parts(root))
    assert len(read_index(root)) == {"removed": 4, "added": 8, "renamed": 6, "resized": 5}[change]


def test_any_damaged_byte_is_noticed(root: Path):
    path = root / MERGED_FILE
    sound, rows = path.read_bytes(), union_of_parts(root)
    stream = np.random.default_rng(0)
    for position in [*stream.integers(0, len(sound), 200), 0, len(sound) - 1]:
        damaged = bytearray(sound)
        damaged[position] ^= 1 << int(stream.integers(8))
        path.write_bytes(damaged)
        assert same_rows(read_index(root), rows), position
    path.write_bytes(sound[: len(sound) // 2])
    assert same_rows(read_index(root), rows)
    warnings = verify_dataset(root, Silent())
    assert [problem.is_warning for problem in warnings] == [True]
    assert MERGED_FILE in warnings[0].what


def test_a_replaced_shard_takes_it_away_first(root: Path):
    writer = open_for_writing(root, make_info(classes=1))
    writer.write_shard("a", [make_sample(index=2), make_sample(index=3)])
    assert not (root / MERGED_FILE).exists()
    writer.finalize()
    assert merged_of(root) is not None


def test_equal_work_gives_equal_bytes_and_finished_sets_are_left_alone(root: Path):
    before = (root / MERGED_FILE).read_bytes()
    changed = (root / MERGED_FILE).stat().st_mtime_ns
    merge_index(root)
    assert (root / MERGED_FILE).stat().st_mtime_ns == changed
    (root / MERGED_FILE).unlink()
    merge_index(root)
    assert (root / MERGED_FILE).read_bytes() == before


def test_a_copied_dataset_keeps_it(root: Path, tmp_path: Path):
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)
    assert merged_of(tmp_path / "copy") is not None


def test_verify_finds_other_rows(root: Path):
    path = root / MERGED_FILE
    table = pq.read_table(path)
    wrong = table.set_column(table.schema.get_field_index("seed"), "seed", pa.array(range(6), pa.int64()))
    pq.write_table(wrong.replace_schema_metadata(table.schema.metadata), path)
    problems = verify_dataset(root, Silent())
    assert len(problems) == 1
    assert "remove it" in problems[0].what
    assert not problems[0].is_warning


def test_an_empty_dataset_has_one_too(tmp_path: Path):
    open_for_writing(tmp_path / "data", make_info(classes=1)).finalize()
    merged = merged_of(tmp_path / "data")
    assert merged is not None
    assert len(merged) == 0
    assert merged.schema.equals(INDEX_SCHEMA)
