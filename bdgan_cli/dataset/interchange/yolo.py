"""Rows of YOLO segmentation: a class from 0 and a polygon in shares of the picture's size; background has no row."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import yaml

from bdgan_cli.dataset.fields import short
from bdgan_cli.dataset.interchange.outlines import Ring
from bdgan_cli.dataset.interchange.shapes import Polygon
from bdgan_cli.errors import DataError

_CLASS = re.compile(r"\d{1,9}")
_BOX_NUMBERS = 4
_DEEPEST = 20
_OPENING = (
    yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken, yaml.BlockSequenceStartToken, yaml.BlockMappingStartToken,
)  # fmt: skip
_CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)
# A tag that says of a word what it is not, such as !!bool x, fails in the library in these ways.
_NOT_YAML = (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError)
_MOST_YAML_BYTES = 1 << 20


def format_rows(rings: Iterable[tuple[int, Ring]], size_hw: tuple[int, int]) -> str:
    """Return the text of a label file.

    Args:
        rings: Class (from 0) and (V, 2) x and y in pixels of each row.
        size_hw: Height and width in pixels.
    """
    scale = np.array(size_hw[::-1], np.float64)
    # A thousandth of a pixel, whatever the size: :data:`outlines.INSET` leaves room for a quarter.
    digits = max(6, len(str(max(size_hw))) + 3)
    rows = (
        " ".join([str(number), *(f"{value:.{digits}f}" for value in (ring / scale).reshape(-1).tolist())])
        for number, ring in rings
    )
    return "".join(f"{row}\n" for row in rows)


def parse_row(line: str, where: str) -> tuple[int, Polygon]:
    """Read one row.

    Returns:
        The class from 0, and the polygon.

    Raises:
        DataError: If it is no row of a polygon.
    """
    number, *words = line.split()
    if not _CLASS.fullmatch(number):
        raise DataError(f"{where}: expected a class of digits, got {short(number)}")
    if len(words) == _BOX_NUMBERS:
        raise DataError(
            f"{where}: expected a polygon, got the 4 numbers of a box", "export segmentation, not detection"
        )
    if len(words) % 2 or len(words) < 6:
        raise DataError(f"{where}: expected at least 3 points x y, got {len(words)} numbers")
    try:
        points = np.array([float(word) for word in words]).reshape(-1, 2)
    except ValueError as error:
        raise DataError(f"{where}: expected numbers, got: {error}") from error
    if not (np.abs(points) < 1e6).all():  # NaN compares as False
        raise DataError(f"{where}: expected finite shares of the picture's size, got {short(line.strip())}")
    return int(number), Polygon(points, full=1.0)


def format_names(names: Iterable[str], splits: Iterable[tuple[str, str]]) -> str:
    """Return ``data.yaml``.

    Args:
        names: Names of the classes from 0.
        splits: YOLO's word for each split and the folder of its pictures.
    """
    # Without "path" loaders start from the folder of this file; a "path" of "." is their own working folder.
    content = {**dict(splits), "names": dict(enumerate(names))}
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return text


def parse_names(data: bytes, where: str) -> list[str]:
    """Read the names of the classes from ``data.yaml``; its paths are not followed.

    Raises:
        DataError: If it is no YAML, or has no names for the classes 0, 1, ...
    """
    if len(data) > _MOST_YAML_BYTES:
        raise DataError(f"{where}: expected a small file, got {len(data)} bytes")
    try:
        _refuse_bombs(data, where)
        content: Any = yaml.safe_load(data)
    except _NOT_YAML as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{where}: expected YAML, got: {reason[:200]}") from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            raise DataError(f"{where}: expected names for the classes 0, 1, ..., got {short(list(names))}")
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names or not all(_is_name(name) for name in names):
        raise DataError(f"{where}: expected 'names' of the classes, got {short(names)}", "names: [cat, dog]")
    if len(set(names)) < len(names):
        raise DataError(f"{where}: expected each name once, got {short(names)}")
    return names


def _refuse_bombs(data: bytes, where: str) -> None:
    """Refuse aliases, which may multiply a small file to any size, and nesting, which takes the parser minutes."""
    depth = 0
    for token in yaml.scan(data):
        if isinstance(token, yaml.AliasToken):
            raise DataError(f"{where}: expected plain YAML, got aliases (*name)")
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > _DEEPEST:
            raise DataError(f"{where}: expected YAML nested up to {_DEEPEST} times, got more")


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()
