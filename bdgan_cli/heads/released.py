"""A head of the released code as a one-member ``official`` ensemble of ours (supplement A.1).

The released model evaluates its spectral norms by one step of the power method from a stored vector. Torch's own
spectral norm evaluates u W v with two stored vectors, so it gives the same when it is handed those that the step finds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bdgan_cli.errors import DataError
from bdgan_cli.heads.files import HeadCard, save_head
from bdgan_cli.heads.registry import build_ensemble
from bdgan_cli.interfaces import FeatureSpec
from bdgan_cli.weights.layouts.spectral import power_step

_LEVELS = ("low", "mid", "high")
_RELEASED_NORM = {"weight": "gain", "bias": "bias", "running_mean": "stored_mean", "running_var": "stored_var"}


class ReadsFeaturesOf(NamedTuple):
    """The generator that a head is for.

    Attributes:
        name: Its registered name.
        sha256: Its weights.
        spec: Its taps.
        image_size: Its pictures' height and width in pixels.
    """

    name: str
    sha256: str
    spec: FeatureSpec
    image_size: int


def save_released_head(folder: Path, name: str, tensors: Mapping[str, Tensor], generator: ReadsFeaturesOf) -> HeadCard:
    """Write a released head as a trained head of ours.

    Args:
        folder: Where heads of that name lie, see ``runs.head_folder``.
        name: The head's name in its workspace.
        tensors: Its tensors under the released names, as ``layouts.bigdatasetgan.head_tensors`` returns them.
        generator: What it reads.

    Returns:
        The card that was written.

    Raises:
        DataError: If a tensor is missing or does not fit the generator's taps.
    """
    ensemble, labels = released_ensemble(tensors, generator.spec, generator.image_size)
    card = HeadCard(
        name=name, arch="official", generator=generator.name, generator_sha256=generator.sha256, spec=generator.spec,
        image_size=generator.image_size, labels=labels, members=(0,), seed=0, training={"released": True},
    )  # fmt: skip
    return save_head(folder, card, ensemble)


def released_ensemble(tensors: Mapping[str, Tensor], spec: FeatureSpec, image_size: int) -> tuple[nn.Module, int]:
    """Build the one-member ensemble that computes what the released head does in evaluation mode.

    Args:
        tensors: The head's tensors under the released names.
        spec: The generator's taps.
        image_size: Height and width of the masks in pixels.

    Returns:
        The ensemble and its number of labels.

    Raises:
        DataError: If a tensor is missing or does not fit the taps.
    """
    try:
        state = {f"heads.0.{key}": value for key, value in _official_state(tensors).items()}
    except KeyError as error:
        raise DataError(f"released head: tensor {error} is missing", _HINT) from error
    labels = len(tensors["out_layer.2.bias"])
    ensemble = build_ensemble("official", spec, image_size, labels, 1, seed=0)
    expected = {k: v for k, v in ensemble.state_dict().items() if not k.endswith("num_batches_tracked")}
    for key, value in expected.items():
        if key not in state or state[key].shape != value.shape:
            got = tuple(state[key].shape) if key in state else "nothing"
            raise DataError(
                f"released head: {key} is {got}, the features of {image_size} pixels need {tuple(value.shape)}", _HINT
            )
    ensemble.load_state_dict(state, strict=False)
    return ensemble.eval(), labels


def _official_state(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    state = {f"reduce.{i}.weight": tensors[f"{level}_feature_conv.0.weight"] for i, level in enumerate(_LEVELS)}
    for i, level in enumerate(_LEVELS[1:]):
        for part in (1, 2):
            block = f"{level}_feature_mix_conv"
            state |= _normalised(tensors, f"{block}.conv{part}", f"mix.{i}.conv_{part}")
            norm, ours = f"{block}.bn{part}", f"mix.{i}.norm_{part}"
            state |= _normalised(tensors, f"{norm}.gain", f"{ours}.gain")
            state |= _normalised(tensors, f"{norm}.bias", f"{ours}.bias")
            state[f"{ours}.norm.running_mean"] = tensors[f"{norm}.stored_mean"]
            state[f"{ours}.norm.running_var"] = tensors[f"{norm}.stored_var"]
    state |= {f"norm.{ours}": tensors[f"out_layer.0.{theirs}"] for ours, theirs in _RELEASED_NORM.items()}
    # Our last convolution has no spectral norm: the released one's is divided out.
    weight = tensors["out_layer.2.weight"]
    state["classify.weight"] = weight / power_step(weight, tensors["out_layer.2.u0"]).sigma
    state["classify.bias"] = tensors["out_layer.2.bias"]
    return {key: value.to(torch.float32) for key, value in state.items()}


def _normalised(tensors: Mapping[str, Tensor], theirs: str, ours: str) -> dict[str, Tensor]:
    weight = tensors[f"{theirs}.weight"]
    step = power_step(weight, tensors[f"{theirs}.u0"])
    return {
        f"{ours}.parametrizations.weight.original": weight,
        f"{ours}.parametrizations.weight.0._u": step.u,
        f"{ours}.parametrizations.weight.0._v": step.v,
        f"{ours}.bias": tensors[f"{theirs}.bias"],
    }


_HINT = "expected the head of a released checkpoint and its own generator's features"
