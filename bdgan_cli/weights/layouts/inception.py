"""The Inception network of FID, as ``pytorch-fid`` and ``torch-fidelity`` publish it (one file, two names).

It has torchvision's names. What tells it from torchvision's own Inception-v3 is its 1008 classes; features need no
classifier, which is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor

from bdgan_cli.errors import DataError

NAME = "inception-fid"
SUMMARY = "Inception-v3 of FID with 1008 classes (pt_inception-2015-12-05-6726825d.pth)"

_CLASSIFIER = "fc.weight"
_SHAPE = (1008, 2048)
_MARKS = frozenset({"Conv2d_1a_3x3.conv.weight", "Mixed_6e.branch7x7dbl_5.conv.weight", _CLASSIFIER})


def matches(keys: Collection[str]) -> bool:
    """Tell the layout by convolutions that only this network has."""
    return set(keys) >= _MARKS


def convert(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the classifier and the counters of batch norm.

    Raises:
        DataError: If it is an Inception of other classes, whose features are not those of FID.
    """
    shape = tuple(tensors[_CLASSIFIER].shape)
    if shape != _SHAPE:
        raise DataError(
            f"{SUMMARY}: {_CLASSIFIER} has shape {shape}, expected {_SHAPE}; torchvision's own weights give other FIDs",
            "bdgan models pull inception-fid",
        )
    return {key: tensor for key, tensor in tensors.items() if not key.startswith("fc.") and not _is_counter(key)}


def _is_counter(key: str) -> bool:
    return key.endswith(".num_batches_tracked")
