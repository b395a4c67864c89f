"""Augmentations of one picture, each a function of (seed, epoch, row, view) alone (supplement D.1).

Nothing depends on the worker or process that computes a view, so a training resumed, or spread over more processes,
sees the same. Pictures are (H, W, 3) uint8 RGB.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from bdgan_cli.training.order import Visit

Picture = NDArray[np.uint8]

_VIEW_STREAM = 5
_RATIOS = (3 / 4, 4 / 3)
_CROP_TRIES = 10
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class ViewRule:
    """How views are drawn; the defaults are DenseCL's.

    Attributes:
        size: Height and width in pixels.
        scale: Share of the picture's area that a crop has.
        jitter: Largest change of brightness, contrast, saturation (as factors) and hue (of a full turn).
        jitter_share: How often colours change.
        grey_share: How often they are taken away.
        blur_share: How often the picture is blurred.
        blur_px: Smallest and largest sigma.
        flip_share: How often it is mirrored.
    """

    size: int = 224
    scale: tuple[float, float] = (0.2, 1.0)
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.1)
    jitter_share: float = 0.8
    grey_share: float = 0.2
    blur_share: float = 0.5
    blur_px: tuple[float, float] = (0.1, 2.0)
    flip_share: float = 0.5


class Box(NamedTuple):
    """A part of a picture, in pixels."""

    y: int
    x: int
    height: int
    width: int


def view_stream(seed: int, visit: Visit, view: int) -> np.random.Generator:
    """Return the random numbers of one view: counter-based, keyed by its name."""
    key = np.random.SeedSequence((seed, visit.epoch, visit.row, view, _VIEW_STREAM))
    return np.random.Generator(np.random.Philox(key))


def contrastive_view(picture: Picture, rule: ViewRule, stream: np.random.Generator) -> Picture:
    """Crop, recolour, blur and mirror a picture."""
    view = _resized(_part(picture, crop_box(picture.shape[:2], rule.scale, stream)), rule.size)
    if stream.random() < rule.jitter_share:
        view = jittered(view, rule.jitter, stream)
    if stream.random() < rule.grey_share:
        view = _rounded(np.repeat((view @ _GREY)[:, :, None], 3, 2))
    if stream.random() < rule.blur_share:
        view = cv2.GaussianBlur(view, (0, 0), stream.uniform(*rule.blur_px)).astype(np.uint8, copy=False)
    return _mirrored(view, stream.random() < rule.flip_share)


def segmentation_view(
    picture: Picture, mask: NDArray[Any], rule: ViewRule, stream: np.random.Generator
) -> tuple[Picture, NDArray[Any]]:
    """Crop and mirror a picture with its mask; colours and texture are hints for segmentation and stay."""
    box = crop_box(picture.shape[:2], rule.scale, stream)
    flips = stream.random() < rule.flip_share
    cut = cv2.resize(
        np.ascontiguousarray(_part(mask, box)), (rule.size, rule.size), interpolation=cv2.INTER_NEAREST_EXACT
    )
    return _mirrored(_resized(_part(picture, box), rule.size), flips), _mirrored(cut, flips)


def crop_box(size_hw: tuple[int, ...], scale: tuple[float, float], stream: np.random.Generator) -> Box:
    """Draw a box: its area uniform in ``scale`` of the picture's, its logarithmic aspect uniform from 3:4 to 4:3.

    Ten boxes are tried; where none lies in the picture, the largest of allowed aspect in the middle is taken.
    """
    height, width = size_hw
    shares = stream.uniform(*scale, _CROP_TRIES)
    aspects = np.exp(stream.uniform(math.log(_RATIOS[0]), math.log(_RATIOS[1]), _CROP_TRIES))
    places = stream.random((_CROP_TRIES, 2))
    for share, aspect, (down, right) in zip(shares, aspects, places, strict=True):
        area = share * height * width
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return Box(int(down * (height - h + 1)), int(right * (width - w + 1)), h, w)
    w = min(width, max(1, round(height * _RATIOS[1])))
    h = min(height, max(1, round(width / _RATIOS[0])))
    return Box((height - h) // 2, (width - w) // 2, h, w)


def jittered(view: Picture, jitter: tuple[float, float, float, float], stream: np.random.Generator) -> Picture:
    """Change brightness, contrast, saturation and hue by random amounts, in random order."""
    factors = [stream.uniform(1 - most, 1 + most) for most in jitter[:3]]
    turn = stream.uniform(-jitter[3], jitter[3])
    x = view.astype(np.float32)
    for change in stream.permutation(4):
        if change == 0:
            x *= np.float32(factors[0])
        elif change == 1:
            x = _blended(x, np.float32((x @ _GREY).mean()), factors[1])
        elif change == 2:
            x = _blended(x, (x @ _GREY)[:, :, None], factors[2])
        else:
            x = _hue_turned(x, turn)
        np.clip(x, 0, 255, out=x)
    return _rounded(x)


def _blended(x: NDArray[np.float32], other: Any, factor: float) -> NDArray[np.float32]:
    blended: NDArray[np.float32] = x * np.float32(factor) + other * np.float32(1 - factor)
    return blended


def _hue_turned(x: NDArray[np.float32], turn: float) -> NDArray[np.float32]:
    hsv = cv2.cvtColor(x, cv2.COLOR_RGB2HSV)  # hue in degrees; value and saturation as they come
    hsv[:, :, 0] = (hsv[:, :, 0] + np.float32(360 * turn)) % np.float32(360)
    turned: NDArray[np.float32] = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.float32, copy=False)
    return turned


def _part(pixels: NDArray[Any], box: Box) -> NDArray[Any]:
    return pixels[box.y : box.y + box.height, box.x : box.x + box.width]


def _resized(picture: Picture, size: int) -> Picture:
    """Resize to a square; where both sides shrink, every pixel counts."""
    method = cv2.INTER_AREA if min(picture.shape[:2]) > size else cv2.INTER_LINEAR
    return cv2.resize(picture, (size, size), interpolation=method).astype(np.uint8, copy=False)


def _mirrored(pixels: NDArray[Any], flips: bool) -> NDArray[Any]:
    return np.ascontiguousarray(pixels[:, ::-1]) if flips else pixels


def _rounded(x: NDArray[np.float32]) -> Picture:
    return np.rint(x).clip(0, 255).astype(np.uint8)
