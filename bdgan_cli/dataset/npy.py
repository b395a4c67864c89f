"""Reads the numbers of ``.npy`` files: what a header says is checked against the file before any memory is taken.

numpy's own reader takes as much memory as a header asks for, and reads headers as Python.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.errors import DataError

_MAGIC, _ZIP = b"\x93NUMPY", b"PK\x03\x04"
# Bytes of the length of the header, by the format's version.
_LENGTH_BYTES = {1: 2, 2: 4}
_MOST_HEADER_BYTES = 10_000
_HEADER = re.compile(
    r"\{\s*'descr':\s*'([<>=|]?[a-zA-Z]\d{0,3})',\s*'fortran_order':\s*(True|False),"
    r"\s*'shape':\s*\(([0-9L, ]*)\),?\s*\}\s*"
)
_SIDE = re.compile(r"\s*([0-9]{1,18})L?\s*")  # Python 2 wrote an L behind long numbers


def read_npy(data: bytes, where: str) -> NDArray[Any]:
    """Read a file of numbers.

    Args:
        data: The file.
        where: Its name for messages.

    Returns:
        The array in the machine's own byte order.

    Raises:
        DataError: If it is no array of integers or floating-point numbers, or is cut short.
    """
    if data.startswith(_ZIP):
        raise DataError(f"{where}: expected a latent as one .npy array, got an archive")
    header, start = _header(data, where)
    match = _HEADER.fullmatch(header)
    sides = [_SIDE.fullmatch(side) for side in match[3].split(",") if side.strip()] if match else []
    if match is None or None in sides or (sides and "," not in match[3]):
        raise _odd(where, f"the header {header.strip()[:80]!r}")
    dtype = _dtype(match[1], where)
    shape = tuple(int(side[1]) for side in sides if side)
    count = math.prod(shape)
    if count * dtype.itemsize > len(data) - start:
        raise _odd(where, f"{len(data) - start} bytes for {dtype} of shape {shape}")
    try:
        array = np.frombuffer(data, dtype, count, start) if count else np.zeros(0, dtype)
        array = array.reshape(shape, order="F" if match[2] == "True" else "C")
    except ValueError as error:
        raise _odd(where, f"shape {shape}: {error}") from error
    return array.astype(dtype.newbyteorder("="))


def _header(data: bytes, where: str) -> tuple[str, int]:
    """Return the header's text, and where the numbers begin."""
    size = _LENGTH_BYTES.get(data[len(_MAGIC)] if len(data) > len(_MAGIC) else 0)
    if not data.startswith(_MAGIC) or size is None:
        raise _odd(where, f"{len(data)} bytes that begin with {data[:8]!r}")
    begin = len(_MAGIC) + 2
    start = begin + size + int.from_bytes(data[begin : begin + size], "little")
    if start > len(data) or start > _MOST_HEADER_BYTES:
        raise _odd(where, f"a header up to byte {start} in {len(data)} bytes")
    return data[begin + size : start].decode("latin-1"), start


def _dtype(text: str, where: str) -> np.dtype[Any]:
    try:
        dtype = np.dtype(text)
    except TypeError as error:
        raise _odd(where, f"numbers of type {text!r}") from error
    if dtype.kind not in "fiu":
        raise _odd(where, str(dtype))
    return dtype


def _odd(where: str, got: str) -> DataError:
    return DataError(f"{where}: expected a latent as plain .npy numbers, got {got}")
