"""Backbones of other origin: a file of weights under torchvision's names, read without running anything in it."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from bdgan_cli.weights.files import read_tensors
from bdgan_cli.weights.pickles import read_checkpoint

_PREFIXES = ("module.", "backbone.")
_LEFT_OUT = ("fc.",)


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
