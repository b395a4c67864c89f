"""Does a mask belong to its picture? What a tool shows as the picture is compared with what was handed out."""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.codecs import decode_image
from bdgan_cli.dataset.importers.upright import read_upright
from bdgan_cli.errors import DataError

# On tiny-biggan, JPEG of quality 50 has 30 dB and more, and two samples of one class have 19 and less.
LEAST_PSNR_DB = 25.0


def check_picture(returned: bytes, handed_out: bytes, where: str) -> None:
    """Accept the same file, or another encoding of the same picture.

    Args:
        returned: The picture's file as the tool has it.
        handed_out: The picture's file as it was handed out.
        where: What it belongs to, for messages.

    Raises:
        DataError: If it is no picture, or another one.
    """
    if hashlib.sha256(returned).digest() == hashlib.sha256(handed_out).digest():
        return
    shown, ours = read_upright(returned, where).pixels, decode_image(handed_out, where)
    if shown.shape != ours.shape:
        sizes = (f"{pixels.shape[1]}x{pixels.shape[0]}" for pixels in (ours, shown))
        raise DataError(f"{where}: expected a picture of {next(sizes)} pixels, got {next(sizes)}")
    found = psnr_db(shown, ours)
    if found < LEAST_PSNR_DB:
        raise DataError(
            f"{where}: expected the picture that was handed out, got another one (PSNR {found:.1f} dB, "
            f"a new encoding has {LEAST_PSNR_DB:g} or more)"
        )


def psnr_db(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> float:
    """Return the peak signal-to-noise ratio of two pictures of one size, in dB; infinite if they are equal."""
    error = float(np.mean((one.astype(np.float64) - two.astype(np.float64)) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)
