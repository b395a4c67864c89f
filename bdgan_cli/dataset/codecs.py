"""Bytes to arrays and back: pictures, masks and latents, with damage found instead of guessed over.

Image decoders return what they have of a cut file, some of them silently; so the container is checked first.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.npy import read_npy
from bdgan_cli.dataset.picture_size import check_pixels
from bdgan_cli.errors import DataError

IMAGE_FORMATS = ("png", "jpg", "webp")

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Pictures hold no repetitions worth a search, and three filters do as well as five. Paeth's alone would save 5 % of the
# bytes, but takes half as long again to decode.
_NO_SEARCH = [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY]
_ENCODE_OPTIONS: dict[str, list[int]] = {
    "png": [*_NO_SEARCH, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FAST_FILTERS],
    "jpg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    "webp": [cv2.IMWRITE_WEBP_QUALITY, 101],  # above 100 means lossless
}
# A mask has few values and large areas: differences of neighbours cost time and help nothing.
_MASK_OPTIONS = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE]


def encode_image(image: NDArray[np.uint8], image_format: str) -> bytes:
    """Encode (H, W, 3) uint8 RGB.

    Args:
        image: The picture.
        image_format: ``png`` and ``webp`` are lossless, ``jpg`` has quality 95.
    """
    if image_format not in IMAGE_FORMATS:
        raise ValueError(f"expected an image format of {', '.join(IMAGE_FORMATS)}, got {image_format!r}")
    return _encode(image_format, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _ENCODE_OPTIONS[image_format])


def encode_mask(mask: NDArray[Any]) -> bytes:
    """Encode (H, W) uint8 or uint16 as PNG with one channel."""
    return _encode("png", mask, _MASK_OPTIONS)


def decode_image(data: bytes, where: str, *, upright: bool = False) -> NDArray[np.uint8]:
    """Decode a picture to (H, W, 3) uint8 RGB.

    Args:
        data: The file.
        where: Its name for messages.
        upright: Turn it as its EXIF record says; else rows and columns are as stored.

    Raises:
        DataError: If the file is cut, damaged or no picture.
    """
    check_complete(data, where)
    flags = cv2.IMREAD_COLOR_RGB if upright else cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    return _decode(data, flags, where).astype(np.uint8, copy=False)


def decode_raw(data: bytes, where: str) -> NDArray[Any]:
    """Decode a picture as stored: (H, W) or (H, W, C) in OpenCV's channel order, uint8 or uint16.

    Raises:
        DataError: If the file is cut, damaged or no picture.
    """
    check_complete(data, where)
    return _decode(data, cv2.IMREAD_UNCHANGED, where)


def encode_latent(latent: NDArray[Any], where: str) -> bytes:
    """Encode a latent as ``.npy``.

    Raises:
        DataError: If it holds NaN or infinity, or objects.
    """
    _check_latent(latent, where)
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(latent), allow_pickle=False)
    return buffer.getvalue()


def decode_latent(data: bytes, where: str) -> NDArray[Any]:
    """Decode a ``.npy`` latent; pickled content is refused.

    Raises:
        DataError: If it is pickled, damaged, or holds NaN or infinity.
    """
    latent = read_npy(data, where)
    _check_latent(latent, where)
    return latent


def picture_format(data: bytes) -> str:
    """Return ``png``, ``jpg``, ``webp`` or, for anything else, an empty string; by content, not by name."""
    if data.startswith(PNG_SIGNATURE):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg"
    return "webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""


def check_complete(data: bytes, where: str) -> None:
    """Refuse cut or damaged picture files by their container: PNG checksums, the end mark of JPEG, WebP's length.

    Raises:
        DataError: If the end is missing or a checksum is wrong.
    """
    kind = picture_format(data)
    if kind == "png":
        for _ in png_chunks(data, where):
            pass
    elif kind == "jpg" and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
        raise DataError(f"{where}: truncated JPEG, its end mark is missing ({len(data)} bytes)")
    elif kind == "webp" and len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise DataError(f"{where}: truncated WebP ({len(data)} bytes)")


def png_chunks(data: bytes, where: str) -> Iterator[tuple[bytes, memoryview]]:
    """Yield (type, content) of each chunk of a PNG file up to its end, checksums verified.

    Raises:
        DataError: If the file is cut or a checksum is wrong.
    """
    position, content = len(PNG_SIGNATURE), memoryview(data)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 12 + length
        if end > len(data):
            break
        kind = data[position + 4 : position + 8]
        if zlib.crc32(content[position + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise DataError(f"{where}: damaged PNG, wrong checksum in chunk {kind!r}")
        yield kind, content[position + 8 : end - 4]
        if kind == b"IEND":
            return
        position = end
    raise DataError(f"{where}: truncated PNG, its end is missing ({len(data)} bytes)")


def _encode(image_format: str, pixels: NDArray[Any], options: list[int]) -> bytes:
    done, buffer = cv2.imencode(f".{image_format}", pixels, options)
    assert done, "OpenCV could not encode"
    return buffer.tobytes()


def _decode(data: bytes, flags: int, where: str) -> NDArray[Any]:
    check_pixels(data, where)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise DataError(f"{where}: expected a picture, got {len(data)} bytes that OpenCV refuses") from error
    if pixels is None:
        raise DataError(f"{where}: expected a picture, got {len(data)} bytes that OpenCV cannot decode")
    return pixels


def _check_latent(latent: NDArray[Any], where: str) -> None:
    if latent.dtype.kind not in "fiu":
        raise DataError(f"{where}: expected a latent of numbers, got {latent.dtype}")
    if latent.dtype.kind == "f" and not np.isfinite(latent).all():
        bad = int(np.count_nonzero(~np.isfinite(latent)))
        raise DataError(f"{where}: expected finite latents, got NaN or infinity in {bad} of {latent.size} values")
