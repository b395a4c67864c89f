"""Backbones that others have pre-trained, as models of the registry."""

from __future__ import annotations

from pathlib import Path

import torch

from bdgan_cli.backbones import ResNet, find_architecture
from bdgan_cli.weights.card import ModelCard
from bdgan_cli.weights.files import load_weights


def build_resnet50(card: ModelCard, files: list[Path], device: torch.device) -> ResNet:
    """Load a ResNet-50 without its classifier."""
    backbone = ResNet(find_architecture("resnet50"))
    load_weights(backbone, files[0])
    return backbone.eval().requires_grad_(False).to(device)
