"""Reads and checks the annotations released with BigDatasetGAN: masks and latents of BigGAN-512 samples.

A mask is any picture; it becomes grey of 8 bits, and any value but 0 is the object. A latent is one vector of 128
numbers, drawn from N(0, 0.9^2) and already scaled. Every file is read; each that is odd becomes a fault.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.codecs import decode_image, decode_latent, picture_format
from bdgan_cli.dataset.importers.pairs import Fault
from bdgan_cli.dataset.importers.release_layout import ReleaseItem, find_items
from bdgan_cli.dataset.schema import ClassEntry
from bdgan_cli.errors import DataError
from bdgan_cli.progress import Reporter

LATENT_DIM = 128
LICENCE = "CC-BY-NC-4.0"

_PNG_RGB8 = bytes([8, 2])

Read = TypeVar("Read")


class Picture(NamedTuple):
    """A picture, and its file if it can be stored as it is.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        png: The file's bytes; None if it must be encoded anew.
    """

    pixels: NDArray[np.uint8]
    png: bytes | None


class ReleaseSample(NamedTuple):
    """What the files of a sample hold.

    Attributes:
        mask: (H, W) uint8, 0 background and 1 object.
        latent: (128,) float32.
        picture: None if it must be made again.
    """

    mask: NDArray[np.uint8]
    latent: NDArray[np.float32]
    picture: Picture | None


@dataclass(frozen=True)
class ReleaseSurvey:
    """What a release holds.

    Attributes:
        items: The samples that are right, ordered by class and key.
        classes: The classes present.
        per_class: Samples by class id.
        faults: Every file that cannot come in, with the reason.
        sha256: Hash of all masks, latents and pictures of ``items``.
    """

    items: tuple[ReleaseItem, ...]
    classes: tuple[ClassEntry, ...]
    per_class: dict[int, int]
    faults: list[Fault]
    sha256: str

    @property
    def pictures_missing(self) -> int:
        """Samples whose picture must be made again."""
        return sum(item.image is None for item in self.items)


def survey_release(source: Path, size: int, report: Reporter) -> ReleaseSurvey:
    """Read and check every file of a release.

    Args:
        source: The folder with ``annotations`` and ``latents``.
        size: Height and width in pixels that every mask and picture must have.
        report: Where progress goes.

    Raises:
        MissingError: If the folder of masks or of latents is not there.
    """
    found, faults = find_items(source)
    digest = hashlib.sha256()
    items = []
    with report.task("check", len(found), "samples") as task:
        for item in found:
            sample, odd = _check(source, item, size)
            faults += odd
            if sample is not None:
                items.append(item)
                for part in (item.key.encode(), sample.mask.tobytes(), sample.latent.tobytes(), _pixels(sample)):
                    digest.update(len(part).to_bytes(8, "little") + part)
            task.advance()
    if not found and not faults:
        faults.append(Fault("annotations/biggan512", "expected folders of masks, got none"))
    entries = {item.entry.id: ClassEntry(*item.entry[:3]) for item in items}
    classes = tuple(entries[class_id] for class_id in sorted(entries))
    per_class = dict(sorted(Counter(item.entry.id for item in items).items()))
    return ReleaseSurvey(tuple(items), classes, per_class, faults, digest.hexdigest())


def read_sample(source: Path, item: ReleaseItem, size: int) -> ReleaseSample:
    """Read a sample that was found right before.

    Raises:
        DataError: If a file has changed since then and is odd now.
    """
    sample, faults = _check(source, item, size)
    if sample is None:
        raise DataError(f"{faults[0].file}: {faults[0].reason}", "the files changed while they were read; start again")
    return sample


def read_mask(data: bytes, size: int, where: str) -> NDArray[np.uint8]:
    """Decode a released mask.

    Args:
        data: The file.
        size: Height and width in pixels.
        where: The file's name for messages.

    Returns:
        (size, size) uint8: 1 where 8-bit grey is not 0.

    Raises:
        DataError: If it is no picture, has another size or no object.
    """
    pixels = decode_image(data, where)
    _check_size(pixels, size, "a mask", where)
    mask = (cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) > 0).astype(np.uint8)
    if not mask.any():
        raise DataError(f"{where}: expected an object, got a mask of zeros alone")
    return mask


def read_latent(data: bytes, where: str) -> NDArray[np.float32]:
    """Decode a released latent.

    Returns:
        (128,) float32.

    Raises:
        DataError: If it is no plain array of finite floats of shape (1, 128) or (128,).
    """
    latent = decode_latent(data, where)
    if latent.shape not in ((1, LATENT_DIM), (LATENT_DIM,)):
        raise DataError(f"{where}: expected a latent of shape (1, {LATENT_DIM}) or ({LATENT_DIM},), got {latent.shape}")
    if latent.dtype.kind != "f":
        raise DataError(f"{where}: expected a latent of floating-point numbers, got {latent.dtype}")
    return latent.reshape(-1).astype(np.float32)


def read_picture(data: bytes, size: int, where: str) -> Picture:
    """Decode a picture; PNG files of 8-bit RGB are kept byte for byte.

    Raises:
        DataError: If it is no picture or has another size.
    """
    pixels = decode_image(data, where)
    _check_size(pixels, size, "a picture", where)
    # The header's depth and colour type; other kinds of PNG are encoded anew as what was decoded.
    is_plain = picture_format(data) == "png" and data[24:26] == _PNG_RGB8
    return Picture(pixels, data if is_plain else None)


def _check(source: Path, item: ReleaseItem, size: int) -> tuple[ReleaseSample | None, list[Fault]]:
    """Read a sample's files; every one that is odd becomes a fault, so that one does not hide another."""
    faults: list[Fault] = []

    def attempt(path: Path, read: Callable[[bytes, str], Read]) -> Read | None:
        name = path.relative_to(source).as_posix()
        try:
            return read(path.read_bytes(), name)
        except DataError as error:
            faults.append(Fault(name, error.message.removeprefix(f"{name}: "), error.hint))
        except OSError as error:
            faults.append(Fault(name, f"cannot be read: {error.strerror}"))
        return None

    mask = attempt(item.mask, lambda data, name: read_mask(data, size, name))
    latent = attempt(item.latent, read_latent)
    picture = attempt(item.image, lambda data, name: read_picture(data, size, name)) if item.image else None
    if faults or mask is None or latent is None:
        return None, faults
    return ReleaseSample(mask, latent, picture), faults


def _pixels(sample: ReleaseSample) -> bytes:
    return b"" if sample.picture is None else sample.picture.pixels.tobytes()


def _check_size(pixels: NDArray[Any], size: int, what: str, where: str) -> None:
    if pixels.shape[:2] != (size, size):
        got = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise DataError(f"{where}: expected {what} of {size}x{size} pixels, got {got}")
