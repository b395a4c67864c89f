"""Segmenters for downstream tasks: torchvision's networks, built from a name and a number of labels.

Axis legend: N pictures, K labels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import segmentation
from torchvision.models.mobilenetv3 import MobileNetV3, _mobilenet_v3_conf
from torchvision.models.segmentation import lraspp
from torchvision.models.segmentation.deeplabv3 import DeepLabHead

from bdgan_cli.backbones import ResNet
from bdgan_cli.backbones import find_architecture as find_backbone_architecture
from bdgan_cli.errors import DataError, UsageError, near_names

# Of ImageNet's pictures in [0, 1]; every segmenter sees pictures normalised by them.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALF_WIDTH = 0.5


class Architecture(NamedTuple):
    """A segmenter that can be built.

    Attributes:
        build: Makes torchvision's network for a number of labels; it maps pictures to ``{"out": logits}``.
        backbone: Name of the backbone whose weights it can start from.
        summary: What it is, in one line.
    """

    build: Callable[[int], nn.Module]
    backbone: str
    summary: str


class Segmenter(nn.Module):
    """Maps pictures to logits, and carries the normalisation."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)

    def forward(self, pictures_N3HW: Tensor) -> Tensor:
        """Map uint8 RGB pictures to (N, K, H, W) float logits."""
        logits: Tensor = self.network((pictures_N3HW.float() / 255 - self.mean) / self.std)["out"]
        return logits


def build_segmenter(name: str, labels: int, backbone: Mapping[str, Tensor] | None = None) -> Segmenter:
    """Build a segmenter; its random numbers come from torch's global stream.

    Args:
        name: One of :data:`SEGMENTERS`.
        labels: Number of labels with background.
        backbone: Weights of its backbone under torchvision's names; the classifier ``fc`` is not used.

    Raises:
        UsageError: If the name is unknown.
        DataError: If the backbone's weights do not fit.
    """
    architecture = find_architecture(name)
    network = architecture.build(labels)
    if backbone is not None:
        _start_from(network.get_submodule("backbone"), backbone, f"{name} ({architecture.backbone})")
    return Segmenter(network)


def find_architecture(name: str) -> Architecture:
    """Look an architecture up.

    Raises:
        UsageError: If the name is unknown.
    """
    if name not in SEGMENTERS:
        raise UsageError(f"unknown segmenter {name!r}", near_names(name, list(SEGMENTERS)))
    return SEGMENTERS[name]


def _start_from(backbone: nn.Module, weights: Mapping[str, Tensor], where: str) -> None:
    expected = {key: value for key, value in backbone.state_dict().items() if not key.endswith("num_batches_tracked")}
    missing = sorted(expected.keys() - weights.keys())
    wrong = [key for key in expected if key in weights and weights[key].shape != expected[key].shape]
    if missing or wrong:
        first = (missing or wrong)[0]
        raise DataError(
            f"the backbone's weights do not fit {where}: {len(missing)} keys missing, {len(wrong)} of another shape, "
            f"such as {first}",
            "choose a backbone of this architecture: --init, or another --segmenter",
        )
    backbone.load_state_dict({key: weights[key] for key in expected}, strict=False)


class _DeepLabOnResNet(nn.Module):
    """DeepLabv3's head on the last stage of a residual network of ours, which keeps its own strides.

    Args:
        arch: Name of the backbone.
        labels: Number of labels.
        rates: Dilations of the head's 3x3 convolutions, in cells of the last stage.
    """

    def __init__(self, arch: str, labels: int, rates: tuple[int, ...]) -> None:
        super().__init__()
        self.backbone = ResNet(find_backbone_architecture(arch))
        self.classifier = DeepLabHead(find_backbone_architecture(arch).channels[-1], labels, rates)

    def forward(self, images_NCHW: Tensor) -> dict[str, Tensor]:
        coarse = self.classifier(self.backbone(images_NCHW)[-1])
        size = images_NCHW.shape[-2:]
        return {"out": functional.interpolate(coarse, size=size, mode="bilinear", align_corners=False)}


def _deeplab(labels: int) -> nn.Module:
    network: nn.Module = segmentation.deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=labels)
    return network


def _tiny_lraspp(labels: int) -> nn.Module:
    """LR-ASPP on a MobileNetV3-Small of half the width, whose first layer keeps the size: for pictures of 64 pixels."""
    settings, last_channels = _mobilenet_v3_conf("mobilenet_v3_small", width_mult=_HALF_WIDTH, dilated=True)
    backbone = MobileNetV3(settings, last_channels)
    backbone.features[0][0].stride = (1, 1)
    network: nn.Module = lraspp._lraspp_mobilenetv3(backbone, labels)
    return network


SEGMENTERS: dict[str, Architecture] = {
    "deeplabv3-resnet50": Architecture(_deeplab, "resnet50", "DeepLabv3 with ResNet-50, the paper's (supplement B.2)"),
    "deeplabv3-resnet18": Architecture(
        lambda labels: _DeepLabOnResNet("resnet18", labels, (6, 12, 18)), "resnet18", "DeepLabv3's head on a ResNet-18"
    ),
    "deeplabv3-tiny": Architecture(
        lambda labels: _DeepLabOnResNet("resnet18-narrow", labels, (1, 2, 3)),
        "resnet18-narrow",
        "DeepLabv3's head on a narrow ResNet-18, for backbones of the embedded world at 64x64",
    ),
    "lraspp-tiny": Architecture(
        _tiny_lraspp, "", "LR-ASPP with half of a MobileNetV3-Small, for the embedded world at 64x64"
    ),
}
