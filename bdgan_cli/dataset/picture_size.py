"""How large a picture says that it is, read from its first bytes: a few of them can ask for any amount of memory."""

from __future__ import annotations

import struct
from collections.abc import Callable

from bdgan_cli.errors import DataError

MOST_PIXELS = 1 << 27
_NONE = "none of PNG, JPEG, WebP, BMP and TIFF"
_ALONE = (0x01, *range(0xD0, 0xDA))  # JPEG's marks without content
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_SHORT, _TIFF_LONG = 256, 257, 3, 4


def check_pixels(data: bytes, where: str) -> None:
    """Refuse a file that is none of the known kinds of picture, or one too large to be decoded.

    Raises:
        DataError: If it is not PNG, JPEG, WebP, BMP or TIFF, names no size, or more than ``MOST_PIXELS`` pixels.
    """
    try:
        size = next((read(data) for start, read in _KINDS.items() if data.startswith(start)), None)
    except (struct.error, IndexError):  # cut short
        size = None
    if size is None:
        raise DataError(f"{where}: expected a picture, got {len(data)} bytes that OpenCV cannot decode: {_NONE}")
    width, height = size
    if width < 1 or height < 1 or width * height > MOST_PIXELS:
        raise DataError(f"{where}: expected a picture of 1 to {MOST_PIXELS} pixels, got one of {width}x{height}")


def _png(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _jpeg(data: bytes) -> tuple[int, int] | None:
    position = 2
    while (position := data.find(b"\xff", position)) >= 0:
        mark = data[position + 1]
        if mark in _FRAMES:
            height, width = struct.unpack_from(">HH", data, position + 5)
            return width, height
        if mark in (0x00, 0xFF) or mark in _ALONE:
            position += 1
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None


def _webp(data: bytes) -> tuple[int, int] | None:
    if data[8:12] != b"WEBP":
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _bmp(data: bytes) -> tuple[int, int]:
    is_old = struct.unpack_from("<I", data, 14)[0] == 12
    width, height = struct.unpack_from("<HH" if is_old else "<ii", data, 18)
    return abs(width), abs(height)


def _tiff(data: bytes) -> tuple[int, int] | None:
    order = "<" if data[:2] == b"II" else ">"
    (table,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, table)
    sides = {}
    for entry in range(table + 2, table + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(f"{order}HH", data, entry)
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT) and kind in (_TIFF_SHORT, _TIFF_LONG):
            (sides[tag],) = struct.unpack_from(f"{order}{'H' if kind == _TIFF_SHORT else 'I'}", data, entry + 8)
    return (sides[_TIFF_WIDTH], sides[_TIFF_HEIGHT]) if len(sides) == 2 else None


_KINDS: dict[bytes, Callable[[bytes], tuple[int, int] | None]] = {
    b"\x89PNG\r\n\x1a\n": _png, b"\xff\xd8": _jpeg, b"RIFF": _webp, b"BM": _bmp, b"II*\0": _tiff, b"MM\0*": _tiff,
}  # fmt: skip
