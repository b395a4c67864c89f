"""What people and programs see: results on stdout, progress and notes on stderr.

Rich is imported where it draws, so that a command that prints JSON does not pay for it. It honours ``NO_COLOR`` by
itself; output that is not a terminal gets plain lines that no one has to strip.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import TextIO

from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.ranks import read_place

SCHEMA_VERSION = 1


def reporter(quiet: bool = False) -> Reporter:
    """Return the reporter that suits stderr: bars on a terminal, sparse lines in a log, nothing when quiet."""
    from bdgan_cli.cli.bars import BarReporter, LineReporter

    if quiet:
        return Silent()
    return BarReporter() if _draws(sys.stderr) else LineReporter()


def is_first_process() -> bool:
    """Tell whether this is the only process of its job, or the one of several (torchrun, SLURM) that speaks."""
    return read_place().rank == 0


def say(text: str) -> None:
    """Print one line of the result on stdout."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def emit_json(payload: Mapping[str, object]) -> None:
    """Print the result on stdout as one JSON object.

    ``schema_version`` comes first; NaN and infinities become null, because JSON has no words for them. Paths, and
    arrays of any library that knows ``tolist``, are taken as they are.
    """
    say(json.dumps({"schema_version": SCHEMA_VERSION, **_plain_mapping(payload)}, indent=2, allow_nan=False))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on stdout: drawn by rich on a terminal, aligned plain text (never cut) elsewhere.

    Args:
        title: One line above the table; may be empty.
        columns: The headings.
        rows: Cells; floats are shown with four significant digits, None as a dash, columns of numbers to the right.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    right = [_is_numeric([row[i] for row in rows]) for i in range(len(columns))]
    if _draws(sys.stdout):
        _draw_table(title, columns, cells, right)
        return
    widths = [max(len(line[i]) for line in [list(columns), *cells]) for i in range(len(columns))]
    if title:
        say(title)
    for line in [list(columns), *cells]:
        padded = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True)]
        say("  ".join(padded).rstrip())


def _draw_table(title: str, columns: Sequence[str], cells: list[list[str]], right: list[bool]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for name, is_right in zip(columns, right, strict=True):
        drawn.add_column(Text(name), justify="right" if is_right else "left", overflow="fold")
    for row in cells:
        drawn.add_row(*[Text(cell) for cell in row])
    Console().print(drawn)


def _draws(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.4g}"
    return str(value)


def _is_numeric(column: list[object]) -> bool:
    known = [value for value in column if value is not None]
    return bool(known) and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known)


def _plain_mapping(values: Mapping[str, object]) -> dict[str, object]:
    return {str(key): _plain(value) for key, value in values.items()}


def _plain(value: object) -> object:
    """Return the value in JSON's own types."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return _plain_mapping(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, PurePath):
        return str(value)
    to_list = getattr(value, "tolist", None)
    return _plain(to_list()) if callable(to_list) else value
