"""All readers by name."""

from __future__ import annotations

from importlib import import_module

from tests.fuzz.reader import Reader

_MODULES = ("dataset", "import", "annotate", "words", "weights")

READERS: dict[str, Reader] = {
    reader.name: reader for module in _MODULES for reader in import_module(f"tests.fuzz.readers_{module}").READERS
}
