"""From logits to losses, probabilities and labels, for one foreground channel as for many labels.

Axis legend: M members, N samples, K output channels, H rows, W columns.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

IGNORE = 255


def sample_losses(logits_MNKHW: Tensor, masks_NHW: Tensor) -> Tensor:
    """Return each member's loss on each sample, (M, N): the mean over the pixels that are not ignored.

    Args:
        logits_MNKHW: K = 1 takes binary cross-entropy against mask 1, K >= 2 cross-entropy over labels 0..K-1.
        masks_NHW: uint8 labels; 255 is ignored. A mask without a judged pixel costs nothing.
    """
    members, samples, channels = logits_MNKHW.shape[:3]
    if channels == 1:
        target = (masks_NHW == 1).to(logits_MNKHW.dtype).expand(members, -1, -1, -1)
        losses = F.binary_cross_entropy_with_logits(logits_MNKHW.squeeze(2), target, reduction="none")
    else:
        target = masks_NHW.long().repeat(members, 1, 1)
        flat = F.cross_entropy(logits_MNKHW.flatten(0, 1), target, ignore_index=IGNORE, reduction="none")
        losses = flat.reshape(members, samples, *flat.shape[1:])
    judged = (masks_NHW != IGNORE).to(losses.dtype)
    return (losses * judged).sum((2, 3)) / judged.sum((1, 2)).clamp_min(1)


def probabilities(logits_MNKHW: Tensor) -> Tensor:
    """Return the members' probabilities, (M, N, K, H, W): of the foreground if K = 1, else of each label."""
    return logits_MNKHW.sigmoid() if logits_MNKHW.shape[2] == 1 else logits_MNKHW.softmax(dim=2)


def decide(probabilities_NKHW: Tensor) -> Tensor:
    """Return the labels of mean probabilities, (N, H, W) uint8: above one half if K = 1, else the likeliest."""
    if probabilities_NKHW.shape[1] == 1:
        return (probabilities_NKHW.squeeze(1) > 0.5).to(torch.uint8)
    return probabilities_NKHW.argmax(1).to(torch.uint8)
