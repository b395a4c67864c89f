"""The head of the paper's VQGAN branch (supplement A.2), for any :class:`FeatureSpec`.

Every feature is reduced to 128 channels by a 1x1 convolution and upsampled within its group of resolutions (16-32,
64-128 and 256 of 256 pixels), where the features add up: the same as one 1x1 convolution over their concatenation.
From coarse to fine, a level is upsampled, concatenated with the next one and mixed by a 3x3 convolution. Three 1x1
convolutions with layer norm between give the logits. The paper names no activations; ours are ReLU after the mix
convolutions and after each layer norm, without which the last three layers would be one.
Axis legend: N samples, C channels, H rows, W columns, K labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bdgan_cli.heads.maps import resize, resolution_groups
from bdgan_cli.heads.members import MemberList, seeded
from bdgan_cli.interfaces import Features, FeatureSpec

WIDTH = 128


class PixelNorm(nn.LayerNorm):
    """Layer norm over the channels of each pixel of (N, C, H, W) maps."""

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return the normalised maps, of the input's shape."""
        normal = F.layer_norm(x_NCHW.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return normal.permute(0, 3, 1, 2)


class VQGANHead(nn.Module):
    """One head.

    Args:
        spec: The generator's taps.
        image_size: Height and width of the masks in pixels.
        labels: Output channels K; 1 is foreground against background.
    """

    def __init__(self, spec: FeatureSpec, image_size: int, labels: int) -> None:
        super().__init__()
        self.image_size = image_size
        self._groups = [group for group in resolution_groups(spec, image_size // 8, image_size // 2) if group]
        self._heights = [tap.height for tap in spec.taps]
        self.reduce = nn.ModuleList(nn.Conv2d(tap.channels, WIDTH, 1) for tap in spec.taps)
        self.mix = nn.ModuleList(nn.Conv2d(2 * WIDTH, WIDTH, 3, padding=1) for _ in self._groups[1:])
        self.classify = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, 1), PixelNorm(WIDTH), nn.ReLU(),
            nn.Conv2d(WIDTH, WIDTH, 1), PixelNorm(WIDTH), nn.ReLU(),
            nn.Conv2d(WIDTH, labels, 1),
        )  # fmt: skip
        self.to(memory_format=torch.channels_last)

    def forward(self, features: Features) -> Tensor:
        """Return (N, K, H, W) logits."""
        x = self._level(features.maps, self._groups[0])
        for mix, group in zip(self.mix, self._groups[1:], strict=True):
            level = self._level(features.maps, group)
            x = F.relu(mix(torch.cat([resize(x, level.shape[-1]), level], dim=1)))
        return resize(self.classify(x), self.image_size)

    def _level(self, maps: list[Tensor], group: list[int]) -> Tensor:
        """Reduce and add up a group's features, each resolution upsampled once."""
        size = max(self._heights[i] for i in group)
        total: Tensor | None = None
        for height in sorted({self._heights[i] for i in group}):
            reduced = torch.stack([self.reduce[i](maps[i]) for i in group if self._heights[i] == height]).sum(0)
            total = resize(reduced, size) if total is None else total + resize(reduced, size)
        assert total is not None
        return total


def build(spec: FeatureSpec, image_size: int, labels: int, seeds: Sequence[int]) -> MemberList:
    """Build one head per seed; they share nothing but the features."""
    heads: list[nn.Module] = []
    for seed in seeds:
        with seeded(seed):
            heads.append(VQGANHead(spec, image_size, labels))
    return MemberList(heads, _already_plain)


def _already_plain(head: nn.Module) -> None:
    """Leave a head as it is: nothing in it depends on whether it is trained or used."""
