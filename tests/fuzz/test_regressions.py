"""The smallest inputs of defects that fuzzing found, each with what is said of it now."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bdgan_cli import runs
from bdgan_cli.dataset.annotation.cvat import CvatTool
from bdgan_cli.dataset.class_lists import select_classes
from bdgan_cli.dataset.codecs import PNG_SIGNATURE, decode_image, decode_latent, encode_image
from bdgan_cli.dataset.fields import short
from bdgan_cli.dataset.importers.coco_file import read_coco
from bdgan_cli.dataset.importers.coco_masks import MaskRule as CocoRule
from bdgan_cli.dataset.importers.coco_survey import CocoSource, survey_source
from bdgan_cli.dataset.importers.huggingface import HubColumns, find_rows
from bdgan_cli.dataset.importers.mask_rules import MaskRule, read_mask
from bdgan_cli.dataset.importers.pairs import find_pairs
from bdgan_cli.dataset.importers.voc import find_samples, open_voc
from bdgan_cli.dataset.importers.voc_xml import read_boxes
from bdgan_cli.dataset.importers.webdataset import TarRules, find_members
from bdgan_cli.dataset.index import read_columns, read_info, read_part
from bdgan_cli.dataset.interchange.labelstudio import parse_tasks
from bdgan_cli.dataset.interchange.yolo import parse_names
from bdgan_cli.dataset.schema import ClassEntry
from bdgan_cli.dataset.tar import Place, Shard, append_end, append_members, walk
from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.progress import Silent
from bdgan_cli.tasks.registry import find_task
from tests.dataset import coco_files
from tests.dataset.builders import make_info
from tests.dataset.exporters.masks import send, write_masks
from tests.fuzz import readers_annotate
from tests.fuzz.corpus import mask, mend_tar, picture, png_chunk

DEEP = b"[" * 100_000


def npy(header: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(16)


def png(width: int, height: int, depth: int = 8, kind: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return PNG_SIGNATURE + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"PK\x03\x04", "one .npy array, got an archive"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }"), "got 16 bytes for float32"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2"), "got the header"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (\0,), }"), "got the header"),
        (npy("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4611686018427387904), }"), "got the header"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"), "got object"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "got a header up to byte 65545 in 11 bytes"),
    ],
)
def test_latents(data: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=r"^k: expected a latent as ") as caught:
        decode_latent(data, "k")
    assert reason in caught.value.message


def test_latents_of_either_byte_order_come_in_the_machines_own() -> None:
    for text in ("'>f4', 'fortran_order': True, 'shape': (2, 2), ", "'>f4', 'fortran_order': False, 'shape': (2L, 2L)"):
        header = f"{{'descr': {text}}}"
        data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
        latent = decode_latent(data + np.arange(4, dtype=">f4").tobytes(), "k")
        assert latent.dtype == np.dtype("=f4")
        assert latent.flags.writeable
        np.testing.assert_array_equal(latent, np.arange(4).reshape(2, 2, order="F" if "True" in text else "C"))


@pytest.mark.parametrize(
    ("data", "got"),
    [
        (png(60_000, 60_000), "got one of 60000x60000"),
        (png(0, 3), "got one of 0x3"),
        (b"\xff\xd8\xff\xc0\x00\x0b\x08\xff\xff\xff\xff\x01\x01\x11\x00\xff\xd9", "got one of 65535x65535"),
        (b"BM" + bytes(12) + struct.pack("<Iii", 40, 60_000, -60_000), "got one of 60000x60000"),
        (b"P5 32000 32000 255\n", "got 19 bytes that OpenCV cannot decode: none of"),
        (b"II*\0\xff\xff\xff\x7f", "got 8 bytes that OpenCV cannot decode: none of"),
    ],
)
def test_pictures_that_ask_for_more_memory_than_they_could_need(data: bytes, got: str) -> None:
    with pytest.raises(DataError, match=r"^k: expected a picture") as caught:
        decode_image(data, "k")
    assert got in caught.value.message


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tif"])
def test_every_kind_of_picture_tells_its_size(suffix: str) -> None:
    from bdgan_cli.dataset.picture_size import _KINDS
    from tests.fuzz.readers_dataset import of_kind

    for files in of_kind(suffix):
        (data,) = files.values()
        sizes = [read(data) for start, read in _KINDS.items() if data.startswith(start)]
        assert sizes == [(8, 6)]


@pytest.mark.parametrize("depth", [0, 16, 255])
def test_palette_masks_of_a_depth_that_only_grey_has(depth: int) -> None:
    with pytest.raises(DataError, match=f"expected a palette mask of 1, 2, 4 or 8 bits, got {depth}"):
        read_mask(png(8, 6, depth, kind=3), (6, 8), MaskRule(), "m.png")


def info_text(**changes: Any) -> bytes:
    return json.dumps({**make_info().to_json(), **changes}).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (DEEP, "expected JSON, got"),
        (info_text(label_names=None), "expected 'label_names' to be a list, got None"),
        (info_text(label_names=["a"]), "expected at least 2 label names"),
        (info_text(kind="x"), "expected a kind of"),
        (info_text(plan={"a": float("nan")}), "expected finite numbers and text in Unicode"),
        (
            info_text(plan={"a": [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}),
            "nested up to 32 deep",
        ),
        (info_text(name="\ud800"), "expected finite numbers and text in Unicode"),
        (info_text(classes=[{"id": 2**31, "wnid": "", "name": "a"}]), "expected an id of 0 to 2147483647"),
        (info_text(classes=[{"id": -1, "wnid": "", "name": "a"}]), "expected an id of 0 to 2147483647"),
    ],
)
def test_dataset_json(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "dataset.json").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_info(tmp_path)
    assert caught.value.message.startswith(str(tmp_path / "dataset.json"))
    assert reason in caught.value.message


def write_shard(path: Path) -> Place:
    with path.open("wb") as file:
        place = append_members(file, "a", {"image": b"xyz"}, "png")["image"]
        append_end(file)
    return place


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (Place(2**62, 3), "a.png"), (Place(512, 2**62), "a.png"), (Place(512, -3), "a.png"), (Place(0, 3), "a.png"),
        (Place(-(2**63), 3), "a.png"), (Place(512, 3), "\u00e9.png"), (Place(512, 3), "a" * 200),
    ],
)  # fmt: skip
def test_places_that_no_shard_has(tmp_path: Path, place: Place, name: str) -> None:
    write_shard(tmp_path / "0.tar")
    with Shard(tmp_path / "0.tar") as shard, pytest.raises(DataError, match=r"0\.tar: "):
        shard.read(place, name)


def test_a_name_in_a_shard_that_is_no_text(tmp_path: Path) -> None:
    place = write_shard(tmp_path / "0.tar")
    data = bytearray((tmp_path / "0.tar").read_bytes())
    data[0] = 0xFF
    (tmp_path / "0.tar").write_bytes(mend_tar(bytes(data)))
    with Shard(tmp_path / "0.tar") as shard, pytest.raises(DataError, match="expected a tar header at byte 0"):
        shard.read(place, "a.png")


@pytest.mark.parametrize(
    "size", [b"\xff" * 10 + b"\xfe\0", b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7, b"77777777777\0"]
)
def test_sizes_that_send_a_walk_back_or_far_away(tmp_path: Path, size: bytes) -> None:
    write_shard(tmp_path / "0.tar")
    data = bytearray((tmp_path / "0.tar").read_bytes())
    data[124:136] = size
    (tmp_path / "0.tar").write_bytes(mend_tar(bytes(data)))
    with pytest.raises(DataError, match=r"0\.tar: expected 'a\.png' inside the archive"):
        list(walk(tmp_path / "0.tar"))


@pytest.mark.parametrize("size", [b"\xff" * 12, b"\xff" * 10 + b"\xfe\0", b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7])
@pytest.mark.parametrize("kind", [b"0", b"L", b"x"])
def test_sizes_in_tars_of_others(tmp_path: Path, size: bytes, kind: bytes) -> None:
    write_shard(tmp_path / "0.tar")
    data = bytearray((tmp_path / "0.tar").read_bytes())
    data[124:136], data[156:157] = size, kind
    (tmp_path / "0.tar").write_bytes(mend_tar(bytes(data)))
    found, faults = find_members(tmp_path, TarRules("mask.png", ("background", "object"), MaskRule()))
    assert found == []
    assert any("0.tar" in fault.file for fault in faults)


def test_an_index_part_of_other_types_is_refused_whichever_columns_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    columns = {name: [0] for name in ("class_id", "image_offset", "image_size", "width")}
    part = pa.table({**columns, "key": ["a"], "image_format": ["png"], "height": ["x"]})
    pq.write_table(part, tmp_path / "index" / "0.parquet")
    with pytest.raises(DataError, match=r"0\.parquet: expected an index part"):
        read_columns(tmp_path, ["height", "width"])


def test_keys_of_an_index_that_are_no_text(tmp_path: Path) -> None:
    columns = {name: [0] for name in ("class_id", "image_offset", "image_size", "height", "width")}
    text = {name: pa.array([b"\xff"]).view(pa.string()) for name in ("key", "image_format")}
    pq.write_table(pa.table({**columns, **text}), tmp_path / "0.parquet")
    with pytest.raises(DataError, match=r"0\.parquet: expected an index part"):
        read_part(tmp_path / "0.parquet")


@pytest.mark.parametrize("encoding", ["hex", "utf-7", "shift_jis", "none-of-python"])
def test_encodings_of_xml(encoding: str) -> None:
    with pytest.raises(DataError, match=r"^a\.xml: expected XML, got"):
        read_boxes(
            f'<?xml version="1.0" encoding="{encoding}"?><annotation>\u00e9</annotation>'.encode(), (6, 8), "a.xml"
        )


def test_names_too_long_for_a_file(tmp_path: Path) -> None:
    for folder in ("SegmentationClass", "JPEGImages", "ImageSets/Segmentation"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "ImageSets/Segmentation/train.txt").write_text("a/" + "b" * 300)
    _, faults = find_samples(open_voc(tmp_path, None, None, None))
    assert len(faults) == 1
    content = coco_files.content()
    content["images"][0]["file_name"] = "b" * 300
    path = coco_files.write(tmp_path, content)
    survey = survey_source(CocoSource(tmp_path / "images", read_coco(path), CocoRule()), Silent())
    assert [fault.reason.partition(" in ")[0] for fault in survey.faults] == ["no such picture"]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (b"a,\xff,3", "in UTF-8, got"),
        (b'a,"' + b"x" * 140_000 + b'",3', "got: field larger than field limit"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path: Path, rows: bytes, reason: str) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "index.csv").write_bytes(b"id,class_name,class_id\n" + rows)
    with pytest.raises(DataError, match=reason):
        find_pairs(tmp_path)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,cat,\u00b2,,", "expected a class_id of digits, got '\u00b2'"),
        ("a,cat,9999999999,,", "expected a class_id up to 2147483647, got 9999999999"),
        ("a,cat,3,,../x", "expected a split of 1 to 40 characters"),
        ("a,c\x00t,3,,", "expected text in one line, got 'c\\x00t'"),
    ],
)
def test_odd_rows_of_a_table(tmp_path: Path, row: str, reason: str) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "index.csv").write_text(f"id,class_name,class_id,wnid,split\n{row}\n")
    _, faults = find_pairs(tmp_path)
    assert faults[0].file == "index.csv:2"
    assert reason in faults[0].reason


@pytest.mark.parametrize("spec", ["0-999999999999", "0-999999999999999999999999", "\u00b2", "9" * 5000, "5-7", "7"])
def test_classes_that_do_not_exist(spec: str) -> None:
    with pytest.raises(UsageError):
        select_classes(spec, [ClassEntry(5, "", "cat")])
    with pytest.raises(UsageError):
        select_classes(spec, [])


def test_an_address_that_is_none() -> None:
    ((task, errors),) = parse_tasks([{"data": {"image": "http://["}, "file_upload": "a.png"}], "e.json")
    assert task is not None
    assert (task.names, errors) == (("a.png",), [])


@pytest.mark.parametrize(
    "text", ["!!timestamp x", "!!bool x", "!!int ''", "!!float x", "!!binary x", "? !!bool x\n: 1"]
)
def test_tags_of_yaml(text: str) -> None:
    with pytest.raises(DataError, match=r"^data\.yaml: expected"):
        parse_names(f"names: {text}".encode() if not text.startswith("?") else text.encode(), "data.yaml")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[labels]\n", "expected 'background' and 1 to 65534 other label names"),
        (f"a = {'1' * 5000}", "expected TOML"),
        (f"a = {'[' * 5000}", "expected TOML"),
        ('domain = "imagenet"\neach = "0-999999999999"', "class 1000 does not exist"),
    ],
)
def test_tasks(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(DataError, match=reason) as caught:
        find_task(str(tmp_path / "a.toml"))
    assert caught.value.message.startswith(str(tmp_path / "a.toml"))


@pytest.mark.parametrize(
    "content", [DEEP, b'{"kind": "real", "generator": "x"}', b'{"kind": "real", "generator": [1]}']
)
def test_a_broken_neighbour_does_not_stop_a_search(tmp_path: Path, content: bytes) -> None:
    for name, text in (("a", content), ("b", b'{"kind": "real"}')):
        (tmp_path / "datasets" / name).mkdir(parents=True)
        (tmp_path / "datasets" / name / "dataset.json").write_bytes(text)
    assert runs.newest_dataset(tmp_path, ("real",)).name in "ab"


def test_names_in_a_zip_that_are_no_text(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("labelmap\u00e9.txt", "background:0,0,0::\nobject:1,1,1::\n")
    data = packed.getvalue().replace("\u00e9".encode(), b"\xff\xff")
    (tmp_path / "e.zip").write_bytes(data)
    with pytest.raises(DataError, match=r"e\.zip: expected a zip"):
        list(CvatTool().read(tmp_path / "e.zip", {}, ("background", "object"), []))


def test_a_class_beyond_the_index(tmp_path: Path) -> None:
    image, label = encode_image(picture(), "png"), [2**40]
    pq.write_table(pa.table({"image": [image], "mask": [image], "label": label}), tmp_path / "a.parquet")
    found, faults = find_rows(tmp_path, HubColumns(), ("background", "object"), MaskRule())
    assert (len(found), faults) == (1, [])
    assert found[0].read.args[3] is None, "the class is that of the mask"


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-70],
        lambda data: data.replace(b'"files"', b'"filez"'),
        lambda data: b"{" + data,
        lambda data: b"",
    ],
)
def test_a_damaged_note_of_an_export_is_made_again(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    (files,) = readers_annotate.exports()
    for name, data in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(damage(data) if name.endswith(".jsonl") else data)
    send(tmp_path / "data", tmp_path / "export", "coco")
    write_masks(tmp_path / "again", [mask()] * 5)
    send(tmp_path / "again", tmp_path / "whole", "coco")
    read = [{path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.png")} for name in ("export", "whole")]
    assert read[0] == read[1]


@pytest.mark.parametrize("depth", range(900, 1000, 5))
def test_what_could_just_be_read_can_be_told_of(depth: int) -> None:
    try:
        value = json.loads("[" * depth + "]" * depth)
    except RecursionError:
        return
    assert short(value)
