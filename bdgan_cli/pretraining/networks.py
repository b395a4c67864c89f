"""What is trained: a backbone with two projection heads and, in the joint stage, a segmentation branch.

Axis legend: N pictures, S cells of the last feature map, C channels, D numbers of a projection, L mask labels, H rows,
W columns.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from bdgan_cli.backbones import Architecture, ResNet
from bdgan_cli.pretraining.norms import GroupedBatchNorm

PROJECTION_DIM = 128
IGNORED = -1

# ImageNet's, for pictures in [0, 255].
_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


class Projections(NamedTuple):
    """What a network says of a view.

    Attributes:
        whole_ND: Of the picture, of length 1.
        cells_NDS: Of each cell, of length 1.
        pooled_ND: The mean of the cells' projections, scaled to length 1.
        features_NCS: The backbone's last map.
    """

    whole_ND: Tensor
    cells_NDS: Tensor
    pooled_ND: Tensor
    features_NCS: Tensor


class ContrastiveNet(nn.Module):
    """A backbone with a head for the picture and one for its cells: two layers each, without batch norm.

    Args:
        arch: Of the backbone.
        group: Samples over which batch norm takes statistics.
    """

    def __init__(self, arch: Architecture, group: int) -> None:
        super().__init__()
        width = arch.channels[-1]
        self.backbone = ResNet(arch, lambda channels: GroupedBatchNorm(channels, group))
        self.whole_head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, PROJECTION_DIM))
        self.cell_head = nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, PROJECTION_DIM, 1))
        for layer in (*self.whole_head, *self.cell_head):
            if isinstance(layer, (nn.Linear, nn.Conv2d)):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def forward(self, images_NCHW: Tensor) -> Projections:
        """Project normalised pictures."""
        features_NCHW = self.backbone(images_NCHW)[-1]
        whole_ND = self.whole_head(features_NCHW.mean((2, 3)))
        cells_NDS = self.cell_head(features_NCHW).flatten(2)
        return Projections(
            functional.normalize(whole_ND.float(), dim=1),
            functional.normalize(cells_NDS.float(), dim=1),
            functional.normalize(cells_NDS.float().mean(2), dim=1),
            features_NCHW.flatten(2),
        )


class SegmentationBranch(nn.Module):
    """Labels pixels from all four maps: each reduced, added from coarse to fine, mixed, classified, enlarged.

    The paper calls its branch simple and says no more; this one is ours. It has no batch norm.

    Args:
        channels: Of the four maps.
        labels: L, background included.
        width: Channels inside.
    """

    def __init__(self, channels: tuple[int, ...], labels: int, width: int) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(nn.Conv2d(inside, width, 1) for inside in channels)
        self.mix = nn.Conv2d(width, width, 3, padding=1)
        self.classify = nn.Conv2d(width, labels, 1)

    def forward(self, maps: list[Tensor], size_hw: tuple[int, int]) -> Tensor:
        """Return (N, L, H, W) logits."""
        x_NCHW = self.reduce[-1](maps[-1])
        for reduce, finer_NCHW in zip(reversed(self.reduce[:-1]), reversed(maps[:-1]), strict=True):
            x_NCHW = _enlarged(x_NCHW, (finer_NCHW.shape[2], finer_NCHW.shape[3])) + reduce(finer_NCHW)
        logits_NLHW: Tensor = self.classify(functional.relu(self.mix(functional.relu(x_NCHW))))
        return _enlarged(logits_NLHW, size_hw)


class OnlineNet(nn.Module):
    """The network that gradients reach: all of a step's passes in one call, as several processes need it.

    Args:
        arch: Of the backbone.
        group: Samples over which batch norm takes statistics.
        labels: Mask labels with background, 0 for no segmentation branch.
    """

    def __init__(self, arch: Architecture, group: int, labels: int = 0) -> None:
        super().__init__()
        self.contrastive = ContrastiveNet(arch, group)
        self.branch = SegmentationBranch(arch.channels, labels, 2 * arch.width) if labels else None

    def forward(self, views_NCHW: Tensor, pictures_NCHW: Tensor | None = None) -> tuple[Projections, Tensor | None]:
        """Project views and, where pictures are given, label their pixels."""
        projections = self.contrastive(views_NCHW)
        if self.branch is None or pictures_NCHW is None:
            return projections, None
        size_hw = (pictures_NCHW.shape[2], pictures_NCHW.shape[3])
        return projections, self.branch(self.contrastive.backbone(pictures_NCHW), size_hw)


def segmentation_loss(logits_NLHW: Tensor, masks_NHW: Tensor) -> Tensor:
    """Return the cross-entropy, averaged over a picture's labelled pixels and then over the pictures.

    A picture counts the same whichever process it is in, and however much of it is to be ignored.

    Args:
        logits_NLHW: For each label.
        masks_NHW: Labels 0..L-1, or ``IGNORED``.
    """
    masks_NHW = masks_NHW.long()
    losses_NHW = functional.cross_entropy(logits_NLHW.float(), masks_NHW, ignore_index=IGNORED, reduction="none")
    labelled_N = (masks_NHW != IGNORED).sum((1, 2)).clamp(min=1)
    return (losses_NHW.sum((1, 2)) / labelled_N).mean()


def normalised(images_NHWC: Tensor) -> Tensor:
    """Turn uint8 pictures into (N, 3, H, W) float as backbones take them; channels stay last in memory."""
    mean, std = (torch.tensor(values, device=images_NHWC.device) for values in (_MEAN, _STD))
    return images_NHWC.float().sub_(mean).div_(std).permute(0, 3, 1, 2)


def _enlarged(x_NCHW: Tensor, size_hw: tuple[int, int]) -> Tensor:
    return functional.interpolate(x_NCHW, size_hw, mode="bilinear", align_corners=False)
