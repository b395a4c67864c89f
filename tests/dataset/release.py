"""Makes the public layout of the released annotations."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bdgan_cli.imagenet import imagenet_classes

SIZE = 32
TENCH, CHIHUAHUA = imagenet_classes()[0].wnid, imagenet_classes()[151].wnid


def mask_of(number: int, size: int = SIZE) -> NDArray[np.uint8]:
    """Return a mask that no other number has; its object is 255, as in a picture."""
    mask = np.zeros((size, size), np.uint8)
    mask[4 : 8 + number, 5:20] = 255
    return mask


def latent_of(number: int) -> NDArray[np.float32]:
    """Return (1, 128), as released, and different for each number."""
    return np.random.default_rng(number).normal(0, 0.9, (1, 128)).astype(np.float32)


def picture_of(number: int, size: int = SIZE) -> NDArray[np.uint8]:
    """Return (H, W, 3) noise."""
    return np.random.default_rng(100 + number).integers(0, 256, (size, size, 3), dtype=np.uint8)


def write_picture(path: Path, pixels: NDArray[np.uint8]) -> Path:
    """Write a picture whose format the name tells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return path


def write_latent(path: Path, latent: NDArray[np.floating]) -> Path:
    """Write a latent as .npy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, latent)
    return path


def add_sample(root: Path, wnid: str, stem: str, number: int, *, picture: bool = False, size: int = SIZE) -> None:
    """Add one sample's files."""
    write_picture(root / "annotations" / "biggan512" / wnid / f"{stem}.png", mask_of(number, size))
    write_latent(root / "latents" / "biggan512" / wnid / f"{stem}.npy", latent_of(number))
    if picture:
        write_picture(root / "images" / "biggan512" / wnid / f"{stem}.png", picture_of(number, size))


def write_release(root: Path, *, pictures: bool = True, size: int = SIZE) -> Path:
    """Write three samples of two classes, whose names sort otherwise than their numbers."""
    add_sample(root, TENCH, "sample_0_9", 1, picture=pictures, size=size)
    add_sample(root, TENCH, "sample_0_10", 2, picture=pictures, size=size)
    add_sample(root, CHIHUAHUA, f"{CHIHUAHUA}_151_3", 3, picture=pictures, size=size)
    return root
