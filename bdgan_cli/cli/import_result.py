"""What people and programs see of an import."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.errors import DataError

SHOWN_FAULTS = 20
INVALID_DATA = DataError.exit_code


class Imported(Protocol):
    """What an import found; see ``dataset/importers/result.py``."""

    @property
    def refused(self) -> bool:
        """Whether it cannot be written."""
        ...

    def refusal(self, shown: int) -> tuple[str, str]:
        """Return why, and a hint."""
        ...

    def class_rows(self) -> Sequence[Sequence[object]]:
        """Return (id, name, samples) of each class."""
        ...

    def lines(self, shown: int) -> list[str]:
        """Say in words what came of it."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        ...


def show_import(result: Imported, as_json: bool) -> None:
    """Print the result of an import; see :func:`show_result`."""
    show_result(result, ("id", "class", "samples"), as_json)


def show_result(result: Imported, columns: Sequence[str], as_json: bool) -> None:
    """Print what came in, with a table of classes.

    Raises:
        DataError: If it was refused, with the first faults.
        typer.Exit: The same under ``--json``, which has printed all faults.
    """
    if as_json:
        terminal.emit_json(result.to_json())
        if result.refused:
            raise typer.Exit(INVALID_DATA)
        return
    if result.refused:
        raise DataError(*result.refusal(SHOWN_FAULTS))
    terminal.table("", columns, result.class_rows())
    for line in result.lines(SHOWN_FAULTS):
        terminal.say(line)
