"""``bdgan pretrain export``: a backbone as another tool loads it, with configs and the lines that start them."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from bdgan_cli import runs
from bdgan_cli.atomic import sole_writer, write_atomically
from bdgan_cli.errors import UsageError, near_names
from bdgan_cli.pretraining.layouts import LAYOUTS
from bdgan_cli.weights.backbones import load_backbone, read_backbone

# What torchvision, timm, Detectron2 and MMSegmentation build by this name.
_KNOWN_ELSEWHERE = ("resnet50", "resnet18")
# The configs are those of the paper's runs, which are ResNet-50's.
_WITH_CONFIGS = "resnet50"
_SUFFIXES = {"torchvision": ".pth", "timm": ".safetensors", "detectron2": ".pkl", "mmseg": ".pth"}
_RECIPES = "bdgan_cli.pretraining.recipes"


@dataclass(frozen=True)
class ExportBackboneConfig:
    """What to export, and for whom.

    Attributes:
        backbone: Its name in the workspace, or its folder.
        tool: A name in ``pretraining.layouts.LAYOUTS``.
        out: Folder for weights, configs and README.
        workspace: Where backbones are found.
        overwrite: Replace files of the same names.
        dry_run: Say what would be written, and write nothing.
    """

    backbone: str
    tool: str
    out: Path
    workspace: Path = Path()
    overwrite: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class ExportBackboneResult:
    """What was written.

    Attributes:
        out: Where.
        arch: Of the backbone.
        tensors: How many.
        files: Their names, weights first.
    """

    out: Path
    arch: str
    tensors: int
    files: list[str]

    @property
    def figures(self) -> dict[str, object]:
        """The result as plain values."""
        return {"out": str(self.out), "arch": self.arch, "tensors": self.tensors, "files": self.files}


def export_backbone(config: ExportBackboneConfig) -> ExportBackboneResult:
    """Write a backbone's weights under another tool's names, and beside them how to use them there.

    Raises:
        UsageError: If the tool is unknown or has no such architecture, or another file is there already.
        MissingError: If there is no such backbone.
        DataError: If the backbone is damaged.
        BdganError: If the machine refuses to write.
    """
    if config.tool not in LAYOUTS:
        raise UsageError(f"unknown tool {config.tool!r}", near_names(config.tool, list(LAYOUTS)))
    folder = runs.find_backbone(config.workspace, config.backbone)
    card = read_backbone(folder)
    arch, tensors = load_backbone(folder)
    if arch not in _KNOWN_ELSEWHERE:
        raise UsageError(
            f"{folder} is a {arch}, which {config.tool} does not have: expected {' or '.join(_KNOWN_ELSEWHERE)}",
            "bdgan pretrain contrastive SOURCE --arch resnet50",
        )
    named = LAYOUTS[config.tool](tensors)
    weights = f"{arch}{_SUFFIXES[config.tool]}"
    words = {"@NAME@": card.name, "@ARCH@": arch, "@WEIGHTS@": weights, "@SHA256@": card.weights_sha256}
    texts = {name: _filled(text, words).encode() for name, text in _texts(config.tool, arch).items()}
    written = {weights: encoded(named, config.tool), **texts}
    # What an interrupted export has written already is as it should be.
    there = [name for name, data in written.items() if _holds_something_else(config.out / name, data)]
    if there and not config.overwrite:
        raise UsageError(f"{config.out / there[0]} exists already", "choose another --out, or replace it: --overwrite")
    if not config.dry_run:
        with sole_writer(config.out):
            for name, data in written.items():
                write_atomically(config.out / name, data)
    return ExportBackboneResult(config.out, arch, len(named), list(written))


def _holds_something_else(path: Path, data: bytes) -> bool:
    return path.exists() and not (path.is_file() and path.read_bytes() == data)


def encoded(tensors: Mapping[str, Tensor], tool: str) -> bytes:
    """Return the file that a tool reads: a state dict, or for Detectron2 a pickle of plain arrays."""
    if tool == "timm":
        return save(dict(tensors))
    buffer = io.BytesIO()
    if tool == "detectron2":
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        _ArrayPickler(buffer, protocol=4).dump({"model": arrays, "__author__": "bdgan", "matching_heuristics": True})
    else:
        content: Any = {"state_dict": dict(tensors), "meta": {}} if tool == "mmseg" else dict(tensors)
        torch.save(content, buffer)
    return buffer.getvalue()


class _ArrayPickler(pickle.Pickler):
    """Writes arrays by numpy's public constructor: its own pickles name modules that moved from version 1 to 2."""

    def reducer_override(self, value: Any) -> Any:
        """Say how an array is made again; writable, as torch wants it."""
        if isinstance(value, np.ndarray):
            return np.ndarray, (value.shape, value.dtype.str, bytearray(value.tobytes()))
        return NotImplemented


def _texts(tool: str, arch: str) -> dict[str, str]:
    """Return the files beside the weights; ``.txt`` keeps configs that are Python out of this package's own code."""
    found = {
        entry.name.removesuffix(".txt"): entry.read_text(encoding="utf-8")
        for entry in files(_RECIPES).joinpath(tool).iterdir()
        if entry.is_file()
    }
    return {name: found[name] for name in sorted(found) if name == "README.md" or arch == _WITH_CONFIGS}


def _filled(text: str, words: Mapping[str, str]) -> str:
    for mark, word in words.items():
        text = text.replace(mark, word)
    return text
