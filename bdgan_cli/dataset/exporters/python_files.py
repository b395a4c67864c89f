"""Python files that exports bring along, for frameworks whose datasets are declared in code."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable


def module_name(name: str) -> str:
    """Turn a folder's name into one that a Python module can have."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower()
    return plain if plain.isidentifier() and not keyword.iskeyword(plain) else f"dataset_{plain}".rstrip("_")


def python_list(values: Iterable[object]) -> str:
    """Return a list as source code, an entry in each line; every value as its repr, so that no name becomes code."""
    return "[\n" + "".join(f"    {value!r},\n" for value in values) + "]"
