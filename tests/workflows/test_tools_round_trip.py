"""Datasets out to YOLO, LabelMe and Label Studio and in again; other programs read them; odd sources are refused."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bdgan_cli.dataset.codecs import encode_image
from bdgan_cli.dataset.exporters.exporter import ExportOptions
from bdgan_cli.dataset.importers.coco_result import CocoResult
from bdgan_cli.dataset.interchange.yolo import parse_row
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.schema import ClassEntry
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.errors import DataError, MissingError, UsageError
from bdgan_cli.progress import Silent
from bdgan_cli.workflows.data import ChosenDataset
from bdgan_cli.workflows.export import ExportConfig, export
from bdgan_cli.workflows.import_tools import ImportToolConfig, import_tool
from tests.conftest import RunCli
from tests.dataset.builders import make_info, make_sample

LABELS = ("background", "eye", "mouth", "nose")
TOOLS = ("yolo", "labelme", "labelstudio")
SIZE = 24
Masks = dict[str, NDArray[Any]]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(os, "sync", lambda: None)


def part_masks() -> list[NDArray[np.uint8]]:
    """Eight masks with three labels: holes, single pixels, borders, full, many pieces, ignored pixels; one empty."""
    masks = np.zeros((9, SIZE, SIZE), np.uint8)
    masks[0, 2:20, 2:20], masks[0, 5:15, 5:15], masks[0, 8:10, 8:10] = 1, 2, 3
    masks[1, 2:20, 2:20], masks[1, 5:15, 5:15] = 1, 0
    masks[2, 0, 0], masks[2, 23, 23], masks[2, 11, 0] = 1, 2, 3
    masks[3] = 2
    masks[4, ::2, ::2] = 3
    masks[5, :, :5], masks[5, :, 5:8] = 1, 255
    masks[6] = np.random.default_rng(0).integers(0, 4, (SIZE, SIZE))
    masks[7, 4:9, 4:9], masks[7, 9:14, 9:14] = 1, 1
    return [*masks]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("parts") / "parts"
    writer = open_for_writing(root, make_info(1, 9, label_names=LABELS, kind="real"))
    splits = ["train"] * 6 + ["val"] * 3
    samples = [make_sample(0, i, mask=mask, split=splits[i]) for i, mask in enumerate(part_masks())]
    writer.write_shard("000000", samples)
    return root


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of three samples with one label and ignored pixels."""
    root = tmp_path_factory.mktemp("binary") / "binary"
    writer = open_for_writing(root, make_info(2, 3))
    writer.write_shard("000000", [make_sample(c, i) for c in range(2) for i in range(3)])
    return root


def go_out(dataset: Path, tool: str, out: Path, **changes: Any) -> Any:
    return export(ExportConfig(tool, out, ChosenDataset(str(dataset)), **changes))


def come_in(tool: str, source: Path, out: Path, **changes: Any) -> CocoResult:
    file = source / "tasks.json" if tool == "labelstudio" else source
    return import_tool(ImportToolConfig(tool, file, source, out, **changes))


def masks_of(root: Path) -> Masks:
    return {record.key: record.mask for record in open_dataset(root).iterate(("mask",)) if record.mask is not None}


@pytest.mark.parametrize("tool", TOOLS)
def test_parts_come_back(tool: str, parts: Path, tmp_path: Path) -> None:
    result = go_out(parts, tool, tmp_path / "out")
    assert (result.samples, result.splits) == (9, {"train": 6, "val": 3})
    labels = None if tool == "yolo" else ",".join(LABELS)
    back = come_in(tool, tmp_path / "out", tmp_path / "back", mode="semantic", labels=labels)
    assert (back.faults, back.samples, back.counts.without_object) == ([], 8, 1)
    assert verify_dataset(tmp_path / "back", Silent()) == []
    before, after = open_dataset(parts), open_dataset(tmp_path / "back")
    assert after.info.label_names == LABELS
    hashes = dict(zip(before.keys(), before.table["image_sha256"].to_pylist(), strict=True))
    assert {key: hashes[key] for key in after.keys()} == dict(  # noqa: SIM118  (a method of datasets)
        zip(after.keys(), after.table["image_sha256"].to_pylist(), strict=True)
    )
    splits = dict(zip(before.keys(), before.table["split"].to_pylist(), strict=True))
    assert all(splits[key] == split for key, split in zip(after.keys(), after.table["split"].to_pylist(), strict=True))
    old, new = masks_of(parts), masks_of(tmp_path / "back")
    for key, mask in new.items():
        expected = np.where(old[key] == 255, 0, old[key]) if tool == "yolo" else old[key]
        np.testing.assert_array_equal(mask, expected, err_msg=key)


@pytest.mark.parametrize("tool", TOOLS)
def test_objects_of_classes_come_back_as_classes(tool: str, binary: Path, tmp_path: Path) -> None:
    go_out(binary, tool, tmp_path / "out")
    back = come_in(tool, tmp_path / "out", tmp_path / "back")
    assert [entry.name for entry in back.classes] == ["disc", "star"]
    old, new = masks_of(binary), masks_of(tmp_path / "back")
    assert len(new) == 6
    for key, mask in new.items():
        stem, category = key.rsplit("_", 1)
        assert category == str(int(stem[8]) + 1), "the class's position, from 1"
        expected = old[stem].copy()
        if tool == "yolo":
            expected[expected == 255] = 0
        np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("tool", ["yolo", "labelme"])
def test_what_a_tolerance_costs_is_told(tool: str, parts: Path, tmp_path: Path) -> None:
    exact = go_out(parts, tool, tmp_path / "exact").lines()
    assert any("mean IoU 1.0000; 0 of 9 masks changed" in line for line in exact)
    assert ("pixels to ignore became background in 1 masks" in "\n".join(exact)) == (tool == "yolo")
    rough = go_out(parts, tool, tmp_path / "rough", options=ExportOptions(tolerance=3.0)).lines()
    assert any("mean IoU 0." in line and "least 0." in line for line in rough)


def test_label_studio_takes_no_tolerance(binary: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--tolerance is no option of labelstudio"):
        go_out(binary, "labelstudio", tmp_path / "out", options=ExportOptions(tolerance=1.0))


def test_supervision_reads_the_same_masks_but_for_the_edge_that_it_rounds_outwards(parts: Path, tmp_path: Path) -> None:
    """It rounds coordinates where others cut them: pixels to the right of the object and below it come in as well."""
    supervision = pytest.importorskip("supervision")
    go_out(parts, "yolo", tmp_path / "out")
    masks = masks_of(parts)
    seen = 0
    for split in ("train", "val"):
        places = [str(tmp_path / "out" / part / split) for part in ("images", "labels")]
        data = supervision.DetectionDataset.from_yolo(*places, str(tmp_path / "out" / "data.yaml"), force_masks=True)
        assert data.classes == list(LABELS[1:])
        for path, _, found in data:
            for value in range(1, 4):
                expected = masks[Path(path).stem] == value
                chosen = found.class_id == value - 1
                joined = found.mask[chosen].any(axis=0) if chosen.any() else np.zeros((SIZE, SIZE), bool)
                reach = cv2.dilate(expected.astype(np.uint8), np.ones((2, 2), np.uint8), anchor=(1, 1)) > 0
                assert not (expected & ~joined).any(), path
                assert not (joined & ~reach).any(), path
                seen += int(chosen.sum())
    assert seen > 150


def test_ultralytics_way_of_drawing_gives_the_same_masks(parts: Path, tmp_path: Path) -> None:
    """Its loader scales the numbers, cuts them to integers and fills; see also tests/dataset/test_outlines.py."""
    go_out(parts, "yolo", tmp_path / "out")
    masks = masks_of(parts)
    for path in (tmp_path / "out" / "labels").rglob("*.txt"):
        drawn = np.zeros((4, SIZE, SIZE), np.uint8)
        for line in path.read_text().splitlines():
            number, *values = line.split()
            points = np.array(values, np.float32).reshape(-1, 2) * SIZE
            cv2.fillPoly(drawn[int(number) + 1], [points.astype(np.int32)], 1)
        for value in range(1, 4):
            np.testing.assert_array_equal(drawn[value] > 0, masks[path.stem] == value, err_msg=path.name)


def test_missing_splits_name_the_pictures_there_are(binary: Path, tmp_path: Path) -> None:
    go_out(binary, "yolo", tmp_path / "out", splits="train=0.5,test=0.5")
    text = (tmp_path / "out" / "data.yaml").read_text()
    assert "train: images/train\n" in text
    assert "val: images/" in text
    assert "test: images/test\n" in text


def picture(seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (10, 20, 3), dtype=np.uint8)


def write_source(tool: str, root: Path, image: bytes | None = None, *, name: str = "a") -> Path:
    """One picture of 20x10 with a box from (2, 3) to (6, 8)."""
    (root / "images").mkdir(parents=True, exist_ok=True)
    (root / "images" / f"{name}.png").write_bytes(image or encode_image(picture(), "png"))
    corners = [(2, 3), (6, 3), (6, 8), (2, 8)]
    if tool == "yolo":
        (root / "labels").mkdir(exist_ok=True)
        row = " ".join(f"{x / 20} {y / 10}" for x, y in corners)
        (root / "labels" / f"{name}.txt").write_text(f"0 {row}\n")
        (root / "data.yaml").write_text("names: [cat]\n")
    elif tool == "labelme":
        content = {
            "shapes": [{"label": "cat", "points": [list(c) for c in corners]}], "imagePath": f"{name}.png",
            "imageHeight": 10, "imageWidth": 20, "imageData": None,
        }  # fmt: skip
        (root / "images" / f"{name}.json").write_text(json.dumps(content))
    else:
        value = {"points": [[x * 5, y * 10] for x, y in corners], "polygonlabels": ["cat"]}
        region = {"type": "polygonlabels", "original_width": 20, "original_height": 10, "value": value}
        task = {"data": {"image": f"/data/upload/1/12ab34cd-{name}.png"}, "annotations": [{"result": [region]}]}
        (root / "tasks.json").write_text(json.dumps([task]))
    return root


@pytest.mark.parametrize("tool", TOOLS)
def test_pictures_that_exif_turns_are_annotated_upright(tool: str, tmp_path: Path) -> None:
    done, jpeg = cv2.imencode(".jpg", np.rot90(picture(), 1))
    assert done
    exif = bytes.fromhex("ffe1002245786966000049492a00080000000100120103000100000006000000000000000000")
    turned = jpeg.tobytes()[:2] + exif[:36] + jpeg.tobytes()[2:]
    write_source(tool, tmp_path / "in", turned)
    come_in(tool, tmp_path / "in", tmp_path / "out")
    record = open_dataset(tmp_path / "out").read("a_1")
    assert record.image is not None
    assert record.mask is not None
    assert record.image.shape == (10, 20, 3)
    expected = np.zeros((10, 20), np.uint8)
    expected[3:8, 2:6] = 1
    np.testing.assert_array_equal(record.mask, expected)


def edit_json(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def labelme(change: Callable[[Any], object]) -> Callable[[Path], None]:
    return lambda root: edit_json(root / "images" / "a.json", change)


def studio(change: Callable[[Any], object]) -> Callable[[Path], None]:
    return lambda root: edit_json(root / "tasks.json", lambda content: change(content[0]))


def rows(text: str) -> Callable[[Path], object]:
    return lambda root: (root / "labels" / "a.txt").write_text(text)


def outside(root: Path) -> None:
    """A link out of the source."""
    (root.parent / "secret.png").write_bytes(encode_image(picture(), "png"))
    (root / "images" / "a.png").unlink()
    (root / "images" / "a.png").symlink_to(root.parent / "secret.png")


HOSTILE: list[tuple[str, Callable[[Path], object], str, str]] = [
    ("yolo", rows("1 0.1 0.1 0.2 0.1 0.2 0.2"), "labels/a.txt:1", "expected a class of 0 to 0, got 1"),
    ("yolo", rows("0 0.1 0.1 0.2 0.1 0.2 nan"), "labels/a.txt:1", "expected finite shares"),
    ("yolo", rows("0 .1 .1 .2 .1 .2 .2\n\n0 5 5"), "labels/a.txt:3", "at least 3 points"),
    ("yolo", rows("0 0.1 0.1 0.2 0.1 0.2 1.9"), "images/a.png", "labels/a.txt:1: expected a polygon inside"),
    ("yolo", lambda root: (root / "labels" / "a.txt").write_bytes(b"\xff\xfe\x00"), "labels/a.txt", "cannot be read"),
    ("yolo", lambda root: (root / "labels" / "b.txt").touch(), "labels/b.txt", "no picture: expected images/b.*"),
    ("yolo", lambda root: (root / "images" / "a.jpg").touch(), "images/a.png", "same stem as a.jpg"),
    ("yolo", lambda root: (root / "images" / "a.png").write_bytes(b"GIF89a"), "images/a.png", "expected a picture"),
    ("yolo", outside, "images/a.png", "expected a file inside"),
    ("labelme", labelme(lambda c: c.update(imagePath="../../../etc/a.png")), "images/a.json", "a file inside"),
    ("labelme", labelme(lambda c: c.update(imagePath="/etc/a.png")), "images/a.json", "a file inside"),
    ("labelme", labelme(lambda c: c.update(imagePath="..\\..\\..\\a.png")), "images/a.json", "a file inside"),
    ("labelme", labelme(lambda c: c.update(imagePath="b.png")), "images/a.json", "to have the same stem, got 'b.png'"),
    ("labelme", labelme(lambda c: c.update(imagePath="a\0.png")), "images/a.json", "to name a file"),
    ("labelme", labelme(lambda c: c.update(imageWidth=21)), "images/a.png", "expected 21x10 pixels"),
    ("labelme", labelme(lambda c: c["shapes"][0].update(points=[[0, 0], [1, 1]])), "images/a.json", "shape 1: .*got 2"),
    ("labelme", labelme(lambda c: c["shapes"][0].update(points=[[0, 0], [99, 1], [1, 9]])), "images/a.png", "inside"),
    ("labelme", lambda r: (r / "images" / "a.json").write_text("[" * 200_000), "images/a.json", "nested too deeply"),
    ("labelme", lambda r: (r / "images" / "a.json").write_text('{"shapes": 1' + "0" * 9999), "images/a.json", "JSON"),
    ("labelme", lambda root: (root / "images" / "a.png").unlink(), "images/a.png", "no such picture"),
    ("labelme", outside, "images/a.json", "expected a file inside"),
    ("labelme", lambda r: shutil.copy(r / "images" / "a.json", r / "images" / "b.json"), "images/b.json", "same stem"),
    ("labelstudio", studio(lambda t: t["data"].update(image="../../etc/passwd")), "tasks.json", "a picture 'passwd'"),
    ("labelstudio", studio(lambda t: t.update(annotations=[7])), "tasks.json", "task 1: expected 'annotations'"),
    ("labelstudio", studio(lambda t: t["annotations"][0]["result"][0].update(original_width=9)), "a.png", "9x10"),
    ("labelstudio", studio(lambda t: t["annotations"][0]["result"][0]["value"].update(points=[[1, 1]] * 2)),
     "tasks.json", "task 1: region 1: .*at least 3 points"),
    ("labelstudio", studio(lambda t: t["annotations"][0]["result"][0].update(
        type="brushlabels", value={"format": "rle", "rle": [255] * 30, "brushlabels": ["cat"]})),
     "a.png", "task 1: region 1: expected a brush of 800 values"),
    ("labelstudio", lambda root: shutil.copytree(root / "images", root / "more"), "tasks.json", "got 2"),
]  # fmt: skip


@pytest.mark.parametrize(("tool", "spoil", "file", "reason"), HOSTILE)
def test_odd_sources_are_refused_by_file_and_reason(
    tool: str, spoil: Callable[[Path], object], file: str, reason: str, tmp_path: Path
) -> None:
    root = write_source(tool, tmp_path / "in")
    spoil(root)
    result = come_in(tool, root, tmp_path / "out")
    assert (result.refused, result.written) == (True, False)
    assert not (tmp_path / "out").exists()
    fault = result.faults[0]
    assert fault.file.removeprefix("images/") == file.removeprefix("images/")
    with pytest.raises(DataError, match=reason):
        raise DataError(fault.reason)


@pytest.mark.parametrize(
    ("tool", "spoil", "error", "reason"),
    [
        ("yolo", lambda root: (root / "data.yaml").unlink(), MissingError, "expected data.yaml"),
        ("yolo", lambda root: (root / "data.yaml").write_text("names: 3"), DataError, "expected 'names'"),
        ("yolo", lambda root: shutil.rmtree(root / "images"), MissingError, "expected a folder images"),
        ("labelme", lambda root: (root / "images" / "a.json").unlink(), MissingError, "LabelMe's JSON files"),
        ("labelstudio", lambda root: (root / "tasks.json").unlink(), MissingError, "expected Label Studio data"),
        (
            "labelstudio",
            lambda root: (root / "tasks.json").write_text('{"a": 1}'),
            DataError,
            "a list of tasks",
        ),
        ("labelstudio", lambda root: (root / "tasks.json").write_text("[" * 200_000), DataError, "nested too deeply"),
    ],
)
def test_what_is_no_source_is_an_error(
    tool: str, spoil: Callable[[Path], object], error: type[Exception], reason: str, tmp_path: Path
) -> None:
    root = write_source(tool, tmp_path / "in")
    spoil(root)
    with pytest.raises(error, match=reason):
        come_in(tool, root, tmp_path / "out")


def test_a_picture_inside_the_json_is_taken_where_there_is_no_file(tmp_path: Path) -> None:
    root = write_source("labelme", tmp_path / "in")
    data = (root / "images" / "a.png").read_bytes()
    edit_json(root / "images" / "a.json", lambda c: c.update(imageData=base64.b64encode(data).decode()))
    (root / "images" / "a.png").unlink()
    assert come_in("labelme", root, tmp_path / "out").faults == []
    record = open_dataset(tmp_path / "out").read("a_1")
    np.testing.assert_array_equal(record.image, picture())


@pytest.mark.parametrize("tool", TOOLS)
def test_odd_pictures_are_left_out_on_request(tool: str, tmp_path: Path) -> None:
    root = write_source(tool, tmp_path / "in")
    if tool == "labelstudio":
        tasks = json.loads((root / "tasks.json").read_text())
        tasks.append({"data": {"image": "gone.png"}})
        (root / "tasks.json").write_text(json.dumps(tasks))
    else:
        write_source(tool, root, name="b")
        (root / "images" / "b.png").write_bytes(b"no picture")
    result = come_in(tool, root, tmp_path / "out", skip_odd=True)
    assert (result.written, result.samples, len(result.faults)) == (True, 1, 1)


def test_roboflows_folders_are_read(tmp_path: Path) -> None:
    root = write_source("yolo", tmp_path / "in" / "valid").parent
    (root / "valid" / "data.yaml").rename(root / "data.yaml")
    result = come_in("yolo", root, tmp_path / "out")
    assert result.classes == (ClassEntry(1, "", "cat"),)
    assert open_dataset(tmp_path / "out").table["split"].to_pylist() == ["val"]


def test_the_command_line_reads_and_refuses(parts: Path, tmp_path: Path, run_cli: RunCli) -> None:
    for tool, extra in (("yolo", []), ("labelme", []), ("labelstudio", ["--images", tmp_path / "labelstudio"])):
        done = run_cli("data", "export", parts, tmp_path / tool, "--to", tool, "--quiet")
        assert done.code == 0, done.stderr
        source = tmp_path / tool / ("tasks.json" if tool == "labelstudio" else "")
        done = run_cli(
            "data", "import", tool, source, *extra, "--mode", "semantic", "--dry-run", "--json", "--out", tmp_path / "x"
        )
        assert done.code == 0, done.stderr
        assert json.loads(done.stdout)["samples"] == 8
    assert not (tmp_path / "x").exists()
    (tmp_path / "yolo" / "labels" / "train" / "stray.txt").touch()
    done = run_cli("data", "import", "yolo", tmp_path / "yolo", "--out", tmp_path / "x", "--quiet")
    assert done.code == 3
    assert "labels/train/stray.txt: no picture" in done.stderr
    assert "--skip-odd" in done.stderr


def test_rows_of_an_export_stay_inside(parts: Path, tmp_path: Path) -> None:
    go_out(parts, "yolo", tmp_path / "out")
    for path in (tmp_path / "out" / "labels").rglob("*.txt"):
        for line in path.read_text().splitlines():
            points = parse_row(line, path.name)[1].points
            assert points.min() > 0
            assert points.max() < 1
