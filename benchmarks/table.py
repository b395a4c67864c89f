"""Results as a table in Markdown."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def as_table(rows: list[Row]) -> str:
    """Return rows of one kind as a table; its columns are those that the first row has."""
    columns = [name for name in rows[0] if name not in ("is_cost",)]
    lines = [columns, ["---"] * len(columns), *([_cell(row.get(name)) for name in columns] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, list):
        return " to ".join(map(_cell, value))
    return f"`{value}`" if str(value).startswith("bdgan ") else str(value)
