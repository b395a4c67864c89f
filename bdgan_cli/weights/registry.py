"""The registry: one name, one card, one load per process.

Whoever asks for a model again gets the same object, placed on the same device.
"""

from __future__ import annotations

import functools
import importlib
import threading
from typing import Any

import torch

from bdgan_cli.errors import MissingError, UsageError
from bdgan_cli.interfaces import Generator
from bdgan_cli.weights.card import ModelCard, find_card
from bdgan_cli.weights.files import check, locate

_LOCK = threading.Lock()


def load_model(name: str, kind: str | None = None, device: torch.device | str = "cpu") -> Any:
    """Load a model once per process and device, or return the one already loaded.

    Args:
        name: A card's name, or that of a family.
        kind: The kind that the caller needs.
        device: Where the weights are placed.

    Raises:
        MissingError: If the name is unknown or a file or package is missing.
        UsageError: If the model is of another kind.
        DataError: If a file is damaged.
    """
    card = find_card(name, kind)
    with _LOCK:
        return _build(card.name, card.sha256, str(torch.device(device)))


def load_generator(name: str, device: torch.device | str = "cpu") -> Generator:
    """Load a generator; see :func:`load_model`.

    Raises:
        UsageError: If what its builder returns is no generator.
    """
    generator = load_model(name, "generator", device)
    if not isinstance(generator, Generator):
        raise UsageError(
            f"the builder of {name} returned {type(generator).__name__}, which lacks draw, synthesize or the spec",
            "see docs/plugins.md",
        )
    if [info.id for info in generator.classes] != list(range(len(generator.classes))):
        raise UsageError(
            f"{name} numbers its classes {[info.id for info in generator.classes][:5]}, expected 0, 1, 2, ... in order",
            "see docs/plugins.md",
        )
    return generator


@functools.cache
def _build(name: str, sha256: str, device: str) -> Any:
    """Build a model; the hash is part of the key, so that weights installed anew are loaded anew."""
    card = find_card(name)
    paths = locate(card)
    for path, expected in zip(paths, card.files, strict=True):
        check(path, expected)
    return resolve(card)(card, paths, torch.device(device))


def resolve(card: ModelCard) -> Any:
    """Import the function that builds a card's model.

    Raises:
        MissingError: If its module or function does not exist.
    """
    module_name, _, function = card.builder.partition(":")
    try:
        return getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError) as error:
        raise MissingError(
            f"{card.name}: cannot load its builder {card.builder}: {error}", "reinstall its package"
        ) from error
