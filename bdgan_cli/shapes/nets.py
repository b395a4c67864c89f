"""Small networks trained on the renderer's pictures alone: a classifier for rejection and a segmenter as an oracle.

The segmenter answers whether a generated picture really shows what its exact mask says.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bdgan_cli.shapes.world import CLASS_NAMES
from bdgan_cli.weights.card import ModelCard
from bdgan_cli.weights.files import load_weights

Network = TypeVar("Network", bound=nn.Module)


def _conv(wide_in: int, wide_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(wide_in, wide_out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(wide_out), nn.ReLU(inplace=True)
    )


class ShapeClassifier(nn.Module):
    """Tells the classes of the procedural world apart at 64x64."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.Sequential(
            _conv(3, 16), _conv(16, 32, 2), _conv(32, 64, 2), _conv(64, 96, 2), _conv(96, 128, 2)
        )
        self.logits = nn.Linear(128, len(CLASS_NAMES))

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, 3, 64, 64) images in [-1, 1] to (N, classes) logits."""
        logits: Tensor = self.logits(self.stages(images).mean((2, 3)))
        return logits

    def probabilities(self, images: Tensor) -> Tensor:
        """Map (N, 3, 64, 64) images in [-1, 1] to (N, classes) probabilities."""
        probabilities: Tensor = self(images).softmax(1)
        return probabilities


class ShapeSegmenter(nn.Module):
    """A U-Net of three levels that separates object and background at 64x64."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        widths = [width, 2 * width, 4 * width, 4 * width]
        self.down = nn.ModuleList(
            nn.Sequential(_conv(before, after, 1 if i == 0 else 2), _conv(after, after))
            for i, (before, after) in enumerate(zip([3, *widths[:-1]], widths, strict=True))
        )
        self.up = nn.ModuleList(_conv(widths[i] + widths[i - 1], widths[i - 1]) for i in range(len(widths) - 1, 0, -1))
        self.logits = nn.Conv2d(width, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, 3, 64, 64) images in [-1, 1] to (N, 64, 64) logits of the object."""
        maps = []
        x = images
        for stage in self.down:
            x = stage(x)
            maps.append(x)
        for stage, skip in zip(self.up, reversed(maps[:-1]), strict=True):
            x = stage(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), skip], dim=1))
        logits: Tensor = self.logits(x).squeeze(1)
        return logits


def build_classifier(card: ModelCard, files: list[Path], device: torch.device) -> ShapeClassifier:
    """Load the embedded classifier."""
    return _frozen(ShapeClassifier(), files[0], device)


def build_segmenter(card: ModelCard, files: list[Path], device: torch.device) -> ShapeSegmenter:
    """Load the embedded segmenter."""
    return _frozen(ShapeSegmenter(), files[0], device)


def _frozen(module: Network, path: Path, device: torch.device) -> Network:
    load_weights(module, path)
    return module.eval().requires_grad_(False).to(device)
