"""Backbones that others have pre-trained: as models of the registry, or from a file under torchvision's names."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from bdgan_cli.backbones import ResNet, find_architecture
from bdgan_cli.weights.card import ModelCard
from bdgan_cli.weights.files import load_weights, read_tensors
from bdgan_cli.weights.pickles import read_checkpoint

_PREFIXES = ("module.", "backbone.")
_LEFT_OUT = ("fc.",)


def build_resnet50(card: ModelCard, files: list[Path], device: torch.device) -> ResNet:
    """Load a ResNet-50 without its classifier."""
    backbone = ResNet(find_architecture("resnet50"))
    load_weights(backbone, files[0])
    return backbone.eval().requires_grad_(False).to(device)


def read_public(path: Path) -> dict[str, Tensor]:
    """Read a backbone from ``.safetensors`` or a checkpoint (``.pth``), without classifier and batch norm's counters.

    Where names begin with ``module.`` or ``backbone.``, the others are left out and the beginning is cut off.

    Raises:
        DataError: If it is damaged, or would run code.
    """
    tensors = read_tensors(path) if path.suffix == ".safetensors" else read_checkpoint(path)
    for prefix in _PREFIXES:
        inside = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        tensors = inside or tensors
    return {
        name: tensor.float()
        for name, tensor in tensors.items()
        if not name.startswith(_LEFT_OUT) and not name.endswith("num_batches_tracked")
    }
