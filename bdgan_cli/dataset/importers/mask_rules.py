"""Masks of other tools made ours; what a value means is asked for, never guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.codecs import PNG_SIGNATURE, decode_image, decode_raw
from bdgan_cli.dataset.masks import check_mask, distinct_values, ignore_value
from bdgan_cli.dataset.palette import GREY, PALETTE, indices_as_grey
from bdgan_cli.dataset.schema import IGNORE_LABEL
from bdgan_cli.errors import DataError, UsageError

_ENTRY = re.compile(r"(?:#([0-9a-f]{6})|(\d{1,5}))=(\d{1,3})")
# A colour 0xRRGGBB and a grey value can be the same number: colours lie above all greys.
_COLOUR = 1 << 24


@dataclass(frozen=True)
class MaskRule:
    """How foreign masks become ours.

    Attributes:
        labels: Number of labels with background.
        mapping: Label by source value (grey value, palette index, or colour as parsed by :func:`parse_mask_map`);
            None takes masks as they are.
        resize: Whether a mask of another size is brought to the image's by nearest neighbour.
        by_colour: Whether source values are the colours that one sees, also of grey and palette files.
    """

    labels: int = 2
    mapping: Mapping[int, int] | None = None
    resize: bool = False
    by_colour: bool = False


def parse_mask_map(text: str) -> dict[int, int]:
    """Read ``0=0,255=1``; a source value is a grey value, a palette index or a colour ``#rrggbb``.

    Raises:
        UsageError: If an entry has another form, or names a value twice.
    """
    mapping: dict[int, int] = {}
    for part in text.replace(" ", "").lower().split(","):
        match = _ENTRY.fullmatch(part)
        if not match or int(match[3]) > IGNORE_LABEL:
            example = "for example 0=0,255=1 or #000000=0,#ff0000=1"
            raise UsageError(f"expected a mask map of VALUE=LABEL entries, got {part!r}", example)
        value = _COLOUR + int(match[1], 16) if match[1] else int(match[2])
        if value in mapping:
            raise UsageError(f"expected each value of the mask map once, got {part.split('=')[0]} twice")
        mapping[value] = int(match[3])
    return mapping


def colour_value(colour: Sequence[int]) -> int:
    """Return the source value of a colour (red, green, blue)."""
    return _COLOUR + (colour[0] << 16) + (colour[1] << 8) + colour[2]


def read_mask(data: bytes, size_hw: tuple[int, int], rule: MaskRule, where: str) -> NDArray[Any]:
    """Decode a mask file by the rule.

    Args:
        data: The file, PNG.
        size_hw: Height and width in pixels of the image.
        rule: What values mean, and whether to resize.
        where: The file's name for messages.

    Returns:
        (H, W) uint8: 0 background, 1..K labels, 255 ignore; uint16 with 65535 only where there are more labels.

    Raises:
        DataError: If the file is damaged or its kind, size or values need a decision.
    """
    values, kind = _read_values(data, where, rule.by_colour)
    mask = values
    if rule.mapping is not None:
        mask = _apply(values, rule.mapping, where)
    else:
        _refuse_ambiguous(values, kind, where)
    if mask.shape != size_hw and rule.resize:
        mask = cv2.resize(mask, (size_hw[1], size_hw[0]), interpolation=cv2.INTER_NEAREST_EXACT)
    hint = "--resize-masks brings masks to the image's size" if mask.shape != size_hw else _map_hint(values)
    try:
        check_mask(mask, size_hw, rule.labels, where)
    except DataError as error:
        raise DataError(error.message, hint) from error
    if mask.dtype == np.uint16 and rule.labels <= IGNORE_LABEL:
        return np.where(mask == ignore_value(mask), IGNORE_LABEL, mask).astype(np.uint8)
    return mask


def _read_values(data: bytes, where: str, by_colour: bool) -> tuple[NDArray[Any], str]:
    """Return (H, W) source values and the kind of file: grey, palette or colour."""
    if not data.startswith(PNG_SIGNATURE) or len(data) < 33:
        raise DataError(f"{where}: expected a PNG mask, got another kind of file ({len(data)} bytes)")
    depth, colour_type = data[24], data[25]
    if by_colour and depth <= 8:
        return _colours(decode_image(data, where)[..., ::-1]), "colour"
    if colour_type == PALETTE:
        if depth not in (1, 2, 4, 8):  # of a grey picture, which it is decoded as, 16 would be right
            raise DataError(f"{where}: expected a palette mask of 1, 2, 4 or 8 bits, got {depth}")
        levels = (1 << depth) - 1
        return decode_raw(indices_as_grey(data, where), where) // (255 // levels), "palette"
    pixels = decode_raw(data, where)
    if colour_type == GREY:
        return pixels, "grey"
    if pixels.dtype != np.uint8:
        raise DataError(f"{where}: expected a mask of 8 bits per channel, got {pixels.shape[2]} channels of 16")
    return _colours(pixels), "colour"


def _colours(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    blue, green, red = (pixels[..., channel].astype(np.int64) for channel in range(3))
    return _COLOUR + (red << 16) + (green << 8) + blue


def _apply(values: NDArray[Any], mapping: Mapping[int, int], where: str) -> NDArray[np.uint8]:
    present, positions = np.unique(values, return_inverse=True)
    missing = [int(value) for value in present if int(value) not in mapping]
    if missing:
        shown = ", ".join(map(_value_text, missing[:8])) + (", ..." if len(missing) > 8 else "")
        raise DataError(f"{where}: expected only values of the mask map, got {shown}", "add them to --mask-map")
    labels = np.array([mapping[int(value)] for value in present], np.uint8)
    return labels[positions].reshape(values.shape)


def _refuse_ambiguous(values: NDArray[Any], kind: str, where: str) -> None:
    if kind != "grey":
        channels = "a palette" if kind == "palette" else "colours"
        raise DataError(f"{where}: expected a mask with one grey channel, got {channels}", _map_hint(values))
    if values.dtype == np.uint8 and values.max() == IGNORE_LABEL and set(distinct_values(values)) <= {0, IGNORE_LABEL}:
        raise DataError(
            f"{where}: expected 1 for the object, got only 0 and 255, which means ignore here",
            "--mask-map 0=0,255=1 if 255 is the object",
        )


def _map_hint(values: NDArray[Any]) -> str:
    """Suggest a map that names the values found, the choice of labels left open."""
    present = [int(value) for value in np.unique(values)]
    if len(present) > 8:
        return f"say what the {len(present)} values mean: --mask-map VALUE=LABEL,..."
    labels = [f"{_value_text(value)}={'0' if number == 0 else 'LABEL'}" for number, value in enumerate(present)]
    return f"say what the values mean: --mask-map '{','.join(labels)}'"


def _value_text(value: int) -> str:
    return f"#{value - _COLOUR:06x}" if value >= _COLOUR else str(value)
