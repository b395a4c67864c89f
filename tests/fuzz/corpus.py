"""Valid files to begin with, written by the product itself wherever it writes them."""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from bdgan_cli.dataset.codecs import PNG_SIGNATURE
from tests.fuzz.reader import Files

HEIGHT, WIDTH = 6, 8
TAR_BLOCK = 512


def mask() -> np.ndarray:
    """A mask of 6x8 with an object, and a pixel to ignore."""
    pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels[1:4, 2:6] = 1
    pixels[0, 0] = 255
    return pixels


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def encoded(pixels: np.ndarray, suffix: str, *options: int) -> bytes:
    done, buffer = cv2.imencode(suffix, pixels, options)
    assert done
    return buffer.tobytes()


def written(write: Callable[[Path], object]) -> Files:
    """Return the files that a function writes into an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "w")
        root = Path(folder) / "w"
        return {
            path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
        }


def mend_pngs(files: Files) -> Files:
    return {name: mend_png(data) if data.startswith(PNG_SIGNATURE) else data for name, data in files.items()}


def mend_png(data: bytes) -> bytes:
    """Put the checksums of a PNG right, as far as its chunks can be followed."""
    mended, position = bytearray(data), len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        if end > len(data):
            break
        mended[end - 4 : end] = struct.pack(">I", zlib.crc32(data[position + 4 : end - 4]))
        position = end
    return bytes(mended)


def png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def mend_tars(files: Files) -> Files:
    return {name: mend_tar(data) if name.endswith(".tar") else data for name, data in files.items()}


def mend_tar(data: bytes) -> bytes:
    """Put the checksums of the headers of a tar right."""
    mended = bytearray(data)
    for start in range(0, len(data) - TAR_BLOCK + 1, TAR_BLOCK):
        header = bytearray(mended[start : start + TAR_BLOCK])
        if header[257:262] == b"ustar":
            header[148:156] = b" " * 8
            mended[start + 148 : start + 156] = b"%06o\0 " % sum(header)
    return bytes(mended)
