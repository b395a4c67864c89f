"""The original BigGAN under the names of the first conversion from TensorFlow, as in GANalyze's ``biggan-512.pth``.

Beside the names three things differ from ``biggan``: the first layer's rows run over rows, columns and then channels; a
norm's condition is chunk and then class; the class embedding is a matrix that one-hot rows are multiplied with.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from bdgan_cli.errors import DataError
from bdgan_cli.weights.layouts import biggan
from bdgan_cli.weights.layouts.spectral import axis_length

NAME = "biggan-v1"
SUMMARY = "original BigGAN in the names of its first conversion (GBlock.0.conv0, HyperBN, G_linear)"

_SPECTRAL = {"module.weight_bar": "weight", "module.weight_u": "u0", "module.bias": "bias"}
_STATISTICS = {"running_mean": "stored_mean", "running_var": "stored_var"}
_CONVOLUTIONS = {"conv0": "conv1", "conv1": "conv2", "conv_sc": "conv_sc"}
_NORMS = {"HyperBN": "bn1", "HyperBN_1": "bn2"}
_ATTENTION = {"theta": "theta", "phi": "phi", "g": "g", "o_conv": "o"}
_BOOKKEEPING = ("weight_v", "num_batches_tracked")


def matches(keys: Collection[str]) -> bool:
    """Tell the layout by names that only it has."""
    return {"G_linear.module.weight_bar", "GBlock.0.conv0.module.weight_bar"} <= set(keys)


def convert(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename and re-order into the layout ``biggan``, and convert that.

    Raises:
        DataError: If a key is missing or unknown, bookkeeping excepted, or a shape does not fit the others.
    """
    return biggan.convert(to_biggan(tensors))


def to_biggan(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename and re-order into the layout ``biggan``; names without a meaning there are kept for it to refuse.

    Raises:
        DataError: If the tensors do not tell after which block attention stands, or have no class embedding.
    """
    names = _names(tensors)
    kept = {key: tensor for key, tensor in tensors.items() if not key.endswith(_BOOKKEEPING)}
    shared_dim = axis_length(tensors, "linear.weight", 0, SUMMARY)
    return {names.get(key, key): _reordered(names.get(key, key), t, shared_dim) for key, t in kept.items()}


def _names(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the new name of every name that this layout knows."""
    layers = {"G_linear": "linear", "colorize": "output_layer.2"}
    names = {"linear.weight": "shared.weight"}
    for old, new in {"weight": "gain", "bias": "bias", **_STATISTICS}.items():
        names[f"ScaledCrossReplicaBN.{old}"] = f"output_layer.0.{new}"
    outs = _block_widths(tensors)
    for i in outs:
        for old, new in _CONVOLUTIONS.items():
            layers[f"GBlock.{i}.{old}"] = f"blocks.{i}.0.{new}"
        for old, new in _NORMS.items():
            layers[f"GBlock.{i}.{old}.gamma_embed"] = f"blocks.{i}.0.{new}.gain"
            layers[f"GBlock.{i}.{old}.beta_embed"] = f"blocks.{i}.0.{new}.bias"
            names |= {f"GBlock.{i}.{old}.bn.{a}": f"blocks.{i}.0.{new}.{b}" for a, b in _STATISTICS.items()}
    place = f"blocks.{_attention_block(tensors, outs)}.1"
    names["attention.gamma"] = f"{place}.gamma"
    layers |= {f"attention.{old}": f"{place}.{new}" for old, new in _ATTENTION.items()}
    return names | {f"{a}.{x}": f"{b}.{y}" for a, b in layers.items() for x, y in _SPECTRAL.items()}


def _block_widths(tensors: Mapping[str, Tensor]) -> dict[int, int]:
    """Return the channels that each block gives."""
    blocks = sorted({int(match[1]) for key in tensors if (match := re.match(r"GBlock\.(\d+)\.", key))})
    return {i: axis_length(tensors, f"GBlock.{i}.conv_sc.module.bias", 0, SUMMARY) for i in blocks}


def _attention_block(tensors: Mapping[str, Tensor], outs: Mapping[int, int]) -> int:
    """Return the block that attention follows: the names do not say, but one block alone has its width."""
    width = axis_length(tensors, "attention.theta.module.weight_bar", 1, SUMMARY)
    fitting = [i for i, out in outs.items() if out == width]
    if len(fitting) != 1:
        raise DataError(
            f"{SUMMARY}: attention has {width} channels, expected those of one block, got those of blocks {fitting}",
            "the file is not whole or is another model's; see bdgan models list",
        )
    return fitting[0]


def _reordered(name: str, tensor: Tensor, shared_dim: int) -> Tensor:
    """Bring one tensor into the order of ``biggan``; one of a wrong shape stays as it is, to be refused by its name."""
    if name == "shared.weight":
        return tensor.t() if tensor.ndim == 2 else tensor
    if name.startswith("linear.") and tensor.ndim and tensor.shape[0] % 16 == 0:
        tensor = tensor.reshape(4, 4, -1, *tensor.shape[1:]).movedim(2, 0).flatten(0, 2)
    if name.endswith(".u0"):
        return tensor.unsqueeze(0)
    if re.fullmatch(r"blocks\.\d+\.0\.bn[12]\.(gain|bias)\.weight", name) and tensor.ndim == 2:
        return torch.cat([tensor[:, -shared_dim:], tensor[:, :-shared_dim]], dim=1)
    return tensor
