"""Names that a source gives to its files: none may lead out of its folder, and each becomes a key of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from bdgan_cli.dataset.importers.pairs import Fault
from bdgan_cli.dataset.schema import safe_key
from bdgan_cli.errors import DataError

_DRIVE = re.compile(r"[A-Za-z]:")


def check_inside(name: str, where: str) -> str:
    """Return a name that a source gives, if it stays inside the source's folder.

    Raises:
        DataError: If it is absolute, climbs out, or cannot be one of a file.
    """
    parts = PurePosixPath(name).parts
    is_odd = not parts or ".." in parts or name.startswith("/") or "\\" in name or _DRIVE.match(name)
    if is_odd or not name.isprintable():
        raise DataError(f"{where}: expected a file name inside the folder, got {name[:100]!r}")
    return name


def is_file(path: Path) -> bool:
    """Tell whether a file that a source names is there; a name that no file can have is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def keys_of(names: Iterable[str], faults: list[Fault]) -> dict[str, str]:
    """Return a key for each name; a name that gives none, or that of an earlier one, becomes a fault."""
    keys: dict[str, str] = {}
    holders: dict[str, str] = {}
    for name in names:
        try:
            key = safe_key(name)
        except DataError as error:
            faults.append(Fault(name, error.message))
            continue
        if holders.setdefault(key, name) != name:
            faults.append(Fault(name, f"gets the same key {key} as {holders[key]}: rename one of them"))
        else:
            keys[name] = key
    return keys
