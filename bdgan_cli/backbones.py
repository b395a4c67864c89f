"""Residual networks (arXiv:1512.03385) with torchvision's names, for pre-training and for those who take over.

Its weights load here and ours load there. Axis legend: N pictures, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from bdgan_cli.errors import UsageError, near_names

STAGES = ("layer1", "layer2", "layer3", "layer4")

Norm = Callable[[int], nn.Module]


@dataclass(frozen=True)
class Architecture:
    """What a residual network consists of.

    Attributes:
        name: How commands call it.
        depths: Blocks of each stage.
        bottleneck: Whether a block is 1x1, 3x3, 1x1 with four times the channels at its end, or two 3x3.
        width: Channels of the stem; each stage has twice those of the one before.
        strides: Of each stage. The stem divides by four before them.
    """

    name: str
    depths: tuple[int, int, int, int]
    bottleneck: bool
    width: int = 64
    strides: tuple[int, int, int, int] = (1, 2, 2, 2)

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the four stages' outputs."""
        return tuple(self.width * 2**stage * (4 if self.bottleneck else 1) for stage in range(len(STAGES)))


# The narrow one is for pictures of 64 pixels: a quarter of ResNet-18's channels, and cells of 16x16 pixels at its end.
ARCHITECTURES = {
    arch.name: arch
    for arch in (
        Architecture("resnet50", (3, 4, 6, 3), bottleneck=True),
        Architecture("resnet18", (2, 2, 2, 2), bottleneck=False),
        Architecture("resnet18-narrow", (2, 2, 2, 2), bottleneck=False, width=16, strides=(1, 2, 2, 1)),
    )
}


def find_architecture(name: str) -> Architecture:
    """Look an architecture up.

    Raises:
        UsageError: If there is none of that name; the hint names near ones.
    """
    if name not in ARCHITECTURES:
        raise UsageError(f"unknown backbone architecture {name!r}", near_names(name, list(ARCHITECTURES)))
    return ARCHITECTURES[name]


class ResNet(nn.Module):
    """A residual network without its classifier.

    Args:
        arch: What it consists of.
        norm: Makes the normalisation of a number of channels; has batch norm's parameter names.
    """

    def __init__(self, arch: Architecture, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, arch.width, 7, stride=2, padding=3, bias=False)
        self.bn1 = norm(arch.width)
        inside = arch.width
        for stage, (name, depth, stride) in enumerate(zip(STAGES, arch.depths, arch.strides, strict=True)):
            blocks = []
            for position in range(depth):
                planes, step = arch.width * 2**stage, stride if position == 0 else 1
                blocks.append(Block(inside, planes, step, bottleneck=arch.bottleneck, norm=norm))
                inside = arch.channels[stage]
            self.add_module(name, nn.Sequential(*blocks))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images_NCHW: Tensor) -> list[Tensor]:
        """Map pictures, normalised as ImageNet's are, to the outputs of the four stages, fine to coarse."""
        x = functional.relu(self.bn1(self.conv1(images_NCHW)))
        x = functional.max_pool2d(x, 3, stride=2, padding=1)
        maps = []
        for name in STAGES:
            x = self.get_submodule(name)(x)
            maps.append(x)
        return maps


class Block(nn.Module):
    """A residual block; a bottleneck has its stride in the 3x3 convolution."""

    def __init__(self, inside: int, planes: int, stride: int, *, bottleneck: bool, norm: Norm) -> None:
        super().__init__()
        outside = planes * 4 if bottleneck else planes
        kernels = (1, 3, 1) if bottleneck else (3, 3)
        self._convolutions = len(kernels)
        widths = [inside, *[planes] * (len(kernels) - 1), outside]
        for number, kernel in enumerate(kernels, 1):
            step = stride if number == (2 if bottleneck else 1) else 1
            convolution = nn.Conv2d(widths[number - 1], widths[number], kernel, step, kernel // 2, bias=False)
            self.add_module(f"conv{number}", convolution)
            self.add_module(f"bn{number}", norm(widths[number]))
        self.downsample: nn.Module | None = None
        if stride != 1 or inside != outside:
            self.downsample = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), norm(outside))

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Add what the convolutions find to the input."""
        y = x_NCHW
        for number in range(1, self._convolutions + 1):
            y = self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(y))
            if number < self._convolutions:
                y = functional.relu(y)
        identity = x_NCHW if self.downsample is None else self.downsample(x_NCHW)
        return functional.relu(y + identity)
