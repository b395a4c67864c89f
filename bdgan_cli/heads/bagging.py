"""Which annotated samples a member learns from, and which judge it.

Everything here is a function of the seed (and the member's id) alone, so that a run can be resumed at any step and any
member can be trained again by itself. Axis legend: M members, N annotated samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bdgan_cli.heads.labels import decide, probabilities

_BAG_STREAM = 1


def bag_counts(class_ids: NDArray[np.int64], members: Sequence[int], seed: int) -> Tensor:
    """Draw each member's bootstrap sample: from every class as many as it has, with replacement.

    Returns:
        (M, N) float32, how often each sample lies in each member's bag; sums to the class's size over every class.
    """
    rows_of_class = [np.flatnonzero(class_ids == class_id) for class_id in np.unique(class_ids)]
    counts = np.zeros((len(members), len(class_ids)), np.float32)
    for position, member in enumerate(members):
        rng = np.random.default_rng((seed, member, _BAG_STREAM))
        for rows in rows_of_class:
            counts[position, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)))
    return torch.from_numpy(counts)


def out_of_bag_labels(logits_MNKHW: Tensor, counts_MN: Tensor) -> Tensor:
    """Label each sample by the mean probability of the members that did not learn from it.

    Args:
        logits_MNKHW: Predictions for N samples.
        counts_MN: How often each sample lies in each member's bag; at least one zero per column.

    Returns:
        (N, H, W) uint8 labels.
    """
    judges_MN = (counts_MN == 0).to(logits_MNKHW)
    share_MN = judges_MN / judges_MN.sum(0)
    return decide(torch.einsum("mnkhw,mn->nkhw", probabilities(logits_MNKHW), share_MN))
