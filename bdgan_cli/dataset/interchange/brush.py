"""The run lengths that Label Studio keeps a painted region in.

What is packed are the 4 H W bytes of a picture with red, green, blue and alpha, row by row; alpha is the region. A
string of bits begins with the number of words (32 bits), the bits of a word less one (5), and four lengths less one (4
each). Blocks follow until all words are there: a bit that says whether one word is repeated, 2 bits that choose one of
the four lengths, the number of words less one in so many bits, and the word, or all of the words.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.errors import DataError

BoolMask = NDArray[np.bool_]

_CHANNELS = 4
_WORD_BITS = 8
_LENGTHS = (3, 4, 8, 16)
_HEADER_BITS = 32 + 5 + 4 * 4
_HALF = 128  # strokes may have soft edges
_SPARE_BYTES = 8  # what an encoder may leave behind the last block


def encode_brush(mask: BoolMask) -> bytes:
    """Pack a mask; Label Studio's JSON has these bytes as a list of numbers.

    Args:
        mask: (H, W) bool, of fewer than 2^30 pixels.
    """
    flat = mask.reshape(-1)
    ends = [0, *(np.flatnonzero(flat[1:] != flat[:-1]) + 1).tolist(), flat.size]
    bits = [f"{flat.size * _CHANNELS:032b}{_WORD_BITS - 1:05b}", *(f"{length - 1:04b}" for length in _LENGTHS)]
    for start, end in pairwise(ends):
        word = "1" * _WORD_BITS if end > start and flat[start] else "0" * _WORD_BITS
        left = (end - start) * _CHANNELS
        while left:
            count = min(left, 1 << _LENGTHS[-1])
            choice = next(i for i, length in enumerate(_LENGTHS) if count <= 1 << length)
            bits.append(f"1{choice:02b}{count - 1:0{_LENGTHS[choice]}b}{word}")
            left -= count
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def decode_brush(packed: bytes, size_hw: tuple[int, int], where: str) -> BoolMask:
    """Unpack a mask; nothing larger than the picture is ever made.

    Args:
        packed: The numbers of the JSON as bytes.
        size_hw: Height and width in pixels of the picture.
        where: What it belongs to, for messages.

    Returns:
        (H, W) bool, where alpha is at least one half.

    Raises:
        DataError: If it is cut, goes on behind its end, or is of another size.
    """
    words = size_hw[0] * size_hw[1] * _CHANNELS
    lengths = _read_header(packed, words, size_hw, where)
    values = np.zeros(words, np.uint8)
    position, done = _HEADER_BITS, 0
    while done < words:
        repeated, choice = divmod(_bits(packed, position, 3, where), 4)
        length = lengths[choice]
        count = _bits(packed, position + 3, length, where) + 1
        position += 3 + length
        if done + count > words:
            raise DataError(f"{where}: expected a brush of {words} values, got {done + count} or more")
        if repeated:
            values[done : done + count] = _bits(packed, position, _WORD_BITS, where)
            position += _WORD_BITS
        else:
            values[done : done + count] = _words(packed, position, count, where)
            position += _WORD_BITS * count
        done += count
    if len(packed) - -(-position // 8) > _SPARE_BYTES:
        raise DataError(f"{where}: the brush has its {words} values after {-(-position // 8)} of {len(packed)} bytes")
    alpha: BoolMask = values.reshape(*size_hw, _CHANNELS)[..., -1] >= _HALF
    return alpha


def _read_header(packed: bytes, words: int, size_hw: tuple[int, int], where: str) -> list[int]:
    """Return the four lengths in bits."""
    got, word_bits = _bits(packed, 0, 32, where), _bits(packed, 32, 5, where) + 1
    if got != words:
        expected = f"{words} values, 4 for each of {size_hw[1]}x{size_hw[0]} pixels"
        raise DataError(f"{where}: expected a brush of {expected}, got {got}")
    if word_bits != _WORD_BITS:
        raise DataError(f"{where}: expected a brush with values of {_WORD_BITS} bits, got {word_bits}")
    return [_bits(packed, 37 + 4 * number, 4, where) + 1 for number in range(4)]


def _bits(packed: bytes, position: int, count: int, where: str) -> int:
    """Return a number of up to 32 bits."""
    end = position + count
    if end > 8 * len(packed):
        raise _cut(packed, where)
    part = packed[position // 8 : -(-end // 8)]
    return (int.from_bytes(part, "big") >> (-end % 8)) & ((1 << count) - 1)


def _words(packed: bytes, position: int, count: int, where: str) -> NDArray[np.uint8]:
    end = position + _WORD_BITS * count
    if end > 8 * len(packed):
        raise _cut(packed, where)
    part = np.frombuffer(packed[position // 8 : -(-end // 8)], np.uint8)
    bits = np.unpackbits(part)[position % 8 :][: _WORD_BITS * count]
    return np.packbits(bits)


def _cut(packed: bytes, where: str) -> DataError:
    return DataError(f"{where}: the brush is cut short ({len(packed)} bytes)")
