"""Which classes a user means: ``all``, ids, ranges, wnids and names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from bdgan_cli.errors import UsageError, near_names

_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")
_NUMBER = re.compile(r"[0-9]{1,18}")


class NamedClass(Protocol):
    """A row of any class table: a generator's, a dataset's or ImageNet's."""

    @property
    def id(self) -> int:
        """The class id."""

    @property
    def wnid(self) -> str:
        """WordNet id; may be empty."""

    @property
    def name(self) -> str:
        """What people call it."""


def select_classes(spec: str, classes: Sequence[NamedClass]) -> list[int]:
    """Turn ``"0-3,star,n02084071"`` into sorted class ids.

    Args:
        spec: ``all``, or a comma-separated list of ids, ranges ``a-b`` (both ends included), wnids and names.
        classes: The class table.

    Raises:
        UsageError: If a part names no class; the hint names near ones.
    """
    if spec.strip() == "all":
        return [info.id for info in classes]
    parts = split_list(spec)
    if not parts:
        raise UsageError(f"--classes {spec!r} names no class", "use --classes all")
    return sorted(set(list_classes(parts, classes)))


def split_list(spec: str) -> list[str]:
    """Return the parts of a comma-separated list, without the spaces around them and without empty ones."""
    return [part.strip() for part in spec.split(",") if part.strip()]


def list_classes(parts: Iterable[str], classes: Sequence[NamedClass]) -> list[int]:
    """Return the class ids that the parts name, in their order; what is named twice comes twice.

    Args:
        parts: Ids, ranges ``a-b`` (both ends included), wnids and names.
        classes: The class table.

    Raises:
        UsageError: If a part names no class; the hint names near ones.
    """
    return [class_id for part in parts for class_id in _list_part(part, classes)]


def _list_part(part: str, classes: Sequence[NamedClass]) -> list[int]:
    known = sorted(info.id for info in classes)
    match = _RANGE.fullmatch(part)
    if match:
        first, last = int(match[1]), int(match[2])
        if first > last:
            raise UsageError(f"class range {part}: the first id is above the last", f"use {last}-{first}")
    elif _NUMBER.fullmatch(part):
        first = last = int(part)
    else:
        return _list_name(part, classes)
    # A range may name more ids than there is memory: it is compared with the ids that there are.
    wanted = [class_id for class_id in known if first <= class_id <= last]
    if len(wanted) != last - first + 1:
        unknown = next(number for number in range(first, last + 1) if number not in wanted)
        ids = f"ids are {known[0]} to {known[-1]}" if known else "there are no classes"
        raise UsageError(f"class {unknown} does not exist: {ids}", "use --classes all")
    return wanted


def _list_name(part: str, classes: Sequence[NamedClass]) -> list[int]:
    found = [info.id for info in classes if part.lower() in (info.wnid.lower(), info.name.lower())]
    if len(found) == 1:
        return found
    if not found:
        raise UsageError(f"unknown class {part!r}", near_names(part, [info.name for info in classes]))
    # ImageNet has two cranes and two "maillot": a name alone cannot decide between them.
    both = ", ".join(f"{info.id} ({info.wnid})" for info in classes if info.id in found)
    raise UsageError(f"class name {part!r} is not unique: {both}", "name it by id or wnid")
