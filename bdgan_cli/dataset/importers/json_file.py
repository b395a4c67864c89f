"""Reads foreign JSON: what is broken, nested too deeply or too large is refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bdgan_cli.errors import DataError


def load_json(
    path: Path, where: str, *, hook: Callable[[dict[str, Any]], Any] | None = None, most_bytes: int | None = None
) -> Any:
    """Return the content of a JSON file.

    Args:
        path: The file.
        where: Its name for messages.
        hook: Replaces each object as soon as it is read.
        most_bytes: Larger files are refused; None for files whose size nothing limits.

    Raises:
        DataError: If the file cannot be read, is larger, or is no JSON.
    """
    try:
        if most_bytes is not None and path.stat().st_size > most_bytes:
            got = f"{path.stat().st_size / 1e6:.0f} MB"
            raise DataError(f"{where}: expected a JSON file of up to {most_bytes / 1e6:.0f} MB, got {got}")
        with path.open(encoding="utf-8-sig") as file:
            return json.load(file, object_hook=hook)
    except RecursionError as error:
        raise DataError(f"{where}: expected JSON, got one nested too deeply") from error
    except ValueError as error:
        raise DataError(f"{where}: expected JSON, got: {error}") from error
    except OSError as error:
        raise DataError(f"{where}: cannot be read: {error.strerror}") from error
