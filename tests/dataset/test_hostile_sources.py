"""What the importers of VOC, CVAT, Hugging Face and WebDataset do with input that is odd, broken or made to do harm."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from bdgan_cli.dataset import writer
from bdgan_cli.dataset.importers.result import ImportResult
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.errors import BdganError, DataError, MissingError, UsageError
from bdgan_cli.workflows.import_job import Destination
from bdgan_cli.workflows.import_masks import (
    ImportMasksConfig,
    import_cvat,
    import_huggingface,
    import_voc,
    import_webdataset,
)
from tests.dataset.exporters.masks import send, write_masks

MASK = np.zeros((6, 8), np.uint8)
MASK[1:4, 2:6] = 1
IMPORTS: dict[str, Callable[[ImportMasksConfig], ImportResult]] = {
    "voc": import_voc, "cvat": import_cvat, "huggingface": import_huggingface, "webdataset": import_webdataset,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "write_card", lambda root: None)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """The same two samples in every layout."""
    write_masks(tmp_path / "data", [MASK, MASK])
    for to in ("voc", "cvat", "huggingface"):
        send(tmp_path / "data", tmp_path / to, to)
    (tmp_path / "webdataset").mkdir()
    shutil.copy(tmp_path / "data" / "shards" / "000000.tar", tmp_path / "webdataset" / "a.tar")
    return tmp_path


def run(source: Path, name: str, labels: str | None = None, mask_map: str | None = None, **to: Any) -> ImportResult:
    out = source.parent / f"out-{name}"
    return IMPORTS[name](ImportMasksConfig(source, Destination(out, **to), labels, mask_map))


def faults(source: Path, name: str, **options: Any) -> dict[str, str]:
    result = run(source, name, **options)
    assert result.refused
    assert not result.root.exists(), "nothing may be written"
    return {fault.file: fault.reason for fault in result.faults}


def png(pixels: NDArray[Any]) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


@pytest.mark.parametrize("name", IMPORTS)
def test_the_sources_are_right_as_they_are(sources: Path, name: str) -> None:
    dry = run(sources / name, name, dry_run=True)
    assert (dry.written, dry.samples, dry.faults) == (False, 2, [])
    assert not dry.root.exists()
    assert run(sources / name, name).written
    assert len(open_dataset(dry.root)) == 2


@pytest.mark.parametrize("name", IMPORTS)
def test_nothing_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(MissingError):
        run(tmp_path / "nothing", name)


@pytest.mark.parametrize("name", ["voc", "cvat"])
@pytest.mark.parametrize("stem", ["../../etc/passwd", "/etc/passwd", "..\\x", "C:/x", "a\x00b"])
def test_lists_that_lead_out(sources: Path, name: str, stem: str) -> None:
    path = sources / name / "ImageSets" / "Segmentation" / "train.txt"
    path.write_text(f"{path.read_text()}{stem}\n")
    found = faults(sources / name, name)
    assert list(found) == ["ImageSets/Segmentation/train.txt"]
    assert "line 2: expected a file name inside the folder" in found["ImageSets/Segmentation/train.txt"]


def test_who_is_in_two_splits_and_who_has_no_file(sources: Path) -> None:
    (sources / "voc" / "ImageSets" / "Segmentation" / "val.txt").write_text("s000\ns001\nlonely\n")
    assert faults(sources / "voc", "voc") == {
        "ImageSets/Segmentation/val.txt": "s000 is in 'train' as well: expected each in one split",
        "JPEGImages/lonely": "no picture: expected .jpg, .jpeg, .png, .webp, .bmp, .tif, .tiff",
    }
    (sources / "voc" / "JPEGImages" / "lonely.jpg").write_bytes(b"x")
    assert faults(sources / "voc", "voc")["SegmentationClass/lonely.png"] == "no mask, but a list names it"


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (
            '<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;&b;">]><annotation>&c;</annotation>',
            "without a document type",
        ),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', "without a document type"),
        ("<annotation>", "expected XML, got: no element found"),
        ("<a>" * 40 + "</a>" * 40, "expected elements up to 32 deep"),
        ("<annotation><size><width>9</width><height>6</height></size></annotation>", "expected the picture's size 8x6"),
        ("<annotation>&xxe;</annotation>", "expected XML, got: undefined entity"),
        ("x" * (5 << 20), "expected up to 4 MB of XML, got 5.0"),
    ],
    ids=["bomb", "external", "cut", "deep", "size", "entity", "huge"],
)
def test_xml(sources: Path, xml: str, reason: str) -> None:
    (sources / "voc" / "Annotations" / "s000.xml").write_text(xml)
    found = faults(sources / "voc", "voc")
    assert list(found) == ["Annotations/s000.xml"]
    assert reason in found["Annotations/s000.xml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("background:0,0,0::\n", "expected a background and at least one label"),
        ("background:0,0,0::\ncat\n", "line 2: expected name:r,g,b::, got 'cat'"),
        ("background:0,0,0::\ncat:0,0,999::\n", "line 2: expected colours of 0 to 255"),
        ("background:0,0,0::\ncat:1,1,1::\ncat:2,2,2::\n", "expected each label once"),
        ("background:0,0,0::\ncat:1,1,1::\ndog:1,1,1::\n", "expected each colour once"),
        ("sky:0,0,0::\ncat:1,1,1::\n", "expected a label 'background', got sky, cat"),
        ("background:0,0,0::\n" + "\udcff", "expected text in UTF-8"),
    ],
)
def test_label_maps(sources: Path, text: str, message: str) -> None:
    (sources / "cvat" / "labelmap.txt").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError) as caught:
        run(sources / "cvat", "cvat")
    assert message in caught.value.message


def test_cvat_goes_by_colour_wherever_the_label_stands_and_whatever_the_file(sources: Path) -> None:
    (sources / "cvat" / "labelmap.txt").write_text("cat:9,8,7::\nbackground:0,0,0::\n__ignore__:1,1,1::\n")
    colours = np.zeros((6, 8, 3), np.uint8)
    colours[1:4, 2:6] = 9, 8, 7
    colours[0, 0] = 1, 1, 1
    wanted = MASK.copy()
    wanted[0, 0] = 255
    masks = sources / "cvat" / "SegmentationClass"
    Image.fromarray(colours).save(masks / "s000.png")
    Image.fromarray(colours).quantize(4).save(masks / "s001.png")
    dataset = open_dataset(run(sources / "cvat", "cvat").root)
    assert dataset.info.label_names == ("background", "cat")
    for record in dataset.iterate(("mask",)):
        np.testing.assert_array_equal(record.mask, wanted)
    Image.fromarray(np.where(MASK, 77, 0).astype(np.uint8)).save(masks / "s000.png")
    shutil.rmtree(sources / "out-cvat")
    found = faults(sources / "cvat", "cvat")
    assert found == {"SegmentationClass/s000.png": "expected only values of the mask map, got #4d4d4d"}


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (np.full((6, 8), 300, np.uint16), "expected only values of the mask map, got 300"),
        (np.full((6, 8), 7, np.uint8), "expected only values of the mask map, got 7"),
        (np.zeros((6, 8, 3), np.uint8), "expected only values of the mask map, got #000000"),
        (np.zeros((6, 8, 4), np.uint8), "expected only values of the mask map, got #000000"),
        (np.zeros((6, 8, 3), np.uint16), "expected a mask of 8 bits per channel, got 3 channels of 16"),
        (np.zeros((5, 8), np.uint8), "expected a mask of the image's size 8x6 (width x height), got 8x5"),
    ],
    ids=["16 bits", "value", "colour", "alpha", "16-bit colour", "size"],
)
def test_masks_of_another_kind(sources: Path, mask: NDArray[Any], reason: str) -> None:
    (sources / "voc" / "SegmentationClass" / "s000.png").write_bytes(png(mask))
    assert faults(sources / "voc", "voc") == {"SegmentationClass/s000.png": reason}


def test_a_mask_map_says_what_colours_mean(sources: Path) -> None:
    colours = np.zeros((6, 8, 4), np.uint8)
    colours[1:4, 2:6] = 0, 0, 255, 128  # red, half transparent: transparency has no meaning
    (sources / "voc" / "SegmentationClass" / "s000.png").write_bytes(png(colours))
    mapping = "#000000=0,#ff0000=1,0=0,1=1,2=2"
    for record in open_dataset(run(sources / "voc", "voc", mask_map=mapping).root).iterate(("mask",)):
        np.testing.assert_array_equal(record.mask, MASK * (2 if record.key == "s001" else 1))


def test_a_picture_that_exif_turns_is_turned_and_its_mask_must_fit(sources: Path) -> None:
    image = Image.fromarray(np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3))
    exif = image.getexif()
    exif[0x0112] = 6  # upright after a quarter turn, so 6 wide and 8 high
    image.save(sources / "voc" / "JPEGImages" / "s000.jpg", exif=exif)
    reason = faults(sources / "voc", "voc")["SegmentationClass/s000.png"]
    assert reason == "expected a mask of the image's size 6x8 (width x height), got 8x6"
    turned = np.ascontiguousarray(np.rot90(MASK, -1))
    (sources / "voc" / "SegmentationClass" / "s000.png").write_bytes(png(turned))
    (sources / "voc" / "Annotations" / "s000.xml").unlink()
    record = open_dataset(run(sources / "voc", "voc").root).read("s000")
    assert record.image is not None
    assert record.image.shape == (8, 6, 3)


def test_odd_samples_can_be_left_out(sources: Path) -> None:
    (sources / "voc" / "SegmentationClass" / "s000.png").write_bytes(b"no picture")
    result = run(sources / "voc", "voc", skip_odd=True)
    assert (result.written, result.samples, len(result.faults)) == (True, 1, 1)
    assert open_dataset(result.root).keys() == ["s001"]


def member(name: str, data: bytes = b"", **facts: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for fact, value in facts.items():
        setattr(info, fact, value)
    return info, data


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    good = [("k.png", png(np.zeros((6, 8, 3), np.uint8))), ("k.mask.png", png(MASK))]
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as file:
        for info, data in (*(member(name, data) for name, data in good), *members):
            file.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (member("../up.png"), "expected a file name inside the folder, got '../up.png'"),
        (member("/etc/passwd"), "expected a file name inside the folder, got '/etc/passwd'"),
        (member("x.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "expected a regular file, got a link"),
        (member("x.png", type=tarfile.LNKTYPE, linkname="k.png"), "expected a regular file, got a link"),
        (member("x.png", type=tarfile.CHRTYPE), "expected a regular file, got a device"),
        (member("x.png", type=tarfile.FIFOTYPE), "expected a regular file, got a device"),
        (member("k.png", b"again"), "is in a.tar as well"),
        (member("k2.png", b"x"), "no mask k2.mask.png: got png"),
        (member("k2.mask.png", b"x"), "no picture k2.jpg|jpeg|png|webp: got mask.png"),
        (member("k.cls", b"cat"), "expected a class number, got b'cat'"),
        (member("k.json", b"[" * 100_000), "expected JSON, got: "),
        (member("k.json", b"{"), "expected JSON, got: "),
    ],
)
def test_tars(tmp_path: Path, odd: tuple[tarfile.TarInfo, bytes], reason: str) -> None:
    (tmp_path / "w").mkdir()
    archive(tmp_path / "w" / "a.tar", odd)
    found = faults(tmp_path / "w", "webdataset")
    assert len(found) == 1
    assert reason in next(iter(found.values()))


@pytest.mark.parametrize("damage", [lambda data: data[:700], lambda data: b"x" * 600 + data[600:], lambda data: b""])
def test_broken_tars(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    (tmp_path / "w").mkdir()
    path = archive(tmp_path / "w" / "a.tar")
    path.write_bytes(damage(path.read_bytes()))
    assert "a.tar" in str(faults(tmp_path / "w", "webdataset"))


def test_a_compressed_tar_is_no_bomb(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    with tarfile.open(tmp_path / "w" / "a.tar", "w:gz") as file:
        info, data = member("k.png", bytes(1 << 20))
        file.addfile(info, io.BytesIO(data))
    assert "expected a plain tar archive" in faults(tmp_path / "w", "webdataset")["a.tar"]


def parquet(path: Path, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet_of_others_with_bytes_alone(tmp_path: Path) -> None:
    image = [png(np.zeros((6, 8, 3), np.uint8))] * 3
    file = parquet(tmp_path / "d" / "test-00000-of-00001.parquet", picture=image, annotation=[png(MASK * 255)] * 3)
    from bdgan_cli.dataset.importers.huggingface import HubColumns

    config = ImportMasksConfig(
        file, Destination(tmp_path / "out"), mask_map="0=0,255=1", columns=HubColumns("picture", "annotation")
    )
    dataset = open_dataset(import_huggingface(config).root)
    assert dataset.keys() == [f"test_{i:08d}" for i in range(3)]
    assert set(dataset.table["split"].to_pylist()) == {"test"}


@pytest.mark.parametrize(
    ("image", "mask", "reason"),
    [
        ([None], [b""], "image: expected the bytes of a file, got NoneType"),
        ([{"bytes": None, "path": "/etc/passwd"}], [{"bytes": png(MASK), "path": ""}], "got a path alone"),
        ([b"no picture"], [png(MASK)], "expected a picture"),
        ([png(np.zeros((6, 8, 3), np.uint8))], [png(MASK * 9)], "expected mask values 0 to 1 or 255 (ignore), got 9"),
    ],
)
def test_rows_of_parquet(tmp_path: Path, image: list[Any], mask: list[Any], reason: str) -> None:
    parquet(tmp_path / "d" / "x.parquet", image=image, mask=mask)
    (found,) = faults(tmp_path / "d", "huggingface").items()
    assert found[0].startswith("x.parquet: row 0 of group 0")
    assert reason in found[1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (b"[" * 100_000, "expected JSON"),
        (b"{}", "expected names of the mask values 0, 1, ..."),
        (b'{"1": "a", "2": "b"}', "expected names of the mask values 0, 1, ..."),
        (b'{"0": "a", "1": 3}', "expected names as strings"),
    ],
)
def test_id2label(sources: Path, labels: bytes, message: str) -> None:
    (sources / "huggingface" / "id2label.json").write_bytes(labels)
    with pytest.raises(DataError) as caught:
        run(sources / "huggingface", "huggingface")
    assert message in caught.value.message


def test_broken_parquet(sources: Path) -> None:
    path = next((sources / "huggingface" / "data").glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="expected a Parquet file"):
        run(sources / "huggingface", "huggingface")
    parquet(path, image=[b""], masks=[b""])
    with pytest.raises(DataError, match="expected a column 'mask', got image, masks") as caught:
        run(sources / "huggingface", "huggingface")
    assert "--mask-column" in caught.value.hint


@pytest.mark.parametrize("name", IMPORTS)
@pytest.mark.parametrize("labels", ["one", "a,a", "a,,b"])
def test_wrong_labels(sources: Path, name: str, labels: str) -> None:
    if name == "cvat":  # has them from its file alone
        return
    with pytest.raises(UsageError, match="expected --labels as distinct names"):
        run(sources / name, name, labels=labels)


@pytest.mark.parametrize("name", IMPORTS)
def test_random_damage_never_ends_in_anything_but_an_error_of_ours(sources: Path, name: str) -> None:
    """Flip bytes in every file of a source: either it still comes in, or the error says which file and why."""
    stream = np.random.default_rng(0)
    files = sorted(path for path in (sources / name).rglob("*") if path.is_file())
    for path in files:
        good = path.read_bytes()
        for _ in range(6):
            bad = bytearray(good)
            for place in stream.integers(0, len(bad), 4):
                bad[place] = stream.integers(256)
            path.write_bytes(bytes(bad))
            with contextlib.suppress(BdganError):
                result = run(sources / name, name, dry_run=True)
                assert all(fault.file and fault.reason for fault in result.faults)
                assert json.dumps(result.to_json())
        path.write_bytes(good)
