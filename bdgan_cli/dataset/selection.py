"""Which samples and classes are meant: class specifications and fair draws of a few samples."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from bdgan_cli.dataset.schema import ClassEntry
from bdgan_cli.errors import UsageError, near_names

_RANGE = re.compile(r"(\d+)-(\d+)")


def parse_classes(spec: str, table: Sequence[ClassEntry]) -> list[int]:
    """Return the ids that a specification means, in the table's order.

    Args:
        spec: ``all``, or a comma-separated list of ids, ranges (``3-7``, both ends), wnids and names.
        table: The class table.

    Raises:
        UsageError: If a part matches no class; the hint gives near names.
    """
    if spec.strip().lower() == "all":
        return [entry.id for entry in table]
    wanted: set[int] = set()
    for part in filter(None, (part.strip() for part in spec.split(","))):
        found = {entry.id for entry in table if _matches(part.lower(), entry)}
        if not found:
            known = [entry.name for entry in table]
            raise UsageError(f"expected classes of the dataset, got {part!r}", near_names(part, known))
        wanted |= found
    return [entry.id for entry in table if entry.id in wanted]


def draw_rows(class_ids: Sequence[int], count: int, seed: int) -> list[int]:
    """Draw rows without replacement, as evenly over the classes as they allow.

    Args:
        class_ids: One class id per row.
        count: How many rows at most.
        seed: Names the draw.

    Returns:
        Row numbers in ascending order.
    """
    shuffled = np.random.default_rng(seed).permutation(len(class_ids))
    seen: dict[int, int] = {}
    turns = []
    for row in shuffled:
        turn = seen.get(class_ids[row], 0)
        seen[class_ids[row]] = turn + 1
        turns.append(turn)
    chosen = shuffled[np.argsort(turns, kind="stable")][:count]
    return sorted(int(row) for row in chosen)


def rows_of_classes(table: pa.Table, class_ids: Sequence[int]) -> pa.Table:
    """Return the index rows of these classes."""
    return table.filter(pa.array(np.isin(table["class_id"].to_numpy(), class_ids)))


def _matches(part: str, entry: ClassEntry) -> bool:
    span = _RANGE.fullmatch(part)
    if span:
        return int(span[1]) <= entry.id <= int(span[2])
    return part in (str(entry.id), entry.wnid.lower(), entry.name.lower())
