"""Masks of COCO files against slow plain references, and against the areas and boxes that COCO states."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bdgan_cli.dataset.importers.coco_rle import decode_rle, fill_polygons
from bdgan_cli.errors import DataError
from tests.conftest import ROOT

COCO = ROOT.parent / "shared" / "data" / "coco"
# Of all 1,414 masks, packed to bits, in the order of the files, as pycocotools 2.0.11 decodes them.
PYCOCOTOOLS_SHA256 = "eacc88fbcd5d111e684e80860365acf8bd674a2cc71b915e724526c80c80a0c2"


def plain_fill(polygon: list[float], height: int, width: int) -> NDArray[np.bool_]:
    """Walk the outline step by step on the fine grid, then go down each column and change sides at crossings."""
    points = [(int(5 * x + 0.5), int(5 * y + 0.5)) for x, y in zip(polygon[::2], polygon[1::2], strict=True)]
    changes = np.zeros((width, height + 1), int)
    for (xs, ys), (xe, ye) in zip(points, points[1:] + points[:1], strict=True):
        dx, dy = abs(xe - xs), abs(ye - ys)
        if (xs > xe) if dx >= dy else (ys > ye):
            xs, ys, xe, ye = xe, ye, xs, ys
        walk = []
        for step in range(max(dx, dy) + 1):
            if dx >= dy:
                walk.append((xs + step, int(ys + (ye - ys) / max(dx, 1) * step + 0.5)))
            else:
                walk.append((int(xs + (xe - xs) / dy * step + 0.5), ys + step))
        for (x0, y0), (x1, y1) in itertools.pairwise(walk):
            column = (min(x0, x1) + 0.5) / 5 - 0.5
            if x0 != x1 and column == math.floor(column) and 0 <= column < width:
                row = math.ceil((min(y0, y1) + 0.5) / 5 - 0.5)
                changes[int(column), min(max(row, 0), height)] += 1
    inside = np.zeros((height, width), bool)
    for x in range(width):
        state = False
        for y in range(height):
            state ^= changes[x, y] % 2 == 1
            inside[y, x] = state
    return inside


def plain_counts(mask: NDArray[np.bool_]) -> list[int]:
    counts, state = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != state:
            counts.append(0)
            state = pixel
        counts[-1] += 1
    return counts


def plain_compress(counts: list[int]) -> str:
    """COCO's text form: differences to the count two before, 5 bits a character, lowest first."""
    text = []
    for place, count in enumerate(counts):
        number = count - (counts[place - 2] if place > 2 else 0)
        while True:
            bits, number = number & 31, number >> 5
            done = number == (-1 if bits & 16 else 0)
            text.append(chr(48 + bits + (0 if done else 32)))
            if done:
                break
    return "".join(text)


def polygon_of(stream: np.random.Generator, points: int, height: int, width: int, grid: float) -> NDArray[np.float64]:
    polygon = stream.uniform(-1, 1, (points, 2)) + stream.uniform(0, 1, (points, 2)) * (width, height)
    return (np.round(polygon / grid) * grid if grid else polygon).ravel()


@pytest.mark.parametrize("grid", [0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(12))
def test_polygons_equal_the_plain_walk(seed: int, grid: float) -> None:
    stream = np.random.default_rng([seed, int(grid * 2)])
    height, width = (int(side) for side in stream.integers(1, 40, 2))
    polygon = polygon_of(stream, int(stream.integers(3, 12)), height, width, grid)
    expected = plain_fill(polygon.tolist(), height, width)
    np.testing.assert_array_equal(fill_polygons([polygon], (height, width)), expected)


@pytest.mark.parametrize(
    ("polygon", "area"),
    [
        ([2, 1, 6, 1, 6, 4, 2, 4], 12),
        ([6, 4, 2, 4, 2, 1, 6, 1], 12),  # the other way round
        ([2, 1, 6, 1, 6, 4, 2, 4, 2, 1], 12),  # closed once more
        ([0, 0, 10, 0, 10, 8, 0, 8], 80),
        ([-1, -1, 11, -1, 11, 9, -1, 9], 80),
        ([3, 3, 3, 3, 3, 3], 0),
        ([2, 2, 8, 2, 5, 2], 0),
    ],
    ids=["box", "turned", "closed", "all", "beyond", "point", "line"],
)
def test_areas_of_simple_polygons(polygon: list[float], area: int) -> None:
    assert np.count_nonzero(fill_polygons([np.array(polygon, float)], (8, 10))) == area


def test_several_polygons_are_united() -> None:
    left, right = ([1, 1, 5, 1, 5, 5, 1, 5], [3, 3, 8, 3, 8, 7, 3, 7])
    both = fill_polygons([np.array(left, float), np.array(right, float)], (8, 10))
    np.testing.assert_array_equal(both, plain_fill(left, 8, 10) | plain_fill(right, 8, 10))
    assert np.count_nonzero(both) == 16 + 20 - 4


def test_walks_of_any_length_need_little_memory() -> None:
    zigzag = np.stack([np.arange(8_000) % 2 * 500.0, np.linspace(0, 400, 8_000)], axis=1).ravel()
    tracemalloc.start()
    fill_polygons([zigzag], (400, 500))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6  # the whole walk has 20 million points


@pytest.mark.parametrize("form", ["list", "array", "text", "bytes"])
@pytest.mark.parametrize("seed", range(6))
def test_run_lengths_round_trip(seed: int, form: str) -> None:
    stream = np.random.default_rng(seed)
    height, width = (int(side) for side in stream.integers(1, 50, 2))
    mask = stream.random((height, width)) < stream.choice([0.0, 0.02, 0.5, 0.98, 1.0])
    counts = plain_counts(mask)
    forms: dict[str, Any] = {"list": counts, "array": np.array(counts), "text": plain_compress(counts)}
    forms["bytes"] = forms["text"].encode()
    decoded = decode_rle({"size": [height, width], "counts": forms[form]}, (height, width), "x")
    np.testing.assert_array_equal(decoded, mask)


def test_a_hole_stays_a_hole() -> None:
    ring = decode_rle({"size": [3, 3], "counts": [0, 4, 1, 4]}, (3, 3), "x")
    np.testing.assert_array_equal(ring, [[1, 1, 1], [1, 0, 1], [1, 1, 1]])


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ({"size": [4, 4], "counts": [10]}, "run lengths of size [4, 5], got [4, 4]"),
        ({"size": [5, 4], "counts": [20]}, "run lengths of size [4, 5], got [5, 4]"),
        ({"size": [10**9, 10**9], "counts": [10**18]}, "run lengths of size [4, 5]"),
        ({"counts": [20]}, "run lengths of size [4, 5], got nothing"),
        ({"size": [4, 5], "counts": [5, 5]}, "add up to 20 pixels, got 10"),
        ({"size": [4, 5], "counts": [20, 1]}, "add up to 20 pixels, got 21"),
        ({"size": [4, 5], "counts": []}, "add up to 20 pixels, got 0"),
        ({"size": [4, 5], "counts": [25, -5]}, "run lengths of 0 to 20, got -5"),
        ({"size": [4, 5], "counts": [2**62, 2**62, 2**62, 2**62, 20]}, "run lengths of 0 to 20"),
        ({"size": [4, 5], "counts": [2**70]}, "a list of integers or as text"),
        ({"size": [4, 5], "counts": [10.0, 10.0]}, "a list of integers or as text, got [10.0, 10.0]"),
        ({"size": [4, 5], "counts": [[20], [1, 2]]}, "a list of integers or as text"),
        ({"size": [4, 5], "counts": None}, "as text, got nothing"),
        ({"size": [4, 5]}, "as text, got nothing"),
        ({"size": [4, 5], "counts": "4 4"}, "compressed run lengths, got ' ' at character 1"),
        ({"size": [4, 5], "counts": "4é"}, "compressed run lengths, got 'Ã' at character 1"),
        ({"size": [4, 5], "counts": "P" * 9}, "compressed run lengths, got 'P' at character 8"),
        ({"size": [4, 5], "counts": "4P"}, "end in the middle of a number"),
        ({"size": [4, 5], "counts": ""}, "add up to 20 pixels, got 0"),
    ],
)
def test_wrong_run_lengths(rle: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        decode_rle(rle, (4, 5), "annotation 3")
    assert caught.value.message.startswith("annotation 3: ")
    assert message in caught.value.message
    assert "\n" not in caught.value.message


def real_annotations() -> Iterator[tuple[dict[str, Any], NDArray[np.bool_]]]:
    for split in ("train", "val"):
        content = json.loads((COCO / "annotations" / f"instances_{split}2017.json").read_text())
        sizes = {entry["id"]: (entry["height"], entry["width"]) for entry in content["images"]}
        for entry in content["annotations"]:
            size_hw, shape = sizes[entry["image_id"]], entry["segmentation"]
            if isinstance(shape, dict):
                yield entry, decode_rle(shape, size_hw, "x")
            else:
                yield entry, fill_polygons([np.array(polygon, float) for polygon in shape], size_hw)


@pytest.mark.skipif(not COCO.is_dir(), reason="needs ../shared/data/coco")
def test_real_masks_areas_and_boxes() -> None:
    digest, crowds, stated, measured, off = hashlib.sha256(), 0, [], [], []
    for entry, mask in real_annotations():
        digest.update(np.packbits(mask).tobytes())
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        x, y, w, h = entry["bbox"]
        ends = (columns[0] - x, rows[0] - y, columns[-1] + 1 - (x + w), rows[-1] + 1 - (y + h))
        if entry["iscrowd"]:
            # The box goes to the last pixel instead of its far side; the area is of before the objects were cut out.
            crowds += 1
            assert ends == (0, 0, 1, 1)
            assert np.count_nonzero(mask) <= entry["area"]
        else:
            stated.append(entry["area"])
            measured.append(np.count_nonzero(mask))
            off.append(max(abs(end) for end in ends))
    areas, errors = np.array(stated), np.abs(np.array(measured) / np.array(stated) - 1)
    assert (crowds, len(areas)) == (21, 1393)
    # COCO states the exact area and box of the polygon; pixels differ along the outline, most in tiny and thin objects.
    assert errors[areas >= 1000].max() < 0.02
    assert errors.max() < 0.25
    assert np.median(errors) < 0.003
    assert (np.median(off) < 0.5, np.percentile(off, 95) < 1.1, max(off) <= 7) == (True, True, True)
    assert digest.hexdigest() == PYCOCOTOOLS_SHA256
