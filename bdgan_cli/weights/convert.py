"""From a public file to what a builder loads: recognise its layout by its keys, convert, write safetensors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from bdgan_cli.errors import DataError
from bdgan_cli.weights.card import ModelCard, WeightFile
from bdgan_cli.weights.files import read_tensors
from bdgan_cli.weights.layouts.table import LAYOUTS, LOOK_ALIKES, RESOLUTIONS, Layout
from bdgan_cli.weights.pickles import read_checkpoint
from bdgan_cli.weights.sniff import START_BYTES, is_safetensors
from bdgan_cli.weights.write import write_tensors


class PublicFile(NamedTuple):
    """What was found in a file.

    Attributes:
        path: The file.
        layout: The layout that it is of.
        tensors: All that it holds, under its own names.
    """

    path: Path
    layout: Layout
    tensors: dict[str, Tensor]

    @property
    def parameters(self) -> int:
        """Numbers in all tensors."""
        return sum(tensor.numel() for tensor in self.tensors.values())


def read_public(path: Path) -> PublicFile:
    """Read a file and recognise its layout.

    Raises:
        DataError: If it cannot be read, or is of no known layout.
    """
    with path.open("rb") as stream:
        start = stream.read(START_BYTES)
    is_safe = is_safetensors(start, path.stat().st_size)
    tensors = read_tensors(path) if is_safe else read_checkpoint(path)
    return PublicFile(path, recognise(tensors, path), tensors)


def recognise(keys: Collection[str], path: Path) -> Layout:
    """Find the layout that a file's keys are of.

    Raises:
        DataError: If there is none; it lists what was found and what is known.
    """
    for layout in LAYOUTS:
        if layout.matches(keys):
            return layout
    known = "; ".join(f"{layout.NAME}: {layout.SUMMARY}" for layout in LAYOUTS)
    for matches, what in LOOK_ALIKES:
        if matches(keys):
            raise DataError(f"{path} {what}", "see bdgan models list")
    first = ", ".join(list(keys)[:3])
    raise DataError(f"{path} is of no known layout: found {len(keys)} tensors ({first}, ...)", f"known: {known}")


def convert(found: PublicFile, card: ModelCard, target: Path) -> WeightFile:
    """Convert a file to what a card's builder loads and write that.

    Raises:
        DataError: If the card takes no such layout, the tensors are not those of the layout, or they are for pictures
            of another size.
    """
    if found.layout.NAME not in card.layouts:
        raise DataError(
            f"{found.path} is of layout {found.layout.NAME}, {card.name} expects {' or '.join(card.layouts)}",
            "see bdgan models list",
        )
    try:
        native = found.layout.convert(found.tensors)
        _check_resolution(found, card, native)
        return write_tensors(target, native, getattr(found.layout, "stored_dtype", _float32))
    except DataError as error:
        raise _named(found.path, error) from error


def _check_resolution(found: PublicFile, card: ModelCard, native: Mapping[str, Tensor]) -> None:
    """Refuse weights for pictures of another size, where the tensors tell.

    Raises:
        DataError: If they differ.
    """
    tell = RESOLUTIONS.get(found.layout.NAME)
    size = tell(native) if tell is not None else 0
    if size and card.resolution and size != card.resolution:
        raise DataError(
            f"{found.path} holds weights for {size}x{size} pictures, {card.name} expects {card.resolution}x"
            f"{card.resolution}",
            "see bdgan models list",
        )


def _named(path: Path, error: DataError) -> DataError:
    """Put the file's name before a message that lacks it."""
    return error if str(path) in error.message else DataError(f"{path}: {error.message}", error.hint)


def _float32(key: str) -> Any:
    return torch.float32
