from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bdgan_cli.dataset.exporters.run_lengths import encode_rle
from bdgan_cli.dataset.importers.coco_rle import decode_rle
from bdgan_cli.dataset.label_map import label_map_text, parse_label_map
from bdgan_cli.dataset.palette import voc_colours
from bdgan_cli.errors import UsageError
from tests.dataset.exporters.masks import Mask, masks


@settings(max_examples=60, deadline=None)
@given(masks(ignore=False))
def test_the_text_is_that_of_pycocotools(mask: Mask) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    encoded = encode_rle(mask)
    assert encoded == {"size": list(mask.shape), "counts": coco.encode(np.asfortranarray(mask))["counts"].decode()}
    np.testing.assert_array_equal(decode_rle(encoded, mask.shape, ""), mask)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 40), st.integers(0, 2**16))
def test_long_runs(height: int, width: int, seed: int) -> None:
    mask = np.zeros(height * width, np.uint8)
    stream = np.random.default_rng(seed)
    start, end = sorted(stream.integers(0, mask.size + 1, 2))
    mask[start:end] = 1
    mask = mask.reshape(height, width)
    np.testing.assert_array_equal(decode_rle(encode_rle(mask), (height, width), ""), mask)


def test_colours_of_voc() -> None:
    """The first and last ones, as the development kit lists them."""
    wanted = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128)]
    assert [tuple(colour) for colour in voc_colours()[:7].tolist()] == wanted
    assert (voc_colours()[20].tolist(), voc_colours()[255].tolist()) == ([0, 64, 128], [224, 224, 192])
    assert len({tuple(colour) for colour in voc_colours().tolist()}) == 256


def test_a_label_map_says_what_it_was_given() -> None:
    names = ("background", "star & ring", "naïve 'cat'")
    assert [entry.name for entry in parse_label_map(label_map_text(names), "x")] == [*names, "__ignore__"]


@pytest.mark.parametrize("name", ["a:b", "a\nb", " ", "#a"])
def test_names_that_a_label_map_cannot_hold(name: str) -> None:
    with pytest.raises(UsageError, match="a label of labelmap"):
        label_map_text(("background", name))
