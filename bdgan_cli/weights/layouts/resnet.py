"""ResNet-50 as torchvision publishes it; a backbone needs no classifier, which is left out."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor

from bdgan_cli.errors import DataError

NAME = "resnet50"
SUMMARY = "torchvision's ResNet-50 (resnet50-0676ba61.pth)"

_LAST = "layer4.2.conv3.weight"
_SHAPE = (2048, 512, 1, 1)
# A fourth block in layer2, and six in layer3, tell it from smaller and larger relatives.
_MARKS = frozenset({"conv1.weight", "layer2.3.conv3.weight", "layer3.5.conv3.weight", _LAST})


def matches(keys: Collection[str]) -> bool:
    """Tell the layout by the blocks that ResNet-50 has and ResNet-101 has more of."""
    return set(keys) >= _MARKS and "layer3.6.conv3.weight" not in keys


def convert(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the classifier and the counters of batch norm.

    Raises:
        DataError: If it is a wide or grouped relative of ResNet-50.
    """
    shape, inside = tuple(tensors[_LAST].shape), tuple(tensors["layer4.2.conv2.weight"].shape)
    if shape != _SHAPE or inside != (512, 512, 3, 3):
        raise DataError(
            f"{SUMMARY}: {_LAST} has shape {shape} behind {inside}, expected {_SHAPE} behind (512, 512, 3, 3)",
            "bdgan models pull resnet50-imagenet",
        )
    return {k: v for k, v in tensors.items() if not k.startswith("fc.") and not k.endswith(".num_batches_tracked")}
