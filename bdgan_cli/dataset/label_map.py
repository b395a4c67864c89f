"""``labelmap.txt`` of CVAT: a line ``name:r,g,b:parts:actions`` for each label, the background first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from bdgan_cli.dataset.palette import voc_colours
from bdgan_cli.dataset.schema import IGNORE_LABEL
from bdgan_cli.errors import DataError, UsageError

LABEL_MAP_FILE = "labelmap.txt"
IGNORE_NAME = "__ignore__"

_LINE = re.compile(r"(?P<name>[^:]+):(?P<colour>\d{1,3},\d{1,3},\d{1,3})?:[^:]*:[^:]*")


class MapEntry(NamedTuple):
    """A label and its colour (red, green, blue); None where the file gives none."""

    name: str
    colour: tuple[int, int, int] | None


def label_map_text(names: Sequence[str]) -> str:
    """Return the file for labels 0..K with the colours of Pascal VOC, and the pixels to ignore as the last line.

    Raises:
        UsageError: If a name cannot stand in the file.
    """
    for name in (*names, IGNORE_NAME):
        if ":" in name or not name.isprintable() or not name.strip() or name.startswith("#"):
            raise UsageError(f"a label of {LABEL_MAP_FILE} has no colon and no '#' in front, got {name!r}")
    colours = voc_colours()
    numbers = [*range(len(names)), IGNORE_LABEL]
    lines = ["# label:color_rgb:parts:actions"]
    for number, name in zip(numbers, [*names, IGNORE_NAME], strict=True):
        lines.append(f"{name}:{','.join(map(str, colours[number].tolist()))}::")
    return "\n".join(lines) + "\n"


def parse_label_map(text: str, where: str) -> list[MapEntry]:
    """Read the file.

    Raises:
        DataError: If a line has another form, or a name or colour is there twice.
    """
    entries: list[MapEntry] = []
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        if not match:
            raise DataError(f"{where}: line {number}: expected name:r,g,b::, got {stripped[:60]!r}")
        colour = tuple(int(part) for part in match["colour"].split(",")) if match["colour"] else None
        if colour is not None and max(colour) > 255:
            raise DataError(f"{where}: line {number}: expected colours of 0 to 255, got {match['colour']}")
        entry = MapEntry(match["name"].strip(), None if colour is None else (colour[0], colour[1], colour[2]))
        if entry.name in (other.name for other in entries):
            raise DataError(f"{where}: line {number}: expected each label once, got {entry.name!r} again")
        if colour is not None and entry.colour in (other.colour for other in entries):
            raise DataError(f"{where}: line {number}: expected each colour once, got {match['colour']} again")
        entries.append(entry)
    if len(entries) < 2:
        raise DataError(f"{where}: expected a background and at least one label, got {len(entries)} lines")
    return entries
