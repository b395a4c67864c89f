"""Losses over pixels, as sums, so that the mean over all processes and the ignored pixels come out right.

Axis legend: N pictures, K labels, H rows, W columns, P pixels that count.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from bdgan_cli.evaluation.recipe import Recipe
from bdgan_cli.evaluation.views import IGNORED


def pixel_losses(logits_NKHW: Tensor, labels_NHW: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Return the sum of the losses of all pixels that are not ignored, and their number.

    Args:
        logits_NKHW: Of the network.
        labels_NHW: int64; -1 is ignored.
        recipe: Names the loss: cross-entropy, or the focal loss ``-a (1 - p) ** gamma log p`` of the softmax
            probability p of the right label (arXiv:1708.02002 states it for two labels).
    """
    log_p_NHW = -F.cross_entropy(logits_NKHW.float(), labels_NHW, ignore_index=IGNORED, reduction="none")
    count = (labels_NHW != IGNORED).sum()
    if recipe.loss == "cross-entropy":
        return -log_p_NHW.sum(), count
    weights_NHW = (-torch.expm1(log_p_NHW)).clamp(0, 1) ** recipe.focal_gamma
    if recipe.focal_alpha is not None:
        alpha = recipe.focal_alpha
        weights_NHW = weights_NHW * torch.where(labels_NHW > 0, alpha, 1 - alpha)
    return -(weights_NHW * log_p_NHW).sum(), count
