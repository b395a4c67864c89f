"""What heads of every kind do with feature maps: bring them to a size, and sort them by resolution."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from bdgan_cli.interfaces import FeatureSpec


def resize(x_NCHW: Tensor, size: int) -> Tensor:
    """Bring maps to (size, size) by bilinear interpolation without aligned corners."""
    if x_NCHW.shape[-2:] == (size, size):
        return x_NCHW
    return F.interpolate(x_NCHW, size=(size, size), mode="bilinear", align_corners=False)


def resolution_groups(spec: FeatureSpec, coarse: int, middle: int) -> list[list[int]]:
    """Sort the taps' positions: up to ``coarse`` pixels high, up to ``middle``, above; a group may be empty."""
    groups: list[list[int]] = [[], [], []]
    for position, tap in enumerate(spec.taps):
        groups[(tap.height > coarse) + (tap.height > middle)].append(position)
    return groups
