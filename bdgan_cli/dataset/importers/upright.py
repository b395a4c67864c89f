"""Foreign pictures made ours: upright, and the file kept as it is wherever that is possible."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.codecs import decode_image, decode_raw, picture_format

# How JPEG, PNG and WebP introduce the record that may turn a picture.
_EXIF_MARKS = (b"Exif", b"eXIf", b"EXIF")


class UprightPicture(NamedTuple):
    """A picture as it will be stored.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, upright.
        image_format: ``png``, ``jpg`` or ``webp``.
        kept: The file itself if it can be stored as it is; None if it must be encoded anew, without loss.
    """

    pixels: NDArray[np.uint8]
    image_format: str
    kept: bytes | None


def read_upright(data: bytes, where: str) -> UprightPicture:
    """Decode a picture file, and turn it as its EXIF record says.

    JPEG, PNG and WebP files of 8 bits are kept; others, and those that EXIF turns, become PNG.

    Args:
        data: The file.
        where: Its name for messages.

    Raises:
        DataError: If the file is cut, damaged or no picture.
    """
    kind = picture_format(data)
    raw = decode_raw(data, where)
    pixels = decode_image(data, where)
    upright = _turned(data) if any(mark in data for mark in _EXIF_MARKS) else pixels
    is_plain = raw.dtype == np.uint8 and (raw.ndim == 2 or raw.shape[2] == 3)
    if kind and is_plain and np.array_equal(upright, pixels):
        return UprightPicture(pixels, kind, data)
    return UprightPicture(upright, "png", None)


def _turned(data: bytes) -> NDArray[np.uint8]:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None, "decoded a moment ago"
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
