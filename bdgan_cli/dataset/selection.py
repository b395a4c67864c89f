"""Rows of an index: those of some classes, and fair draws of a few."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa


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
