"""Views: picture and mask stay aligned, nothing is invented, everything is a function of the random generator.

Pictures are made from their masks by a known colour per label, so that alignment can be read from any view.
"""

from __future__ import annotations

import numpy as np
import pytest

from bdgan_cli.evaluation.views import IGNORED, as_labels, fitted_view, training_view

GREY = (124, 116, 104)
COLOURS = np.array([(10, 200, 30), (250, 0, 90), (60, 60, 240), (255, 255, 0)], np.uint8)
SHAPES = [(60, 60), (40, 90), (90, 40), (1, 1), (1, 70), (33, 2), (200, 300)]


def blocks(height, width, seed=0):
    """Masks of large blocks, and the pictures that they name."""
    small = np.random.default_rng(seed).integers(0, len(COLOURS), (4, 5))
    rows, columns = (np.arange(height) * 4) // height, (np.arange(width) * 5) // width
    mask = small[rows][:, columns].astype(np.int16)
    return COLOURS[mask], mask


def views(shape, count=20, size=48, scale=(0.5, 2.0)):
    image, mask = blocks(*shape)
    return [training_view(image, mask, size, scale, np.random.default_rng(seed)) for seed in range(count)]


def inner(labels):
    """Pixels whose neighbours all have their label: there no interpolation mixes colours."""
    padded = np.pad(labels, 2, mode="edge")
    height, width = labels.shape
    around = [padded[y : y + height, x : x + width] for y in range(5) for x in range(5)]
    return np.all([part == labels for part in around], axis=0)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes_types_and_no_new_labels(shape):
    known = {IGNORED, *np.unique(blocks(*shape)[1]).tolist()}
    for image, labels in views(shape):
        assert image.shape == (48, 48, 3)
        assert labels.shape == (48, 48)
        assert (image.dtype, labels.dtype) == (np.uint8, np.int16)
        assert set(np.unique(labels).tolist()) <= known
        assert (labels != IGNORED).any()


@pytest.mark.parametrize("shape", [(60, 60), (40, 90), (200, 300)], ids=str)
def test_picture_and_mask_stay_aligned(shape):
    checked = 0
    for image, labels in views(shape):
        judged = inner(labels) & (labels != IGNORED)
        gap = np.abs(image[judged].astype(int) - COLOURS[labels[judged]].astype(int))
        assert gap.size == 0 or gap.max() <= 2
        checked += int(judged.sum())
    assert checked > 1000


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_is_padded_is_grey_and_ignored(shape):
    padded = 0
    for image, labels in views(shape):
        hidden = labels == IGNORED
        assert np.all(image[hidden] == GREY)
        padded += int(hidden.sum())
    assert padded > 0


def test_the_padding_is_a_frame_around_one_rectangle():
    for _, labels in views((40, 90)):
        rows, columns = (np.flatnonzero((labels != IGNORED).any(axis)) for axis in (1, 0))
        assert np.all(labels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] != IGNORED)


def test_a_view_is_a_function_of_its_generator():
    image, mask = blocks(40, 90)
    first, again, other = (
        training_view(image, mask, 48, (0.5, 2.0), np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_inputs_are_left_as_they_are_and_outputs_own_their_memory():
    image, mask = blocks(60, 60)
    before = image.copy(), mask.copy()
    seen_image, seen_mask = fitted_view(image, mask, 48)
    for seed in range(8):
        seen_image, seen_mask = training_view(image, mask, 32, (1.0, 1.5), np.random.default_rng(seed))
        assert seen_image.flags.c_contiguous
        assert seen_mask.flags.c_contiguous
    assert np.array_equal(before[0], image)
    assert np.array_equal(before[1], mask)


def test_scales_fill_their_range_evenly_in_the_logarithm():
    """A smaller picture lies whole in the view, so its side tells the factor."""
    image, mask = np.zeros((100, 100, 3), np.uint8), np.zeros((100, 100), np.int16)
    sides = []
    for seed in range(600):
        labels = training_view(image, mask, 200, (0.25, 1.0), np.random.default_rng(seed))[1]
        sides.append(np.sqrt((labels != IGNORED).sum()))
    factors = np.array(sides) / 200
    assert 0.245 <= factors.min() < 0.27
    assert 0.93 < factors.max() <= 1
    assert np.mean(factors < 0.5) == pytest.approx(0.5, abs=0.07)  # 0.5 is the middle of the logarithms


def test_places_and_flips_are_even():
    image, mask = np.zeros((64, 64, 3), np.uint8), np.arange(64, dtype=np.int16)[None].repeat(64, 0)
    corners, flips = [], []
    for seed in range(400):
        labels = training_view(image, mask, 32, (2.0, 2.0), np.random.default_rng(seed))[1]
        flips.append(labels[0, 0] > labels[0, -1])
        corners.append(labels[0].min())
    assert np.mean(flips) == pytest.approx(0.5, abs=0.08)
    assert (min(corners), max(corners)) == (0, 32)
    assert np.mean(corners) == pytest.approx(16, abs=1.5)


def test_an_unflipped_view_at_scale_1_is_the_picture_itself():
    image, mask = blocks(48, 48)
    seen = [training_view(image, mask, 48, (1.0, 1.0), np.random.default_rng(seed)) for seed in range(12)]
    kinds = set()
    for view, labels in seen:
        flipped = not np.array_equal(labels, mask)
        kinds.add(flipped)
        assert np.array_equal(view, image[:, ::-1] if flipped else image)
        assert np.array_equal(labels, mask[:, ::-1] if flipped else mask)
    assert kinds == {True, False}


@pytest.mark.parametrize(("shape", "inside"), [((40, 90), (21, 48)), ((90, 40), (48, 21)), ((500, 375), (48, 36))])
def test_a_fitted_picture_lies_in_the_middle(shape, inside):
    image, mask = blocks(*shape)
    view, labels = fitted_view(image, mask, 48)
    judged = labels != IGNORED
    rows, columns = (np.flatnonzero(judged.any(axis)) for axis in (1, 0))
    assert (len(rows), len(columns)) == inside
    assert judged.sum() == inside[0] * inside[1]
    for places in (rows, columns):
        assert abs(places[0] - (47 - places[-1])) <= 1
    assert np.all(view[~judged] == GREY)
    certain = inner(labels) & judged
    assert certain.any()
    assert np.abs(view[certain].astype(int) - COLOURS[labels[certain]].astype(int)).max() <= 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1)], ids=str)
def test_tiny_pictures_keep_a_pixel(shape):
    image, mask = np.full((*shape, 3), 7, np.uint8), np.full(shape, 3, np.int16)
    view, labels = fitted_view(image, mask, 48)
    assert (labels == 3).sum() == 48 * max(1, round(48 * min(shape) / max(shape)))
    assert np.all(view[labels == 3] == 7)


def test_a_picture_of_the_right_size_is_not_touched():
    image, mask = blocks(48, 48)
    view, labels = fitted_view(image, mask, 48)
    assert np.array_equal(view, image)
    assert np.array_equal(labels, mask)


def test_ignored_pixels_stay_ignored_and_hide_no_picture():
    image, mask = blocks(60, 60)
    mask[:30] = IGNORED
    view, labels = fitted_view(image, mask, 48)
    assert np.all(labels[:24] == IGNORED)
    assert np.all(labels[24:] != IGNORED)
    assert not np.all(view[:24] == GREY)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_files_mark_ignored_pixels_by_their_types_largest_value(dtype):
    largest = np.iinfo(dtype).max
    labels = as_labels(np.array([[0, 1, 254, largest]], dtype))
    assert labels.tolist() == [[0, 1, 254, IGNORED]]
    assert labels.dtype == np.int16


def test_255_is_a_label_like_any_other_in_wide_masks():
    mask = np.array([[0, 255], [991, 65535]], np.uint16)
    assert as_labels(mask).tolist() == [[0, 255], [991, IGNORED]]
