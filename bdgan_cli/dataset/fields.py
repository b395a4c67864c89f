"""Checked reading of JSON objects: each error names the field, what was expected and what was got."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from bdgan_cli.errors import DataError

T = TypeVar("T")

_WORDS: dict[type, str] = {str: "a string", int: "an integer", dict: "an object", list: "a list"}


def take(data: Mapping[str, Any], name: str, expected: type[T], where: str) -> T:
    """Return a field of the expected type.

    Raises:
        DataError: If the field is missing or of another type; a bool is no integer.
    """
    if name not in data:
        raise DataError(f"{where}: expected a field {name!r}, got only {short(sorted(data))}")
    value = data[name]
    if not isinstance(value, expected) or isinstance(value, bool):
        raise DataError(
            f"{where}: expected {name!r} to be {_WORDS[expected]}, got {None if value is None else short(value)}"
        )
    return value


def take_optional(data: Mapping[str, Any], name: str, expected: type[T], where: str) -> T | None:
    """Return a field of the expected type, or None where it is null or missing.

    Raises:
        DataError: If the field is of another type.
    """
    return None if data.get(name) is None else take(data, name, expected, where)


def as_object(value: object, where: str) -> dict[str, Any]:
    """Return the value as a JSON object.

    Raises:
        DataError: If it is something else.
    """
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected a JSON object, got {type(value).__name__}")
    return value


def short(value: object) -> str:
    """Return a foreign value for a message: in one line, shortened."""
    try:
        text = "nothing" if value is None else repr(value)
    except RecursionError:  # what could just be read may be too deep to be written
        return f"a {type(value).__name__} nested too deeply"
    return text if len(text) <= 60 else f"{text[:57]}..."
