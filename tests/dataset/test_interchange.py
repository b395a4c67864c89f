"""What annotation tools write and read, one file at a time: round trips, and input that lies."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bdgan_cli.dataset.annotation.tool import paint
from bdgan_cli.dataset.interchange.labelme import format_labelme, parse_labelme
from bdgan_cli.dataset.interchange.labelstudio import format_config, format_task, pack_brushes, parse_tasks
from bdgan_cli.dataset.interchange.polygons import agreement, label_masks, label_rings, repaint
from bdgan_cli.dataset.interchange.yolo import format_names, format_rows, parse_names, parse_row
from bdgan_cli.errors import DataError
from tests.dataset import mask_strategies

LABELS = ("background", "eye", "mouth", "nose & chin")
NAMES = {1: "eye", 2: "mouth", 3: "nose & chin", 255: "__ignore__"}
Mask = NDArray[Any]


def through_yolo(mask: Mask, tolerance: float = 0) -> Mask:
    text = format_rows([(label - 1, ring) for label, ring in label_rings(mask, tolerance)], mask.shape)
    rows = [parse_row(line, "x") for line in text.splitlines()]
    return repaint([(number + 1, polygon) for number, polygon in rows], mask.shape, mask.dtype.type)


def through_labelme(mask: Mask, tolerance: float = 0) -> Mask:
    rings = [(NAMES[label], ring) for label, ring in label_rings(mask, tolerance, ignored=True)]
    parsed, errors = parse_labelme(json.loads(format_labelme("a.png", mask.shape, rings)), "a.json")
    assert errors == []
    read, errors = paint(parsed.shapes, LABELS, mask.shape)
    assert errors == []
    return read


def through_labelstudio(mask: Mask) -> Mask:
    task = format_task("a", "/data/a.png", mask.shape, [(NAMES[label], pixels) for label, pixels in label_masks(mask)])
    content = json.loads(json.dumps([task]), object_hook=pack_brushes)
    ((parsed, errors),) = parse_tasks(content, "tasks.json")
    assert parsed is not None
    assert errors == []
    read, errors = paint(parsed.regions or [], LABELS, mask.shape)
    assert errors == []
    return read


@settings(max_examples=80, deadline=None)
@given(mask=mask_strategies.label_masks(3))
def test_labelme_and_label_studio_give_back_every_pixel(mask: Mask) -> None:
    np.testing.assert_array_equal(through_labelme(mask), mask)
    np.testing.assert_array_equal(through_labelstudio(mask), mask)


@settings(max_examples=80, deadline=None)
@given(mask=mask_strategies.label_masks(3))
def test_yolo_gives_back_every_pixel_but_the_ignored(mask: Mask) -> None:
    read = through_yolo(mask)
    np.testing.assert_array_equal(read, np.where(mask == 255, 0, mask))
    assert agreement(mask, read) == 1


def test_254_labels_come_back() -> None:
    mask = np.arange(16 * 16, dtype=np.uint8).reshape(16, 16)
    mask[mask == 255] = 0
    np.testing.assert_array_equal(
        through_yolo(np.kron(mask, np.ones((3, 3), np.uint8))), np.kron(mask, np.ones((3, 3)))
    )


def test_255_pieces_of_a_label_come_back() -> None:
    mask = np.zeros((33, 33), np.uint8)
    mask[1::2, 1::2] = 1
    mask[1, 1] = 0
    assert len(label_rings(mask)) == 255
    np.testing.assert_array_equal(through_yolo(mask), mask)
    np.testing.assert_array_equal(through_labelme(mask), mask)


@pytest.mark.parametrize("size_hw", [(600, 6000), (7, 100_000)])
def test_shares_of_large_pictures_are_exact_enough(size_hw: tuple[int, int]) -> None:
    mask = np.zeros(size_hw, np.uint8)
    mask[3:6, -3000:-1] = 1
    mask[4, -20] = 0
    np.testing.assert_array_equal(through_yolo(mask), mask)


def test_what_a_tolerance_costs_is_measured() -> None:
    rows, columns = np.mgrid[:128, :128]
    mask = np.where(np.hypot(rows - 60, columns - 64) < 40, 2, 0).astype(np.uint8)
    mask[50:70, 50:70] = 0
    for through in (through_yolo, through_labelme):
        read = through(mask, 1.5)
        exact = np.count_nonzero((read == 2) & (mask == 2)) / np.count_nonzero((read == 2) | (mask == 2))
        assert agreement(mask, read) == pytest.approx(exact)
        assert 0.9 < exact < 1


def test_agreement_is_the_mean_over_labels() -> None:
    one, two = np.array([[1, 1, 2, 0, 255]], np.uint8), np.array([[1, 0, 2, 3, 0]], np.uint8)
    assert agreement(one, two) == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert agreement(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8)) == 1


ROWS: list[tuple[str, str]] = [
    ("0 0.1 0.1 0.5 0.5", "the 4 numbers of a box"),
    ("0 0.1 0.1 0.5 0.5 0.2", "at least 3 points x y, got 5 numbers"),
    ("0 0.1 0.1", "at least 3 points x y, got 2 numbers"),
    ("0 0.1 0.1 0.5 nan 0.2 0.2", "finite shares"),
    ("0 0.1 0.1 0.5 1e999 0.2 0.2", "finite shares"),
    ("0 0.1 0.1 0.5 x 0.2 0.2", "expected numbers"),
    ("cat 0.1 0.1 0.5 0.5 0.2 0.2", "class of digits, got 'cat'"),
    ("-1 0.1 0.1 0.5 0.5 0.2 0.2", "class of digits"),
    ("99999999999999999999 0.1 0.1 0.5 0.5 0.2 0.2", "class of digits"),
]


@pytest.mark.parametrize(("row", "expected"), ROWS)
def test_odd_rows_are_refused(row: str, expected: str) -> None:
    with pytest.raises(DataError, match=f"a.txt:3: .*{expected}"):
        parse_row(row, "a.txt:3")


def test_a_polygon_outside_the_picture_is_refused() -> None:
    _, polygon = parse_row("0 0.1 0.1 0.5 1.5 0.2 0.2", "a.txt:1")
    with pytest.raises(DataError, match=r"a\.txt:1: expected a polygon inside the picture of 10x20"):
        polygon.draw((20, 10), "a.txt:1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("names: [a, a]", "each name once"),
        ("names: {0: a, 2: b}", "names for the classes 0, 1"),
        ("names: cat", "expected 'names'"),
        ("names: []", "expected 'names'"),
        ("- a", "expected 'names'"),
        ("names: ['a\\nb']\nx: ]", "expected YAML"),
        ("a: &a [x]\nnames: *a", "aliases"),
        ("names: !!python/object/apply:os.system ['true']", "expected YAML"),
        ("[" * 100_000, "nested up to 20 times"),
        ("x" * (2 << 20), "small file"),
    ],
)
def test_odd_names_are_refused(text: str, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        parse_names(text.encode(), "data.yaml")


def test_names_of_any_language_come_back() -> None:
    names = ["no", "1", "null", "größe: x", "日本 #2"]
    assert parse_names(format_names(names, [("train", "images/train")]).encode(), "x") == names


def shape(label: object = "eye", points: object = None, kind: object = "polygon", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points or [[1, 1], [4, 1], [4, 4]], "shape_type": kind, **more}


ODD_SHAPES: list[tuple[object, str]] = [
    (3, "expected a JSON object, got int"),
    (shape(label=7), "expected a label in one line, got 7"),
    (shape(label=" "), "expected a label in one line"),
    (shape(label="a\nb"), "expected a label in one line"),
    (shape(points="x"), "a list of pairs of numbers"),
    (shape(points=[[1, 1], [2, 2]]), "at least 3 points, got 2"),
    (shape(points=[[1, 1], [2, 2, 3], [4, 4]]), "a list of pairs of numbers"),
    (shape(points=[[1, True], [2, 2], [4, 4]]), "a list of pairs of numbers"),
    (shape(points=[[1, 1], [2, float("nan")], [4, 4]]), "finite coordinates"),
    (shape(points=[[1, 1], [2, float("inf")], [4, 4]]), "finite coordinates"),
    (shape(points=[[1, 1], [10**300, 1], [4, 4]]), "a list of pairs of numbers"),
    (shape(kind="line", points=[[1, 1], [2, 2]]), "expected an area such as a polygon, got 'line'"),
    (shape(kind=["polygon"]), "expected an area such as a polygon"),
    (shape(kind="rectangle", points=[[1, 1], [2, 2], [3, 3]]), "expected 2 points of a rectangle"),
    (shape(kind="mask", points=[[0, 0], [1, 1]]), "expected base64 text, got nothing"),
    (shape(kind="mask", points=[[0, 0], [1, 1]], mask="***"), "expected base64 text"),
]


@pytest.mark.parametrize(("odd", "expected"), ODD_SHAPES)
def test_odd_shapes_are_named_and_the_others_read(odd: object, expected: str) -> None:
    parsed, errors = parse_labelme({"shapes": [shape(), odd, shape()], "imagePath": "a.png"}, "a.json")
    assert len(parsed.shapes) == 2
    (error,) = errors
    assert error.message.startswith("a.json: shape 2: ")
    assert expected in error.message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([], "expected a JSON object, got list"),
        ({}, "a list of 'shapes'"),
        ({"shapes": {}}, "a list of 'shapes'"),
        ({"shapes": [], "imagePath": 5}, "expected 'imagePath' to be text"),
        ({"shapes": [], "imageHeight": "12"}, "expected 'imageHeight' to be a number of pixels"),
        ({"shapes": [], "imageWidth": -3}, "expected 'imageWidth' to be a number of pixels"),
    ],
)
def test_what_is_no_labelme_file_is_refused(content: object, expected: str) -> None:
    with pytest.raises(DataError, match=f"a.json: .*{expected}"):
        parse_labelme(content, "a.json")


def test_background_takes_away_what_was_drawn_before_it() -> None:
    box = [[0, 0], [6, 0], [6, 6], [0, 6]]
    inner = [[2, 2], [4, 2], [4, 4], [2, 4]]
    shapes = [shape(points=box), shape("_background_", inner), shape("mouth", [[3, 3], [4, 3], [4, 4], [3, 4]])]
    parsed, _ = parse_labelme({"shapes": shapes}, "a.json")
    mask, errors = paint(parsed.shapes, LABELS, (8, 8))
    expected = np.zeros((8, 8), np.uint8)
    expected[:6, :6], expected[2:4, 2:4], expected[3, 3] = 1, 0, 2
    assert errors == []
    np.testing.assert_array_equal(mask, expected)


def test_the_smaller_region_is_on_top_whatever_the_order() -> None:
    large, small = shape(points=[[0, 0], [6, 0], [6, 6], [0, 6]]), shape("mouth", [[1, 1], [3, 1], [3, 3], [1, 3]])
    ignored = shape("__ignore__", [[0, 0], [8, 0], [8, 2], [0, 2]])
    masks = []
    for shapes in ([large, small, ignored], [ignored, small, large]):
        masks.append(paint(parse_labelme({"shapes": shapes}, "a")[0].shapes, LABELS, (8, 8))[0])
    expected = np.zeros((8, 8), np.uint8)
    expected[:2, :], expected[:6, :6], expected[1:3, 1:3] = 255, 1, 2
    for mask in masks:
        np.testing.assert_array_equal(mask, expected)


def test_rectangles_circles_and_masks_are_areas_too() -> None:
    stamp = np.array([[0, 255, 255], [255, 0, 255]], np.uint8)
    png = base64.b64encode(cv2.imencode(".png", stamp)[1].tobytes()).decode()
    shapes = [
        shape(kind="rectangle", points=[[9, 9], [6, 5]]),
        shape("mouth", [[2, 1], [4, 2]], "mask", mask=png),
        shape("nose & chin", [[5, 15], [5, 18]], "circle"),
    ]
    mask, errors = paint(parse_labelme({"shapes": shapes}, "a")[0].shapes, LABELS, (20, 12))
    assert errors == []
    expected = np.zeros((20, 12), np.uint8)
    expected[5:9, 6:9] = 1
    expected[1:3, 2:5][stamp > 0] = 2
    rows, columns = np.mgrid[:20, :12] + 0.5
    expected[np.hypot(rows - 15, columns - 5) < 3] = 3
    np.testing.assert_array_equal(mask, expected)


def test_a_mask_that_claims_to_be_huge_is_never_decoded() -> None:
    png = bytearray(cv2.imencode(".png", np.ones((2, 2), np.uint8))[1].tobytes())
    png[16:20] = (60_000).to_bytes(4, "big")
    parsed, _ = parse_labelme(
        {"shapes": [shape(kind="mask", points=[[0, 0], [1, 1]], mask=base64.b64encode(bytes(png)).decode())]}, "a"
    )
    _, (error,) = paint(parsed.shapes, LABELS, (8, 8))
    assert "a: shape 1: expected a mask inside the picture of 8x8, got 60000x2 at 0, 0" in error.message


def region(**changes: Any) -> dict[str, Any]:
    value = {"points": [[10.0, 10.0], [50.0, 10.0], [50.0, 60.0]], "polygonlabels": ["eye"]}
    value.update(changes.pop("value", {}))
    return {"type": "polygonlabels", "original_width": 20, "original_height": 10, "value": value, **changes}


ODD_REGIONS: list[tuple[Any, str]] = [
    (5, "expected a JSON object, got int"),
    (region(type="rectanglelabels"), "expected a brush or a polygon, got rectanglelabels"),
    (region(type="KeyPointLabels"), "expected a brush or a polygon, got keypointlabels"),
    (region(value={"polygonlabels": []}), "expected one label"),
    (region(value={"polygonlabels": ["eye", "mouth"]}), "expected one label"),
    (region(value={"polygonlabels": [4]}), "expected one label"),
    (region(value={"points": [[1, 1], [2, 2]]}), "at least 3 points"),
    (region(value={"points": [[1, 1], [2, None], [3, 3]]}), "a list of pairs of numbers"),
    (region(value={"points": [[1, 1], [2, float("nan")], [3, 3]]}), "finite coordinates"),
    (region(image_rotation=90), "not turned, got image_rotation 90"),
    (region(original_width="20"), "original_height and original_width in pixels"),
    (region(original_width=2**40), "original_height and original_width in pixels"),
    ({**region(type="brushlabels"), "value": {"format": "rle", "rle": [1, 300], "brushlabels": ["eye"]}}, "0 to 255"),
    ({**region(type="brushlabels"), "value": {"format": "rle", "rle": "AAA", "brushlabels": ["eye"]}}, "0 to 255"),
]


@pytest.mark.parametrize(("odd", "expected"), ODD_REGIONS)
def test_odd_regions_are_named_and_the_others_read(odd: Any, expected: str) -> None:
    task = {"data": {"image": "/x/a.png"}, "annotations": [{"result": [region(), odd]}]}
    ((parsed, errors),) = parse_tasks([task], "t.json")
    assert parsed is not None
    assert len(parsed.regions or []) == 1
    (error,) = errors
    assert error.message.startswith("task 1: region 2: ")
    assert expected in error.message


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (7, "task 1: expected a JSON object"),
        ({"data": "x"}, "task 1: expected 'data'.*address"),
        ({"image": "/a.png", "label": []}, "task 1: expected 'data'.*address"),
        ({"data": {"text": 5}}, "task 1: expected the address of a picture"),
        ({"data": {"image": "a.png"}, "annotations": 4}, "task 1: expected 'annotations' to be a list"),
        ({"data": {"image": "a.png"}, "annotations": [{"result": 4}]}, "task 1: expected 'result' to be a list"),
        (
            {"data": {"image": "a.png"}, "annotations": [{"result": [region(), region(original_width=21)]}]},
            "task 1: expected one size",
        ),
    ],
)
def test_odd_tasks_are_named(task: Any, expected: str) -> None:
    ((parsed, (error,)),) = parse_tasks([task], "t.json")
    assert parsed is None
    with pytest.raises(DataError, match=expected):
        raise error


@pytest.mark.parametrize(
    ("data", "more", "name"),
    [
        ({"image": "/data/upload/3/1a2b3c4d-star_0_1.png"}, {}, "star_0_1.png"),
        ({"image": "/data/local-files/?d=plan/work/images/star_0_1.png"}, {}, "star_0_1.png"),
        ({"image": "s3://bucket/a%20b.jpg"}, {}, "a b.jpg"),
        ({"picture": "http://host/../../etc/passwd.png"}, {}, "passwd.png"),
        ({"image": "x:\\photos\\a.png"}, {}, "a.png"),
        ({"image": "blob"}, {"file_upload": "1a2b3c4d-c.png"}, "c.png"),
    ],
)
def test_names_of_files_are_taken_from_addresses(data: Any, more: Any, name: str) -> None:
    ((parsed, _),) = parse_tasks([{"data": data, **more}], "t.json")
    assert parsed is not None
    assert name in parsed.names
    assert not any("/" in one for one in parsed.names)


def test_the_annotation_changed_last_counts() -> None:
    def annotation(label: str, when: str, **more: Any) -> dict[str, Any]:
        return {"result": [region(value={"polygonlabels": [label]})], "updated_at": when, **more}

    annotations = [
        annotation("eye", "2026-01-02"), annotation("mouth", "2026-01-03"), annotation("eye", "2026-01-01"),
        annotation("eye", "2026-01-09", was_cancelled=True),
    ]  # fmt: skip
    ((parsed, _),) = parse_tasks([{"data": {"image": "a.png"}, "annotations": annotations}], "t.json")
    assert parsed is not None
    assert [one.label for one in parsed.regions or []] == ["mouth"]


def test_choices_and_predictions_are_no_regions() -> None:
    result = [{"type": "choices", "value": {"choices": ["good"]}}, {"type": "relation", "from_id": "a"}]
    content = [
        {"data": {"image": "a.png"}, "annotations": [{"result": result}]},
        {"data": {"image": "b.png"}, "predictions": [{"result": [region()]}]},
    ]
    (one, errors), (two, _) = parse_tasks(content, "t.json")
    assert one is not None
    assert two is not None
    assert (one.regions, errors, two.regions) == ([], [], None)


def test_the_interface_quotes_labels() -> None:
    text = format_config(['a "b" & <c>'])
    assert text.count("&lt;c&gt;") == 2
    assert '"b" & <' not in text.replace('\'a "b" &amp;', "")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["shapes", "points", "label", "shape_type", "data", "image", "annotations", "result", "value",
                         "rle", "type", "imageData", "imagePath"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(content=json_values)
def test_any_json_is_read_or_refused(content: Any) -> None:
    with contextlib.suppress(DataError):
        parse_labelme(content, "x")
    with contextlib.suppress(DataError):
        list(parse_tasks(content, "x"))
