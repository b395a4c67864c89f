from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bdgan_cli.dataset.reader import Dataset, open_dataset
from bdgan_cli.dataset.schema import INDEX_SCHEMA, SCORE_COLUMNS
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.errors import BdganError, DataError, MissingError
from tests.dataset.builders import make_info, make_sample, write_all

KEY = "n00000001_7_2"


def edit_part(toy: Path, change: Callable[[pa.Table], pa.Table], stem: str = "c0001-b0000") -> None:
    path = toy / "index" / f"{stem}.parquet"
    pq.write_table(change(pq.read_table(path)), path)


def test_what_is_written_is_read(toy: Path) -> None:
    record, sample = open_dataset(toy).read(KEY), make_sample(1, 2)
    np.testing.assert_array_equal(record.image, sample.image)
    np.testing.assert_array_equal(record.mask, sample.mask)
    np.testing.assert_array_equal(record.latent, sample.latent)
    assert record.meta["truncation"] == 0.9


def test_the_table_is_ordered_and_complete(toy: Path) -> None:
    dataset = open_dataset(toy)
    assert dataset.table.schema.equals(INDEX_SCHEMA)
    assert dataset.keys() == [f"n{c:08d}_7_{i}" for c in range(2) for i in range(6)]
    row = dataset.table.slice(8, 1).to_pylist()[0]
    assert (row["key"], row["area_px"], row["shard"], row["split"]) == (KEY, 49, "c0001-b0000", "train")
    assert np.isnan(row["uncertainty_mean"])
    assert row["uncertainty"] == pytest.approx(0.2)


def test_iterating_reads_all_in_order(toy: Path) -> None:
    dataset = open_dataset(toy)
    records = list(dataset.iterate(("mask",)))
    assert [record.key for record in records] == dataset.keys()
    assert all(record.image is None and record.latent is None for record in records)
    np.testing.assert_array_equal(records[8].mask, make_sample(1, 2).mask)


def test_samples_without_mask_and_latent(tmp_path: Path) -> None:
    writer = open_for_writing(tmp_path, make_info(kind="unlabelled"))
    writer.write_shard("s", [make_sample(0, 0, mask=None, latent=None)])
    dataset = open_dataset(tmp_path)
    record = dataset.read(dataset.keys()[0])
    assert record.mask is None
    assert record.latent is None
    assert dataset.table["area_px"].to_pylist() == [-1]
    assert dataset.table["mask_offset"].to_pylist() == [-1]


def test_an_empty_dataset_is_a_dataset(tmp_path: Path) -> None:
    open_for_writing(tmp_path, make_info())
    assert len(open_dataset(tmp_path)) == 0
    assert list(open_dataset(tmp_path).iterate()) == []


def test_a_shard_without_index_part_is_not_there(toy: Path) -> None:
    (toy / "index" / "c0001-b0000.parquet").unlink()
    (toy / "index" / ".tmp-1-0-c0001-b0000.parquet").write_bytes(b"half")
    assert len(open_dataset(toy)) == 8


def test_shards_of_two_machines_join_by_copying(toy: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    open_for_writing(other, make_info(3, 6)).write_shard("s", [make_sample(2, i) for i in range(6)])
    for folder, suffix in (("shards", ".tar"), ("index", ".parquet")):
        shutil.copy(other / folder / f"s{suffix}", toy / folder / f"renamed{suffix}")
    dataset = open_dataset(toy)
    assert len(dataset) == 18
    np.testing.assert_array_equal(dataset.read("n00000002_7_5").image, make_sample(2, 5).image)


def test_columns_of_later_writers_are_ignored_and_missing_ones_filled(toy: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        kept = table.drop_columns([*SCORE_COLUMNS, "latent_sha256", "bbox_x", "mask_size", "mask_offset"])
        return kept.append_column("colourfulness", pa.array([1.0] * len(table)))

    edit_part(toy, change)
    dataset = open_dataset(toy)
    assert dataset.table.schema.equals(INDEX_SCHEMA)
    row = dataset.table.slice(8, 1).to_pylist()[0]
    assert np.isnan(row["uncertainty"])
    assert (row["latent_sha256"], row["bbox_x"], row["mask_offset"], row["mask_size"]) == ("", -1, -1, 0)
    assert dataset.read(KEY).mask is None


def test_a_missing_required_column_is_named(toy: Path) -> None:
    edit_part(toy, lambda table: table.drop_columns(["image_offset"]))
    with pytest.raises(DataError, match="expected the columns image_offset, got"):
        open_dataset(toy)


def test_a_broken_index_part_is_named(toy: Path) -> None:
    (toy / "index" / "c0000-b0000.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(DataError, match=r"c0000-b0000\.parquet: expected an index part"):
        open_dataset(toy)


def test_a_missing_dataset_gets_near_names(toy: Path) -> None:
    with pytest.raises(MissingError, match="no dataset at") as caught:
        open_dataset(toy.parent / "tov")
    assert caught.value.hint == "did you mean toy?"
    assert caught.value.exit_code == 4


def test_a_missing_key(toy: Path) -> None:
    with pytest.raises(MissingError, match="no sample 'nothing'"):
        open_dataset(toy).read("nothing")


def test_a_folder_name_with_an_at_sign(tmp_path: Path) -> None:
    write_all(tmp_path / "a@b", finalize=False)
    assert len(open_dataset(tmp_path / "a@b")) == 12


def expect_damage(dataset: Dataset, message: str) -> None:
    """The damaged sample is named, by key and in the stream; the others can be read."""
    for read in (lambda: dataset.read(KEY), lambda: list(dataset.iterate())):
        with pytest.raises(DataError) as caught:
            read()
        assert message in caught.value.message
        assert "c0001-b0000.tar" in caught.value.message
        assert KEY in caught.value.message
        assert caught.value.hint == f"bdgan data verify {dataset.root}"
    assert dataset.read("n00000001_7_1").image is not None


def test_a_shard_cut_short(toy: Path) -> None:
    dataset = open_dataset(toy)
    offset = dataset.table.slice(8, 1).to_pylist()[0]["image_offset"]
    os.truncate(toy / "shards" / "c0001-b0000.tar", offset + 10)
    expect_damage(dataset, "the shard is cut short")


def overwrite_member(toy: Path, member: str, data: bytes) -> None:
    """Replace a member's bytes in place; the new ones must not be longer."""
    row = next(row for row in open_dataset(toy).table.to_pylist() if row["key"] == KEY)
    assert len(data) <= row[f"{member}_size"]
    with (toy / "shards" / f"{row['shard']}.tar").open("r+b") as file:
        file.seek(row[f"{member}_offset"])
        file.write(data)


def test_a_picture_that_is_none(toy: Path) -> None:
    overwrite_member(toy, "image", bytes(200))
    expect_damage(open_dataset(toy), "cannot decode")


def test_nan_in_a_latent(toy: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.full(8, np.nan, np.float32))
    overwrite_member(toy, "latent", buffer.getvalue())
    expect_damage(open_dataset(toy), "expected finite latents, got NaN or infinity in 8 of 8 values")


def test_a_latent_that_is_a_pickle(toy: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([None], dtype=object), allow_pickle=True)
    overwrite_member(toy, "latent", buffer.getvalue()[:160])
    expect_damage(open_dataset(toy), "plain .npy numbers")


def test_broken_json(toy: Path) -> None:
    overwrite_member(toy, "meta", b"}")
    expect_damage(open_dataset(toy), "expected JSON")


def test_another_shard_under_this_name(toy: Path) -> None:
    shutil.copy(toy / "shards" / "c0000-b0000.tar", toy / "shards" / "c0001-b0000.tar")
    with pytest.raises(DataError, match=r"n00000001_7_2\.png: expected \d+ bytes at \d+, got n00000000_7_2|tar header"):
        open_dataset(toy).read(KEY)


def test_a_link_in_place_of_a_picture(toy: Path) -> None:
    row = next(row for row in open_dataset(toy).table.to_pylist() if row["key"] == KEY)
    info = tarfile.TarInfo(f"{KEY}.png")
    info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", row["image_size"]
    with (toy / "shards" / "c0001-b0000.tar").open("r+b") as file:
        file.seek(row["image_offset"] - 512)
        file.write(info.tobuf(tarfile.USTAR_FORMAT))
    with pytest.raises(BdganError, match="expected"):
        open_dataset(toy).read(KEY)


def test_a_lost_shard(toy: Path) -> None:
    (toy / "shards" / "c0001-b0000.tar").unlink()
    with pytest.raises(DataError, match=r"expected the shard .*c0001-b0000\.tar"):
        open_dataset(toy).read(KEY)
