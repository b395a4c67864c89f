"""The released checkpoints: BigGAN and one segmentation head in one state dict, 289 entries at 512 pixels.

The generator lies under ``biggan_model.`` in the layout ``biggan``; all else is the head (supplement A.1).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor

from bdgan_cli.weights.layouts import biggan
from bdgan_cli.weights.layouts.spectral import Shapes, axis_length, check_shapes, layer_shapes

NAME = "bigdatasetgan"
SUMMARY = "released checkpoint: original BigGAN and one segmentation head (checkpoint_latest.pth)"

_GENERATOR = "biggan_model."
_REDUCED = {"low": 128, "mid": 64, "high": 32}


def matches(keys: Collection[str]) -> bool:
    """Tell the layout by names that only it has."""
    return {f"{_GENERATOR}shared.weight", "low_feature_conv.0.weight"} <= set(keys)


def convert(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the generator's tensors, as the layout ``biggan`` does; the head's are checked and left out.

    Raises:
        DataError: If a key is missing or unknown, ``sv0`` excepted, or a shape does not fit the others.
    """
    generator = biggan.convert(_generator_part(tensors))
    head_tensors(tensors)
    return generator


def head_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the head's tensors under their own names.

    Raises:
        DataError: If a key is missing or unknown, ``sv0`` excepted, or a shape does not fit the generator's.
    """
    head = {key: tensor for key, tensor in tensors.items() if not key.startswith(_GENERATOR)}
    labels = axis_length(head, "out_layer.2.weight", 0, SUMMARY)
    check_shapes(head, head_shapes(biggan.read_widths(_generator_part(tensors)), labels), SUMMARY)
    return head


def head_shapes(widths: biggan.Widths, labels: int) -> Shapes:
    """Return every key of a head on such a generator and its shape."""
    inputs = dict.fromkeys(_REDUCED, 0)
    outs = widths.channels[1:]
    for i, channels in enumerate(outs):
        halvings = len(outs) - 1 - i
        group = "low" if halvings >= 4 else "mid" if halvings >= 2 else "high"
        inputs[group] += channels * (2 if i in widths.attention else 1)
    shapes: Shapes = {f"{name}_feature_conv.0.weight": (_REDUCED[name], wide, 1, 1) for name, wide in inputs.items()}
    fused = _REDUCED["low"]
    for name in ("mid", "high"):
        fused += _REDUCED[name]
        block = f"{name}_feature_mix_conv"
        for i in (1, 2):
            shapes |= layer_shapes(f"{block}.conv{i}", (fused, fused, 3, 3))
            shapes |= biggan.norm_shapes(f"{block}.bn{i}", fused, widths.shared_dim, bias=True)
    shapes |= biggan.final_norm_shapes("out_layer.0", fused)
    return shapes | layer_shapes("out_layer.2", (labels, fused, 3, 3))


def _generator_part(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = len(_GENERATOR)
    return {key[prefix:]: tensor for key, tensor in tensors.items() if key.startswith(_GENERATOR)}
