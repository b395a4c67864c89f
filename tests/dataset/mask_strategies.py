"""Masks of every kind for property-based tests: holes, pixels, borders, empty, full, many pieces, many labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

_SIDES = st.tuples(st.integers(1, 12), st.integers(1, 12))


def _noise(size_hw: tuple[int, int]) -> st.SearchStrategy[NDArray[np.bool_]]:
    return arrays.arrays(np.bool_, size_hw)


@st.composite
def _boxes(draw: Any, size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Rectangles set and cleared in turns: rings, holes in holes, pieces that touch with corners or borders."""
    mask = np.zeros(size_hw, bool)
    for number in range(draw(st.integers(0, 6))):
        y, x = (draw(st.integers(0, side - 1)) for side in size_hw)
        height, width = (draw(st.integers(1, side)) for side in size_hw)
        mask[y : y + height, x : x + width] = number % 2 == 0
    return mask


bool_masks = _SIDES.flatmap(lambda size: st.one_of(_noise(size), _boxes(size), st.just(np.ones(size, bool))))


def label_masks(labels: int, ignore: bool = True) -> st.SearchStrategy[NDArray[np.uint8]]:
    """Masks with values 0..labels and, unless told otherwise, 255."""
    values = st.sampled_from([*range(labels + 1), *([255] if ignore else [])])
    return _SIDES.flatmap(lambda size: arrays.arrays(np.uint8, size, elements=values))
