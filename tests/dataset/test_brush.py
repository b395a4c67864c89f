"""Label Studio's run lengths against a plain reading of their description, and against Label Studio's own converter."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bdgan_cli.dataset.interchange.brush import decode_brush, encode_brush
from bdgan_cli.errors import DataError
from tests.dataset.mask_strategies import bool_masks

BoolMask = NDArray[np.bool_]

# What label-studio-converter 0.0.59 makes of the mask below.
CONVERTERS = [
    0, 0, 0, 140, 57, 27, 254, 35, 0, 191, 255, 108, 2, 63, 248, 192, 39, 255, 182, 1, 127, 255, 13, 128, 71, 254,
]  # fmt: skip


def converters_mask() -> BoolMask:
    mask = np.zeros((5, 7), bool)
    mask[1:4, 2:6] = mask[4, 6] = True
    mask[2, 3] = False
    return mask


def plain_decode(packed: bytes) -> list[int]:
    """Bit by bit, as the description says."""
    bits = iter("".join(f"{byte:08b}" for byte in packed))

    def take(count: int) -> int:
        return int("".join(next(bits) for _ in range(count)), 2)

    words, word_bits = take(32), take(5) + 1
    lengths = [take(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < words:
        repeated = take(1)
        count = take(lengths[take(2)]) + 1
        values += [take(word_bits)] * count if repeated else [take(word_bits) for _ in range(count)]
    return values


def pack(words: int, blocks: str, word_bits: int = 8) -> bytes:
    text = f"{words:032b}{word_bits - 1:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16)) + blocks
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


@settings(max_examples=100, deadline=None)
@given(mask=bool_masks)
def test_nothing_is_lost(mask: BoolMask) -> None:
    packed = encode_brush(mask)
    np.testing.assert_array_equal(decode_brush(packed, mask.shape, "x"), mask)
    assert plain_decode(packed) == (np.repeat(mask.reshape(-1), 4) * 255).tolist()


def test_long_runs_are_cut_into_blocks() -> None:
    mask = np.zeros((300, 400), bool)
    mask[20:, :] = True
    np.testing.assert_array_equal(decode_brush(encode_brush(mask), (300, 400), "x"), mask)
    assert len(encode_brush(mask)) < 40


def test_what_label_studio_packs_is_read() -> None:
    np.testing.assert_array_equal(decode_brush(bytes(CONVERTERS), (5, 7), "x"), converters_mask())


@given(alpha=st.lists(st.integers(0, 255), min_size=6, max_size=6))
def test_single_values_are_read_and_half_of_alpha_counts(alpha: list[int]) -> None:
    values = [value for a in alpha for value in (9, 9, 9, a)]
    blocks = "".join(f"000{7:03b}" + "".join(f"{value:08b}" for value in values[i : i + 8]) for i in (0, 8, 16))
    decoded = decode_brush(pack(24, blocks), (2, 3), "x")
    assert decoded.reshape(-1).tolist() == [value >= 128 for value in alpha]


@pytest.mark.parametrize(
    ("packed", "expected"),
    [
        (b"", "cut short"),
        (bytes(CONVERTERS[:12]), "cut short"),
        (bytes(CONVERTERS[:-1]), "cut short"),
        (bytes([255] * 40), "4 for each of 7x5 pixels, got 4294967295"),
        (pack(140, "1" + "11" + "1" * 16 + "1" * 8), "140 values, got 65536 or more"),
        (pack(140, "1" + "10" + f"{139:08b}" + "1" * 8) + bytes(50), "after"),
        (pack(140, "1" + "10" + f"{139:08b}" + "1" * 16, word_bits=16), "values of 8 bits, got 16"),
        (pack(136, "1" + "10" + f"{135:08b}" + "1" * 8), "got 136"),
    ],
)
def test_lies_are_refused(packed: bytes, expected: str) -> None:
    with pytest.raises(DataError, match=f"task 3: .*{expected}"):
        decode_brush(packed, (5, 7), "task 3")


@settings(max_examples=200, deadline=None)
@given(packed=st.binary(max_size=60))
def test_any_bytes_give_a_mask_or_an_error(packed: bytes) -> None:
    with contextlib.suppress(DataError):
        assert decode_brush(pack(48, "")[:6] + packed, (3, 4), "x").shape == (3, 4)
