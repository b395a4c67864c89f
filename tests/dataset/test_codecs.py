from __future__ import annotations

import io

import cv2
import numpy as np
import pytest

from bdgan_cli.dataset.codecs import decode_image, decode_latent, encode_image, encode_latent, picture_format
from bdgan_cli.errors import DataError

IMAGE = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("image_format", ["png", "webp"])
def test_lossless_formats(image_format: str) -> None:
    data = encode_image(IMAGE, image_format)
    assert picture_format(data) == image_format
    np.testing.assert_array_equal(decode_image(data, "i"), IMAGE)


def test_jpeg_is_close_and_keeps_the_channel_order() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    assert np.abs(decode_image(encode_image(red, "jpg"), "i").astype(int) - red).max() < 8


@pytest.mark.parametrize("image_format", ["png", "jpg", "webp"])
@pytest.mark.parametrize("lost", [1, 40, -20])
def test_cut_pictures_are_refused(image_format: str, lost: int) -> None:
    data = encode_image(IMAGE, image_format)
    with pytest.raises(DataError, match=r"truncated|cannot decode"):
        decode_image(data[: -lost if lost > 0 else 20], "key")


def test_flipped_bit_in_a_png_is_found() -> None:
    data = bytearray(encode_image(IMAGE, "png"))
    data[len(data) // 2] ^= 4
    with pytest.raises(DataError, match="damaged PNG, wrong checksum in chunk b'IDAT'"):
        decode_image(bytes(data), "key")


def test_text_is_no_picture() -> None:
    with pytest.raises(DataError, match="expected a picture, got 5 bytes"):
        decode_image(b"hello", "key")


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64])
def test_latents_keep_type_and_shape(dtype: type) -> None:
    latent = np.arange(12).reshape(3, 4).astype(dtype)
    found = decode_latent(encode_latent(latent, "k"), "k")
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, latent)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_latents_that_are_not_finite_are_refused_both_ways(value: float) -> None:
    latent = np.array([0, value], np.float32)
    buffer = io.BytesIO()
    np.save(buffer, latent)
    with pytest.raises(DataError, match="NaN or infinity in 1 of 2 values"):
        encode_latent(latent, "k")
    with pytest.raises(DataError, match="NaN or infinity in 1 of 2 values"):
        decode_latent(buffer.getvalue(), "k")


def test_pickled_latents_are_refused() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"expected a latent as plain \.npy numbers"):
        decode_latent(buffer.getvalue(), "k")


def test_archives_and_objects_are_no_latents() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(2))
    with pytest.raises(DataError, match="got an archive"):
        decode_latent(buffer.getvalue(), "k")
    with pytest.raises(DataError, match="a latent of numbers, got object"):
        encode_latent(np.array([{}], dtype=object), "k")


def test_orientation_is_not_applied() -> None:
    # EXIF with orientation 6 (turn by 90 degrees) before the picture's own data.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    data = cv2.imencode(".jpg", IMAGE)[1].tobytes()
    turned = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    assert decode_image(turned, "k").shape == IMAGE.shape
