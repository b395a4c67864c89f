from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from bdgan_cli.dataset.codecs import decode_raw, encode_mask
from bdgan_cli.dataset.masks import check_mask, mask_facts
from bdgan_cli.errors import DataError

MASKS = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([0, 1, 2, 255]))


def flood_count(pixels: NDArray[Any]) -> int:
    """Count 8-connected pieces the slow way."""
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(pixels), strict=True)}
    count = 0
    while left:
        count += 1
        edge = [left.pop()]
        while edge:
            y, x = edge.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            edge += near
    return count


@given(MASKS)
@settings(max_examples=100, deadline=None)
def test_facts_equal_the_definition(mask: NDArray[Any]) -> None:
    facts = mask_facts(mask)
    pixels = np.isin(mask, [1, 2])
    assert facts.area_px == pixels.sum()
    assert facts.components == flood_count(pixels)
    x, y, width, height = facts.bbox
    if facts.area_px:
        rows, columns = np.nonzero(pixels)
        assert (x, y, x + width - 1, y + height - 1) == (columns.min(), rows.min(), columns.max(), rows.max())
    else:
        assert facts.bbox == (0, 0, 0, 0)


@given(MASKS)
@settings(max_examples=50, deadline=None)
def test_masks_survive_the_file(mask: NDArray[Any]) -> None:
    np.testing.assert_array_equal(decode_raw(encode_mask(mask), "m"), mask)


def test_many_labels_survive_the_file() -> None:
    mask = np.array([[0, 300], [65535, 255]], np.uint16)
    np.testing.assert_array_equal(decode_raw(encode_mask(mask), "m"), mask)
    assert mask_facts(mask).area_px == 2


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((4, 6, 3), np.uint8), "one channel of uint8 or uint16, got uint8 4x6x3"),
        (np.zeros((4, 6), np.float32), "one channel of uint8 or uint16, got float32 4x6"),
        (np.zeros((6, 4), np.uint8), "image's size 6x4 (width x height), got 4x6"),
        (np.full((4, 6), 2, np.uint8), "mask values 0 to 1 or 255 (ignore), got 2"),
        (np.arange(24, dtype=np.uint8).reshape(4, 6), "got 2, 3, 4, 5, 6, 7, 8, 9, ..."),
    ],
)
def test_what_is_no_mask_is_refused(mask: NDArray[Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        check_mask(mask, (4, 6), 2, "key")
    assert message in caught.value.message


def test_labels_and_ignore_are_accepted() -> None:
    check_mask(np.array([[0, 1, 2, 255]], np.uint8), (1, 4), 3, "key")
