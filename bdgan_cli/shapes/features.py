"""Features of the procedural world, for distances between sets of its pictures without a network to download.

They are what the embedded classifier sees before it decides. Figures made with them compare with each other only, never
with FID or KID of Inception features.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bdgan_cli.shapes.nets import ShapeClassifier, build_classifier
from bdgan_cli.weights.card import ModelCard


class ShapeFeatures(nn.Module):
    """Pictures to the 128 features before the classifier's last layer.

    Attributes:
        dimensions: Length of a feature vector.
        image_size: Height and width in pixels to which pictures are resized.
    """

    dimensions = 128
    image_size = 64

    def __init__(self, classifier: ShapeClassifier) -> None:
        super().__init__()
        self.stages = classifier.stages

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, 3, H, W) images in [-1, 1] to (N, 128)."""
        if images.shape[2:] != (self.image_size, self.image_size):
            size = (self.image_size, self.image_size)
            images = F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)
        features: Tensor = self.stages(images).mean((2, 3))
        return features


def build_features(card: ModelCard, files: list[Path], device: torch.device) -> ShapeFeatures:
    """Load the embedded features."""
    return ShapeFeatures(build_classifier(card, files, device)).eval().requires_grad_(False)
