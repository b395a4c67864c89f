from __future__ import annotations

import cv2
import numpy as np
import pytest

from bdgan_cli.analysis.polygons import (
    join_polygons,
    largest_component,
    outline,
    simplified_polygons,
    take_polygons,
)
from tests.analysis.geometry_reference import plain_length, plain_outline
from tests.analysis.geometry_shapes import blob, coco_masks, noise, pet_masks


def canvas(height=40, width=50):
    return np.zeros((height, width), np.uint8)


def drawn(draw):
    mask = canvas()
    draw(mask)
    return mask


def regular(sides, size=401):
    """A regular polygon with a corner on the right, drawn large so that pixels do not add corners."""
    mask = np.zeros((size, size), np.uint8)
    angle = 2 * np.pi * np.arange(sides) / sides
    points = size // 2 + (size // 2 - 1) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1)
    return mask


def fill(mask, rows, columns, value=1):
    mask[rows[0] : rows[1], columns[0] : columns[1]] = value


def ring(mask):
    fill(mask, (5, 30), (5, 30))
    fill(mask, (10, 25), (10, 25), 0)


def disc_in_ring(mask):
    """The disc inside the hole is the larger piece."""
    cv2.rectangle(mask, (1, 1), (38, 38), 1, 1)
    fill(mask, (10, 30), (10, 30))


ANALYTIC = {
    "square": (lambda m: fill(m, (3, 23), (4, 24)), 4, 4.0, 1),
    "rectangle becomes the square": (lambda m: fill(m, (3, 13), (4, 44)), 4, 4.0, 1),
    "whole image": (lambda m: fill(m, (0, 40), (0, 50)), 4, 4.0, 1),
    "ring, its hole left out": (ring, 4, 4.0, 1),
    "larger piece inside a hole": (disc_in_ring, 4, 4.0, 2),
    "row of pixels": (lambda m: fill(m, (7, 8), (3, 30)), 2, 2.0, 1),
    "column of pixels": (lambda m: fill(m, (3, 30), (7, 8)), 2, 2.0, 1),
    "diagonal of pixels": (lambda m: np.fill_diagonal(m[2:30, 2:30], 1), 2, 2 * np.sqrt(2), 1),
    "one pixel": (lambda m: fill(m, (9, 10), (9, 10)), 1, 0.0, 1),
    "triangle": (lambda m: cv2.fillPoly(m, [np.array([(5, 5), (35, 5), (5, 35)])], 1), 3, 2 + np.sqrt(2), 1),
    "L": (lambda m: (fill(m, (0, 40), (0, 20)), fill(m, (20, 40), (0, 40))), None, 4.0, 1),
}


@pytest.mark.parametrize("name", ANALYTIC)
def test_analytic_shapes(name):
    draw, corners, length, pieces = ANALYTIC[name]
    found = outline(drawn(draw))
    polygons = simplified_polygons([found.contour])
    assert found.components == pieces
    if corners is not None:
        assert polygons.counts.tolist() == [corners]
    np.testing.assert_allclose(polygons.lengths, [length], atol=0.08 if name == "L" else 1e-12)


@pytest.mark.parametrize("sides", [4, 8, 16])
def test_regular_polygons(sides):
    """With a corner on each axis the box is the circle's, so scaling keeps the polygon regular.

    Powers of two, because Douglas-Peucker halves each of their arcs at a corner; with twelve sides, within a side.
    """
    polygons = simplified_polygons([outline(regular(sides)).contour])
    assert polygons.counts.tolist() == [sides]
    assert polygons.lengths[0] == pytest.approx(sides * np.sin(np.pi / sides), abs=0.01)


def test_facts():
    mask = drawn(lambda m: (fill(m, (3, 13), (4, 44)), fill(m, (20, 22), (0, 3))))
    found = outline(mask)
    assert (found.area_px, found.box_hw, found.components) == (406, (19, 44), 2)


def test_no_object():
    found = outline(canvas())
    assert (found.area_px, found.box_hw, found.components, len(found.contour)) == (0, (0, 0), 0, 0)


@pytest.mark.parametrize("flip", [False, True])
def test_of_equal_pieces_the_first_in_raster_order_counts(flip):
    mask = canvas()
    mask[10:14, 2:6] = 1
    mask[9:17, 20:22] = 1  # begins a row higher
    chosen = largest_component(mask[:, ::-1].copy() if flip else mask)
    chosen = chosen[:, ::-1] if flip else chosen
    assert chosen[9, 20] == 1
    assert chosen.sum() == 16


def test_pieces_join_at_corners():
    mask = canvas()
    mask[0:5, 0:5] = mask[5:10, 5:10] = 1
    assert outline(mask).components == 1


def test_the_first_point_stays():
    """A corner at the top, too flat to count by itself: the line begins there, so it is kept."""
    mask = np.zeros((402, 402), np.uint8)
    cv2.fillPoly(mask, [np.array([(0, 2), (200, 0), (401, 2), (401, 401), (0, 401)])], 1)
    polygons = simplified_polygons([outline(mask).contour])
    assert polygons.points[0, 1] == 0.0
    assert polygons.counts.tolist() == [5]


@pytest.mark.parametrize("make", [blob, noise], ids=["blobs", "noise"])
def test_random_masks_as_the_plain_way(make):
    stream = np.random.default_rng(3)
    masks = [mask for mask in (make(stream) for _ in range(150)) if mask.any()]
    check(masks)


@pytest.mark.parametrize("load", [pet_masks, coco_masks], ids=["pets", "coco"])
def test_real_masks_as_the_plain_way(load):
    check([((mask > 0) & (mask < 255)).astype(np.uint8) for mask in load()])


def check(masks):
    found = [outline(mask) for mask in masks]
    polygons = simplified_polygons([each.contour for each in found])
    ends = np.cumsum(polygons.counts)
    for number, (mask, each) in enumerate(zip(masks, found, strict=True)):
        points, pieces = plain_outline(mask)
        assert each.components == pieces
        mine = polygons.points[ends[number] - polygons.counts[number] : ends[number]]
        np.testing.assert_allclose(mine, points, rtol=0, atol=1e-12)
        assert polygons.lengths[number] == pytest.approx(plain_length(points), abs=1e-9)


def test_no_contours():
    polygons = simplified_polygons([])
    assert (polygons.points.shape, len(polygons.counts), len(polygons.lengths)) == ((0, 2), 0, 0)
    assert len(join_polygons([]).counts) == 0


def test_take_and_join():
    stream = np.random.default_rng(5)
    contours = [outline(blob(stream)).contour for _ in range(6)]
    whole = simplified_polygons(contours)
    order = np.array([4, 0, 5])
    taken, expected = take_polygons(whole, order), simplified_polygons([contours[i] for i in order])
    joined = join_polygons([simplified_polygons(contours[:2]), simplified_polygons(contours[2:])])
    for got, wanted in ((taken, expected), (joined, whole)):
        for left, right in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(left, right)
