"""Spectral norm as BigGAN's public code stores and evaluates it, and the strict check of such files.

A normalised layer has ``weight``, the left vector ``u0`` and a log entry ``sv0``. In evaluation that code takes one
step of the power method from the stored ``u0``, without keeping its result, and divides by the value it finds. That
value is not the exact norm, so it is computed here in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from bdgan_cli.errors import DataError

EPS = 1e-4
Shapes = dict[str, tuple[int, ...]]


class PowerStep(NamedTuple):
    """What one step finds: the norm, and the vectors (out,) and (in,) that give it as u W v."""

    sigma: Tensor
    u: Tensor
    v: Tensor


def power_step(weight: Tensor, u0: Tensor) -> PowerStep:
    """Take one step of the power method.

    Args:
        weight: (out, ...) weights.
        u0: (1, out) stored left vector.
    """
    matrix = weight.flatten(1).float()
    v = F.normalize(u0.float() @ matrix, eps=EPS)
    right = v @ matrix.t()
    u = F.normalize(right, eps=EPS)
    return PowerStep((right * u).sum(), u[0], v[0])


def bake(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Divide every weight that has a ``u0`` by its norm, and leave ``u0`` and ``sv0`` out."""
    baked = {}
    for key, tensor in tensors.items():
        layer, _, kind = key.rpartition(".")
        if kind in ("u0", "sv0"):
            continue
        u0 = tensors.get(f"{layer}.u0") if kind == "weight" else None
        value = tensor.float()
        baked[key] = value if u0 is None else value / power_step(value, u0).sigma
    return baked


def layer_shapes(layer: str, weight: tuple[int, ...], bias: bool = True) -> Shapes:
    """Return the entries of a normalised layer and their shapes."""
    shapes: Shapes = {f"{layer}.weight": weight, f"{layer}.u0": (1, weight[0]), f"{layer}.sv0": (1,)}
    return {**shapes, f"{layer}.bias": (weight[0],)} if bias else shapes


def check_shapes(tensors: Mapping[str, Tensor], expected: Shapes, what: str) -> None:
    """Compare a file with what it must hold; ``sv0`` entries may be absent, nothing else may.

    Raises:
        DataError: If a key is missing, unknown or of another shape.
    """
    missing = sorted(key for key in expected.keys() - tensors.keys() if not key.endswith(".sv0"))
    extra = sorted(tensors.keys() - expected.keys())
    if missing or extra:
        raise DataError(f"{what}: {len(missing)} keys missing {missing[:3]}, {len(extra)} unknown {extra[:3]}", _HINT)
    for key, tensor in tensors.items():
        if tuple(tensor.shape) != expected[key]:
            raise DataError(f"{what}: {key} has shape {tuple(tensor.shape)}, expected {expected[key]}", _HINT)


def axis_length(tensors: Mapping[str, Tensor], key: str, axis: int, what: str) -> int:
    """Read a width off a tensor's shape.

    Raises:
        DataError: If the tensor is missing or has too few axes.
    """
    if key not in tensors:
        raise DataError(f"{what}: 1 keys missing ['{key}']", _HINT)
    shape = tuple(tensors[key].shape)
    if len(shape) <= axis:
        raise DataError(f"{what}: {key} has shape {shape}, expected at least {axis + 1} axes", _HINT)
    return shape[axis]


_HINT = "the file is not whole or is another model's; see bdgan models list"
