"""Pre-trained backbones on disk: ``backbone.json`` says what one is, ``weights.safetensors`` holds its weights.

The names of the tensors are torchvision's, without a classifier. ``backbone.json`` is written last and marks the
backbone as complete. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bdgan_cli.atomic import write_atomically
from bdgan_cli.backbones import ResNet, find_architecture
from bdgan_cli.errors import BdganError, DataError, MissingError
from bdgan_cli.weights.files import file_sha256, read_tensors
from bdgan_cli.weights.write import write_tensors

SCHEMA_VERSION = 1
BACKBONE_FILE = "backbone.json"
WEIGHTS_FILE = "weights.safetensors"

_AGAIN = "pre-train it again: bdgan pretrain --help"
_OTHER = "give its own architecture: --arch"


@dataclass(frozen=True)
class BackboneCard:
    """What ``backbone.json`` says.

    Attributes:
        name: The backbone's name in its workspace.
        arch: A name in the table of architectures.
        training: How it was pre-trained, and on what.
        figures: What was measured.
        weights_sha256: Hash of the weights file.
    """

    name: str
    arch: str
    training: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    weights_sha256: str = ""

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the four stages' outputs."""
        return find_architecture(self.arch).channels


def load_backbone(folder: Path) -> tuple[str, dict[str, Tensor]]:
    """Read a pre-trained backbone.

    Args:
        folder: Where it lies; see :func:`bdgan_cli.runs.find_backbone` for one named in a workspace.

    Returns:
        The name of its architecture (``bdgan_cli.backbones.ARCHITECTURES``), and its tensors under torchvision's names,
        batch norm's statistics included, without ``fc`` and without ``num_batches_tracked``.

    Raises:
        MissingError: If there is none.
        DataError: If its files are damaged, or do not fit its architecture.
    """
    card = read_backbone(folder)
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise DataError(f"{path} is missing", _AGAIN)
    digest = file_sha256(path)
    if digest != card.weights_sha256:
        raise DataError(f"{path}: sha256 {digest[:12]}..., {BACKBONE_FILE} says {card.weights_sha256[:12]}...", _AGAIN)
    tensors = read_tensors(path)
    check_backbone(tensors, card.arch, str(path))
    return card.arch, tensors


def check_backbone(tensors: Mapping[str, Tensor], arch: str, where: str) -> None:
    """Check that tensors are those of an architecture, every name and shape.

    Raises:
        DataError: If a name is missing, left over or of another shape.
    """
    with torch.device("meta"):
        expected = backbone_tensors(ResNet(find_architecture(arch)))
    missing, extra = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    if missing or extra:
        got = f"{len(missing)} names missing {missing[:3]}, {len(extra)} unknown {extra[:3]}"
        raise DataError(f"{where}: expected a {arch}, got {got}", _OTHER)
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            shapes = f"{name} of shape {tuple(expected[name].shape)}, got {tuple(tensor.shape)}"
            raise DataError(f"{where}: expected a {arch} with {shapes}", _OTHER)


def backbone_tensors(backbone: ResNet) -> dict[str, Tensor]:
    """Return a backbone's tensors by name; batch norm's counters say nothing about the function and are left out."""
    return {name: value for name, value in backbone.state_dict().items() if not name.endswith("num_batches_tracked")}


def save_backbone(folder: Path, card: BackboneCard, backbone: ResNet) -> BackboneCard:
    """Write a backbone; an older one of the folder is replaced only now.

    Returns:
        The card, with the hash of the weights.

    Raises:
        DataError: If a weight is not finite.
        BdganError: If the machine refuses to write.
    """
    (folder / BACKBONE_FILE).unlink(missing_ok=True)
    tensors = {name: value.detach().cpu() for name, value in backbone_tensors(backbone).items()}
    written = write_tensors(folder / WEIGHTS_FILE, tensors, lambda _: torch.float32)
    card = replace(card, weights_sha256=written.sha256)
    content = {"schema_version": SCHEMA_VERSION, **asdict(card)}
    write_atomically(folder / BACKBONE_FILE, (json.dumps(content, indent=2) + "\n").encode())
    return card


def read_backbone(folder: Path) -> BackboneCard:
    """Read ``backbone.json``.

    Raises:
        MissingError: If there is none.
        DataError: If it is broken, or of a newer version.
    """
    path = folder / BACKBONE_FILE
    if not path.is_file():
        raise MissingError(f"no pre-trained backbone in {folder}: {BACKBONE_FILE} is missing", "bdgan pretrain --help")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.pop("schema_version")
        card = BackboneCard(**content) if version == SCHEMA_VERSION else None
        if card is not None:
            find_architecture(card.arch)
            if not isinstance(card.weights_sha256, str):
                raise TypeError(f"expected weights_sha256 as text, got {type(card.weights_sha256).__name__}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, BdganError) as error:
        raise DataError(f"{path} is no backbone card: {error}", _AGAIN) from error
    if card is None:
        raise DataError(
            f"{path}: expected schema_version {SCHEMA_VERSION}, got {version}", "pip install --upgrade bdgan"
        )
    return card
