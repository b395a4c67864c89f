from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bdgan_cli.dataset.importers.annotated import AnnotatedImport
from bdgan_cli.dataset.importers.coco import import_coco
from bdgan_cli.dataset.importers.coco_masks import MaskRule
from bdgan_cli.dataset.importers.coco_result import CocoResult
from bdgan_cli.dataset.importers.coco_survey import select_categories
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.errors import DataError, MissingError, UsageError
from bdgan_cli.progress import Silent
from tests.dataset.builders import contents
from tests.dataset.coco_files import CAT, DOG, HEIGHT, KITE, WIDTH, annotation, box, content, write


def run(file: Path, out: Path | None = None, rule: MaskRule | None = None, **changes: Any) -> CocoResult:
    config = AnnotatedImport("small", "coco", rule or MaskRule(), **changes)
    return import_coco(file, file.parent / "images", out or file.parent / "out", config, Silent())


def masks(file: Path, rule: MaskRule, **changes: Any) -> dict[str, NDArray[Any]]:
    result = run(file, rule=rule, **changes)
    assert (result.faults, result.refused) == ([], False)
    assert verify_dataset(result.root, Silent()) == []
    found = {record.key: record.mask for record in open_dataset(result.root).iterate(("mask",))}
    assert all(mask is not None for mask in found.values())
    return found


def painted(*layers: tuple[slice, slice, int]) -> NDArray[Any]:
    """A mask of rectangles, later ones on top."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for rows, columns, value in layers:
        mask[rows, columns] = value
    return mask


CAT_1, CAT_2A, CAT_2B = (slice(0, 6), slice(0, 8)), (slice(0, 2), slice(10, 12)), (slice(0, 2), slice(14, 16))
CROWD = (slice(0, 12), slice(10, 20))
DOG_1 = (slice(2, 6), slice(4, 10))
RING = painted((slice(2, 7), slice(2, 7), 1), (slice(3, 6), slice(3, 6), 0))
CATS = ((*CAT_1, 1), (*CAT_2A, 1), (*CAT_2B, 1))

MODES: list[Any] = [
    (
        MaskRule(),
        {"a_3": painted((*CROWD, 255), *CATS), "a_7": painted((*DOG_1, 1)), "b-b_90": RING},
    ),
    (
        MaskRule("instances"),
        {
            "a_101": painted((*CROWD, 255), *((*cat[:2], 255) for cat in CATS[1:]), CATS[0]),
            "a_102": painted((*CROWD, 255), (*CAT_1, 255), *CATS[1:]),
            "a_104": painted((*DOG_1, 1)),
            "b-b_105": RING,
        },
    ),
    (MaskRule("foreground"), {"a": painted((*CROWD, 255), *CATS, (*DOG_1, 1)), "b-b": RING}),
    (MaskRule("semantic"), {"a": painted((*CROWD, 255), *CATS, (*DOG_1, 2)), "b-b": RING * 3}),
    (MaskRule(crowd="drop"), {"a_3": painted(*CATS), "a_7": painted((*DOG_1, 1)), "b-b_90": RING}),
    (MaskRule(crowd="object"), {"a_3": painted((*CROWD, 1), *CATS), "a_7": painted((*DOG_1, 1)), "b-b_90": RING}),
    (
        MaskRule(min_area_px=20),
        {
            "a_3": painted((*CROWD, 255), (*CAT_1, 1)),
            "a_7": painted((*DOG_1, 1)),
        },
    ),
]


@pytest.mark.parametrize(("rule", "expected"), MODES, ids=[f"{r.mode}-{r.crowd}-{r.min_area_px}" for r, _ in MODES])
def test_masks_of_each_mode(tmp_path: Path, rule: MaskRule, expected: dict[str, NDArray[Any]]) -> None:
    found = masks(write(tmp_path), rule)
    assert found.keys() == expected.keys()
    for key, mask in expected.items():
        np.testing.assert_array_equal(found[key], mask, err_msg=key)


def test_what_the_dataset_says(tmp_path: Path) -> None:
    file = write(tmp_path)
    result = run(file, split="val", licence="CC-BY-4.0")
    assert (result.written, result.samples, result.pictures) == (True, 3, 2)
    assert result.per_class == {CAT: 1, DOG: 1, KITE: 1}
    assert result.counts.__dict__ == {
        "objects": 4, "crowds_ignored": 1, "crowds_dropped": 0, "too_small": 0, "without_object": 1,
    }  # fmt: skip
    dataset = open_dataset(result.root)
    assert dataset.info.kind == "real"
    assert dataset.info.label_names == ("background", "object")
    assert [(entry.id, entry.name) for entry in dataset.info.classes] == [
        (CAT, "cat"),
        (DOG, "big dog"),
        (KITE, "kite"),
    ]
    assert dataset.table["split"].to_pylist() == ["val"] * 3
    assert dataset.table["index"].to_pylist() == [0, 1, 2]
    assert dataset.read("a_3").meta["extra"] == {
        "source": "sub/a.jpg", "image_id": 11, "annotation_ids": [101, 102], "licence": "Attribution License",
    }  # fmt: skip


@pytest.mark.parametrize(("mode", "crowd", "expected"), [("foreground", "ignore", CAT), ("semantic", "object", CAT)])
def test_the_class_is_the_category_with_the_largest_area(tmp_path: Path, mode: str, crowd: str, expected: int) -> None:
    result = run(write(tmp_path), rule=MaskRule(mode, crowd))
    assert open_dataset(result.root).table["class_id"].to_pylist() == [expected, KITE]
    bigger = content()
    bigger["annotations"][3]["segmentation"] = [box(0, 0, 20, 12)]
    result = run(write(tmp_path, bigger), rule=MaskRule(mode, crowd), overwrite=True)
    assert open_dataset(result.root).table["class_id"].to_pylist() == [DOG, KITE]


@pytest.mark.parametrize("order", [(0, 3), (3, 0)])
def test_smaller_objects_are_on_top_whatever_the_order(tmp_path: Path, order: tuple[int, int]) -> None:
    written = content()
    written["annotations"] = [written["annotations"][place] for place in order]
    found = masks(write(tmp_path, written), MaskRule("semantic"))
    np.testing.assert_array_equal(found["a"], painted((*CAT_1, 1), (*DOG_1, 2)))


def test_labels_of_semantic_are_those_of_the_chosen_categories(tmp_path: Path) -> None:
    file = write(tmp_path)
    found = masks(file, MaskRule("semantic"), categories="kite, Big Dog")
    np.testing.assert_array_equal(found["a"], painted((*DOG_1, 1)))
    np.testing.assert_array_equal(found["b-b"], RING * 2)
    info = open_dataset(tmp_path / "out").info
    assert info.label_names == ("background", "big dog", "kite")
    assert info.plan["categories"] == [DOG, KITE]


def test_many_categories_make_masks_of_16_bits(tmp_path: Path) -> None:
    written = content()
    written["categories"] += [{"id": 1000 + number, "name": f"thing {number}"} for number in range(300)]
    written["annotations"].append(annotation(106, 33, 1299, [box(0, 0, 4, 4)]))
    found = masks(write(tmp_path, written), MaskRule("semantic"))
    assert found["c"].dtype == np.uint16
    assert set(np.unique(found["c"])) == {0, 303}
    assert found["a"].max() == 65535


def test_pictures_are_kept_byte_for_byte(tmp_path: Path) -> None:
    row = open_dataset(run(write(tmp_path)).root).table.to_pylist()[0]
    shard = (tmp_path / "out" / "shards" / "000000.tar").read_bytes()
    kept = shard[row["image_offset"] : row["image_offset"] + row["image_size"]]
    assert kept == (tmp_path / "images" / "sub" / "a.jpg").read_bytes()


def test_pictures_that_exif_turns_become_upright(tmp_path: Path) -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    file, path = write(tmp_path), tmp_path / "images" / "sub" / "a.jpg"
    assert cv2.imwrite(str(path), np.zeros((WIDTH, HEIGHT, 3), np.uint8))
    data = path.read_bytes()
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:])
    result = run(file)
    assert result.faults == []
    assert open_dataset(result.root).table["image_format"].to_pylist() == ["png"] * 3


def test_shards_and_resuming(tmp_path: Path) -> None:
    file = write(tmp_path)
    run(file, shard_pictures=1)
    (tmp_path / "out" / "index" / "000001.parquet").unlink()
    run(file, shard_pictures=1)
    run(file, tmp_path / "once", shard_pictures=1)
    assert contents(tmp_path / "out") == contents(tmp_path / "once")
    assert open_dataset(tmp_path / "out").table["index"].to_pylist() == [0, 1, 2]


def test_another_source_or_rule_into_the_same_folder_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path)
    run(file)
    with pytest.raises(UsageError, match=r"plan\.mode: classes there, instances now"):
        run(file, rule=MaskRule("instances"))
    assert cv2.imwrite(str(tmp_path / "images" / "b b.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    with pytest.raises(UsageError, match=r"plan\.source_sha256"):
        run(file)
    assert run(file, overwrite=True).written


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    result = run(write(tmp_path), dry_run=True)
    assert (result.written, result.refused, result.samples) == (False, False, 3)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        (("1.jpg", "2.png", "c.png"), ["1_3", "1_7", "2_90"]),
        (("x/1.jpg", "y/1.png", "c.png"), ["1_11_3", "1_11_7", "1_22_90"]),
        (("a b.jpg", "a-b.png", "c.png"), ["a-b_11_3", "a-b_11_7", "a-b_22_90"]),
        (("猫.jpg", "b.png", "c.png"), ["id_11_3", "id_11_7", "b_90"]),
        (("l" * 90 + ".jpg", "b.png", "c.png"), [f"{'l' * 28}_11_3", f"{'l' * 28}_11_7", "b_90"]),
        (("x/1.jpg", "y/1.png", "1_11.png"), ["id_11_3", "id_11_7", "id_22_90"]),
    ],
    ids=["stem", "repeated", "alike", "foreign", "long", "clash"],
)
def test_keys_are_safe_and_unique(tmp_path: Path, names: tuple[str, ...], keys: list[str]) -> None:
    written = content()
    file = write(tmp_path, written)
    for entry, name in zip(written["images"], names, strict=True):
        (tmp_path / "images" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "images" / entry["file_name"]).rename(tmp_path / "images" / name)
        entry["file_name"] = name
    file.write_text(json.dumps(written))
    assert open_dataset(run(file).root).keys() == keys


Change = Callable[[dict[str, Any]], Any]


def on(part: str, place: int, **changes: Any) -> Change:
    """A change of one entry; a value of ``...`` removes the field."""

    def change(written: dict[str, Any]) -> None:
        entry = written[part][place]
        entry.update(changes)
        for name in [name for name, value in changes.items() if value is ...]:
            del entry[name]

    return change


def shape(segmentation: Any, place: int = 3) -> Change:
    return on("annotations", place, segmentation=segmentation)


FAULTS: list[Any] = [
    (on("images", 1, file_name="gone.png"), "gone.png", "no such picture in"),
    (on("images", 1, height=11), "b b.png", "expected 20x11 pixels as the JSON says, got a picture of 20x12"),
    (on("images", 1, width=10**9, height=10**9), "b b.png", "expected 1000000000x1000000000 pixels as the JSON says"),
    (on("images", 1, height=0), "image 22", "a size of at least 1x1 pixels, got 20x0"),
    (on("images", 1, height=...), "image 22", "expected 'height' to be an integer, got nothing"),
    (on("images", 1, width=20.0), "image 22", "expected 'width' to be an integer, got 20.0"),
    (on("images", 1, id=11), "image 11", "each picture id once, got 11 again"),
    (on("images", 1, id=2**64), f"image {2**64}", "an integer of 64 bits"),
    (on("images", 1, id=...), "images[1]", "expected 'id' to be an integer, got nothing"),
    (
        on("images", 1, file_name="../b b.png"),
        "image 22",
        "a file name inside the folder of pictures, got '../b b.png'",
    ),
    (on("images", 1, file_name="/etc/passwd"), "image 22", "inside the folder of pictures"),
    (on("images", 1, file_name="C:\\b.png"), "image 22", "inside the folder of pictures"),
    (on("images", 1, file_name="sub/a.jpg"), "image 22", "each file once, got 'sub/a.jpg' again"),
    (on("images", 1, file_name="b\nb.png"), "image 22", "to be text in one line, got 'b\\nb.png'"),
    (on("images", 1, file_name="\ud800.png"), "image 22", "to be text in one line"),
    (on("images", 1, file_name=...), "image 22", "expected a field 'file_name'"),
    (on("categories", 1, id=KITE), "category 90", "each category id once, got 90 again"),
    (on("categories", 1, id=-1), "category -1", "a category id of 0 to 2147483647, got -1"),
    (on("categories", 1, name=" "), "category 3", "expected 'name' to be text in one line"),
    (on("annotations", 3, image_id=5), "annotation 104", "an image_id of the file, got 5"),
    (on("annotations", 3, category_id=8), "annotation 104", "a category_id of the file, got 8"),
    (on("annotations", 3, id=101), "annotation 101", "each annotation id once, got 101 again"),
    (on("annotations", 3, id="x"), "annotations[3]", "expected 'id' to be an integer, got 'x'"),
    (on("annotations", 3, iscrowd=2), "annotation 104", "iscrowd to be 0 or 1, got 2"),
    (lambda written: written["annotations"].append(5), "annotations[5]", "expected a JSON object, got int"),
    (shape([]), "sub/a.jpg", "annotation 104: expected polygons or run lengths, got []"),
    (shape(...), "sub/a.jpg", "annotation 104: expected polygons or run lengths, got nothing"),
    (shape([box(0, 0, 2, 2)[:4]]), "sub/a.jpg", "a polygon of at least 3 points x, y, got 4 numbers"),
    (shape([box(0, 0, 2, 2)[:7]]), "sub/a.jpg", "a polygon of at least 3 points x, y, got 7 numbers"),
    (shape([[]]), "sub/a.jpg", "a polygon of at least 3 points x, y, got 0 numbers"),
    (shape(box(0, 0, 2, 2)), "sub/a.jpg", "a polygon as a list of numbers x, y, x, y, ..., got 0.0"),
    (shape([[[0, 0], [2, 0], [2, 2]]]), "sub/a.jpg", "a polygon as a list of numbers"),
    (shape([["1", "2", "3", "4", "5", "6"]]), "sub/a.jpg", "a polygon as a list of numbers"),
    (shape([[1, 2, 3, 4, math.nan, 6]]), "sub/a.jpg", "finite coordinates, got NaN or infinity"),
    (shape([[1, 2, 3, 4, math.inf, 6]]), "sub/a.jpg", "finite coordinates, got NaN or infinity"),
    (shape([box(15, 0, 7, 2)]), "sub/a.jpg", "inside the picture of 20x12 pixels, got x 15 to 22, y 0 to 2"),
    (shape([[0, 0, 1e300, 0, 0, 1e300]]), "sub/a.jpg", "inside the picture of 20x12 pixels, got x 0 to 1e+300"),
    (shape({"size": [12, 20], "counts": [10]}), "sub/a.jpg", "add up to 240 pixels, got 10"),
    (shape({"size": [20, 12], "counts": [240]}), "sub/a.jpg", "of size [12, 20], got [20, 12]"),
    (shape({"size": [10**9] * 2, "counts": [10**18]}), "sub/a.jpg", "run lengths of size [12, 20]"),
    (shape({"size": [12, 20], "counts": "4 y"}), "sub/a.jpg", "expected compressed run lengths, got ' '"),
    (on("annotations", 3, bbox=[5, 5, 30, 2]), "sub/a.jpg", "a box inside the picture of 20x12 pixels, got x 5 to 35"),
    (on("annotations", 3, bbox=[5, 5, -3, 2]), "sub/a.jpg", "a box of finite numbers with a size, got [5, 5, -3, 2]"),
    (on("annotations", 3, bbox=[5, math.nan, 3, 2]), "sub/a.jpg", "a box of finite numbers"),
    (on("annotations", 3, bbox=[5, 5, 3]), "sub/a.jpg", "a box of 4 numbers x, y, width, height, got [5, 5, 3]"),
]


@pytest.mark.parametrize(("change", "place", "reason"), FAULTS, ids=[f"{p}-{r[:40]}" for _, p, r in FAULTS])
def test_faults_are_named_and_nothing_is_written(tmp_path: Path, change: Change, place: str, reason: str) -> None:
    written = content()
    change(written)
    file = write(tmp_path, written)
    result = run(file)
    found = [fault for fault in result.faults if fault.file == place and reason in fault.reason]
    assert found, result.faults
    assert all("\n" not in f"{fault.file}{fault.reason}" for fault in result.faults)
    assert (result.written, result.refused) == (False, True)
    assert not (tmp_path / "out").exists()
    # The picture with the fault stays out as a whole, the others come in.
    rest = run(file, skip_odd=True)
    assert rest.faults == result.faults
    belongs_nowhere, is_ambiguous = "annotations[5]" in place or "image_id of" in reason, "picture id once" in reason
    assert rest.pictures == (2 if belongs_nowhere else 0 if is_ambiguous else 1)
    assert rest.written == (rest.pictures > 0)
    assert not rest.written or verify_dataset(rest.root, Silent()) == []


def test_every_fault_of_a_picture_is_named(tmp_path: Path) -> None:
    written = content()
    for place in (0, 1, 3):
        shape([[1.0, 2.0]], place)(written)
    assert [fault.reason[:14] for fault in run(write(tmp_path, written)).faults] == [
        "annotation 101", "annotation 102", "annotation 104",
    ]  # fmt: skip


@pytest.mark.parametrize("damage", [lambda p: p.write_bytes(p.read_bytes()[:-20]), lambda p: p.write_bytes(b"")])
def test_damaged_pictures(tmp_path: Path, damage: Callable[[Path], Any]) -> None:
    file = write(tmp_path)
    damage(tmp_path / "images" / "b b.png")
    assert [fault.file for fault in run(file).faults] == ["b b.png"]


def test_pictures_without_a_chosen_object_need_not_be_there(tmp_path: Path) -> None:
    file = write(tmp_path)
    for name in ("sub/a.jpg", "c.png"):
        (tmp_path / "images" / name).unlink()
    result = run(file, categories="kite")
    assert (result.faults, result.samples, result.counts.without_object) == ([], 1, 2)


@pytest.mark.parametrize("changes", [{"rule": MaskRule(min_area_px=1000)}, {"skip_odd": True}])
def test_an_import_of_nothing_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    written = content()
    if "skip_odd" in changes:
        written["annotations"] = []
    result = run(write(tmp_path, written), **changes)
    assert (result.refused, result.written, result.samples, result.faults) == (True, False, 0, [])
    assert not (tmp_path / "out").exists()
    assert result.refusal(20)[0] == "nothing imported: 0 faults, 0 pictures are right, 3 have no chosen object"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected JSON"),
        ("{", "expected JSON"),
        ("[" * 100_000, "expected JSON"),
        ("1" * 5000, "expected"),
        ("[]", "expected a COCO file, got a JSON list"),
        ("{}", "with a list of images, got 'nothing'"),
        ('{"images": [], "annotations": []}', "with a list of categories, got 'images, annotations'"),
        ('{"images": {}, "annotations": [], "categories": []}', "with a list of images"),
    ],
    ids=["empty", "cut", "deep", "long", "list", "object", "captions", "no-list"],
)
def test_files_that_are_not_coco(tmp_path: Path, text: str, message: str) -> None:
    file = write(tmp_path)
    file.write_text(text)
    with pytest.raises(DataError) as caught:
        run(file)
    assert message in caught.value.message
    assert "\n" not in caught.value.message


def test_a_file_of_other_bytes(tmp_path: Path) -> None:
    file = write(tmp_path)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="expected JSON"):
        run(file)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="expected a folder with pictures"):
        run(tmp_path / "instances.json")
    (tmp_path / "images").mkdir()
    with pytest.raises(MissingError, match="expected a file of COCO annotations"):
        run(tmp_path / "instances.json")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [("all", [3, 7, 90]), ("cat", [3]), ("KITE, 7", [7, 90]), ("90,90", [90]), ("big dog", [7])],
)
def test_choosing_categories(spec: str, expected: list[int]) -> None:
    assert select_categories(spec, {90: "kite", 3: "cat", 7: "big dog"}) == expected


@pytest.mark.parametrize(("spec", "hint"), [("cats", "did you mean cat?"), ("", "known: "), ("4", "known: kite, cat")])
def test_categories_that_are_not_there(spec: str, hint: str) -> None:
    with pytest.raises(UsageError, match="the file has no category") as caught:
        select_categories(spec, {90: "kite", 3: "cat"})
    assert hint in caught.value.hint
