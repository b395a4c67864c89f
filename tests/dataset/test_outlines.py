"""Polygons of masks against three ways of filling them: COCO's, OpenCV's and PIL's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from bdgan_cli.dataset.importers.coco_rle import fill_polygons
from bdgan_cli.dataset.interchange.outlines import INSET, Ring, mask_rings
from tests.dataset.mask_strategies import bool_masks

BoolMask = NDArray[np.bool_]


def filled_by_coco(rings: list[Ring], size_hw: tuple[int, int]) -> BoolMask:
    return fill_polygons([ring.reshape(-1) for ring in rings], size_hw)


def filled_by_opencv(rings: list[Ring], size_hw: tuple[int, int]) -> BoolMask:
    """Cut to whole pixels, as the loaders of YOLO do."""
    mask = np.zeros(size_hw, np.uint8)
    for ring in rings:
        cv2.fillPoly(mask, [ring.astype(np.int32)], 1)
    return mask > 0


def filled_by_pil(rings: list[Ring], size_hw: tuple[int, int]) -> BoolMask:
    """As LabelMe's own converter does."""
    image = Image.new("1", size_hw[::-1])
    for ring in rings:
        ImageDraw.Draw(image).polygon([tuple(point) for point in ring], fill=1, outline=1)
    return np.array(image)


def spiral() -> BoolMask:
    mask = np.zeros((11, 11), bool)
    mask[0, :] = mask[:, 10] = mask[10, :] = mask[2:, 0] = mask[2, :9] = mask[2:9, 8] = mask[8, 2:9] = True
    return mask


@settings(max_examples=150, deadline=None)
@given(mask=bool_masks)
@example(mask=np.eye(5, dtype=bool))
@example(mask=spiral())
@example(mask=np.indices((9, 9)).sum(axis=0) % 2 == 0)
def test_no_pixel_is_lost_whoever_fills(mask: BoolMask) -> None:
    rings = mask_rings(mask)
    for fill in (filled_by_coco, filled_by_opencv, filled_by_pil):
        np.testing.assert_array_equal(fill(rings, mask.shape), mask, err_msg=fill.__name__)


@settings(max_examples=80, deadline=None)
@given(mask=bool_masks)
@example(mask=np.eye(5, dtype=bool))
@example(mask=spiral())
def test_along_the_very_edge_coco_loses_no_pixel_either(mask: BoolMask) -> None:
    rings = mask_rings(mask, inset_px=0)
    np.testing.assert_array_equal(filled_by_coco(rings, mask.shape), mask)
    assert all(x % 1 == 0 for ring in rings for x, _ in ring.tolist())


@settings(max_examples=80, deadline=None)
@given(mask=bool_masks)
def test_there_is_one_ring_for_each_piece(mask: BoolMask) -> None:
    pieces = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1
    rings = mask_rings(mask)
    assert len(rings) == pieces
    assert all(len(ring) >= 4 for ring in rings)
    for ring in rings:
        assert ring.min() >= INSET
        assert (ring <= np.array(mask.shape[::-1]) - INSET).all()


def test_a_large_ring_with_holes_has_few_points() -> None:
    rows, columns = np.mgrid[:400, :400]
    away = np.hypot(rows - 200, columns - 200)
    mask = (away < 150) & (away > 40)
    mask[195:205, 60:80] = False
    (ring,) = mask_rings(mask)
    np.testing.assert_array_equal(filled_by_coco([ring], mask.shape), mask)
    assert len(ring) < 1200


@pytest.mark.parametrize(("tolerance", "least"), [(0.5, 0.99), (1.0, 0.985), (2.0, 0.97)])
def test_a_tolerance_costs_little_and_spares_many_points(tolerance: float, least: float) -> None:
    rows, columns = np.mgrid[:256, :256]
    away = np.hypot(rows - 128, columns - 120)
    mask = (away < 90) & (away > 30)
    (exact,), (ring,) = mask_rings(mask), mask_rings(mask, tolerance)
    read = filled_by_coco([ring], mask.shape)
    assert np.count_nonzero(read & mask) / np.count_nonzero(read | mask) > least
    assert len(ring) < len(exact)
    assert not read[128, 120], "the hole is still there"


@settings(max_examples=60, deadline=None)
@given(mask=bool_masks)
def test_a_tolerance_leaves_polygons(mask: BoolMask) -> None:
    for exact, ring in zip(mask_rings(mask), mask_rings(mask, 1.5), strict=True):
        assert 3 <= len(ring) <= len(exact)
        assert np.isfinite(ring).all()
