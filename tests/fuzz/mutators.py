"""Broken copies of valid files: what atheris and AFL do to bytes, drawn from a seed, with a trace of what was done."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

MOST_BYTES = 1 << 16

INTEGERS = (0, -1, 1, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**64 - 1)
NUMBERS = (
    b"0",
    b"-1",
    b"1",
    b"255",
    b"65536",
    b"2147483647",
    b"2147483648",
    b"4294967296",
    b"9223372036854775807",
    b"9223372036854775808",
    b"1" + b"0" * 400,
    b"1" + b"0" * 5000,
    b"1e999",
    b"-1e999",
    b"NaN",
    b"-Infinity",
    b"1e-400",
    b"0.5",
    b"1.5e308",
    b"true",
    b"null",
)
# Two superscripts, an Arabic three and a character above the BMP: digits to some functions, numbers to fewer.
WORDS = (
    b"",
    b"\x00",
    b"\xff\xfe",
    b"\xc3\x28",
    "\u00b2".encode(),
    "\u0663".encode(),
    "\U0001f600".encode(),
    b"../",
    b"/etc/passwd",
    b"\n",
    b"\r\n",
    b" ",
    b",",
    b'"',
    b"a" * 300,
    b"a" * 5000,
    b"[" * 2000,
    b"{" * 300,
    b"]",
    b"}",
    b"null",
    b"\\ud800",
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_PACKINGS = ("<B", "<H", ">H", "<I", ">I", "<Q", ">Q")


class Broken(NamedTuple):
    """A broken file, and what was done to get it."""

    data: bytes
    trace: list[str]


def mutate(good: bytes, others: Sequence[bytes], tokens: Sequence[bytes], draw: random.Random) -> Broken:
    """Break a file in one to eight places.

    Args:
        good: The valid file.
        others: Valid files of the same kind, to take pieces from.
        tokens: Words that mean something in the format.
        draw: Where all chance comes from.
    """
    data, trace = bytearray(good), []
    for _ in range(draw.choice((1, 1, 1, 2, 2, 3, 4, 8))):
        name = draw.choice(list(_MUTATORS))
        start = _place(data, draw)
        _MUTATORS[name](data, start, _Means(others, tokens, draw))
        trace.append(f"{name}@{start}")
        del data[max(MOST_BYTES, 2 * len(good)) :]
    return Broken(bytes(data), trace)


class _Means(NamedTuple):
    """What a mutator may use."""

    others: Sequence[bytes]
    tokens: Sequence[bytes]
    draw: random.Random


def _place(data: bytearray, draw: random.Random) -> int:
    """Draw a place; formats keep what counts at their begin and end."""
    if not data:
        return 0
    kind = draw.random()
    if kind < 0.3:
        return draw.randrange(min(len(data), 128))
    return len(data) - 1 - draw.randrange(min(len(data), 512)) if kind < 0.5 else draw.randrange(len(data))


def _length(draw: random.Random) -> int:
    return draw.choice((1, 1, 2, 3, 4, 8, 16, 64, 256))


def _flip(data: bytearray, start: int, by: _Means) -> None:
    if data:
        data[start] ^= 1 << by.draw.randrange(8)


def _replace(data: bytearray, start: int, by: _Means) -> None:
    count = min(_length(by.draw), len(data) - start)
    data[start : start + count] = by.draw.randbytes(count)


def _insert(data: bytearray, start: int, by: _Means) -> None:
    data[start:start] = by.draw.randbytes(_length(by.draw))


def _delete(data: bytearray, start: int, by: _Means) -> None:
    del data[start : start + _length(by.draw)]


def _duplicate(data: bytearray, start: int, by: _Means) -> None:
    target = _place(data, by.draw)
    data[target:target] = data[start : start + by.draw.choice((4, 16, 64, 512, 2048))]


def _truncate(data: bytearray, start: int, by: _Means) -> None:
    del data[start:]


def _splice(data: bytearray, start: int, by: _Means) -> None:
    """Take a piece of another file, from anywhere in it to anywhere in this one."""
    if by.others:
        other = by.draw.choice(by.others)
        begin = by.draw.randrange(len(other) + 1)
        piece = other[begin : begin + by.draw.choice((4, 32, 256, 4096, MOST_BYTES))]
        data[start : start + by.draw.choice((0, len(piece)))] = piece


def _integer(data: bytearray, start: int, by: _Means) -> None:
    packing = by.draw.choice(_PACKINGS)
    size = struct.calcsize(packing)
    number = by.draw.choice(INTEGERS) & ((1 << 8 * size) - 1)
    data[start : start + size] = struct.pack(packing, number)


def _number(data: bytearray, start: int, by: _Means) -> None:
    """Put another number in the place of one that is written out in digits."""
    found = _NUMBER.search(data, start) or _NUMBER.search(data)
    if found:
        data[found.start() : found.end()] = by.draw.choice(NUMBERS)


def _word(data: bytearray, start: int, by: _Means) -> None:
    word = by.draw.choice(by.draw.choice((by.tokens or WORDS, WORDS)))
    data[start : start + by.draw.choice((0, len(word)))] = word


def _fill(data: bytearray, start: int, by: _Means) -> None:
    count = min(_length(by.draw), len(data) - start)
    data[start : start + count] = bytes([by.draw.choice((0, 0xFF, 0x20, 0x7F, 0x80))]) * count


_MUTATORS: dict[str, Callable[[bytearray, int, _Means], None]] = {
    "flip": _flip,
    "replace": _replace,
    "insert": _insert,
    "delete": _delete,
    "duplicate": _duplicate,
    "truncate": _truncate,
    "splice": _splice,
    "integer": _integer,
    "number": _number,
    "word": _word,
    "fill": _fill,
}
