"""BigGAN-deep as ``pytorch_pretrained_biggan`` saves it, with torch's older form of spectral norm.

A normalised layer has ``weight_orig`` and the vectors ``weight_u`` and ``weight_v``. In evaluation torch divides by
u W v of the stored vectors; that value is divided out here, once, and the vectors are left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from bdgan_cli.errors import DataError

NAME = "biggan-deep"
SUMMARY = "BigGAN-deep as pytorch_pretrained_biggan saves it (biggan-deep-512-pytorch_model.bin)"

_MARKS = frozenset({"embeddings.weight", "generator.bn.running_means"})
_RESOLUTION_OF_BLOCKS = {10: 128, 12: 256, 14: 512}
_HINT = "the file is not whole or is another model's; see bdgan models list"


def matches(keys: Collection[str]) -> bool:
    """Tell the layout by names that only it has, normalised or already divided."""
    return set(keys) >= _MARKS and any(key.startswith("generator.gen_z.weight") for key in keys)


def resolution(tensors: Mapping[str, Tensor]) -> int:
    """Return the published size in pixels that has so many blocks, 0 if none has."""
    blocks = {match[1] for key in tensors if (match := re.match(r"generator\.layers\.(\d+)\.bn_0\.", key))}
    return _RESOLUTION_OF_BLOCKS.get(len(blocks), 0)


def convert(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Divide spectral norm out of the weights.

    Raises:
        DataError: If a vector of a normalised layer is missing or of a wrong length.
    """
    layers = {key.removesuffix("weight_orig") for key in tensors if key.endswith(".weight_orig")}
    # Versions of torch differ in whether the divided weight is saved, too; it follows from the others.
    parts = {f"{layer}{part}" for layer in layers for part in ("weight", "weight_orig", "weight_u", "weight_v")}
    native = {key: tensor.float() for key, tensor in tensors.items() if key not in parts}
    for layer in layers:
        native[f"{layer}weight"] = _divided(layer, tensors)
    return native


def _divided(layer: str, tensors: Mapping[str, Tensor]) -> Tensor:
    """Divide one layer's weight by its norm.

    Raises:
        DataError: If a vector is missing or does not fit the weight, or the norm is no number to divide by.
    """
    weight = tensors[f"{layer}weight_orig"].float()
    if weight.ndim < 2:
        raise DataError(f"{SUMMARY}: {layer}weight_orig has shape {tuple(weight.shape)}, expected a matrix", _HINT)
    matrix = weight.flatten(1)
    vectors = []
    for part, length in (("weight_u", matrix.shape[0]), ("weight_v", matrix.shape[1])):
        vector = tensors.get(f"{layer}{part}")
        if vector is None:
            raise DataError(f"{SUMMARY}: 1 keys missing ['{layer}{part}']", _HINT)
        if tuple(vector.shape) != (length,):
            raise DataError(f"{SUMMARY}: {layer}{part} has shape {tuple(vector.shape)}, expected ({length},)", _HINT)
        vectors.append(vector.float())
    sigma = torch.dot(vectors[0], matrix @ vectors[1])
    if sigma == 0 or not torch.isfinite(sigma):
        raise DataError(f"{SUMMARY}: the spectral norm of {layer}weight is {sigma:.3g}, expected another number", _HINT)
    return weight / sigma
