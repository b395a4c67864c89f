from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.tar import walk
from bdgan_cli.dataset.verify import Problem, verify_dataset
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.errors import DataError
from bdgan_cli.progress import Silent
from tests.dataset.builders import make_info, make_sample

SHARD, KEY = "c0001-b0000", "n00000001_7_2"


def problems(toy: Path) -> list[Problem]:
    return verify_dataset(toy, Silent())


def flip(toy: Path, member: str, at: int = 40) -> None:
    row = next(row for row in open_dataset(toy).table.to_pylist() if row["key"] == KEY)
    with (toy / "shards" / f"{SHARD}.tar").open("r+b") as file:
        file.seek(row[f"{member}_offset"] + at)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))


def test_a_sound_dataset(toy: Path) -> None:
    assert problems(toy) == []


@pytest.mark.parametrize("member", ["image", "mask", "latent"])
def test_one_flipped_bit_is_found(toy: Path, member: str) -> None:
    flip(toy, member, at=-1 if member == "latent" else 40)
    found = problems(toy)
    assert {(problem.key, problem.shard) for problem in found} == {(KEY, SHARD)} or member == "latent"
    assert any(problem.key == KEY for problem in found)


def test_a_changed_latent_value_is_found_by_its_checksum(toy: Path) -> None:
    flip(toy, "latent", at=130)
    assert [problem.what[:33] for problem in problems(toy)] == ["the latent's bytes have changed: "]


def test_a_shard_cut_short(toy: Path) -> None:
    path = toy / "shards" / f"{SHARD}.tar"
    os.truncate(path, path.stat().st_size // 2)
    found = problems(toy)
    assert any(problem.key == "" and "cut short" in problem.what for problem in found)
    assert any(problem.key == "n00000001_7_3" and "cut short" in problem.what for problem in found)


def test_a_lost_shard(toy: Path) -> None:
    (toy / "shards" / f"{SHARD}.tar").unlink()
    first = problems(toy)[0]
    assert first.shard == SHARD
    assert "expected the shard" in first.what


def test_a_lost_pair_of_shard_and_index_is_missed_by_the_plan(toy: Path) -> None:
    (toy / "shards" / f"{SHARD}.tar").unlink()
    (toy / "index" / f"{SHARD}.parquet").unlink()
    found = [problem for problem in problems(toy) if not problem.is_warning]
    assert found == [Problem("", "", "expected 6 samples of class 1, got 2")]


def test_a_shard_without_index_is_only_a_warning(toy: Path) -> None:
    (toy / "shards" / "extra.tar").write_bytes(bytes(1024))
    found = problems(toy)
    assert [(problem.shard, problem.is_warning) for problem in found] == [("extra", True)]


def change_index(toy: Path, change: Callable[[dict[str, object]], None]) -> None:
    path = toy / "index" / f"{SHARD}.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(next(row for row in rows if row["key"] == KEY))
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("area_px", 3, "area, box, components"),
        ("class_id", 9, "expected a class of dataset.json, got id 9"),
        ("width", 25, "expected an image of 25x24"),
        ("image_sha256", "00" * 32, "the image's bytes have changed"),
        ("image_offset", 1024, "expected"),
        ("image_format", "jpg", "expected"),
    ],
)
def test_an_index_that_does_not_fit(toy: Path, column: str, value: object, message: str) -> None:
    change_index(toy, lambda row: row.update({column: value}))
    found = [problem for problem in problems(toy) if problem.key == KEY]
    assert found
    assert message in found[0].what


def test_a_key_in_two_shards(toy: Path) -> None:
    for folder, suffix in (("shards", ".tar"), ("index", ".parquet")):
        data = (toy / folder / f"{SHARD}{suffix}").read_bytes()
        (toy / folder / f"other{suffix}").write_bytes(data)
    found = [problem for problem in problems(toy) if "unique key" in problem.what]
    assert [problem.key for problem in found] == [f"n00000001_7_{i}" for i in range(4)]
    assert "c0001-b0000, too" in found[0].what


def test_mask_values_beyond_the_labels(tmp_path: Path) -> None:
    sample = make_sample(0, 0)
    sample.mask[5, 5] = 3
    info = make_info(1, 1)
    open_for_writing(tmp_path, info).write_shard("s", [sample])
    assert "mask values 0 to 1 or 255 (ignore), got 3" in problems(tmp_path)[0].what


def test_pictures_of_another_size_than_the_dataset(tmp_path: Path) -> None:
    open_for_writing(tmp_path, make_info(1, 1, image_size=32)).write_shard("s", [make_sample(0, 0)])
    assert [problem.what for problem in problems(tmp_path)] == ["expected 32x32 pixels, got 24x24"]


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("/etc/passwd", tarfile.REGTYPE, "names inside the archive's folder, got '/etc/passwd'"),
        ("../../x.png", tarfile.REGTYPE, "names inside the archive's folder, got '../../x.png'"),
        ("x.png", tarfile.SYMTYPE, "regular files only, got 'x.png' of tar type b'2'"),
        ("x.png", tarfile.LNKTYPE, "regular files only"),
        ("stranger.png", tarfile.REGTYPE, "expected only files of the index, got stranger.png"),
    ],
)
def test_members_that_do_not_belong(toy: Path, name: str, kind: bytes, message: str) -> None:
    path = toy / "shards" / f"{SHARD}.tar"
    info = tarfile.TarInfo(name)
    info.type = kind
    body = path.read_bytes()[:-1024]
    path.write_bytes(body + info.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))
    found = problems(toy)
    assert [problem.shard for problem in found] == [SHARD]
    assert message in found[0].what


def test_walking_names_the_damaged_header(toy: Path) -> None:
    path = toy / "shards" / f"{SHARD}.tar"
    with path.open("r+b") as file:
        file.write(b"\xff")
    with pytest.raises(DataError, match="expected a tar header at byte 0"):
        list(walk(path))


def test_json_that_names_another_key(toy: Path) -> None:
    row = next(row for row in open_dataset(toy).table.to_pylist() if row["key"] == KEY)
    path = toy / "shards" / f"{SHARD}.tar"
    data = bytearray(path.read_bytes())
    place = slice(row["meta_offset"], row["meta_offset"] + row["meta_size"])
    meta = json.loads(data[place])
    data[place] = bytes(data[place]).replace(KEY.encode(), b"n00000001_7_9")
    assert meta["key"] == KEY
    path.write_bytes(data)
    assert [problem.what[:31] for problem in problems(toy)] == ["the meta's bytes have changed: "]
    part = toy / "index" / f"{SHARD}.parquet"
    pq.write_table(pq.read_table(part).drop_columns(["meta_sha256"]), part)  # as before there was such a column
    assert problems(toy) == [Problem(KEY, SHARD, f"expected the sample's JSON to name {KEY}, got n00000001_7_9")]
