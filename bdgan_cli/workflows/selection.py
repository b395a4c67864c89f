"""Which classes a user means: ``all``, ids, ranges, wnids and names, separated by commas."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bdgan_cli.errors import UsageError, near_names
from bdgan_cli.interfaces import ClassInfo

_RANGE = re.compile(r"(\d+)-(\d+)")


def select_classes(spec: str, classes: Sequence[ClassInfo]) -> list[int]:
    """Turn ``"0-3,star,n02084071"`` into sorted class ids.

    Args:
        spec: ``all``, or a comma-separated list of ids, ranges ``a-b`` (both ends included), wnids and names.
        classes: The generator's class table.

    Raises:
        UsageError: If a part names no class; the hint names near ones.
    """
    if spec.strip() == "all":
        return [info.id for info in classes]
    parts = [part.strip() for part in spec.split(",") if part.strip()]
    if not parts:
        raise UsageError(f"--classes {spec!r} names no class", "use --classes all")
    return sorted({class_id for part in parts for class_id in _select_part(part, classes)})


def _select_part(part: str, classes: Sequence[ClassInfo]) -> list[int]:
    known = {info.id for info in classes}
    match = _RANGE.fullmatch(part)
    if match:
        first, last = int(match[1]), int(match[2])
        if first > last:
            raise UsageError(f"class range {part}: the first id is above the last", f"use {last}-{first}")
        wanted = list(range(first, last + 1))
    elif part.isdigit():
        wanted = [int(part)]
    else:
        return _select_name(part, classes)
    unknown = [class_id for class_id in wanted if class_id not in known]
    if unknown:
        raise UsageError(
            f"class {unknown[0]} does not exist: ids are {min(known)} to {max(known)}", "use --classes all"
        )
    return wanted


def _select_name(part: str, classes: Sequence[ClassInfo]) -> list[int]:
    found = [info.id for info in classes if part.lower() in (info.wnid.lower(), info.name.lower())]
    if len(found) == 1:
        return found
    if not found:
        raise UsageError(f"unknown class {part!r}", near_names(part, [info.name for info in classes]))
    # ImageNet has two cranes and two "maillot": a name alone cannot decide between them.
    both = ", ".join(f"{info.id} ({info.wnid})" for info in classes if info.id in found)
    raise UsageError(f"class name {part!r} is not unique: {both}", "name it by id or wnid")
