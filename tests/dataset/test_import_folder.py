from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bdgan_cli.dataset.importers.folder import FolderImport, import_folder
from bdgan_cli.dataset.importers.mask_rules import MaskRule, parse_mask_map
from bdgan_cli.dataset.importers.result import ImportResult
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.errors import DataError, MissingError, UsageError
from bdgan_cli.progress import Silent
from tests.conftest import ROOT
from tests.dataset.builders import contents

PETS = ROOT.parent / "shared" / "data" / "pets"
MASK = np.zeros((10, 14), np.uint8)
MASK[2:6, 3:9] = 1
MASK[6, 3:9] = 255
IMAGE = np.random.default_rng(0).integers(0, 256, (10, 14, 3), dtype=np.uint8)


def write(path: Path, pixels: NDArray[Any]) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return path.read_bytes()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two pairs and an index.csv."""
    folder = tmp_path / "photos"
    for name, suffix in (("a_1", "jpg"), ("b-2", "png")):
        write(folder / "images" / f"{name}.{suffix}", IMAGE)
        write(folder / "masks" / f"{name}.png", MASK)
    rows = ["id,class_name,class_id,species,split", "a_1,cat,4,feline,train", "b-2,dog,2,canine,test"]
    (folder / "index.csv").write_text("\n".join(rows))
    return folder


def run(source: Path, out: Path | None = None, rule: MaskRule | None = None, **changes: Any) -> ImportResult:
    config = FolderImport("photos", mask_rule=rule or MaskRule(), **changes)
    return import_folder(source, out or source.parent / "out", config, Silent())


def test_pairs_come_in_as_they_are(source: Path) -> None:
    result = run(source)
    assert (result.written, result.samples, result.faults) == (True, 2, [])
    assert result.per_split == {"test": 1, "train": 1}
    dataset = open_dataset(result.root)
    assert dataset.info.kind == "real"
    assert dataset.info.image_size is None
    assert [(entry.id, entry.name) for entry in dataset.info.classes] == [(2, "dog"), (4, "cat")]
    assert dataset.keys() == ["b-2", "a_1"]
    record = dataset.read("a_1")
    np.testing.assert_array_equal(record.mask, MASK)
    assert record.meta["extra"] == {"source": "images/a_1.jpg", "species": "feline"}
    assert verify_dataset(result.root, Silent()) == []


def test_image_files_are_kept_byte_for_byte(source: Path) -> None:
    row = open_dataset(run(source).root).table.to_pylist()[1]
    shard = (source.parent / "out" / "shards" / "000000.tar").read_bytes()
    kept = shard[row["image_offset"] : row["image_offset"] + row["image_size"]]
    assert kept == (source / "images" / "a_1.jpg").read_bytes()


def test_shards_and_resuming(source: Path) -> None:
    run(source, shard_samples=1)
    (source.parent / "out" / "index" / "000001.parquet").unlink()
    run(source, shard_samples=1)
    run(source, source.parent / "once", shard_samples=1)
    assert contents(source.parent / "out") == contents(source.parent / "once")


def test_other_pictures_into_the_same_folder_are_refused(source: Path) -> None:
    run(source)
    write(source / "images" / "b-2.png", 255 - IMAGE)
    with pytest.raises(UsageError, match=r"plan\.source_sha256"):
        run(source)
    assert run(source, overwrite=True).written


def test_dry_run_writes_nothing(source: Path) -> None:
    result = run(source, dry_run=True)
    assert (result.written, result.samples, result.with_ignore, result.empty) == (False, 2, 2, 0)
    assert not (source.parent / "out").exists()


def test_splits_by_folder_without_index(tmp_path: Path) -> None:
    for split in ("train", "val"):
        write(tmp_path / "s" / "images" / split / "1.png", IMAGE)
        write(tmp_path / "s" / "masks" / split / "1.png", MASK)
    result = run(tmp_path / "s")
    assert result.per_split == {"train": 1, "val": 1}
    dataset = open_dataset(result.root)
    assert dataset.keys() == ["train_1", "val_1"]
    assert [entry.name for entry in dataset.info.classes] == ["object"]


def grey_png(pixels: NDArray[Any], depth: int, colour_type: int, palette: bytes = b"") -> bytes:
    """A PNG file written by hand, for kinds that OpenCV does not write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    rows = b"".join(b"\0" + np.packbits(_bits(row, depth)).tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], depth, colour_type, 0, 0, 0)
    table = chunk(b"PLTE", palette) if palette else b""
    end = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + table + end


def _bits(row: NDArray[Any], depth: int) -> NDArray[Any]:
    return (row[:, None] >> np.arange(depth - 1, -1, -1) & 1).astype(np.uint8).ravel()


PALETTE = bytes([0, 0, 0, 200, 0, 0, 0, 200, 0, 9, 9, 9])


def palette_mask(path: Path) -> None:
    indices = np.where(MASK == 255, 2, MASK)
    path.write_bytes(grey_png(indices, 8, 3, PALETTE))


def colour_mask(path: Path) -> None:
    pixels = np.zeros((10, 14, 3), np.uint8)
    pixels[MASK == 1] = (0, 0, 255)  # red, in OpenCV's order
    write(path, pixels)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


FAULTS: list[Any] = [
    (
        "masks/a_1.png",
        lambda p: write(p, (MASK == 1) * np.uint8(255)),
        "expected 1 for the object, got only 0 and 255",
        "0=0,255=1",
    ),
    ("masks/a_1.png", palette_mask, "one grey channel, got a palette", "--mask-map '0=0,1=LABEL,2=LABEL'"),
    ("masks/a_1.png", colour_mask, "one grey channel, got colours", "--mask-map '#000000=0,#ff0000=LABEL'"),
    (
        "masks/a_1.png",
        lambda p: write(p, np.where(MASK == 1, 2, MASK)),
        "values 0 to 1 or 255 (ignore), got 2",
        "--mask-map",
    ),
    ("masks/a_1.png", lambda p: write(p, MASK[:5]), "size 14x10 (width x height), got 14x5", "--resize-masks"),
    ("masks/a_1.png", truncate, "truncated PNG, its end is missing", ""),
    ("masks/a_1.png", lambda p: p.write_bytes(b"hello"), "expected a PNG mask", ""),
    ("images/b-2.png", truncate, "truncated PNG, its end is missing", ""),
    ("images/a_1.jpg", truncate, "truncated JPEG, its end mark is missing", ""),
    ("images/b-2.png", lambda p: p.write_bytes(b""), "expected a picture, got 0 bytes", ""),
    ("images/a_1.jpg", lambda p: p.with_name("c.jpg").write_bytes(p.read_bytes()), "no mask: expected masks/c.png", ""),
    ("images/a_1.jpg", lambda p: p.with_name("a_1.png").write_bytes(b""), "has the same stem as images/a_1.jpg", ""),
    ("images/a_1.jpg", lambda p: p.unlink(), "no image: expected images/a_1.*", ""),
    ("masks/a_1.png", lambda p: p.rename(p.with_suffix(".jpg")), "expected a file of .png", ""),
    ("images/a_1.jpg", lambda p: p.with_name("readme.txt").write_text("x"), "expected a file of .jpg", ""),
]


@pytest.mark.parametrize(("file", "damage", "reason", "hint"), FAULTS)
def test_faults_are_listed_and_nothing_is_written(
    source: Path, file: str, damage: Callable[[Path], Any], reason: str, hint: str
) -> None:
    damage(source / file)
    result = run(source)
    found = [fault for fault in result.faults if reason in fault.reason]
    assert found, result.faults
    assert hint in found[0].hint
    assert not result.written
    assert not (source.parent / "out").exists()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("c,cat,4,x,train", "no image for id 'c'"),
        ("a_1,cat,4,x,train", "expected each id once, got 'a_1' again"),
        ("c,dog,4,x,train", "expected class 4 to be 'cat' as before, got 'dog'"),
        ("c,cat,four,x,train", "expected a class_id of digits, got 'four'"),
    ],
)
def test_wrong_rows_of_the_index(source: Path, row: str, reason: str) -> None:
    with (source / "index.csv").open("a") as file:
        file.write(f"\n{row}\n")
    assert reason in [fault.reason for fault in run(source).faults]


def test_images_without_a_row(source: Path) -> None:
    (source / "index.csv").write_text("id,class_name,class_id\na_1,cat,4\n")
    faults = run(source).faults
    assert [tuple(fault) for fault in faults] == [("images/b-2.png", "no row in index.csv: expected id 'b-2'", "")]


def test_an_index_without_columns(source: Path) -> None:
    (source / "index.csv").write_text("name,label\n")
    with pytest.raises(DataError, match="expected the columns id, class_name, class_id, got name, label"):
        run(source)


def test_a_source_without_images(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="expected a folder with pictures"):
        run(tmp_path)
    (tmp_path / "images").mkdir()
    assert [fault.reason for fault in run(tmp_path, tmp_path / "out").faults] == ["expected pictures, got none"]


def imported_mask(source: Path, rule: MaskRule) -> NDArray[Any]:
    (source / "masks" / "b-2.png").write_bytes((source / "masks" / "a_1.png").read_bytes())
    result = run(source, rule=rule)
    assert result.faults == []
    mask = open_dataset(result.root).read("a_1").mask
    assert mask is not None
    return mask


@pytest.mark.parametrize(
    ("damage", "mapping", "expected"),
    [
        (lambda p: write(p, (MASK == 1).astype(np.uint8) * 255), "0=0,255=1", (MASK == 1)),
        (palette_mask, "0=0,1=1,2=255", MASK),
        (colour_mask, "#000000=0,#FF0000=1", (MASK == 1)),
        (lambda p: p.write_bytes(grey_png(MASK & 1 & (MASK < 9), 1, 0)), "0=0,255=1", (MASK == 1)),
        (lambda p: p.write_bytes(grey_png(MASK & 1 & (MASK < 9), 2, 3, PALETTE)), "0=0,1=1", (MASK == 1)),
        (lambda p: write(p, MASK.astype(np.uint16) * 257), "0=0,257=1,65535=255", MASK),
    ],
    ids=["0-255", "palette", "colour", "one-bit", "two-bit-palette", "16-bit"],
)
def test_mask_maps(source: Path, damage: Callable[[Path], Any], mapping: str, expected: NDArray[Any]) -> None:
    damage(source / "masks" / "a_1.png")
    np.testing.assert_array_equal(imported_mask(source, MaskRule(2, parse_mask_map(mapping))), expected)


def test_values_that_the_map_lacks(source: Path) -> None:
    result = run(source, rule=MaskRule(2, {0: 0, 1: 1}))
    assert [fault.reason for fault in result.faults] == ["expected only values of the mask map, got 255"] * 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0:0", "VALUE=LABEL entries, got '0:0'"),
        ("", "got ''"),
        ("0=300", "got '0=300'"),
        ("0=0,0=1", "each value of the mask map once, got 0 twice"),
    ],
)
def test_wrong_mask_maps(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_mask_map(text)
    assert message in caught.value.message


def test_resizing_only_when_asked(source: Path) -> None:
    write(source / "masks" / "a_1.png", np.kron(MASK, np.ones((2, 2), np.uint8)))
    np.testing.assert_array_equal(imported_mask(source, MaskRule(resize=True)), MASK)


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("a_1.bmp", IMAGE),
        ("a_1.tif", IMAGE),
        ("a_1.png", np.dstack([IMAGE, np.full((10, 14), 9, np.uint8)])),
        ("a_1.png", IMAGE.astype(np.uint16) * 257),
    ],
    ids=["bmp", "tif", "alpha", "16-bit"],
)
def test_other_pictures_become_rgb_png(source: Path, name: str, pixels: NDArray[Any]) -> None:
    (source / "images" / "a_1.jpg").unlink()
    write(source / "images" / name, pixels)
    dataset = open_dataset(run(source).root)
    np.testing.assert_array_equal(dataset.read("a_1").image, IMAGE[..., ::-1])
    assert dataset.table["image_format"].to_pylist() == ["png", "png"]


def test_pictures_that_exif_turns_become_upright(source: Path) -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    path = source / "images" / "a_1.jpg"
    write(path, cv2.rotate(IMAGE, cv2.ROTATE_90_COUNTERCLOCKWISE))
    data = path.read_bytes()
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:])
    record = open_dataset(run(source).root).read("a_1")
    assert record.image.shape == IMAGE.shape


@pytest.mark.skipif(not PETS.is_dir(), reason="needs ../shared/data/pets")
def test_pets(tmp_path: Path) -> None:
    result = run(PETS, tmp_path / "pets")
    assert (result.samples, result.faults) == (120, [])
    assert result.per_split == {"test": 60, "train": 60}
    assert result.per_class == {1: 40, 2: 40, 6: 40}
    assert verify_dataset(result.root, Silent()) == []
    record = open_dataset(result.root).read("Abyssinian_201")
    expected = cv2.imread(str(PETS / "masks" / "Abyssinian_201.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(record.mask, expected)
