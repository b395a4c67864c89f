"""Rejection sampling by a classifier's confidence in the conditioning class (VQ-VAE-2, section 3.3; paper A.1).

The paper gives a "rejection rate" of 0.9 without saying more. Here a rate r means: of every group of candidates the
share r with the lowest confidence is dropped. Groups have a fixed composition, so the choice does not depend on how
many samples are asked for.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.errors import UsageError


def candidates_per_batch(batch: int, rate: float) -> int:
    """Return how many candidates are drawn to keep ``batch`` of them.

    Raises:
        UsageError: If the rate is not in [0, 1).
    """
    if not 0 <= rate < 1:
        raise UsageError(f"rejection rate {rate}, expected at least 0 and below 1", "the paper's rate is --reject 0.9")
    # 10 / (1 - 0.9) is 100.00000000000001 in floating point.
    return math.ceil(round(batch / (1 - rate), 6))


def keep_most_confident(confidence: NDArray[np.float32], keep: int) -> NDArray[np.int64]:
    """Return the positions of the ``keep`` highest confidences, in ascending order; ties go to the earlier one."""
    order = np.argsort(-confidence.astype(np.float64), kind="stable")
    return np.sort(order[:keep]).astype(np.int64)
