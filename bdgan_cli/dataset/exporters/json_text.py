"""JSON files too long to hold: written entry by entry."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def json_text(value: Any) -> str:
    """Return JSON in one line, without NaN."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def json_object(fields: Mapping[str, Any], lists: Mapping[str, Iterable[Any]]) -> Iterator[bytes]:
    """Yield a JSON object in pieces.

    Args:
        fields: Its first fields, held whole.
        lists: Its last fields, lists whose entries are taken one by one and stand in a line each.
    """
    head = ", ".join(f"{json_text(name)}: {json_text(value)}" for name, value in fields.items())
    yield f"{{{head}".encode()
    for name, entries in lists.items():
        yield f", {json_text(name)}: [".encode()
        for number, entry in enumerate(entries):
            yield f"{',' if number else ''}\n{json_text(entry)}".encode()
        yield b"]"
    yield b"}\n"
