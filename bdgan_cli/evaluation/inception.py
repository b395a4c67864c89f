"""The network in whose features FID is defined: Inception-v3 as TensorFlow released it on 2015-12-05.

Its weights differ from torchvision's, and so does its arithmetic: average pools leave the padding out of the mean, and
the last block pools by the maximum. Convolutions and their names are torchvision's; the classifier is left out.
Pictures are resized to 299 pixels bilinearly, without antialiasing or aligned corners, as ``pytorch-fid`` does.

Axis legend: N samples, H rows, W columns, D = 2048 features.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import Inception3

# Names of convolutions one after another; a tuple at the end stands for several side by side.
Path: TypeAlias = tuple[str | tuple[str, ...], ...]

_NARROW: tuple[Path, ...] = (
    ("branch1x1",),
    ("branch5x5_1", "branch5x5_2"),
    ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
)
_LONG: tuple[Path, ...] = (
    ("branch1x1",),
    ("branch7x7_1", "branch7x7_2", "branch7x7_3"),
    tuple(f"branch7x7dbl_{i}" for i in range(1, 6)),
)
_WIDE: tuple[Path, ...] = (
    ("branch1x1",),
    ("branch3x3_1", ("branch3x3_2a", "branch3x3_2b")),
    ("branch3x3dbl_1", "branch3x3dbl_2", ("branch3x3dbl_3a", "branch3x3dbl_3b")),
)
_ORDER = (
    "Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "maxpool2",
    "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e",
    "Mixed_7a", "Mixed_7b", "Mixed_7c",
)  # fmt: skip


def _average_without_padding(maps: Tensor) -> Tensor:
    return F.avg_pool2d(maps, 3, stride=1, padding=1, count_include_pad=False)


def _maximum(maps: Tensor) -> Tensor:
    return F.max_pool2d(maps, 3, stride=1, padding=1)


class MixedBlock(nn.Module):
    """Paths of convolutions side by side and one behind a pool, concatenated.

    Args:
        block: torchvision's block, whose convolutions and names are taken.
        paths: The order in which they act.
        pool: What stands before ``branch_pool``.
    """

    def __init__(self, block: nn.Module, paths: tuple[Path, ...], pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        for name, convolution in block.named_children():
            self.add_module(name, convolution)
        self._paths, self._pool = paths, pool

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H, W)."""
        outputs = [self._follow(path, maps) for path in self._paths]
        return torch.cat([*outputs, self._run("branch_pool", self._pool(maps))], 1)

    def _follow(self, path: Path, maps: Tensor) -> Tensor:
        for step in path:
            names = (step,) if isinstance(step, str) else step
            maps = torch.cat([self._run(name, maps) for name in names], 1)
        return maps

    def _run(self, name: str, maps: Tensor) -> Tensor:
        out: Tensor = self.get_submodule(name)(maps)
        return out


class InceptionFeatures(nn.Module):
    """Pictures to the 2048 features before the classifier.

    Attributes:
        dimensions: Length of a feature vector.
        image_size: Height and width in pixels to which pictures are resized.
    """

    dimensions = 2048
    image_size = 299

    def __init__(self) -> None:
        super().__init__()
        network = Inception3(num_classes=1008, aux_logits=False, init_weights=False)
        for name in _ORDER:
            self.add_module(name, _with_pools_of_fid(name, network.get_submodule(name)))

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, 3, H, W) images in [-1, 1] to (N, D)."""
        size = (self.image_size, self.image_size)
        maps = F.interpolate(images, size, mode="bilinear", align_corners=False)
        for name in _ORDER:
            maps = self.get_submodule(name)(maps)
        return maps.mean((2, 3))


def _with_pools_of_fid(name: str, block: nn.Module) -> nn.Module:
    if name.startswith("Mixed_5"):
        return MixedBlock(block, _NARROW, _average_without_padding)
    if name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        return MixedBlock(block, _LONG, _average_without_padding)
    if name in ("Mixed_7b", "Mixed_7c"):
        return MixedBlock(block, _WIDE, _maximum if name == "Mixed_7c" else _average_without_padding)
    return block
