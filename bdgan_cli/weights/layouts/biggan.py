"""The original BigGAN under the names of BigGAN-PyTorch, as in the converted ``biggan-512.pth``.

Each block is ``blocks.I.0``, attention is ``blocks.I.1`` of the block that it follows. Widths are read off the file;
that they are a given resolution's is for the builder to say.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor

from bdgan_cli.weights.layouts.spectral import Shapes, axis_length, bake, check_shapes, layer_shapes

NAME = "biggan"
SUMMARY = "original BigGAN in the names of BigGAN-PyTorch (biggan-512.pth)"

_FIRST_PLACES = 16  # 4x4


class Widths(NamedTuple):
    """The shape of a generator in a file.

    Attributes:
        channels: Channels before the first block and after each.
        attention: Positions of the blocks that attention follows.
        chunk: Latent numbers per block.
        shared_dim: Width of the class embedding.
        class_count: Number of classes.
    """

    channels: tuple[int, ...]
    attention: tuple[int, ...]
    chunk: int
    shared_dim: int
    class_count: int


def matches(keys: Collection[str]) -> bool:
    """Tell the layout by names that only it has."""
    return {"shared.weight", "linear.u0", "blocks.0.0.conv1.u0"} <= set(keys)


def convert(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Check every key and shape and divide spectral norm out of the weights.

    Raises:
        DataError: If a key is missing or unknown, ``sv0`` excepted, or a shape does not fit the others.
    """
    # Files converted from TensorFlow keep attention's factor as one number on one axis.
    plain = {key: t.reshape(()) if key.endswith(".gamma") and t.numel() == 1 else t for key, t in tensors.items()}
    check_shapes(plain, generator_shapes(read_widths(plain)), SUMMARY)
    return bake(plain)


def read_widths(tensors: Mapping[str, Tensor]) -> Widths:
    """Read a generator's widths off its tensors.

    Raises:
        DataError: If one of those that tell is missing.
    """
    places = {match.groups() for key in tensors if (match := re.match(r"blocks\.(\d+)\.(\d+)\.", key))}
    count = 1 + max((int(block) for block, _ in places), default=0)
    outs = [axis_length(tensors, f"blocks.{i}.0.conv_sc.bias", 0, SUMMARY) for i in range(count)]
    return Widths(
        (axis_length(tensors, "linear.weight", 0, SUMMARY) // _FIRST_PLACES, *outs),
        tuple(sorted(int(block) for block, layer in places if layer == "1")),
        axis_length(tensors, "linear.weight", 1, SUMMARY),
        axis_length(tensors, "shared.weight", 1, SUMMARY),
        axis_length(tensors, "shared.weight", 0, SUMMARY),
    )


def generator_shapes(widths: Widths) -> Shapes:
    """Return every key of a generator and its shape."""
    channels, condition = widths.channels, widths.shared_dim + widths.chunk
    shapes: Shapes = {"shared.weight": (widths.class_count, widths.shared_dim)}
    shapes |= layer_shapes("linear", (channels[0] * _FIRST_PLACES, widths.chunk))
    for i, (wide_in, wide_out) in enumerate(pairwise(channels)):
        block = f"blocks.{i}.0"
        shapes |= layer_shapes(f"{block}.conv1", (wide_out, wide_in, 3, 3))
        shapes |= layer_shapes(f"{block}.conv2", (wide_out, wide_out, 3, 3))
        shapes |= layer_shapes(f"{block}.conv_sc", (wide_out, wide_in, 1, 1))
        shapes |= norm_shapes(f"{block}.bn1", wide_in, condition, bias=False)
        shapes |= norm_shapes(f"{block}.bn2", wide_out, condition, bias=False)
        if i in widths.attention:
            shapes |= _attention_shapes(f"blocks.{i}.1", wide_out)
    shapes |= final_norm_shapes("output_layer.0", channels[-1])
    return shapes | layer_shapes("output_layer.2", (3, channels[-1], 3, 3))


def norm_shapes(norm: str, channels: int, condition_dim: int, *, bias: bool) -> Shapes:
    """Return the entries of a class-conditional norm; its linear layers have a bias or have none."""
    linears = [layer_shapes(f"{norm}.{part}", (channels, condition_dim), bias) for part in ("gain", "bias")]
    return {**linears[0], **linears[1], f"{norm}.stored_mean": (channels,), f"{norm}.stored_var": (channels,)}


def final_norm_shapes(norm: str, channels: int) -> Shapes:
    """Return the entries of an unconditional norm."""
    return {f"{norm}.{part}": (channels,) for part in ("gain", "bias", "stored_mean", "stored_var")}


def _attention_shapes(layer: str, channels: int) -> Shapes:
    shapes: Shapes = {f"{layer}.gamma": ()}
    narrow, half = channels // 8, channels // 2
    parts = {"theta": (narrow, channels), "phi": (narrow, channels), "g": (half, channels), "o": (channels, half)}
    for part, (wide_out, wide_in) in parts.items():
        shapes |= layer_shapes(f"{layer}.{part}", (wide_out, wide_in, 1, 1), bias=False)
    return shapes
