"""Filter rules over the index's columns: which samples to drop, by which rule, and with which value.

A rule is a function from columns to a boolean array; a new one costs one function and one entry in the caller's list.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Verdict(NamedTuple):
    """What one rule says of N samples: whom it drops, and the values it looked at."""

    rule: str
    dropped: Bools
    values: Floats


def most_uncertain(values: Floats, groups: NDArray[np.int64], share: float) -> Bools:
    """Mark the given share of the highest values within each group.

    Of n samples the ``round(n * share)`` highest go; ties go in favour of the earlier sample. Unlike DatasetGAN's
    filter it leaves the most certain samples alone.

    Args:
        values: N image scores.
        groups: N group ids; one id for all drops over the whole dataset.
        share: Share to drop, in [0, 1].
    """
    dropped = np.zeros(len(values), dtype=np.bool_)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        count = int(np.floor(len(rows) * share + 0.5))
        order = rows[np.argsort(values[rows], kind="stable")]
        dropped[order[len(rows) - count :]] = True
    return dropped


def below(values: Floats, least: float) -> Bools:
    """Mark values under a limit; NaN is under every limit."""
    return np.asarray(~(values >= least))


def above(values: Floats, most: float) -> Bools:
    """Mark values over a limit; NaN is over every limit."""
    return np.asarray(~(values <= most))


def first_reasons(verdicts: list[Verdict], count: int) -> tuple[Bools, list[str], Floats]:
    """Merge verdicts: a sample is kept if no rule drops it, else the first rule that drops it is its reason.

    Returns:
        Kept, the rule's name (empty for kept samples), and the value that the rule saw (NaN for kept samples).
    """
    kept = np.ones(count, dtype=np.bool_)
    reasons, values = [""] * count, np.full(count, np.nan)
    for verdict in verdicts:
        for row in np.flatnonzero(kept & verdict.dropped):
            reasons[row], values[row] = verdict.rule, verdict.values[row]
        kept &= ~verdict.dropped
    return kept, reasons, values
