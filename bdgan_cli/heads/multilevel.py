"""Our default head, natively batched over the ensemble's members.

Every tap is reduced at its own resolution, for all members by one convolution, before anything is upsampled; the
reduced maps are summed from coarse to fine up to half the image's size, where one class-conditional residual block
mixes them; the classifier predicts the pixels of each cell at once (sub-pixel convolution), so that nothing but the
logits exists at full resolution. Taps finer than the block are reduced by a convolution whose kernel is one cell, and
taps of the image's size also speak for each pixel directly: a linear map of their channels is added to the logits. It
learns within some dozens of steps where edges are, which the four pixels of a cell learn one by one.
Axis legend: M members, N samples, C channels of one member, K labels, H rows, W columns.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bdgan_cli.heads.maps import resize
from bdgan_cli.heads.members import copy_members, seeded
from bdgan_cli.heads.norms import ConditionalNorm
from bdgan_cli.interfaces import Features, FeatureSpec, Tap

WIDTH = 16
CELL = 2


class MultilevelHeads(nn.Module):
    """M heads that read one set of features.

    Args:
        spec: The generator's taps.
        image_size: Height and width of the masks in pixels.
        labels: Output channels K; 1 is foreground against background.
        members: Ensemble members M.
        width: Channels per member; 16 fills a vector register.
        cell: Side in pixels of the square that one position of the block answers for.
    """

    def __init__(
        self, spec: FeatureSpec, image_size: int, labels: int, members: int, *, width: int = WIDTH, cell: int = CELL
    ) -> None:
        super().__init__()
        if image_size % cell:
            raise ValueError(f"expected an image size of whole cells of {cell} pixels, got {image_size}")
        self.members, self.labels, self._cell = members, labels, cell
        self._size = image_size // cell
        self._levels = _levels(spec, self._size)
        channels = members * width
        self.reduce = nn.ModuleList(_reduction(tap, self._size, channels, len(spec.taps)) for tap in spec.taps)
        self.norm_1 = ConditionalNorm(channels, spec.condition_dim)
        self.norm_2 = ConditionalNorm(channels, spec.condition_dim)
        self.norm_3 = ConditionalNorm(channels, 0)
        self.conv_1 = nn.Conv2d(channels, channels, 3, padding=1, groups=members, bias=False)
        self.conv_2 = nn.Conv2d(channels, channels, 3, padding=1, groups=members)
        self.classify = nn.Conv2d(channels, members * labels * cell**2, 3, padding=1, groups=members)
        self.direct = None
        finest = max(tap.height for tap in spec.taps)
        if finest == image_size and cell > 1:
            direct = sum(tap.channels for tap in spec.taps if tap.height == finest)
            self.direct = nn.Conv2d(direct, members * labels, 1, bias=False)
            nn.init.zeros_(self.direct.weight)
        self.to(memory_format=torch.channels_last)

    def forward(self, features: Features) -> Tensor:
        """Return (M, N, K, H, W) logits."""
        x, finest = self._sum_levels(features.maps)
        h = self.conv_1(self.norm_1(x, features.condition))
        x = x + self.conv_2(self.norm_2(h, features.condition))
        logits = F.pixel_shuffle(self.classify(self.norm_3(x, features.condition)), self._cell)
        if self.direct is not None:
            logits = logits + self.direct(finest)
        samples, _, height, width = logits.shape
        return logits.reshape(samples, self.members, self.labels, height, width).transpose(0, 1)

    def _sum_levels(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the sum of all levels at the block's size, and the finest level's taps as one map."""
        total: Tensor | None = None
        for size, positions in self._levels:
            # Without the shortcut a lone map, half of all features at 512 pixels, would be copied.
            x = maps[positions[0]] if len(positions) == 1 else torch.cat([maps[i] for i in positions], dim=1)
            x = x.contiguous(memory_format=torch.channels_last)
            level = self._reduce_level(x, positions)
            total = level if total is None else level + resize(total, size)
        assert total is not None
        return resize(total, self._size), x

    def _reduce_level(self, x: Tensor, positions: list[int]) -> Tensor:
        """Sum the reductions of all taps of one resolution, as one convolution over their concatenation."""
        weights: list[Tensor] = [self.reduce.get_submodule(str(i)).get_parameter("weight") for i in positions]
        weight = torch.cat(weights, dim=1)
        return F.conv2d(x, weight, stride=weight.shape[-1])

    def for_inference(self) -> MultilevelHeads:
        """Return a copy in evaluation mode whose norms are one multiply-add each, with equal results."""
        folded = copy.deepcopy(self).eval()
        for name in ("norm_1", "norm_2", "norm_3"):
            setattr(folded, name, getattr(folded, name).folded())
        return folded.requires_grad_(False)


def build(spec: FeatureSpec, image_size: int, labels: int, seeds: Sequence[int]) -> MultilevelHeads:
    """Build the ensemble; each member's weights depend on its own seed alone."""
    singles = []
    for seed in seeds:
        with seeded(seed):
            singles.append(MultilevelHeads(spec, image_size, labels, 1))
    with seeded(0):  # every weight is replaced below
        heads = MultilevelHeads(spec, image_size, labels, len(seeds))
    copy_members(heads, singles)
    return heads


def _levels(spec: FeatureSpec, block_size: int) -> list[tuple[int, list[int]]]:
    """Group the taps by resolution, coarse to fine, and give each group's size after reduction."""
    sizes = sorted({tap.height for tap in spec.taps})
    return [(min(size, block_size), [i for i, t in enumerate(spec.taps) if t.height == size]) for size in sizes]


def _reduction(tap: Tap, block_size: int, channels: int, taps: int) -> nn.Conv2d:
    if tap.height != tap.width or (tap.height > block_size and tap.height % block_size):
        raise ValueError(
            f"tap {tap.name!r} is {tap.height}x{tap.width}; expected a square of at most or a multiple of {block_size}"
        )
    cell = max(1, tap.height // block_size)
    conv = nn.Conv2d(tap.channels, channels, cell, stride=cell, bias=False)
    # The taps' contributions add up: each starts with an equal share of unit variance.
    nn.init.normal_(conv.weight, std=(tap.channels * cell**2 * taps) ** -0.5)
    return conv
