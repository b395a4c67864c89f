"""Damaged shards, lost and exchanged files: all is found, nothing is paired wrongly, ``sample`` mends what it can."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bdgan_cli.dataset.reader import Record, open_dataset
from bdgan_cli.dataset.schema import MEMBERS
from bdgan_cli.dataset.tar import BLOCK
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.errors import DataError
from bdgan_cli.progress import Silent
from tests.conftest import RunCli
from tests.dataset.builders import make_info, make_sample
from tests.faults.inputs import TWO_CLASSES

SAMPLE = ("sample", "--exact-labels", "--name", "a", "--per-class", 4, *TWO_CLASSES)
PLACES = ("header", "image", "mask", "latent", "meta", "padding", "end")
FLIPS = 40


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards of two samples with everything that a sample can have."""
    root = tmp_path_factory.mktemp("damage") / "sound"
    writer = open_for_writing(root, make_info(plan={"classes": [1], "per_class": 4}))
    for stem, first in (("s0", 0), ("s1", 2)):
        writer.write_shard(stem, [make_sample(1, first + i) for i in (0, 1)])
    writer.finalize()
    return root


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound, tmp_path / "copy")
    return tmp_path / "copy"


def content(record: Record) -> tuple[Any, ...]:
    arrays = [None if array is None else array.tobytes() for array in (record.image, record.mask, record.latent)]
    return record.key, *arrays, record.meta


def positions(root: Path, place: str) -> Iterator[tuple[str, str, range]]:
    """Yield shard, key (empty at the end of an archive) and the bytes of a kind of place."""
    table = open_dataset(root).table.to_pylist()
    for row in table:
        members = [(row[f"{name}_offset"], row[f"{name}_size"]) for name in MEMBERS]
        spans = {
            "header": [range(at - BLOCK, at) for at, _ in members],
            "padding": [range(at + size, at + size + -size % BLOCK) for at, size in members],
            "end": [],
            **{name: [range(at, at + size)] for name, (at, size) in zip(MEMBERS, members, strict=True)},
        }
        for span in spans[place]:
            yield row["shard"], row["key"], span
    for shard in sorted({row["shard"] for row in table}) if place == "end" else ():
        size = (root / "shards" / f"{shard}.tar").stat().st_size
        yield shard, "", range(size - 2 * BLOCK, size)


@pytest.mark.parametrize("place", PLACES)
def test_every_flipped_bit_is_found_and_never_another_content_is_read(sound: Path, copy: Path, place: str) -> None:
    truth = {record.key: content(record) for record in open_dataset(sound).iterate()}
    stream = random.Random(place)
    spans = [found for found in positions(copy, place) if len(found[2])]
    for _ in range(FLIPS):
        shard, key, span = stream.choice(spans)
        at, bit = stream.choice(span), 1 << stream.randrange(8)
        path = copy / "shards" / f"{shard}.tar"
        data = bytearray(path.read_bytes())
        data[at] ^= bit
        path.write_bytes(data)
        found = verify_dataset(copy, Silent())
        where = f"byte {at} (bit {bit}) of {shard}, {place} of {key}"
        assert any(problem.shard == shard and not problem.is_warning for problem in found), where
        assert not key or any(problem.key == key for problem in found), where
        assert {problem.shard for problem in found} == {shard}, where
        for name, expected in truth.items():
            check_reading(copy, name, expected, is_hit=name == key and place in MEMBERS)
        data[at] ^= bit
        path.write_bytes(data)


def check_reading(root: Path, key: str, expected: tuple[Any, ...], is_hit: bool) -> None:
    """A reader gives the true content or an error; the bytes of a member that was hit are for ``verify`` to judge."""
    try:
        found = content(open_dataset(root).read(key))
    except DataError:
        return
    assert found[0] == key
    assert is_hit or found == expected


@pytest.mark.parametrize("place", ["image", "meta"])
def test_the_command_says_where(copy: Path, run_cli: RunCli, place: str) -> None:
    shard, key, span = next(positions(copy, place))
    path = copy / "shards" / f"{shard}.tar"
    data = bytearray(path.read_bytes())
    data[span[len(span) // 2]] ^= 4
    path.write_bytes(data)
    done = run_cli("data", "verify", copy, "-q")
    assert done.code == 3
    assert shard in done.stdout + done.stderr
    assert key in done.stdout + done.stderr


@pytest.mark.parametrize("folder", ["index", "shards"])
def test_parts_that_were_exchanged_are_never_paired(sound: Path, copy: Path, folder: str) -> None:
    suffix = {"index": "parquet", "shards": "tar"}[folder]
    one, two = (copy / folder / f"s{i}.{suffix}" for i in (0, 1))
    held = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(held)
    assert {problem.shard for problem in verify_dataset(copy, Silent())} == {"s0", "s1"}
    dataset = open_dataset(copy)
    for row in range(len(dataset)):
        with pytest.raises(DataError, match="expected"):
            dataset.read_row(row)


def test_a_pair_may_be_renamed(sound: Path, copy: Path) -> None:
    for folder, suffix in (("shards", "tar"), ("index", "parquet")):
        (copy / folder / f"s0.{suffix}").rename(copy / folder / f"z9.{suffix}")
    assert all(problem.is_warning for problem in verify_dataset(copy, Silent()))  # the merged index is of other parts
    key = open_dataset(sound).keys()[0]
    assert content(open_dataset(copy).read(key)) == content(open_dataset(sound).read(key))


@pytest.mark.parametrize("lost", ["index/c0000-b0001.parquet", "shards/c0001-b0000.tar", "dataset.json", "README.md"])
def test_sample_brings_back_what_is_lost(tmp_path: Path, run_cli: RunCli, lost: str) -> None:
    assert run_cli(*SAMPLE, "-q", cwd=tmp_path).code == 0
    root = tmp_path / "datasets" / "a"
    before = {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    (root / lost).unlink()
    if lost == "dataset.json":  # without its marker a folder is nobody's, and nothing in it is touched
        done = run_cli(*SAMPLE, "-q", cwd=tmp_path)
        assert (done.code, "holds something else" in done.stderr) == (2, True)
        return
    if lost != "README.md":
        assert any(problem.shard or problem.what for problem in verify_dataset(root, Silent()))
    assert run_cli(*SAMPLE, "-q", cwd=tmp_path).code == 0
    assert {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_a_lost_part_leaves_the_other_samples_readable(sound: Path, copy: Path) -> None:
    (copy / "index" / "s0.parquet").unlink()
    (copy / "shards" / "s1.tar").unlink()
    found = verify_dataset(copy, Silent())
    assert [problem.is_warning for problem in found if problem.shard == "s0"] == [True]
    assert any("expected the shard" in problem.what for problem in found if problem.shard == "s1")
    with pytest.raises(DataError, match=r"expected the shard .*s1\.tar"):
        open_dataset(copy).read(open_dataset(copy).keys()[0])
