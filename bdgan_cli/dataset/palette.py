"""PNG masks with a palette: the pixels are the labels, and the colours are for the eye alone."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.codecs import PNG_SIGNATURE, encode_mask, png_chunks

GREY, PALETTE = 0, 3


@lru_cache(maxsize=1)
def voc_colours() -> NDArray[np.uint8]:
    """Return the (256, 3) colours of Pascal VOC: an index's bits, dealt to the channels from the highest down."""
    colours = np.zeros((256, 3), np.uint8)
    index = np.arange(256)
    for place in range(8):
        for channel in range(3):
            colours[:, channel] |= ((index >> (3 * place + channel) & 1) << (7 - place)).astype(np.uint8)
    return colours


def encode_palette_mask(mask: NDArray[Any], colours: NDArray[np.uint8]) -> bytes:
    """Encode a mask as PNG of 8 bits with a palette.

    Args:
        mask: (H, W) uint8.
        colours: (256, 3) uint8 RGB.
    """
    return _with_type(encode_mask(mask), PALETTE, colours.tobytes())


def indices_as_grey(data: bytes, where: str) -> bytes:
    """Rewrite a palette PNG as grey, so that decoding gives the indices instead of the colours.

    Raises:
        DataError: If the file is cut or damaged.
    """
    return _with_type(data, GREY, b"", where)


def palette_of(data: bytes, where: str) -> NDArray[np.uint8]:
    """Return the (N, 3) colours of a palette PNG; none if it has no palette.

    Raises:
        DataError: If the file is cut or damaged.
    """
    table = next((bytes(content) for name, content in png_chunks(data, where) if name == b"PLTE"), b"")
    return np.frombuffer(table[: len(table) // 3 * 3], np.uint8).reshape(-1, 3)


def _with_type(data: bytes, colour_type: int, palette: bytes, where: str = "") -> bytes:
    """Change the colour type in the header of a PNG with one value per pixel; the pixels stay as they are."""
    return PNG_SIGNATURE + b"".join(_chunks(data, colour_type, palette, where))


def _chunks(data: bytes, colour_type: int, palette: bytes, where: str) -> Iterator[bytes]:
    for name, content in png_chunks(data, where):
        if name == b"IHDR":
            yield _chunk(name, bytes(content[:9]) + bytes([colour_type]) + bytes(content[10:]))
            if palette:
                yield _chunk(b"PLTE", palette)
        elif name in (b"IDAT", b"IEND"):
            yield _chunk(name, bytes(content))


def _chunk(name: bytes, content: bytes) -> bytes:
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
