"""Compressed run lengths as COCO files hold them (T.-Y. Lin et al., ECCV 2014); ``importers/coco_rle`` reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# A number is written in characters from '0', 5 bits each and a flag for more to come; 7 of them hold 35 bits.
_FIRST, _BITS, _MORE, _SIGN, _MOST_CHARACTERS = ord("0"), 5, 0x20, 0x10, 7


def encode_rle(pixels: NDArray[Any]) -> dict[str, Any]:
    """Encode a mask.

    Args:
        pixels: (H, W), an object where it is not 0.

    Returns:
        ``{"size": [height, width], "counts": text}``: runs down the columns, first background, then object, in turns.
    """
    flat = np.concatenate([[False], (pixels != 0).T.reshape(-1)])
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]), flat.size - 1)
    return {"size": list(pixels.shape), "counts": compress(np.diff(ends, prepend=0))}


def compress(counts: NDArray[np.int64]) -> str:
    """Write run lengths as text; from the fourth on, a number is the difference to the one two before it."""
    left = counts.astype(np.int64)
    left[3:] -= counts[1:-2]
    characters = np.zeros((len(left), _MOST_CHARACTERS), np.uint8)
    going = np.ones(len(left), np.bool_)
    for place in range(_MOST_CHARACTERS):
        bits = left & (_MORE - 1)
        left = left >> _BITS
        more = going & np.where(bits & _SIGN, left != -1, left != 0)
        characters[:, place] = np.where(going, bits + np.where(more, _MORE, 0) + _FIRST, 0)
        going = more
    return characters[characters > 0].tobytes().decode("ascii")
